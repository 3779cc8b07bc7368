"""The engine brings facts, model, checks and waivers together, and survives their mistakes."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from types import MappingProxyType

import pytest

from holdfast.audit.checks import Check
from holdfast.audit.engine import Settings, judge, judge_tree, outcome_of, rules_digest
from holdfast.audit.errors import FormatError
from holdfast.audit.image import Image
from holdfast.audit.judging import MOST_FINDINGS, Root, judged
from holdfast.audit.model.shapes import Model, StartUp
from holdfast.audit.report.shapes import Checked, Opened, Subject
from holdfast.audit.tree import Kind, Node, Tree
from holdfast.audit.verdicts import (
    About,
    Finding,
    NotApplicable,
    Severity,
    Undecided,
    Verdict,
)
from tests.audit.unpack.boxes import SYSTEM, cpio, noise, opened

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ABOUT = About(
    title="Nothing is wrong",
    why="It happens.",
    fix="Do it.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.4", "some book"),
)


def tree(files: dict[str, bytes | str] | None = None) -> Tree:
    made = Tree()
    for path, content in (files or SYSTEM).items():
        if isinstance(content, str):
            target = content.removeprefix("->")
            made.add(Node(path=path, kind=Kind.LINK, mode=0o777, target=target))
        else:
            made.add(
                Node(
                    path=path, kind=Kind.FILE, mode=0o644, size_bytes=len(content),
                    read=lambda content=content: content,  # type: ignore[misc] # a constant
                )
            )  # fmt: skip
    return made


def image(made: Tree | None = None) -> Image:
    return Image(
        tree=made or tree(), facts=MappingProxyType({}), digests=MappingProxyType({}),
        model=Model(start_up=StartUp(init="none")), opened=Opened(complete=True), now=NOW,
    )  # fmt: skip


def one(run: object, *roots: Root, seconds: float = 5.0) -> Checked:
    assert callable(run)
    check = Check("some-rule", ABOUT, run)
    (found,) = judged({"some-rule": check}, roots or [Root(image=image())], seconds=lambda: seconds)
    return found


def finding(where: str = "etc/passwd:1", severity: Severity | None = None) -> Finding:
    return Finding(where=where, what="something is wrong 7 times", severity=severity)


def test_what_is_said_twice_of_one_place_is_one_finding() -> None:
    def run(_: Image) -> Iterator[Finding]:
        yield Finding(where="etc/x:1", what="is wrong", evidence=("port 80",))
        yield Finding(where="etc/x:1", what="is wrong", evidence=("port 443",))
        yield Finding(where="etc/x:2", what="is wrong")
        yield Finding(where="etc/x:1", what="is wrong", offset=7)

    found = one(run).findings
    assert [(each.where, each.offset) for each in found] == [
        ("etc/x:1", None), ("etc/x:1", 7), ("etc/x:2", None),
    ]  # fmt: skip
    assert found[0].evidence == ("port 80", "port 443")


def passes(_: Image) -> Iterator[Finding]:
    yield from ()


def fails(_: Image) -> Iterator[Finding]:
    yield finding()


def informs(_: Image) -> Iterator[Finding]:
    yield finding(severity=Severity.INFO)


def cannot(_: Image) -> Iterator[Finding]:
    raise Undecided("there is no shadow file")
    yield finding()


def knows_some(_: Image) -> Iterator[Finding]:
    yield finding()
    raise Undecided("one script could not be read")


def has_nothing(_: Image) -> Iterator[Finding]:
    raise NotApplicable("no web server")
    yield finding()


def is_mistaken(_: Image) -> Iterator[Finding]:
    yield from ()
    raise KeyError("secret in the message")


def is_mistaken_late(_: Image) -> Iterator[Finding]:
    yield finding()
    raise RecursionError


def meets_damage(_: Image) -> Iterator[Finding]:
    yield from ()
    raise FormatError("block 3 is damaged")


def hangs(_: Image) -> Iterator[Finding]:
    yield from ()
    while True:
        with suppress(Exception):
            time.sleep(10)


def finds_too_much(_: Image) -> Iterator[Finding]:
    for number in count():
        yield finding(f"etc/passwd:{number}")


@pytest.mark.parametrize(
    ("run", "verdict", "reason"),
    [
        (passes, Verdict.PASS, ""),
        (fails, Verdict.FAIL, ""),
        (informs, Verdict.PASS, ""),
        (cannot, Verdict.UNDECIDED, "there is no shadow file"),
        (knows_some, Verdict.FAIL, "one script could not be read"),
        (has_nothing, Verdict.NOT_APPLICABLE, "no web server"),
        (is_mistaken, Verdict.UNDECIDED, "the check itself failed: KeyError"),
        (is_mistaken_late, Verdict.FAIL, "the check itself failed: RecursionError"),
        (meets_damage, Verdict.UNDECIDED, "the check itself failed: block 3 is damaged"),
    ],
)
def test_what_a_check_says_becomes_a_verdict(run: object, verdict: Verdict, reason: str) -> None:
    found = one(run)
    assert (found.verdict, found.reason) == (verdict, reason)
    assert found.rows == ("R1.4",)


def test_a_check_that_hangs_is_ended() -> None:
    found = one(hangs, seconds=0.2)
    assert found.verdict is Verdict.UNDECIDED
    assert "more than" in found.reason


def test_a_check_that_finds_without_end_is_cut() -> None:
    found = one(finds_too_much)
    assert found.verdict is Verdict.FAIL
    assert len(found.findings) == MOST_FINDINGS
    assert str(MOST_FINDINGS) in found.reason
    assert len({each.id for each in found.findings}) == MOST_FINDINGS


def test_ids_outlive_lines_and_numbers() -> None:
    def at(where: str, what: str) -> str:
        return one(lambda _: iter([Finding(where=where, what=what)])).findings[0].id

    assert at("etc/passwd:1", "uid 0 twice") == at("etc/passwd:9", "uid 0 twice")
    assert at("bin/x@0x10", "busybox 1.30") == at("bin/x@0x99", "busybox 1.31")
    assert at("etc/passwd:1", "a") != at("etc/shadow:1", "a")
    assert at("etc/passwd:1", "a") != at("etc/passwd:1", "b")


def test_the_way_to_a_finding_is_told() -> None:
    root = Root(image=image(), chains=[("uimage@0x0", "squashfs@0x1000")])
    assert one(fails, root).findings[0].chain == ("uimage@0x0", "squashfs@0x1000")


def test_nothing_passes_where_there_is_no_root() -> None:
    root = Root(image=image(), missing="No root file system was found.")
    assert one(passes, root).verdict is Verdict.UNDECIDED
    assert one(fails, root).verdict is Verdict.FAIL
    assert one(has_nothing, root).verdict is Verdict.NOT_APPLICABLE


def test_a_further_root_adds_what_has_a_place_in_it() -> None:
    def run(seen: Image) -> Iterator[Finding]:
        if "init" in seen.tree:
            yield Finding(where="init", what="is bad")
            yield Finding(where="", what="no way to report a weakness")

    other = Root(image=image(tree({"init": b"x"})), name="initramfs")
    found = one(run, Root(image=image()), other)
    assert [each.where for each in found.findings] == [":initramfs/init"]
    assert found.verdict is Verdict.FAIL
    assert one(cannot, Root(image=image()), other).verdict is Verdict.UNDECIDED
    assert one(has_nothing, Root(image=image()), other).verdict is Verdict.NOT_APPLICABLE


def test_a_tree_is_judged_with_the_real_rules() -> None:
    report = judge_tree(tree(), now=NOW)
    assert report.opened.complete
    assert {entry.path for entry in report.files} >= set(SYSTEM)
    assert [each for each in report.checks if "failed:" in each.reason] == []
    assert {each.verdict for each in report.checks} & {Verdict.PASS}
    assert report.rules == rules_digest()
    assert report.cached[0] == 0
    assert report.seconds.keys() >= {"facts", "model", "checks", "total"}


def test_an_opened_image_is_judged_with_all_its_roots() -> None:
    second = cpio({**SYSTEM, "etc/passwd": b"toor::0:0::/:/bin/sh\n", "etc/extra": b"x"})
    result = opened(cpio(SYSTEM) + b"\xff" * 4096 + bytes(1 << 20) + b"\xff" + second)
    subject = Subject(name="image.bin", kind="image")
    report, facts = judge(result, subject, Settings(now=NOW, workers=2))
    assert len(report.others) == 1
    (name,) = report.others
    assert any(entry.path == f":{name}/etc/passwd" for entry in report.files)
    assert set(facts) >= {entry.sha256 for entry in report.files if entry.sha256}
    again, _ = judge(result, subject, Settings(now=NOW, known=facts))
    assert again.cached == (len(facts), len(facts))
    assert again.checks == report.checks


def test_an_image_without_a_root_is_told() -> None:
    result = opened(noise(3000) + cpio({"notes.txt": b"hello"}))
    report = judge(result, Subject(name="x", kind="image"), Settings(now=NOW)).report
    assert report.outcome in {"undecided", "fail"}
    assert not {each.verdict for each in report.checks} & {Verdict.PASS}
    assert any("No root" in note for note in report.notes)


def test_damaged_files_make_it_incomplete() -> None:
    def damaged() -> bytes:
        raise FormatError("block 3 is damaged")

    made = tree()
    made.add(Node(path="etc/bad", kind=Kind.FILE, mode=0o644, size_bytes=5, read=damaged))
    report = judge_tree(made, now=NOW)
    assert not report.opened.complete
    assert [piece.where for piece in report.opened.unopened] == ["etc/bad"]


def test_outcome() -> None:
    def check(verdict: Verdict) -> Checked:
        return Checked(
            rule="r", recommendation=1, title="t", severity=Severity.LOW, verdict=verdict
        )

    whole, part = Opened(complete=True), Opened(complete=False)
    assert outcome_of((check(Verdict.PASS), check(Verdict.NOT_APPLICABLE)), whole) == "pass"
    assert outcome_of((check(Verdict.PASS),), part) == "undecided"
    assert outcome_of((check(Verdict.PASS), check(Verdict.UNDECIDED)), whole) == "undecided"
    assert outcome_of((check(Verdict.FAIL), check(Verdict.UNDECIDED)), part) == "fail"
