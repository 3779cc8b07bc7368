"""The data of real publishers: read whole, fast, and right where a person has looked."""

import json
import lzma
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.model.shapes import Kernel
from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.forms.detection import Intake
from holdfast.audit.vulnerabilities.identity import Identity
from holdfast.audit.vulnerabilities.matching import judge, matches
from holdfast.audit.vulnerabilities.versions import Key, key_of
from holdfast.audit.vulnerabilities.writing import taking_in
from tests.audit.vulnerabilities import records as make

pytestmark = pytest.mark.slow


def kernel(version: str) -> Kernel:
    return Kernel(version=version, where=("boot/vmlinux",))


def test_everything_is_read(real: Path) -> None:
    with Database(real) as database:
        counts = {one.source: one.entries for one in database.ages()}
    assert counts == {
        "cve5": 3812, "alpine": 2443, "debian": 641, "linux-streams": 3176, "kev": 1404,
        "epss": 360_142,
    }  # fmt: skip


def test_reading_it_is_fast(published: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    path = tmp_path / "base.sqlite"
    with taking_in(path, now=make.now) as writer:
        intake = Intake(writer)
        for file in sorted(published.glob("*.xz")):
            intake.file(file)
        intake.finish()
    assert writer.tally.skipped_count == 0
    assert time.monotonic() - began < 20
    assert path.stat().st_size < 20_000_000


def test_looking_up_is_fast(real: Path) -> None:
    names = [("busybox", "1.24.1"), ("dropbear", "2015.68"), ("dnsmasq", "2.75"),
             ("hostapd", "2.5"), ("openssl", "1.0.2"), ("curl", "7.40.0")]  # fmt: skip
    image = make.model(*(make.component(*one) for one in names), kernel=kernel("3.18.23"))
    with Database(real) as database:
        spent = []
        for _ in range(3):
            began = time.process_time()
            assert matches(image, database)
            spent.append(time.process_time() - began)
    assert min(spent) < 0.5


def test_the_worked_example_of_the_stream_fixes(published: Path, take: Callable[..., Path]) -> None:
    """362 records whose fix landed in the 3.18 series after 3.18.23, before any other thought."""
    packed = (published / "linux-kernel-streams.json.xz").read_bytes()
    whole = json.loads(lzma.decompress(packed))["cves"]
    mine: Key = key_of("3.18.23", "linux")
    fixes = {cve: one["streams"].get("3.18") for cve, one in whole.items() if "streams" in one}
    keys: dict[str, Key] = {cve: key_of(fix, "linux") for cve, fix in fixes.items() if fix}
    later = {cve for cve, key in keys.items() if mine < key}
    assert len(later) == 362
    with Database(take(packed)) as database:
        found = matches(make.model(kernel=kernel("3.18.23")), database)
    in_series = {one.cve: one.state for one in found if one.fixed_in.startswith("3.18.")}
    assert in_series.keys() == later
    # Six came into the series with a backport, nobody tells when; eight are of parts that not every
    # kernel is built with, and this one brings no configuration.
    assert Counter(in_series.values()) == {"affected": 348, "undecided": 14}


def test_counts_before_and_after(real: Path) -> None:
    config = (("NET", "y"), ("BTRFS_FS", "n"), ("SCSI", "n"), ("DRM", "n"), ("SOUND", "n"))
    bare, told = kernel("5.10.100"), Kernel(
        version="5.10.100", where=("boot/vmlinux",), config=config, config_where="boot/config"
    )  # fmt: skip
    with Database(real) as database:
        before = judge(make.model(kernel=bare), database, machines=("mips",))
        after = judge(make.model(kernel=told), database, machines=("mips",))
    assert before.kernel.named == after.kernel.named > 6000
    assert before.kernel.in_range == after.kernel.in_range
    assert before.kernel.not_built < after.kernel.not_built
    for judged in (before, after):
        states = Counter(one.state for one in judged.matches)
        assert states["not-built"] == judged.kernel.not_built
        assert states["undecided"] == judged.kernel.undecided
    # Both are about the same records; what the configuration rules out is said, not dropped.
    assert {one.cve for one in before.matches} == {one.cve for one in after.matches}


def test_a_fresh_kernel_has_none_of_the_old_ones(real: Path) -> None:
    with Database(real) as database:
        found = matches(make.model(kernel=kernel("6.12.20")), database)
    assert not [one for one in found if one.state == "affected"]


def test_known_ones_are_there(real: Path) -> None:
    with Database(real) as database:
        old = {one.cve: one for one in matches(make.model(kernel=kernel("2.6.36")), database)}
    assert old["CVE-2016-5195"].state == "affected"  # Dirty COW, since 2.6.22
    assert old["CVE-2016-5195"].kev == "2022-03-03"
    assert "CVE-2022-0847" not in old  # Dirty Pipe, since 5.8
    # Binder was not there; the record only says "since the history begins".
    assert old["CVE-2019-2215"].state == "undecided"


def test_dir_300_is_listed(real: Path) -> None:
    mine = Identity(vendor="D-Link", model="DIR-300", revisions=("b5",), version="2.15")
    with Database(real) as database:
        found = matches(make.model(), database, identity=mine)
    assert [(one.cve, one.state) for one in found] == [("CVE-2011-4723", "affected")]
    assert found[0].kev == "2022-09-08"
    assert found[0].component == ""


def test_wr841n_is_listed_in_its_revisions_only(real: Path) -> None:
    def found(*revisions: str) -> list[tuple[str, str]]:
        mine = Identity(vendor="TP-Link", model="TL-WR841N", revisions=revisions)
        return [(one.cve, one.state) for one in matches(make.model(), database, identity=mine)]

    with Database(real) as database:
        assert found("v14") == []
        assert found("v8") == found("v10") == [("CVE-2023-33538", "affected")]
        assert found() == [("CVE-2023-33538", "undecided")]


def test_no_model_matches_by_chance(real: Path) -> None:
    """Models that nobody makes, and those whose names are like listed ones."""
    names = [("D-Link", "DIR-8590"), ("D-Link", "DIR-30"), ("D-Link", "R1"), ("TP-Link", "Archer"),
             ("Netgear", "R1"), ("Acme", "DIR-300"), ("Cisco", "V8"),
             ("Linux", "Kernel 5")]  # fmt: skip
    with Database(real) as database:
        for vendor, model in names:
            mine = Identity(vendor=vendor, model=model)
            assert matches(make.model(), database, identity=mine) == (), (vendor, model)


def test_the_shapes_of_real_records(real: Path) -> None:
    image = make.model(
        make.component("php", "8.1.20"), make.component("openssl", "1.1.1k"),
        make.component("curl", "7.80.0"), make.component("zlib", "1.2.11"),
    )  # fmt: skip
    fixed = make.model(make.component("php", "8.1.30"), make.component("zlib", "1.3.1"))
    with Database(real) as database:
        found = {one.cve: one for one in matches(image, database)}
        assert not [one for one in matches(fixed, database) if one.state == "affected"]
    assert found["CVE-2024-4577"].kev
    assert found["CVE-2024-4577"].fixed_in == "8.1.29"
    assert found["CVE-2021-4160"].state == "affected"  # "(Affected 1.1.1-1.1.1l)"
    assert found["CVE-2023-45853"].component == "zlib 1.2.11"
    assert all(one.epss is not None for one in found.values())
