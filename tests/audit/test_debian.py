"""What fails on a stock Debian stands in the documents, each with its reason, and nothing else."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit import child
from holdfast.audit.model.shapes import Password
from holdfast.audit.report.shapes import Report
from holdfast.audit.verdicts import Verdict
from holdfast.core.process import ProgramError, run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/what-a-stock-debian-fails.md"
KEPT = ROOT / "var/debian/minbase.tar"
pytestmark = [pytest.mark.servers, pytest.mark.slow]
ROW = re.compile(r"^\| `([a-z-]+)` \|", re.MULTILINE)


@pytest.fixture(scope="module")
def debian(need: Callable[[str], str]) -> Report:
    """Judge the smallest stock Debian; it is made once and kept below var."""
    mmdebstrap = need("mmdebstrap")
    if os.geteuid() != 0:
        pytest.skip("only root makes a Debian root file system with its owners and modes")
    if not KEPT.is_file():
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        part = KEPT.with_suffix(".part.tar")
        command: list[str | Path] = [mmdebstrap, "--variant=minbase", "--quiet", "bookworm", part]
        try:
            # With the caller's environment: it may say where packages come from.
            run(command, timeout_s=600, env=os.environ)
        except ProgramError as error:
            if os.environ.get("HOLDFAST_REQUIRE_SERVERS") == "1":
                raise
            pytest.skip(f"no Debian packages can be had here: {error}")
        part.replace(KEPT)
    return child.judge(KEPT)


def decided(report: Report, verdict: Verdict) -> set[str]:
    return {one.rule for one in report.checks if one.verdict is verdict}


def explained(heading: str) -> set[str]:
    parts = PAGE.read_text().split("\n## ")
    (part,) = [one for one in parts if one.startswith(heading)]
    return set(ROW.findall(part))


def test_every_fail_is_explained_and_nothing_else(debian: Report) -> None:
    assert decided(debian, Verdict.FAIL) == explained("What fails")


def test_what_cannot_be_decided_is_told(debian: Report) -> None:
    assert decided(debian, Verdict.UNDECIDED) == explained("What cannot be decided")


def test_the_whole_of_it_was_seen(debian: Report) -> None:
    assert debian.opened.complete
    assert debian.opened.owners_kept
    assert len(debian.model.components) > 50


def test_what_the_page_praises_holds(debian: Report) -> None:
    assert debian.model.listeners == ()
    assert not [one for one in debian.model.accounts if one.password is not Password.LOCKED]
    assert {"setuid-expected", "programs-hardened"} <= decided(debian, Verdict.PASS)
