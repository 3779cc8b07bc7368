"""`holdfast audit diff OLD NEW`: what changed, and whether it became worse."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from holdfast.audit.diff import Comparison, VerdictChange, compare
from holdfast.audit.report import document
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible
from holdfast.cli.audit.subjects import subjects
from holdfast.cli.audit.terms import Terms, judge, settings
from holdfast.core.errors import UsageError

app = typer.Typer(add_completion=False)

_EXITS: Final = {"fine": 0, "worse": 1, "undecided": 3}
_SHOWN: Final = 20

_HELP: Final = "Image, folder, or report as JSON."
Old = Annotated[Path, typer.Argument(metavar="OLD", help=_HELP)]
New = Annotated[Path, typer.Argument(metavar="NEW", help=_HELP)]


@app.command()
def diff(
    old: Old,
    new: New,
    *,
    product: Annotated[Path | None, typer.Option(help="Product profile, for images.")] = None,
    db: Annotated[Path | None, typer.Option(help="Vulnerability data, for images.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep nothing.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Leave no line out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Say what changed from one image to the next: exit 1 if it fails where it did not before."""
    terms = Terms(
        live=False,
        settings=settings(
            product=product, db=db, baseline=None, limit=[], cache=None, keep=not no_cache
        ),
    )
    found = compare(_report(old, terms), _report(new, terms))
    if as_json:
        typer.echo(msgspec.json.encode(msgspec.to_builtins(found)).decode())
    else:
        console = Console(highlight=False)
        for line in lines(found, most=0 if everything else _SHOWN):
            console.print(line, soft_wrap=True)
    sys.exit(_EXITS[found.outcome])


def _report(path: Path, terms: Terms) -> Report:
    if path.is_file() and document.looks_like_one(path):
        return document.read(path)
    (one, *others) = subjects([path], each=False, as_root=False)
    if others:
        raise UsageError(f"{visible(str(path))} holds several images; name one")
    if sys.stderr.isatty():
        typer.echo(f"judging {visible(str(path))} …", err=True)
    return judge(one, terms, lambda _stage, _fraction, _text: None)


def lines(found: Comparison, *, most: int = 0) -> Iterator[Text]:
    """Write the differences for people; `most` lines of each kind, 0 for all."""
    verdict = {
        "fine": Text("Nothing became worse.", "bold green"),
        "worse": Text("It became worse.", "bold red"),
        "undecided": Text("It is not known whether it became worse.", "bold yellow"),
    }[found.outcome]
    yield verdict
    if not found.same_rules:
        yield Text("They were judged by different rules, so verdicts may differ by that.", "yellow")
    yield from _part("Verdicts", [("~", _verdict(each)) for each in found.verdicts], most)
    yield from _part(
        "Findings",
        _signed(
            (
                f"{one.rule}  {one.finding.where}  {one.finding.what}"
                for one in found.findings.added
            ),
            (
                f"{one.rule}  {one.finding.where}  {one.finding.what}"
                for one in found.findings.removed
            ),
        ),
        most,
    )
    yield from _part(
        "Vulnerabilities",
        _signed(
            (f"{one.cve}  {one.component}" for one in found.vulnerabilities.added),
            (f"{one.cve}  {one.component}" for one in found.vulnerabilities.removed),
        ),
        most,
    )
    yield from _part(
        "Components",
        [
            *_signed(
                (f"{one.name} {one.version}" for one in found.components.added),
                (f"{one.name} {one.version}" for one in found.components.removed),
            ),
            *(("~", f"{one.name} {one.what[0]}") for one in found.components.changed),
        ],
        most,
    )
    yield from _part(
        "Listeners",
        [
            *_signed(
                (f"{one.service} {one.port or ''} {one.program}" for one in found.listeners.added),
                (
                    f"{one.service} {one.port or ''} {one.program}"
                    for one in found.listeners.removed
                ),
            ),
            *(("~", f"{one.name}: {'; '.join(one.what)}") for one in found.listeners.changed),
        ],
        most,
    )
    yield from _part(
        "Start-up",
        _signed(
            (f"{one.where}  {one.text}" for one in found.steps.added),
            (f"{one.where}  {one.text}" for one in found.steps.removed),
        ),
        most,
    )
    yield from _part(
        "Files",
        [
            *_signed(
                (one.path or "/" for one in found.files.added),
                (one.path or "/" for one in found.files.removed),
            ),
            *(("~", f"{one.name or '/'}: {', '.join(one.what)}") for one in found.files.changed),
        ],
        most,
    )


def _verdict(change: VerdictChange) -> str:
    before, after = (one.value if one else "not judged" for one in (change.before, change.after))
    return f"{change.rule}: {before} → {after}"


def _signed(added: Iterable[str], removed: Iterable[str]) -> list[tuple[str, str]]:
    return [*(("+", text) for text in added), *(("-", text) for text in removed)]


def _part(title: str, changes: Sequence[tuple[str, str]], most: int) -> Iterator[Text]:
    if not changes:
        return
    yield Text()
    yield Text(f"{title} ({len(changes)})", "bold")
    styles = {"+": "green", "-": "red", "~": "yellow"}
    shown = changes[:most] if most else changes
    for sign, text in shown:
        yield Text.assemble((f"{sign} ", styles[sign]), visible(text))
    if len(changes) > len(shown):
        yield Text(f"  and {len(changes) - len(shown)} more: --all", "dim")
