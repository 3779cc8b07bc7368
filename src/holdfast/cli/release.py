"""`holdfast release`: build, sign and publish a release."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from holdfast import product
from holdfast.cli import gate
from holdfast.cli.hub_api import Hub
from holdfast.cli.hub_api import Progress as Report
from holdfast.cli.passphrases import Passphrases
from holdfast.core.clock import now
from holdfast.core.errors import UsageError
from holdfast.updates import bundle, keys
from holdfast.updates.errors import ReleaseError
from holdfast.updates.release import NOTES_CHARS, Release, Severity, Version, is_cve
from holdfast.updates.workshop import Workshop

app = typer.Typer(help="Build, sign and publish a release.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Folder = Annotated[Path, typer.Argument(help="Folder that `release build` made.")]
WORKSHOP = Path("workshop")


@app.command()
def build(  # noqa: PLR0913 - Typer makes an option of each argument
    *,
    profile: Annotated[Path, typer.Option(help="Product profile.")] = Path("product.toml"),
    artifact: Annotated[Path, typer.Option(help="Image that devices install.")],
    version: Annotated[str, typer.Option(help="Newer than every one before, such as 1.2.")],
    changelog: Annotated[Path, typer.Option(help="What changes for the owner, in plain words.")],
    severity: Annotated[Severity, typer.Option(help="How urgent it is for the owner.")],
    fixes: Annotated[
        list[str] | None, typer.Option(help="CVE id that it closes; may be repeated.")
    ] = None,
    hardware: Annotated[
        list[str] | None,
        typer.Option(help="Revision that it fits; may be repeated. All of the profile's if none."),
    ] = None,
    floor: Annotated[
        str, typer.Option(help="Security floor: devices with this release never go below it.")
    ] = "0.0",
    sbom: Annotated[
        Path | None, typer.Option(help="List of components; the audit's own if none is given.")
    ] = None,
    audit: Annotated[
        Path | None, typer.Option(help="Audit report; the image is audited if none is given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    as_json: Json = False,
) -> None:
    """Put an image and everything that belongs to it into a folder, ready to be signed."""
    identity = product.read(profile).identity
    strange = sorted(set(hardware or ()) - set(identity.hardware))
    if strange:
        error = ReleaseError(f"The profile knows no hardware revision {', '.join(strange)}.")
        error.hint = f"It knows: {', '.join(identity.hardware)}."
        raise error
    recipe = bundle.Recipe(
        product=identity.product,
        hardware=tuple(dict.fromkeys(hardware or identity.hardware)),
        version=Version.parse(version),
        floor=Version.parse(floor),
        severity=severity,
        notes=_notes(changelog),
        fixes=tuple(dict.fromkeys(_fixes(fixes or []))),
        artifact=artifact,
        profile=profile,
        sbom=sbom,
        audit=audit,
    )
    with TemporaryDirectory(prefix="holdfast-") as folder:
        made = bundle.build(gate.with_report(recipe, Path(folder)), out, now=now())
    if as_json:
        typer.echo(json.dumps({"folder": str(out), **_described(made)}))
        return
    typer.echo(out)
    typer.echo(f"Next: holdfast release sign {out} --key KEYFILE", err=True)


@app.command()
def show(folder: Folder, *, as_json: Json = False) -> None:
    """Say what a release folder holds."""
    held = bundle.contents(folder)
    bundle.must_be_unchanged(folder, held)
    described = _described(held.release)
    if as_json:
        typer.echo(json.dumps(described))
        return
    for name, value in described.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{name:12} {shown}")


@app.command()
def sign(  # noqa: PLR0913 - Typer makes an option of each argument
    folder: Folder,
    *,
    key: Annotated[Path, typer.Option(help="Key file of the product.")],
    workshop: Annotated[Path, typer.Option(help="The maker's workshop.")] = WORKSHOP,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the passphrase that only you can read.")
    ] = None,
    discard_draft: Annotated[
        bool, typer.Option("--discard-draft", help="Give up another release that waits.")
    ] = False,
    db: Annotated[
        Path | None, typer.Option(help="Vulnerability database; yours if it is there.")
    ] = None,
    waive: Annotated[
        str, typer.Option(help="Let it pass in spite of its audit, for this reason; needs --by.")
    ] = "",
    by: Annotated[str, typer.Option(help="Your name, if you waive; it is signed with it.")] = "",
    as_json: Json = False,
) -> None:
    """Audit a release, and sign it with one key; further people do the same with the folder."""
    if bool(waive) != bool(by):
        raise UsageError("--waive and --by belong together: a reason, and who answers for it")
    held = bundle.contents(folder)
    shop = Workshop(workshop)
    described = _described(held.release)
    for name in ("product", "version", "hardware", "floor", "sha256"):
        typer.echo(f"  {name:10} {described[name]}", err=True)
    held = gate.pass_through(folder, held, shop, database=db, why=waive, who=by)
    opened = Passphrases(passphrase_file).open(key)
    complete = bundle.sign(
        folder, shop, opened, now=now(), discard_draft=discard_draft, judged=held
    )
    (standing,) = (each for each in shop.status(now()) if each.role == held.release.product)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "complete": complete,
                    "list_version": standing.version,
                    "signed_by": [each.keyid for each in standing.signers if each.signed],
                    "threshold": standing.threshold,
                }
            )
        )
        return
    present = sum(each.signed for each in standing.signers)
    typer.echo(f"signed: {present} of {standing.threshold} signatures")
    if complete:
        typer.echo(f"Next: holdfast release publish {folder} --hub URL --token-file FILE", err=True)
    else:
        typer.echo("Next: give the folder to another person with a key to sign it too.", err=True)


@app.command()
def publish(
    folder: Folder,
    *,
    hub: Annotated[str, typer.Option(help="Address of the hub.")],
    token_file: Annotated[Path, typer.Option(help="File with the hub's token for you.")],
    offer: Annotated[
        bool, typer.Option("--offer", help="Offer it to all devices of the product at once.")
    ] = False,
    wait_s: Annotated[
        int, typer.Option(help="Seconds to wait for the hub's audit; 0 does not wait.", min=0)
    ] = 900,
    as_json: Json = False,
) -> None:
    """Send a signed release to the hub, and wait for the hub's own audit of it."""
    held = bundle.contents(folder)
    bundle.must_be_complete(folder, held)
    speaker = Hub(hub, token=keys.read_secret(token_file, what="token"))
    files = held.files()
    total = sum(size_bytes for size_bytes, _ in files.values())
    with _shown(total) as report:
        for path, (size_bytes, sha256) in files.items():
            place = folder / "targets" / path
            speaker.upload(place, path=path, size_bytes=size_bytes, sha256=sha256, progress=report)
    answer = speaker.publish(
        bundle.metadata(folder),
        {path: sha256 for path, (_, sha256) in files.items()},
        offer=offer,
    )
    if not as_json:
        typer.echo(f"published: {held.release.product} {held.release.version}")
    judgement = gate.wait_for_hub(speaker, answer["release"], wait_s=wait_s)
    if as_json:
        typer.echo(json.dumps({**answer, "judgement": judgement}))
    else:
        gate.tell(judgement, url=answer["release"]["url"], offer=offer)
    if wait_s and not judgement["open"]:
        raise typer.Exit(3 if gate.under_way(judgement) else 1)


