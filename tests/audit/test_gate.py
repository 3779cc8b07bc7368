"""What keeps an image from being released, and what does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.audit import child
from holdfast.audit.engine import judge_tree
from holdfast.audit.gate import LONGEST_LINE, GateError, objections, refusal
from holdfast.audit.report.shapes import LimitHit, Report, Unopened
from holdfast.audit.verdicts import FAILED, TOO_LONG, Verdict
from tests.audit.made import NOW
from tests.audit.test_reference import STEPS_AWAY, reference


@pytest.fixture(scope="module")
def good() -> Report:
    return judge_tree(reference(), now=NOW)


def with_one(report: Report, verdict: Verdict, reason: str) -> Report:
    first, *others = report.checks
    return replace(report, checks=(replace(first, verdict=verdict, reason=reason), *others))


def test_nothing_speaks_against_what_is_right(good: Report) -> None:
    assert objections(good) == ()


def test_what_an_image_does_not_tell_is_no_objection(good: Report) -> None:
    assert objections(with_one(good, Verdict.UNDECIDED, "the kernel tells no version")) == ()


@pytest.mark.parametrize("reason", [f"{FAILED}: KeyError", f"{TOO_LONG} 20 seconds"])
def test_a_check_that_was_not_done_is_one(good: Report, reason: str) -> None:
    """Whoever makes a check fail must not get past it."""
    (line,) = objections(with_one(good, Verdict.UNDECIDED, reason))
    assert "was not done" in line
    assert reason in line


def test_a_failed_check_is_named_by_its_rule() -> None:
    tree = reference()
    STEPS_AWAY["Telnet"][0](tree)
    lines = objections(judge_tree(tree, now=NOW))
    assert "telnet-off: Telnet is off as shipped" in lines
    error = refusal(lines)
    assert isinstance(error, GateError)
    assert error.exit_code == 1


def test_many_objections_are_counted() -> None:
    said = str(refusal([f"rule-{number}: x" for number in range(12)]))
    assert "rule-4" in said
    assert "rule-5" not in said
    assert said.endswith("and 7 more")


def test_what_was_not_opened_is_named_and_does_nothing(good: Report) -> None:
    pieces = tuple(
        Unopened(where="a\x1b]0;x\x07" * 900, offset=0, size_bytes=1, entropy=1.0, why="no\u202e")
        for _ in range(400)
    )
    limits = (LimitHit(limit="seconds", most=300),)
    opened = replace(good.opened, complete=False, unopened=pieces, limits=limits)
    (line,) = objections(replace(good, opened=opened))
    assert line.isprintable()
    assert len(line) <= LONGEST_LINE
    assert "limit seconds was reached" in line


def test_without_a_root_nothing_was_judged(good: Report) -> None:
    opened = replace(good.opened, volumes=())
    assert objections(replace(good, opened=opened)) == (
        "nothing to judge: there is no root file system in the image",
    )


def test_where_not_one_check_passes_nothing_was_judged(good: Report) -> None:
    checks = tuple(
        replace(one, verdict=Verdict.UNDECIDED, reason="the model could not be built")
        for one in good.checks
    )
    assert objections(replace(good, checks=checks)) == (
        "nothing could be judged: not one check passed",
    )


@pytest.mark.servers
@pytest.mark.parametrize("content", [b"x", b"image of 1.1 " * 1000, bytes(1 << 16)])
def test_a_file_that_is_no_image_does_not_pass(content: bytes, tmp_path: Path) -> None:
    """A system that is hidden, from simple obfuscation on, is not taken for one without faults."""
    (tmp_path / "image").write_bytes(content)
    assert objections(child.judge(tmp_path / "image"))
