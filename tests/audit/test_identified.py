"""The product that an image is for is told by its head, and asked for in the catalogue."""

import json
from pathlib import Path

import pytest

from holdfast.audit.engine import Settings, judge
from holdfast.audit.report.shapes import Opened, Report, Subject, Volume
from holdfast.audit.tree import Tree
from holdfast.audit.unpack.opening import Result
from holdfast.audit.verdicts import Verdict
from holdfast.audit.vulnerabilities.forms.detection import Intake
from holdfast.audit.vulnerabilities.writing import taking_in
from tests.audit.elf_builder import build
from tests.audit.made import NOW, file_node
from tests.audit.vulnerabilities.records import cpe, feed, kev, node, nvd

ENTRY = ("CVE-2011-4723", "D-Link", "DIR-300 Router", "The DIR-300 keeps passwords in clear.")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    record = nvd("CVE-2026-1000", node(cpe("a", "busybox", "busybox", "1.0")))
    path = tmp_path / "vulnerabilities.sqlite3"
    with taking_in(path, now=NOW) as writer:
        intake = Intake(writer)
        for name, content in (("nvd", feed(record)), ("kev", kev(ENTRY))):
            (tmp_path / name).write_text(json.dumps(content))
            intake.file(tmp_path / name)
        intake.finish()
    return path


def judged(head: bytes, database: Path) -> Report:
    busybox = build(strings=("BusyBox v1.36.1 (2024-01-01 00:00:00 UTC)",))
    tree = Tree(
        [
            file_node("etc/inittab", b"::sysinit:/bin/true\n"),
            file_node("bin/busybox", busybox, mode=0o755),
        ]
    )
    root = Volume(name="", format="tree", chain=(), files=2, size_bytes=4000, root=True)
    result = Result(tree, {}, Opened(complete=True, volumes=(root,)))
    settings = Settings(now=NOW, database=database, head=head)
    return judge(result, Subject(name="image", kind="image"), settings).report


def verdict(report: Report) -> Verdict:
    return next(one.verdict for one in report.checks if one.rule == "product-known-exploited")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"^\xa3\xa4\x17" + bytes(8) + b"signature=wrgn49_dlob_dir300b5\0", Verdict.FAIL),
        (b"^\xa3\xa4\x17" + bytes(8) + b"signature=wrgn49_dlob_dir615e1\0", Verdict.PASS),
        (b"nothing known", Verdict.UNDECIDED),
    ],
)
def test_head_of_the_image(head: bytes, expected: Verdict, database: Path) -> None:
    report = judged(head, database)
    assert verdict(report) is expected
    found = [one.cve for one in report.vulnerabilities if not one.component]
    assert found == (["CVE-2011-4723"] if expected is Verdict.FAIL else [])
