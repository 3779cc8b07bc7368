"""What measures the audit measures rightly, and what it compares with is consistent."""

import re
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from holdfast.audit import checks
from holdfast.cli.bench import audit, debian, machine, truth
from holdfast.cli.bench.errors import BenchError


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", code]


def test_takes_the_time_and_what_was_said() -> None:
    done = machine.timed(python("print('here'); raise SystemExit(3)"), timeout_s=30)
    assert (done.exit_code, done.stdout, done.rss_mb) == (3, b"here\n", None)
    assert 0 < done.seconds < 30


@pytest.mark.slow
def test_counts_the_memory_of_everything_that_was_started() -> None:
    hold = "import time; kept = bytearray(30_000_000); time.sleep(0.6)"
    code = (
        "import subprocess, sys; "
        f"both = [subprocess.Popen([sys.executable, '-I', '-c', {hold!r}]) for _ in range(2)]; "
        "[one.wait() for one in both]"
    )
    done = machine.timed(python(code), timeout_s=30, watch=True)
    assert done.processes == 3
    assert done.rss_mb is not None
    assert done.rss_mb > 60


@pytest.mark.slow
def test_what_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    inner = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
    code = (
        "import subprocess, sys, time; "
        f"subprocess.Popen([sys.executable, '-I', '-c', {inner + '; time.sleep(60)'!r}]); "
        "time.sleep(60)"
    )
    with pytest.raises(BenchError, match="took more than 1 seconds"):
        machine.timed(python(code), timeout_s=1)
    pid = (tmp_path / "pid").read_text()
    # A signal is on its way for a moment; a process that sleeps on for a minute is not ended.
    until = monotonic() + 10
    while _lives(pid) and monotonic() < until:
        sleep(0.05)
    assert not _lives(pid)


def _lives(pid: str) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def test_a_missing_program_is_told() -> None:
    with pytest.raises(BenchError, match="cannot be started"):
        machine.timed(["/nowhere/program"], timeout_s=1)


@pytest.mark.parametrize("known", truth.EVERY, ids=lambda known: known.file)
def test_the_truth_is_consistent(known: truth.Known) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", known.sha256)
    assert len({(fact.row, fact.what) for fact in known.facts}) == len(known.facts)
    assert {"kernel", "libraries", "file system", "start-up", "accounts", "web server"} <= {
        fact.row for fact in known.facts
    }


def test_the_truth_asks_for_rules_that_are_there() -> None:
    text = Path(truth.__file__).read_text() + Path(audit.__file__).read_text()
    asked = set(re.findall(r'(?:fails|holds|checked)\(\s*report,\s*"([a-z-]+)"', text))
    assert len(asked) > 10
    assert asked <= set(checks.every())


def test_other_tools_get_the_benefit_of_the_doubt() -> None:
    theirs = {"linux_kernel 2.6.33", "hostapd 0.5", "dropbear_ssh 2012.55"}
    assert audit._alike("linux 2.6.33.2", theirs)
    assert audit._alike("hostapd 0.5.11", theirs)
    assert audit._alike("dropbear 2012.55", theirs)
    assert not audit._alike("busybox 1.14.1", theirs)


def test_limits_stand_beside_the_figures() -> None:
    assert audit._limited(1.9, 2.0) == {"value": 1.9, "limit": 2.0, "holds": True}
    assert audit._limited(2.0, 2.0)["holds"] is False


def test_the_list_of_packages_is_sorted_and_each_stands_once() -> None:
    assert list(debian.PACKAGES) == sorted(set(debian.PACKAGES))
