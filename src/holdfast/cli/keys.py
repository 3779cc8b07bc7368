"""`holdfast keys`: make, show, use and rotate signing keys."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from holdfast.cli.hub_api import Hub
from holdfast.cli.passphrases import Passphrases
from holdfast.core.clock import now
from holdfast.core.errors import UsageError
from holdfast.core.files import write_whole
from holdfast.updates import bundle, keys
from holdfast.updates.errors import KeyFileError, WorkshopError
from holdfast.updates.keys import PublicKey, SigningKey
from holdfast.updates.progress import RoleStatus
from holdfast.updates.workshop import Start, Workshop

app = typer.Typer(help="Make, show, use and rotate signing keys.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether you mean it.")]
Shop = Annotated[Path, typer.Option(help="The maker's workshop.")]
Secret = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="File with the passphrase that only you can read."),
]
WORKSHOP = Path("workshop")
_TOP = ("root", "targets")


@app.command()
def init(  # noqa: PLR0913 - Typer makes an option of each argument
    *,
    workshop: Shop = WORKSHOP,
    online: Annotated[Path, typer.Option(help="Public keys of the hub; see `fetch-online`.")],
    root_keys: Annotated[int, typer.Option(min=0, max=20, help="Root keys to make here.")] = 3,
    root_threshold: Annotated[int, typer.Option(min=1, help="So many of them must sign.")] = 2,
    root_key: Annotated[
        list[Path] | None, typer.Option(help="Root key file made elsewhere; may be repeated.")
    ] = None,
    targets_keys: Annotated[int, typer.Option(min=0, max=20, help="Targets keys to make.")] = 2,
    targets_threshold: Annotated[int, typer.Option(min=1, help="So many must sign.")] = 1,
    targets_key: Annotated[
        list[Path] | None, typer.Option(help="Targets key file made elsewhere; repeatable.")
    ] = None,
    passphrase_file: Secret = None,
    as_json: Json = False,
) -> None:
    """Begin a workshop: make root and targets keys, and sign the first root with them."""
    if (workshop / "workshop.json").exists():
        raise WorkshopError(f"{workshop} is a workshop already.")
    elsewhere = {"root": root_key or [], "targets": targets_key or []}
    counts = {"root": root_keys, "targets": targets_keys}
    thresholds = {"root": root_threshold, "targets": targets_threshold}
    for role, threshold in thresholds.items():
        have = counts[role] + len(elsewhere[role])
        if threshold > have:
            raise UsageError(f"{threshold} of {have} {role} keys cannot sign")
    hub_keys = _read(online)
    secrets = Passphrases(passphrase_file)
    public = {role: [keys.read_public(path) for path in paths] for role, paths in elsewhere.items()}
    made: dict[str, list[SigningKey]] = {role: [] for role in _TOP}
    for role in _TOP:
        for _ in range(counts[role]):
            _, opened = secrets.make_open(workshop / "keys", role)
            made[role].append(opened)
            public[role].append(opened.public)
    shop = Workshop.init(
        workshop,
        Start(
            online=hub_keys,
            root=public["root"],
            targets=public["targets"],
            root_threshold=root_threshold,
            targets_threshold=targets_threshold,
        ),
        now=now(),
    )
    for role in _TOP:
        for opened in made[role][: thresholds[role]]:
            shop.sign(role, opened)
    _report(shop, as_json=as_json)


@app.command()
def make(
    *,
    role: Annotated[str, typer.Option(help="`root`, `targets`, or the id of a product.")],
    out: Annotated[Path, typer.Option(help="Folder for the key file.")] = Path(),
    passphrase_file: Secret = None,
    as_json: Json = False,
) -> None:
    """Make one key, for example on the machine of another person."""
    made = Passphrases(passphrase_file).make(out, role)
    if as_json:
        typer.echo(json.dumps({"path": str(made.path), **asdict(made.public)}))
    else:
        typer.echo(made.path)
        typer.echo("Keep a copy elsewhere; nobody can restore it or its passphrase.", err=True)


@app.command()
def add_product(
    product: Annotated[str, typer.Argument(help="Id of the product, as in its profile.")],
    *,
    workshop: Shop = WORKSHOP,
    count: Annotated[int, typer.Option("--keys", min=0, max=20, help="Keys to make here.")] = 2,
    threshold: Annotated[int, typer.Option(min=1, help="So many must sign a release.")] = 1,
    key: Annotated[
        list[Path] | None, typer.Option(help="Key file made elsewhere; may be repeated.")
    ] = None,
    sign_with: Annotated[
        Path | None, typer.Option(help="Targets key to sign with at once.")
    ] = None,
    passphrase_file: Secret = None,
    as_json: Json = False,
) -> None:
    """Let some keys sign the releases of one more product."""
    shop = Workshop(workshop)
    if product in shop.products():
        raise WorkshopError(f"The product {product} has its keys already.")
    if threshold > count + len(key or []):
        raise UsageError(f"{threshold} of {count + len(key or [])} keys cannot sign")
    secrets = Passphrases(passphrase_file)
    public = [keys.read_public(path) for path in key or []]
    public += [secrets.make(shop.keys, product).public for _ in range(count)]
    shop.add_product(product, public, threshold=threshold, now=now())
    if sign_with is not None:
        shop.sign("targets", secrets.open(sign_with, role="targets"))
    _report(shop, as_json=as_json)


@app.command()
def status(*, workshop: Shop = WORKSHOP, as_json: Json = False) -> None:
    """Say who has a say, who has signed, what expires when, and what to do next."""
    shop = Workshop(workshop)
    _report(shop, as_json=as_json)
    if any(each.next_step for each in shop.status(now())):
        raise typer.Exit(1)


@app.command()
def sign(
    *,
    role: Annotated[str, typer.Option(help="`root`, `targets`, or the id of a product.")],
    key: Annotated[Path, typer.Option(help="Key file to sign with.")],
    workshop: Shop = WORKSHOP,
    renew: Annotated[
        bool, typer.Option("--renew", help="First make a new version that expires later.")
    ] = False,
    yes: Yes = False,
    passphrase_file: Secret = None,
    as_json: Json = False,
) -> None:
    """Show what the newest version of a role changes, and sign it with one key."""
    shop = Workshop(workshop)
    opened = Passphrases(passphrase_file).open(key)
    if renew:
        shop.renew(role, now=now())
    typer.echo(f"Signing {role}:", err=True)
    for line in shop.changes(role):
        typer.echo(f"  {line}", err=True)
    _must_be_meant(yes=yes or passphrase_file is not None)
    shop.sign(role, opened)
    _report(shop, as_json=as_json)


@app.command()
def rotate(
    *,
    workshop: Shop = WORKSHOP,
    role: Annotated[str, typer.Option(help="`root`, `targets`, or the id of a product.")] = "",
    old: Annotated[str, typer.Option(help="Id of the key that goes; 8 digits suffice.")] = "",
    new: Annotated[Path | None, typer.Option(help="Key file made elsewhere; else made here.")] = (
        None
    ),
    online: Annotated[
        Path | None, typer.Option(help="Instead: new public keys of the hub.")
    ] = None,
    passphrase_file: Secret = None,
    as_json: Json = False,
) -> None:
    """Put a new key in the place of an old one; what must be signed then is said."""
    shop = Workshop(workshop)
    if (online is None) == (not role or not old):
        raise UsageError("give either --role and --old, or --online")
    if online is not None:
        waiting = shop.rotate_online(_read(online), now=now())
    else:
        # Asked before a key is made, so that a wrong --old costs no passphrase.
        shop.must_have(role, old)
        coming = _new_key(shop, role, new, passphrase_file)
        waiting = shop.rotate(role, old=old, new=coming, now=now())
    typer.echo(f"To be signed now: {', '.join(waiting)}", err=True)
    _report(shop, as_json=as_json)


@app.command()
def take_in(
    folder: Annotated[Path, typer.Argument(help="Another copy of the workshop, or a release.")],
    *,
    workshop: Shop = WORKSHOP,
    as_json: Json = False,
) -> None:
    """Take in versions and signatures that somebody else has made."""
    shop = Workshop(workshop)
    changed = shop.take_in(bundle.metadata(folder))
    typer.echo(f"New: {', '.join(changed) or 'nothing'}", err=True)
    _report(shop, as_json=as_json)


@app.command()
def fetch_online(
    *,
    hub: Annotated[str, typer.Option(help="Address of the hub.")],
    token_file: Annotated[
        Path | None, typer.Option(help="File with the hub's token, if it asks for one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("online-keys.json"),
) -> None:
    """Fetch the public parts of the keys that the hub itself holds."""
    token = keys.read_secret(token_file, what="token") if token_file else ""
    write_whole(out, Hub(hub, token=token).online_keys())
    typer.echo(out)


@app.command()
def publish(
    *,
    workshop: Shop = WORKSHOP,
    hub: Annotated[str, typer.Option(help="Address of the hub.")],
    token_file: Annotated[Path, typer.Option(help="File with the hub's token for you.")],
    as_json: Json = False,
) -> None:
    """Send roots and lists to the hub: the first time, and after every rotation."""
    speaker = Hub(hub, token=keys.read_secret(token_file, what="token"))
    answer = speaker.send_lists(Workshop(workshop).files())
    typer.echo(json.dumps(answer) if as_json else "The hub has taken them in.")


def _new_key(shop: Workshop, role: str, new: Path | None, secret: Path | None) -> PublicKey:
    if new is not None:
        return keys.read_public(new)
    return Passphrases(secret).make(shop.keys, role).public


def _must_be_meant(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        error = UsageError("somebody must say that this is meant to be signed")
        error.hint = "Run it at a terminal, or give --yes."
        raise error
    typer.confirm("Do you want to sign this?", abort=True, err=True)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64 * 1024)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}.") from error


def _report(shop: Workshop, *, as_json: bool) -> None:
    found = shop.status(now())
    if as_json:
        typer.echo(json.dumps([_plain(each) for each in found]))
        return
    titles = ("role", "version", "signatures", "expires", "keys (* has signed)")
    rows = [_row(each) for each in found]
    if sys.stdout.isatty():
        table = Table(*titles, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
    else:
        for row in rows:
            typer.echo("\t".join(row))
    for each in found:
        if each.next_step:
            typer.echo(f"{each.role}: {each.next_step}")


def _row(standing: RoleStatus) -> tuple[str, ...]:
    shown = " ".join(f"{each.keyid[:12]}{'*' if each.signed else ''}" for each in standing.signers)
    if standing.expires is None and not standing.next_step:
        return standing.role, "on the hub", "", "", shown
    present = sum(each.signed for each in standing.signers)
    expires = f"{standing.expires:%Y-%m-%d}" if standing.expires else ""
    return (
        standing.role,
        str(standing.version),
        f"{present} of {standing.threshold}",
        expires,
        shown,
    )


def _plain(status_: RoleStatus) -> dict[str, object]:
    fields = asdict(status_)
    fields["expires"] = f"{status_.expires:%Y-%m-%dT%H:%M:%SZ}" if status_.expires else None
    return fields
