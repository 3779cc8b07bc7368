"""The summary fits one screen, says what matters, and lets nothing of an image act."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from holdfast.audit.report.shapes import Report, Unopened
from holdfast.audit.verdicts import Severity
from holdfast.cli.audit.summary import COLUMNS, MOST_LINES, lines, show, show_many
from tests.audit.report.sample import checks, fine, found, hostile, sample


def crowded() -> Report:
    """Everything at once, and much of it."""
    (first, *_) = checks()
    many = tuple(
        replace(
            first,
            rule=f"rule-{number}-of-many-with-a-long-name",
            findings=(found(number, "usr/lib/" + "x" * 200, "y" * 300, Severity.HIGH),),
        )
        for number in range(60)
    )
    opened = sample().opened
    return sample(
        checks=(*many, *checks()),
        opened=replace(
            opened,
            unopened=opened.unopened * 30,
            limits=opened.limits * 5,
            walls_missing=("a wall",) * 9,
        ),
        vulnerabilities=sample().vulnerabilities * 50,
        notes=sample().notes * 20,
        vulnerability_data=sample().vulnerability_data * 9,
        subject=replace(sample().subject, product=""),
    )


@pytest.mark.parametrize("report", [sample(), fine(), hostile(), crowded()])
def test_one_screen(report: Report) -> None:
    made = lines(report, columns=COLUMNS)
    assert len(made) <= MOST_LINES
    assert max(line.cell_len for line in made) <= COLUMNS
    assert all(line.plain.isprintable() for line in made)


def text(report: Report, *, terminal: bool = False) -> str:
    out = StringIO()
    console = Console(
        file=out, force_terminal=terminal, width=COLUMNS, color_system="256" if terminal else None
    )
    show(report, console=console)
    return out.getvalue()


def test_it_says_what_matters() -> None:
    shown = text(sample())
    for words in (
        "acme-router-2.15.bin",
        "Fails. 11 of 15 checks fail",
        "1 A hardened platform        6 fail  1 hold  1 n/a",
        "5 Little personal data       1 undecided  1 hold",
        "etc/init.d/S80telnetd.sh:9",
        "telnet-off",
        "CVE-2017-14491 (dnsmasq 2.45), CVE-2016-5195 (linux 2.6.36)",
        "update-verified, storage-encrypted",
        "limit depth = 10; image@0x0 at 0x3e0000, 128.0 KiB",
        "Landlock is not in this kernel",
        "454 days old",
        "holdfast explain backdoor-published-absent",
        "and 1 check more",
    ):
        assert words in shown, words


@pytest.mark.parametrize("columns", [COLUMNS, 70, 60, 50])
def test_bars_give_way_to_numbers(columns: int) -> None:
    made = [line.plain for line in lines(sample(), columns=columns)]
    assert any("6 fail  1 hold  1 n/a" in line for line in made)
    assert any("█" in line for line in made) is (columns > 50)


def test_a_command_is_never_cut() -> None:
    made = [line.plain for line in lines(sample(), columns=20)]
    assert made[-1] == "→ Begin with the worst: holdfast explain backdoor-published-absent"


def test_what_was_not_opened_is_named_with_its_reason() -> None:
    blob = Unopened(where="", offset=0, size_bytes=4096, entropy=8.0, why="it is encrypted")
    opened = replace(sample().opened, unopened=(blob,), limits=())
    shown = text(sample(opened=opened))
    assert "Not opened: the image at 0x0, 4.0 KiB: it is encrypted\n" in shown


def test_nothing_known_is_never_no_vulnerability() -> None:
    empty = replace(sample().model, components=())
    shown = text(sample(model=empty, vulnerabilities=()))
    assert "Vulnerabilities: nothing to look up, no component was recognised" in shown
    assert " 0 open" not in shown
    partly = text(sample(vulnerabilities=()))
    assert "Vulnerabilities: 0 open in what was opened" in partly


def test_worst_ten_worst_first() -> None:
    shown = text(sample())
    begins = ("critical", "high", "medium", "low")
    found_words = [line.split()[0] for line in shown.splitlines() if line.startswith(begins)]
    assert found_words == ["critical"] * 4 + ["high"] * 2 + ["medium"] * 3 + ["low"]


def test_a_pipe_gets_plain_whole_lines() -> None:
    shown = text(crowded())
    assert "\x1b" not in shown
    assert "█" not in shown
    assert "x" * 200 in shown


def test_a_terminal_gets_colours_and_bars() -> None:
    shown = text(sample(), terminal=True)
    assert "\x1b[" in shown
    assert "█" in shown


def test_nothing_of_a_hostile_image_acts() -> None:
    shown = text(hostile())
    for mark in ("\x1b", "\u202e", "\x07", "\r", "\udc80"):
        assert mark not in shown
    assert "[bold red]markup[/]" in text(replace(sample(), notes=("[bold red]markup[/]",)))


def test_files_are_named() -> None:
    made = lines(sample(), written=[Path("out")])
    assert any(line.plain == "Written: out" for line in made)


ROWS = [("a.bin", sample(), ""), ("b.bin", fine(), ""), ("\x1bc", None, "it is empty")]


def test_many_images_are_a_table_on_a_terminal() -> None:
    out = StringIO()
    show_many(ROWS, console=Console(file=out, width=100, force_terminal=True, color_system=None))
    first, second, third = out.getvalue().splitlines()[1:]
    assert first.split() == ["a.bin", "✕", "Fails", "6", "3", "1", "1", "?",
                             "backdoor-published-absent"]  # fmt: skip
    assert second.split() == ["b.bin", "✓", "Passes", "0", "0", "0", "0", "0"]
    assert "\\x1bc" in third
    assert "it is empty" in third


def test_many_images_are_lines_in_a_pipe() -> None:
    out = StringIO()
    show_many(ROWS, console=Console(file=out, width=20))
    assert out.getvalue().splitlines()[1:] == [
        "a.bin\tfail\t6\t3\t1\t1\t?\tbackdoor-published-absent",
        "b.bin\tpass\t0\t0\t0\t0\t0\t",
        "\\x1bc\tno report\t\t\t\t\t\tit is empty",
    ]
