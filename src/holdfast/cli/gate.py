"""The gate of a release: the maker's own audit before a signature, and the hub's after it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from holdfast.audit import child
from holdfast.audit.gate import objections, refusal
from holdfast.audit.report import document
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible
from holdfast.audit.sbom import cyclonedx
from holdfast.cli.audit import terms
from holdfast.cli.hub_api import Hub
from holdfast.core.clock import now
from holdfast.updates import bundle
from holdfast.updates.bundle import Contents, Recipe
from holdfast.updates.errors import ReleaseError
from holdfast.updates.waiver import Waiver
from holdfast.updates.workshop import Workshop

_ASK_EVERY_S = 0.5
_UNDER_WAY = ("waiting", "running")


def pass_through(
    folder: Path, held: Contents, workshop: Workshop, *, database: Path | None, why: str, who: str
) -> Contents:
    """Audit the image of a release folder, and refuse what fails and nobody waives.

    Args:
        folder: The folder.
        held: What it holds.
        workshop: Knows whose signature counts: a waiver is worth nothing before somebody signed it.
        database: Vulnerabilities; the user's own if None.
        why: Reason to let it pass all the same; empty to refuse.
        who: The person who says so.

    Returns:
        What the folder now holds; a new waiver is among it.

    Raises:
        GateError: The audit says no.
        ReleaseError: A file of it cannot be read, or nobody answers for a waiver in it.
    """
    bundle.must_be_unchanged(folder, held)
    given = bundle.waiver_of(folder, held)
    signed = given is not None and bundle.is_signed(folder, held, workshop)
    image = folder / "targets" / held.release.path
    report = _audited(image, _profile(folder, held), database)
    against = objections(report)
    for line in against:
        typer.echo(f"  audit      {line}", err=True)
    if against and why and not signed:
        return bundle.waive(folder, Waiver(who=who, why=why, made=now(), objections=against))
    if given is not None:
        said = f"{visible(given.who)}: {visible(given.why, most=500)}"
        if not signed:
            unsigned = ReleaseError(
                f"In the folder lies a waiver that nobody has signed, by {said}"
            )
            unsigned.hint = (
                "Build the release again; or sign with --waive REASON --by NAME yourself."
            )
            raise unsigned
        typer.echo(f"  waived     by {said}", err=True)
    if more := given.uncovered(against) if given is not None else against:
        error = refusal(more)
        error.hint = (
            "This is more than was waived: build the release again; a waiver must be there before "
            "the first signature."
            if given is not None
            else "Mend it, waive single findings in product.toml and build again, "
            "or sign with --waive REASON --by NAME."
        )
        raise error
    if not against:
        typer.echo("  audit      nothing speaks against it", err=True)
    return held


def _profile(folder: Path, held: Contents) -> Path:
    """Name the profile that is signed with a release, and no other file that lies there."""
    path = f"{held.release.path.rpartition('/')[0]}/product.toml"
    if held.beside.get(path, (0, ""))[1] != held.release.profile_sha256:
        raise ReleaseError("The profile beside the image is not the one that the release names.")
    return folder / "targets" / path


def with_report(recipe: Recipe, folder: Path) -> Recipe:
    """Audit the image of a release to be built, so that report and components are kept with it.

    Whatever the report says, the release is built: it is the signers who are asked.

    Args:
        recipe: Of the release.
        folder: Where the files may lie until it is built.
    """
    if recipe.audit is not None:
        return recipe
    with bundle.opened(recipe.artifact) as image:
        if not image.read(1):
            return recipe  # building it says what is wrong
        report = _audited(recipe.artifact, recipe.profile, None)
    audit, sbom = folder / "audit.json", folder / "sbom.json"
    audit.write_bytes(document.encode(report))
    sbom.write_bytes(cyclonedx.render(report))
    return replace(recipe, audit=audit, sbom=recipe.sbom or sbom)


def _audited(image: Path, profile: Path, database: Path | None) -> Report:
    settings = terms.settings(
        product=profile, db=database, baseline=None, limit=[], cache=None, keep=True
    )
    with _shown("Auditing") as shown:
        return child.judge(
            image,
            settings,
            progress=lambda stage, share, _text: shown(stage, share),
        )


def wait_for_hub(hub: Hub, release: dict[str, Any], *, wait_s: int) -> dict[str, Any]:
    """Wait until the hub's audit of a release is over, or the patience is."""
    until = time.monotonic() + wait_s
    judgement = hub.judgement(release["id"])
    with _shown("The hub audits it") as shown:
        while under_way(judgement) and time.monotonic() < until:
            shown(judgement["stage"] or judgement["state"], judgement["share"] / 100)
            time.sleep(_ASK_EVERY_S)
            judgement = hub.judgement(release["id"])
    return judgement


def under_way(judgement: dict[str, Any]) -> bool:
    """Tell whether the hub will say more."""
    return judgement["state"] in _UNDER_WAY


def tell(judgement: dict[str, Any], *, url: str, offer: bool) -> None:
    """Say what came of it."""
    if under_way(judgement):
        typer.echo(f"the hub has not finished its audit; see {url}", err=True)
        return
    typer.echo(f"audit by the hub: {judgement['state']}")
    for line in judgement["objections"]:
        typer.echo(f"  {visible(line)}", err=True)
    if judgement["open"] and offer:
        typer.echo("offered to the devices of the product", err=True)
    if not judgement["open"]:
        typer.echo(f"it is not offered; mend it, or waive it with a reason at {url}", err=True)


@contextmanager
def _shown(what: str) -> Iterator[Callable[[str, float], None]]:
    if not sys.stderr.isatty():
        yield lambda _stage, _share: None
        return
    columns = (TextColumn(what), BarColumn(), TextColumn("{task.fields[stage]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        work = bar.add_task("", total=1.0, stage="")
        yield lambda stage, share: bar.update(work, completed=share, stage=stage)
