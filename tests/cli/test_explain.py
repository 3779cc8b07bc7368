"""`holdfast explain` knows every rule, guesses near ones, and writes the reference page."""

import json
import sys
from pathlib import Path

from holdfast.audit.checks import every
from holdfast.core.process import Result, run

COMMAND = [sys.executable, "-c", "from holdfast.cli import main; main()", "explain"]
PAGE = Path(__file__).parents[2] / "docs/reference/audit-rules.md"


def explain(*words: str) -> Result:
    return run([*COMMAND, *words], timeout_s=60, check=False)


def test_a_rule_is_explained() -> None:
    result = explain("telnet-off")
    text = result.stdout.decode()
    about = every()["telnet-off"].about
    assert result.exit_code == 0
    for words in (about.title, about.fix, about.severity.value, *about.sources):
        assert " ".join(words.split()) in " ".join(text.split())
    assert "\x1b" not in text


def test_without_a_rule_all_are_listed() -> None:
    text = explain().stdout.decode()
    listed = [line.split()[0] for line in text.splitlines() if line.startswith("  ")]
    assert sorted(listed) == sorted(every())


def test_near_misses_are_guessed() -> None:
    result = explain("telnet-of")
    assert (result.exit_code, result.stdout) == (2, b"")
    assert "Did you mean telnet-off" in result.stderr.decode()
    assert "lists them all" in explain("\x1b[31mzzzz").stderr.decode()
    assert "\x1b" not in explain("\x1b[31mzzzz").stderr.decode()


def test_programs_get_json() -> None:
    one = json.loads(explain("telnet-off", "--json").stdout)
    assert (one["rule"], one["recommendation"]) == ("telnet-off", 1)
    assert "EN-5.6-1" in one["rows"]
    assert len(json.loads(explain("--as", "json").stdout)) == len(every())


def test_the_reference_page_is_up_to_date() -> None:
    assert explain("--as", "markdown").stdout == PAGE.read_bytes(), "run script/docs"
