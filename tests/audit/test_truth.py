"""Everything that a careful human found in three real images is found.

The images are not part of the project. They are looked for beside it, and without them the tests
are skipped.
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from holdfast.audit import child
from holdfast.audit.facts.gather import facts_of
from holdfast.audit.facts.shapes import ElfFacts
from holdfast.audit.limits import Limits
from holdfast.audit.report import document
from holdfast.audit.report.shapes import Report
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.opening import open_image
from holdfast.audit.unpack.source import Bytes
from holdfast.audit.vulnerabilities.forms.detection import Intake
from holdfast.audit.vulnerabilities.writing import taking_in
from holdfast.cli.bench import truth
from holdfast.cli.bench.truth import Fact, Known

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
pytestmark = [pytest.mark.slow]

Judge = Callable[[Known], Report]
CASES = [(known, fact) for known in truth.EVERY for fact in known.facts]


def image_of(known: Known) -> Path:
    path = ROOT / known.path
    if not path.is_file():
        pytest.skip(f"{known.path} is not beside the project")
    assert sha256(path.read_bytes()).hexdigest() == known.sha256, "another file of that name"
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Give a database with what was published, if that is beside the project."""
    files = sorted((ROOT / truth.VULNERABILITIES).glob("*.xz"))
    if not files:
        return None
    path = tmp_path_factory.mktemp("data") / "vulnerabilities.sqlite3"
    with taking_in(path, now=NOW) as writer:
        intake = Intake(writer)
        for file in files:
            intake.file(file)
        intake.finish()
    return path


@pytest.fixture(scope="session")
def judge(data: Path | None) -> Judge:
    """Give the report of an image; each image is judged once."""

    @cache
    def report(file: str) -> Report:
        known = next(one for one in truth.EVERY if one.file == file)
        return child.judge(image_of(known), child.Settings(database=data, now=NOW))

    return lambda known: report(known.file)


@pytest.mark.parametrize(
    ("known", "fact"), CASES, ids=[f"{known.file[:6]}-{fact.what}" for known, fact in CASES]
)
def test_found(known: Known, fact: Fact, judge: Judge, data: Path | None) -> None:
    if fact.needs_data and data is None:
        pytest.skip(f"{truth.VULNERABILITIES} is not beside the project")
    report = judge(known)
    assert fact.found(report), f"{fact.row}: {fact.what}"


@pytest.mark.parametrize("known", truth.EVERY, ids=lambda known: known.file)
def test_everything_could_be_opened(known: Known, judge: Judge) -> None:
    opened = judge(known).opened
    assert (opened.complete, opened.unopened, opened.limits) == (True, (), ())


@pytest.mark.parametrize("known", truth.EVERY, ids=lambda known: known.file)
def test_no_secret_is_told(known: Known, judge: Judge) -> None:
    """Neither the hash, nor the password behind it, nor that of the backdoor."""
    report = judge(known)
    tree = open_image(Bytes(image_of(known).read_bytes()), known.file, Budget(Limits())).tree
    secrets = [
        line.split(":")[1]
        for path in ("etc/passwd.bak", "etc/shadow")
        for line in (tree.read(path) or b"").decode().splitlines()
        if line.count(":") > 1 and line.split(":")[1].startswith("$")
    ]
    sign = (tree.read("etc/config/image_sign") or b"").decode().strip()
    told = document.encode(report).decode()
    assert not [secret for secret in secrets if secret in told]
    if sign:
        assert f"Alphanetworks:{sign}" not in told


# NX, RELRO and canary are counted over all ELF files, kernel modules among them.
HARDENED = {
    "dlink-dir300b5-2.15.bin": Counter(all=94, nx=0, relro=4, canary=0),
    "tplink-wr841nv14-eu.bin": Counter(all=83, nx=1, relro=5, canary=0),
    "openwrt-r47364-wrt350nv2-sysupgrade.img": Counter(all=130, nx=67, relro=0, canary=1),
}


@pytest.mark.parametrize("known", truth.EVERY, ids=lambda known: known.file)
def test_counts_protections(known: Known) -> None:
    tree = open_image(Bytes(image_of(known).read_bytes()), known.file, Budget(Limits())).tree
    elves: list[ElfFacts] = []
    for node in tree.files():
        if node.read is None or node.path.startswith(":"):
            continue
        facts = facts_of(node.read())
        if facts.elf is not None:
            elves.append(facts.elf)
    found = Counter(
        all=len(elves),
        nx=sum(one.nx for one in elves if one.type != "object"),
        relro=sum(one.relro != "none" for one in elves),
        canary=sum(one.canary for one in elves),
    )
    assert found == HARDENED[known.file]
