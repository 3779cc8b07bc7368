"""The one handler of the command line: exit codes that no caller can misread."""

import sys
from pathlib import Path

import pytest

from holdfast.core.process import run

MAIN = [sys.executable, "-c", "from holdfast.cli import main; main()"]
FAULT = (
    "from holdfast.cli import app\n"
    "def broken(): raise ZeroDivisionError\n"
    "app.app = broken\n"
    "app.main()\n"
)


def shell(text: str, *words: str | Path) -> tuple[int, str]:
    result = run(["/bin/sh", "-c", text, "sh", *MAIN, *words], timeout_s=60, check=False)
    return result.exit_code, result.stderr.decode()


def test_a_fault_of_ours_is_no_finding() -> None:
    result = run([sys.executable, "-c", FAULT], timeout_s=60, check=False)
    assert result.exit_code == 3
    assert b"ZeroDivisionError" in result.stderr
    assert b"please report it" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["explain"], ["explain", "telnet-off", "--json"]])
def test_full_output_is_told(words: list[str]) -> None:
    code, told = shell('"$@" > /dev/full', *words)
    assert code == 3
    assert "No space left" in told
    assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["2>&-", "<&-", "2>&- <&-"])
def test_closed_streams(closed: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, _ = shell(f'"$@" {closed} >{out}', "explain", "telnet-off")
    assert code == 0
    assert b"Telnet is off" in out.read_bytes()


def test_closed_output() -> None:
    code, told = shell('"$@" >&-', "explain", "telnet-off")
    assert (code, told) == (0, "")


def test_a_home_that_cannot_be(tmp_path: Path) -> None:
    place = tmp_path / "plain"
    place.write_text("a file, so nothing can lie below it")
    code, told = shell(f'XDG_DATA_HOME={place} "$@"', "audit", "db", "import", place)
    assert code == 3
    assert f"{place}" in told
    assert "Name a place that you may write to with --db" in told
