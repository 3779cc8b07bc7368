"""`holdfast hub accounts`: who may log in to the hub, from the hub's own machine."""

import getpass
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.offers import nothing_offered
from holdfast.core.clock import now
from holdfast.core.errors import UsageError
from holdfast.hub import start

if TYPE_CHECKING:
    from holdfast.hub.staff.models import Account

app = typer.Typer(no_args_is_help=True, help="Accounts of staff, on the hub's own machine.")

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="hub.toml; without it the one in this folder."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit trail.")]
Name = Annotated[str, typer.Argument(help="Name of the account.")]
_MOST_BYTES = 4 << 20
_MOST_TYPED = 4096


def _start(config: Path | None) -> None:
    start.setup(config)
    start.migrate()


def _account(name: str) -> "Account":
    from holdfast.hub.staff.models import Account  # noqa: PLC0415 - after Django has started

    found = Account.objects.filter(name=name).first()
    if found is None:
        error = UsageError(f"there is no account {name!r}")
        error.hint = "See `holdfast hub accounts list`."
        raise error
    return found


def _new_password(name: str) -> str:
    """Read a password: twice at a terminal, or one line from a pipe; never from the command."""
    from holdfast.hub.staff import passwords  # noqa: PLC0415 - after Django has started

    if not sys.stdin.isatty():
        line = sys.stdin.buffer.readline(_MOST_TYPED)
        try:
            return line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise UsageError("the password is not UTF-8 text") from None
    typer.echo(f"New password for {name}. Suggested: {passwords.suggest()}", err=True)
    typed = getpass.getpass("Password: ")
    if typed != getpass.getpass("The same once more: "):
        raise UsageError("these were two different passwords")
    return typed


@app.command("list")
def list_(config: Config = None, *, as_json: AsJson = False) -> None:
    """Show who can log in, and with what."""
    _start(config)
    from holdfast.hub.staff import people  # noqa: PLC0415 - after Django has started

    shown: list[dict[str, Any]] = [
        {
            "name": person.account.name,
            "origin": str(person.account.origin),
            "active": person.account.is_active,
            "second_factor": bool(person.factors),
            "emergency": person.is_emergency,
        }
        for person in people.everybody()
    ]
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for each in shown:
        marks = [each["origin"]]
        marks += [word for word in ("second_factor", "emergency") if each[word]]
        marks += [] if each["active"] else ["switched off"]
        typer.echo(f"{each['name']}  ({', '.join(marks).replace('_', ' ')})")


@app.command()
def add(
    name: Name,
    config: Config = None,
    *,
    email: Annotated[
        str, typer.Option(help="Where a login from a new place is told; nowhere without it.")
    ] = "",
) -> None:
    """Make a local account; its password is asked for, or read from standard input."""
    _start(config)
    from holdfast.hub.owners.addresses import checked  # noqa: PLC0415 - after Django has started
    from holdfast.hub.staff import services  # noqa: PLC0415 - after Django has started

    services.must_be_free_name(name)
    address = checked(email) if email else ""
    with nothing_offered():
        services.add_account(name, _new_password(name), by=services.SYSTEM, email=address)
    typer.echo(f"The account {name} is made.")


@app.command()
def password(name: Name, config: Config = None) -> None:
    """Set a new password for a local account; all its sessions end."""
    _start(config)
    from holdfast.hub.staff import brake, services  # noqa: PLC0415 - after Django has started

    account = _account(name)
    with nothing_offered():
        services.change_password(account, password=_new_password(name), by=services.SYSTEM)
    brake.opened(account.name)
    typer.echo(f"The password of {name} is changed, and all sessions are ended.")


@app.command("switch-off")
def switch_off(name: Name, config: Config = None, *, why: Why) -> None:
    """Keep an account out, and end its sessions."""
    _switch(name, config, active=False, why=why)
    typer.echo(f"The account {name} is switched off.")


@app.command("switch-on")
def switch_on(name: Name, config: Config = None, *, why: Why) -> None:
    """Let an account in again."""
    _switch(name, config, active=True, why=why)
    typer.echo(f"The account {name} is switched on.")


def _switch(name: str, config: Path | None, *, active: bool, why: str) -> None:
    _start(config)
    from holdfast.hub.staff import services  # noqa: PLC0415 - after Django has started

    services.switch(_account(name), active=active, by=services.SYSTEM, why=why)


@app.command()
def unlock(
    name: Name,
    config: Config = None,
    *,
    why: Why,
) -> None:
    """Hear passwords again that were switched off after a hundred wrong ones."""
    _start(config)
    from holdfast.hub.staff import people, services  # noqa: PLC0415 - after Django has started

    people.unlock(_account(name), by=services.SYSTEM, why=why)
    typer.echo(f"Passwords for {name} are heard again.")


@app.command("remove-factors")
def remove_factors(
    name: Name,
    config: Config = None,
    *,
    why: Why,
) -> None:
    """Take lost passkeys, apps and recovery codes from an account, and end its sessions."""
    _start(config)
    from holdfast.hub.staff import factors, services  # noqa: PLC0415 - after Django has started

    account = _account(name)
    with start.all_or_nothing():
        factors.remove_all(account, by=services.SYSTEM, why=why)
        services.end_sessions(account, by=services.SYSTEM)
    typer.echo(f"{name} has no second factor any more.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="File of the other product.")],
    config: Config = None,
    *,
    kind: Annotated[str, typer.Option(help="shadow, htpasswd or json.")] = "shadow",
    days: Annotated[int, typer.Option(min=1, max=365, help="Life of old passwords.")] = 90,
    as_json: AsJson = False,
) -> None:
    """Take over accounts with the hashes of another product; exit 1 if some were left out."""
    _start(config)
    from holdfast.hub.staff import services, taking_over  # noqa: PLC0415 - after Django has started

    if kind not in taking_over.READERS:
        raise UsageError(f"--kind must be one of {', '.join(taking_over.READERS)}")
    deadline = now() + timedelta(days=days)
    done = taking_over.take_over(_text_of(file), kind=kind, deadline=deadline, by=services.SYSTEM)
    if as_json:
        faults = [fault._asdict() for fault in done.faults]
        typer.echo(json.dumps({"made": done.names, "faults": faults, "locked": done.locked}))
    else:
        for name in done.names:
            typer.echo(f"{name}: taken over; the old password opens until {deadline.date()}")
        for fault in done.faults:
            typer.echo(f"{file}:{fault.line}: {fault.name}: {fault.reason}", err=True)
    if done.faults:
        raise typer.Exit(1)


def _text_of(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{file} is longer than {_MOST_BYTES} bytes")
    return content.decode(errors="replace")
