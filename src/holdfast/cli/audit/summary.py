"""The result of an audit on one screen: at most forty lines, of eighty columns on a terminal."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.audit.errors import amount
from holdfast.audit.report import standing
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.standing import Standing, Worst
from holdfast.audit.report.texts import number, size, visible
from holdfast.audit.verdicts import Severity, Verdict

MOST_LINES: Final = 40
COLUMNS: Final = 80
_BAR: Final = 20
_LEAST_BAR: Final = 5
_TITLE: Final = 29
"""Columns of the number and title of a recommendation."""
_MOST_WORST: Final = 10
_STYLES: Final = {
    Severity.CRITICAL: "bold white on red",
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
_OUTCOMES: Final = {
    "fail": ("✕", "bold red"),
    "undecided": ("?", "bold yellow"),
    "pass": ("✓", "bold green"),
}
_COUNTS: Final = {"0": "green", "?": "yellow", "-": "dim"}
OUTCOME_EXITS: Final = {"pass": 0, "fail": 1, "undecided": 3}


def show(report: Report, *, console: Console, written: Sequence[Path] = ()) -> None:
    """Print the summary; on a terminal nothing is wider than it, in a pipe nothing is cut."""
    wide = console.width if console.is_terminal else 0
    for line in lines(report, columns=wide, written=written):
        console.print(line, soft_wrap=True, highlight=False)


def lines(report: Report, *, columns: int = 0, written: Sequence[Path] = ()) -> list[Text]:
    """Write the summary.

    Args:
        report: Of the audit.
        columns: Width of the terminal, 0 for none: then there are no bars, and nothing is cut.
        written: Files that were written, to be named.
    """
    made = [
        *_head(report),
        Text(),
        *_recommendations(standing.standings(report), columns),
        *_worst(report),
        *_unknown(report),
        *_after(report, written),
    ]
    if columns:
        for line in made:
            line.truncate(columns, overflow="ellipsis")
    steps = list(_steps(report))  # a command that is cut cannot be copied: these lines may wrap
    return [*made[: MOST_LINES - len(steps)], *steps]


def _head(report: Report) -> Iterator[Text]:
    subject = report.subject
    facts = [f"{subject.product} {subject.version}".strip()] if subject.product else []
    facts.append(subject.kind)
    if subject.size_bytes:
        facts.append(size(subject.size_bytes))
    facts.append(f"{standing.seconds(report):.1f} s")
    name = visible(subject.name, most=48) or "unnamed"
    yield Text.assemble((name, "bold"), ("  " + visible(", ".join(facts)), "dim"))
    sign, style = _OUTCOMES[report.outcome]
    title = standing.OUTCOMES[report.outcome]
    yield Text.assemble((f"{sign} {title}. ", style), standing.sentence(report))


def _recommendations(found: Sequence[Standing], columns: int) -> Iterator[Text]:
    """Write a line for each; the bars take what the numbers leave."""
    counts = [_numbers(each) for each in found]
    left = columns - _TITLE - max((each.cell_len for each in counts), default=0) - len("  ")
    bar = min(_BAR, left) if left >= _LEAST_BAR else 0
    for each, told in zip(found, counts, strict=True):
        drawn = _bar(each, bar).append("  ") if bar else Text()
        yield Text.assemble(f"{each.recommendation} {each.title:<{_TITLE - 2}}", drawn, told)


def _counts(each: Standing) -> tuple[tuple[int, str, str], ...]:
    return (
        (each.failed, "fail", "red"),
        (each.undecided, "undecided", "yellow"),
        (each.passed, "hold", "green"),
        (each.not_applicable, "n/a", "dim"),
    )


def _bar(each: Standing, wide: int) -> Text:
    counts = _counts(each)
    total = sum(count for count, _, _ in counts) or 1
    line = Text()
    for index, (_, _, style) in enumerate(counts):
        upto = round(wide * sum(count for count, _, _ in counts[: index + 1]) / total)
        line.append("█" * (upto - line.cell_len), style)
    return line.append("░" * (wide - line.cell_len), "dim")


def _numbers(each: Standing) -> Text:
    told = [(f"{count} {word}", style) for count, word, style in _counts(each) if count]
    return Text("  ").join(Text(*each) for each in told or [("nothing to judge", "dim")])


def _worst(report: Report) -> Iterator[Text]:
    found = standing.worst(report)
    if found:
        yield Text()
        yield Text("Worst first", "bold")
    for each in found[:_MOST_WORST]:
        yield from _finding(each)
    if len(found) > _MOST_WORST:
        yield Text(f"         and {number(len(found) - _MOST_WORST, 'check')} more", "dim")
    exploited = standing.exploited(report)
    if exploited:
        certain = exploited[0].state == "affected"
        named = ", ".join(
            visible(f"{each.cve} ({each.component or 'product'})", most=60)
            for each in exploited[:2]
        )
        more = f" and {len(exploited) - 2} more" if len(exploited) > 2 else ""  # noqa: PLR2004 - as above
        title = "Used by attackers now: " if certain else "Perhaps here, used by attackers: "
        yield Text.assemble((title, "bold red" if certain else "yellow"), named, more)


def _finding(each: Worst) -> Iterator[Text]:
    finding = each.finding
    more = f" (+{each.more})" if each.more else ""
    yield Text.assemble(
        (f"{finding.severity.value:<9}", _STYLES[finding.severity]),
        (visible(finding.what) or visible(each.check.title)),
        (more, "dim"),
    )
    where = visible(finding.where) or "the image as a whole"
    offset = f" at {finding.offset:#x}" if finding.offset is not None else ""
    yield Text.assemble(" " * 9, (visible(each.check.rule), "cyan"), ("  " + where + offset, "dim"))


def _unknown(report: Report) -> Iterator[Text]:
    opened = report.opened
    undecided = standing.of_verdict(report, Verdict.UNDECIDED)
    if undecided:
        named = ", ".join(visible(each.rule, most=40) for each in undecided[:4])
        more = f" and {len(undecided) - 4} more" if len(undecided) > 4 else ""  # noqa: PLR2004 - as above
        yield Text.assemble(("Undecided: ", "yellow"), named, more)
    told = []
    if opened.limits:
        named = ", ".join(
            f"{visible(one.limit)} = {amount(one.limit, one.most)}" for one in opened.limits[:3]
        )
        told.append(f"limit {named}")
    if opened.unopened:
        first = opened.unopened[0]
        more = f" and {len(opened.unopened) - 1} more" if len(opened.unopened) > 1 else ""
        where = visible(first.where, most=40) or "the image"
        why = f": {visible(first.why, most=200)}" if first.why else ""
        told.append(f"{where} at {first.offset:#x}, {size(first.size_bytes)}{more}{why}")
    if told or not opened.complete:
        yield Text.assemble(("Not opened: ", "yellow"), "; ".join(told) or "not everything was")
    if opened.walls_missing:
        yield Text.assemble(
            ("With fewer walls: ", "yellow"), visible("; ".join(opened.walls_missing[:2]))
        )


def _after(report: Report, written: Sequence[Path]) -> Iterator[Text]:
    troubles = visible("; ".join(standing.data_troubles(report)))
    if not report.vulnerability_data:
        yield Text("Vulnerabilities: not looked for, no data", "yellow")
    else:
        count = f"Vulnerabilities: {_open_vulnerabilities(report)}"
        age = (troubles, "yellow") if troubles else ("the data is fresh", "dim")
        yield Text.assemble(count, "; ", age)
    for note in report.notes[:1]:
        more = f" (and {number(len(report.notes) - 1, 'note')} more)" if report.notes[1:] else ""
        yield Text(visible(note) + more, "yellow")
    if written:
        yield Text(f"Written: {visible(', '.join(map(str, written)))}", "dim")
    else:
        yield Text("The whole report: --out FOLDER, or --json", "dim")


def _open_vulnerabilities(report: Report) -> str:
    """Say how many are open, and never `0` where nothing could be looked up."""
    found = len(standing.affected(report))
    if not found and not report.model.components:
        return "nothing to look up, no component was recognised"
    return f"{found} open" + ("" if report.opened.complete else " in what was opened")


def _steps(report: Report) -> Iterator[Text]:
    for told, command in list(standing.next_steps(report))[:2]:
        if command:
            yield Text.assemble(("→ ", "cyan"), told, " ", (command, "bold"))


Row = tuple[str, Report | None, str]
"""Name of an image, its report, and what went wrong if there is none."""


def show_many(rows: Sequence[Row], *, console: Console) -> None:
    """Sum many audits up: a table on a terminal, lines with tabs in a pipe."""
    if console.is_terminal:
        console.print(table(rows))
        return
    titles = ("image", "outcome", "1", "2", "3", "4", "5", "worst")
    for cells in (titles, *(_cells(*row) for row in rows)):
        console.file.write("\t".join(cells) + "\n")  # printing would make spaces of tabs


def _cells(name: str, report: Report | None, wrong: str) -> tuple[str, ...]:
    """Give a line's words: of a recommendation how many checks fail, `?` or `-` for none."""
    shown = visible(name)
    if report is None:
        return (shown, "no report", *[""] * 5, visible(wrong))
    found = standing.worst(report)
    signs = {"fail": "", "undecided": "?", "pass": "0", "none": "-"}
    counts = (signs[each.outcome] or str(each.failed) for each in standing.standings(report))
    return (shown, report.outcome, *counts, visible(found[0].check.rule) if found else "")


def table(rows: Sequence[Row]) -> Table:
    """Draw the table."""
    made = Table(box=None, pad_edge=False)
    made.add_column("image", overflow="fold")
    made.add_column("outcome", no_wrap=True)
    for title in ("1", "2", "3", "4", "5"):
        made.add_column(title, justify="right", no_wrap=True)
    made.add_column("worst", overflow="ellipsis", no_wrap=True)
    for row in rows:
        name, outcome, *counts, worst = _cells(*row)
        sign, style = _OUTCOMES.get(outcome, ("✕", "bold red"))
        made.add_row(
            Text(name),
            Text(f"{sign} {standing.OUTCOMES.get(outcome, outcome)}", style),
            *(Text(each, _COUNTS.get(each, "red")) for each in counts),
            Text(worst, "dim"),
        )
    return made
