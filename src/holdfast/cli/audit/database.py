"""`holdfast audit db`: fetch, import, show and export vulnerability data."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from holdfast.audit.vulnerabilities import export as exports
from holdfast.audit.vulnerabilities import settings as configured
from holdfast.audit.vulnerabilities.ages import Freshness, freshness
from holdfast.audit.vulnerabilities.database import Database, default_path
from holdfast.audit.vulnerabilities.download import Downloads, Fetched, addresses
from holdfast.audit.vulnerabilities.errors import (
    DataError,
    DownloadError,
    UnreachableError,
    UnsignedError,
)
from holdfast.audit.vulnerabilities.forms.detection import Intake
from holdfast.audit.vulnerabilities.schema import verify
from holdfast.audit.vulnerabilities.settings import Settings, Source
from holdfast.audit.vulnerabilities.shapes import DataAge
from holdfast.audit.vulnerabilities.writing import Tally, taking_in
from holdfast.cli.passphrases import Passphrases
from holdfast.core.clock import now
from holdfast.core.errors import UsageError
from holdfast.updates import keys

app = typer.Typer(
    help="Fetch, import, show and export vulnerability data.",
    no_args_is_help=True,
    add_completion=False,
)

FINDINGS = 1

Base = Annotated[
    Path | None, typer.Option("--db", help="The database; else below XDG_DATA_HOME/holdfast.")
]
Config = Annotated[
    Path | None,
    typer.Option(help="Settings; else vulnerabilities.toml below XDG_CONFIG_HOME/holdfast."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Files or folders of publishers, any form.")],
    *,
    db: Base = None,
    config: Config = None,
    key: Annotated[
        str | None,
        typer.Option(help="Who must have signed it: key file, or public key in hexadecimal."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Take files in, told apart by their content; all of them or none."""
    path, settings = db or default_path(), configured.read(config)
    public = _public(key) if key else settings.signed.key if settings.signed else None
    for file in files:
        if not file.exists():
            raise UsageError(f"there is no {file}")
    signed = [file for file in files if exports.is_export(file)]
    if signed and len(files) > 1:
        raise UsageError("a signed export holds the whole database: import it alone")
    if signed:
        _take_signed(signed[0], path, public)
    elif public:
        raise UnsignedError(f"{files[0]} is not signed, but only signed data may be taken in here")
    else:
        _show_tally(_take(files, path))
    _show_status(path, as_json=as_json)


