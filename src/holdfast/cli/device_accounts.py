"""`holdfast device accounts`: what root on a running device may ask about its accounts."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from holdfast import product
from holdfast.accounts.hashing.importing import (
    MOST_CHARACTERS,
    Imported,
    parse_htpasswd,
    parse_json,
    parse_shadow,
)
from holdfast.core.errors import HoldfastError, UsageError
from holdfast.device import config as device_config
from holdfast.device.broker import wire

app = typer.Typer(help="See and take over accounts of a running device.", no_args_is_help=True)

_ASK_S = 60.0
_MOST_PAGES = 16
_READERS = {"shadow": parse_shadow, "htpasswd": parse_htpasswd, "json": parse_json}

Config = Annotated[Path, typer.Option("--config", "-c", help="device.toml in the device's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command("list")
def show(config: Config = Path("device.toml"), *, as_json: AsJson = False) -> None:
    """Show who may log in with a password that this device keeps."""
    rows = _rows(device_config.read(config).auth_socket)
    if as_json:
        typer.echo(json.dumps({"accounts": rows}, indent=2))
        return
    titles = ("account", "role", "second factor", "recovery codes", "from an older product")
    table = Table(*titles, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        second, old = ("yes" if row[name] else "no" for name in ("second", "taken_over"))
        table.add_row(row["name"], row["role"], second, str(row["recovery"]), old)
    Console().print(table)


def _rows(socket: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for page in range(_MOST_PAGES):
        answer = wire.call(socket, "account.list", {"page": page}, _ASK_S)
        rows += answer["accounts"]
        if page + 1 >= int(answer["pages"]):
            break
    return rows


@app.command("rotate-key")
def rotate_key(config: Config = Path("device.toml"), *, as_json: AsJson = False) -> None:
    """Make a new device key, as after a copy of the device's storage was seen elsewhere.

    Sealed secrets change over at once; passwords do when their owners next log in.
    """
    told = wire.call(device_config.read(config).auth_socket, "keys.rotate", {}, _ASK_S)
    if as_json:
        typer.echo(json.dumps(told))
    else:
        typer.echo(f"New device key {told['id']}; {told['keys']} are kept, the older to check only")


@app.command("import")
def take_over(
    file: Annotated[Path, typer.Argument(help="File with the accounts and their hashes.")],
    config: Config = Path("device.toml"),
    *,
    kind: Annotated[str, typer.Option(help="shadow, htpasswd or json.")] = "shadow",
    role: Annotated[str, typer.Option(help="Role that each of them gets.")],
    days: Annotated[
        int, typer.Option(min=1, max=365, help="Days in which the old password must be used.")
    ] = 90,
    as_json: AsJson = False,
) -> None:
    """Take accounts over from an older product, with their password hashes.

    Exit code 1 if one of them was left out.
    """
    if kind not in _READERS:
        raise UsageError(f"say one of {', '.join(_READERS)} as kind")
    settings = device_config.read(config)
    roles = product.read(settings.product).accounts.roles
    if role not in roles:
        error = UsageError("this product has no such role")
        error.hint = f"Its roles are: {', '.join(roles)}."
        raise error
    found = _READERS[kind](_text(file))
    for fault in found.faults:
        if not fault.line:  # of the file as a whole
            raise UsageError(f"{file} cannot be read: {fault.reason}")
    taken, left_out = _taken(found, settings.auth_socket, role=role, days=days)
    if as_json:
        typer.echo(json.dumps({"taken": taken, "left_out": left_out, "locked": found.locked}))
    else:
        for name in taken:
            typer.echo(f"{name}: taken over")
        for one in left_out:
            typer.echo(f"{one['name'] or '-'} (line {one['line']}): {one['reason']}", err=True)
        for name in found.locked:
            typer.echo(f"{name}: locked, and stays out", err=True)
    if left_out:
        raise typer.Exit(1)


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_CHARACTERS + 1)
        return content.decode()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no text in UTF-8") from error


def _taken(
    found: Imported, socket: Path, *, role: str, days: int
) -> tuple[list[str], list[dict[str, Any]]]:
    taken: list[str] = []
    left_out: list[dict[str, Any]] = [dict(one._asdict()) for one in found.faults]
    for entry in found.entries:
        args = {"name": entry.name, "role": role, "hash": entry.hash, "days": days}
        try:
            wire.call(socket, "account.import", args, _ASK_S)
        except wire.UnreachableError:
            raise
        except HoldfastError as error:
            left_out.append({"line": entry.line, "name": entry.name, "reason": str(error)})
        else:
            taken.append(entry.name)
    return taken, sorted(left_out, key=lambda one: int(one["line"]))