@contextmanager
def _shown(total: int) -> Iterator[Report]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    columns = (TextColumn("Sending"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        work = bar.add_task("", total=total)
        yield lambda size_bytes: bar.advance(work, size_bytes)


def _notes(path: Path) -> str:
    try:
        with path.open("rb") as file:
            notes = file.read(NOTES_CHARS * 4 + 1).decode().strip()
    except OSError as error:
        raise ReleaseError(f"The changelog {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ReleaseError(f"The changelog {path} is not UTF-8 text.") from error
    if not notes:
        refusal = ReleaseError(f"The changelog {path} is empty.")
        refusal.hint = "Say in plain words what changes for the owner; it is shown and mailed."
        raise refusal
    return notes.replace("\r\n", "\n")


def _fixes(given: list[str]) -> list[str]:
    names = [name.strip() for each in given for name in each.split(",") if name.strip()]
    for name in names:
        if not is_cve(name):
            error = UsageError(f"{name[:40]!r} is not a CVE id")
            error.hint = "Write it like CVE-2026-12345."
            raise error
    return names


def _described(release: Release) -> dict[str, Any]:
    return {
        "product": release.product,
        "version": str(release.version),
        "hardware": list(release.hardware),
        "floor": str(release.floor),
        "severity": str(release.severity),
        "fixes": list(release.fixes),
        "artifact": release.artifact,
        "size_bytes": release.size_bytes,
        "sha256": release.sha256,
        "expires": f"{release.expires:%Y-%m-%d}",
    }