@app.command()
def update(
    *,
    db: Base = None,
    config: Config = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Fetch only this source; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch what has changed from the publishers, or from the signed address, and take it in."""
    path, settings = db or default_path(), configured.read(config)
    downloads = Downloads(path.parent / "downloads", authority=settings.authority)
    if settings.signed is not None:
        _update_signed(path, settings, downloads)
    else:
        known = [source.name for source in settings.source]
        if unknown := sorted(set(only or ()).difference(known)):
            raise UsageError(
                f"no source is called {', '.join(unknown)}; there are {', '.join(known)}"
            )
        wanted = [
            each
            for source in settings.source
            if not only or source.name in only
            for each in addresses(source, now().year)
        ]
        _update_from(wanted, path, downloads)
    _show_status(path, as_json=as_json)


@app.command()
def status(*, db: Base = None, as_json: Json = False) -> None:
    """Say what the database holds and how old that is: exit 0 fresh, 1 old or incomplete."""
    path = db or default_path()
    verify(path)
    if not _show_status(path, as_json=as_json):
        raise typer.Exit(FINDINGS)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    *,
    key: Annotated[Path, typer.Option(help="Key file of the role vulnerability-data.")],
    db: Base = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the passphrase that only you can read.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the whole database as one signed file, for places without a network."""
    opened = Passphrases(passphrase_file).open(key)
    head = exports.write_export(db or default_path(), out, opened)
    if as_json:
        typer.echo(json.dumps({"path": str(out), **asdict_head(head)}))
    else:
        typer.echo(out)
        typer.echo(
            f"{head.packed_bytes / 1e6:.1f} MB, to be imported with --key {head.key}", err=True
        )


def asdict_head(head: exports.Head) -> dict[str, str | int]:
    """Write the head of an export for JSON."""
    return {"key": head.key, "made": head.made.isoformat(), "packed_bytes": head.packed_bytes}


def _public(key: str) -> str:
    if len(key) == 64 and all(one in "0123456789abcdef" for one in key.lower()):  # noqa: PLR2004
        return key.lower()
    return keys.read_public(Path(key)).public


def _take_signed(file: Path, path: Path, public: str | None) -> None:
    if public is None:
        error = UnsignedError(f"{file} is signed, and nobody has said whose signature counts")
        error.hint = "Name the key with --key, or in the settings."
        raise error
    path.parent.mkdir(parents=True, exist_ok=True)
    exports.take_export(file, path, public)
    typer.echo(f"{file}: the signature of {public[:16]}… holds", err=True)


def _take(files: list[Path], path: Path) -> Tally:
    with _progress() as bar, taking_in(path, now=now()) as writer:
        intake = Intake(writer)
        for file in files:
            task = bar.add_task(file.name, total=None)
            intake.file(file, _mover(bar, task))
            bar.update(task, completed=1, total=1)
        intake.finish()
    return writer.tally


def _update_signed(path: Path, settings: Settings, downloads: Downloads) -> None:
    signed = settings.signed
    if signed is None or signed.address is None:
        raise UsageError("the settings name a key, but no address that signed data is fetched from")
    source = Source(name="nvd", address=signed.address)
    with _progress() as bar:
        fetched = _fetch(source, downloads, bar)
    if not fetched.changed and path.exists():
        return
    try:
        _take_signed(fetched.path, path, signed.key)
    except DataError:
        downloads.forget(source)
        raise


def _update_from(wanted: list[Source], path: Path, downloads: Downloads) -> None:
    """Fetch everything first, then take in what changed, so that a fault leaves all as it was."""
    changed: list[tuple[Source, Path]] = []
    failed: list[DownloadError] = []
    away: set[str] = set()
    with _progress() as bar:
        for source in wanted:
            if urlsplit(source.address).netloc in away:
                continue
            try:
                fetched = _fetch(source, downloads, bar)
            except DownloadError as error:
                failed.append(error)
                if isinstance(error, UnreachableError):
                    away.add(error.host)
                typer.echo(f"{source.name}: {error}", err=True)
                continue
            if fetched.changed or not path.exists():
                changed.append((source, fetched.path))
    if changed:
        try:
            _show_tally(_take([file for _, file in changed], path))
        except DataError:
            for source, _ in changed:
                downloads.forget(source)
            raise
    if failed:
        raise failed[0]


def _fetch(source: Source, downloads: Downloads, bar: Progress) -> Fetched:
    task = bar.add_task(f"{source.name} {source.address.rpartition('/')[2][:30]}", total=None)
    fetched = downloads.fetch(source, _mover(bar, task))
    bar.update(task, completed=1, total=1)
    return fetched


@contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        yield bar


class _mover:  # noqa: N801 - called like a function
    """Moves one bar."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def __call__(self, done: int, whole: int) -> None:
        self._bar.update(self._task, completed=done, total=max(whole, 1))


def _show_tally(tally: Tally) -> None:
    for source, count in sorted(tally.records.items()):
        typer.echo(f"{source}: {count} records", err=True)
    if tally.removed:
        typer.echo(f"{tally.removed} records were withdrawn by their publishers", err=True)
    for reason in tally.skipped:
        typer.echo(f"left out: {reason}", err=True)
    if tally.skipped_count > len(tally.skipped):
        typer.echo(f"left out: {tally.skipped_count - len(tally.skipped)} more", err=True)


def _show_status(path: Path, *, as_json: bool) -> bool:
    """Print what there is; tell whether it is fresh and complete."""
    moment = now()
    with Database(path) as database:
        ages = database.ages()
    judged = freshness(ages, moment)
    if as_json:
        answer = {
            "path": str(path),
            "size_bytes": path.stat().st_size,
            "fresh": judged.fresh,
            "troubles": list(judged.troubles),
            "sources": [
                {
                    "source": age.source,
                    "entries": age.entries,
                    "published": age.published and age.published.isoformat(),
                    "imported": age.imported.isoformat(),
                }
                for age in ages
            ],
        }
        typer.echo(json.dumps(answer, indent=2))
        return judged.fresh
    _print_table(path, ages, judged, moment)
    return judged.fresh


def _print_table(
    path: Path, ages: tuple[DataAge, ...], judged: Freshness, moment: datetime
) -> None:
    table = Table(
        box=None, title=f"{path}, {path.stat().st_size / 1e6:.1f} MB", title_justify="left"
    )
    for head in ("source", "entries", "newest", "imported", "age"):
        table.add_column(head, justify="right" if head == "entries" else "left")
    for age in ages:
        known = age.published or age.imported
        days = (moment - known).days
        words = f"{days} days" if age.published else f"at least {days} days"
        table.add_row(
            age.source,
            f"{age.entries}",
            f"{age.published:%Y-%m-%d}" if age.published else "not told",
            f"{age.imported:%Y-%m-%d %H:%M}",
            Text(words, style="red" if age.source in judged.old else ""),
        )
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    for trouble in judged.troubles:
        typer.echo(trouble, err=True)
