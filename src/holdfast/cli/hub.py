"""`holdfast hub`: run the hub and look after it."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from django.db import DatabaseError
from typer.core import TyperGroup

from holdfast.cli import hub_accounts
from holdfast.core import log
from holdfast.core.files import write_whole
from holdfast.hub import database, start, state
from holdfast.hub.config import HubConfig


class _Commands(TyperGroup):
    """The commands; what the database refuses becomes one of our errors."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer keeps its own classes private
        """Run a command."""
        try:
            return super().invoke(ctx)
        except DatabaseError as error:
            known = database.named(error)
            if known is None:
                raise
            raise known from error


app = typer.Typer(cls=_Commands, no_args_is_help=True, help="Run the hub and look after it.")
app.add_typer(hub_accounts.app, name="accounts")

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="hub.toml; without it the one in this folder."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def _start(config_file: Path | None) -> HubConfig:
    log.configure(json_lines=not os.isatty(2))
    return start.setup(config_file)


@app.command()
def init(
    config: Config = None,
    *,
    new_account_keys: Annotated[
        bool,
        typer.Option(
            "--new-account-keys",
            help="Also where those of before are lost; then every stored password is worthless.",
        ),
    ] = False,
) -> None:
    """Make the state folder, the session key, the keys of accounts and online, and the tables."""
    hub = _start(config)
    start.migrate(new_account_keys=new_account_keys)
    from holdfast.hub.releases import services  # noqa: PLC0415 - after Django has started

    services.online_keys(hub)
    typer.echo(f"The hub is ready in {hub.state.absolute()}.")


@app.command()
def serve(config: Config = None, *, as_json: AsJson = False) -> None:
    """Serve the pages and the API until Ctrl-C."""
    hub = _start(config)
    from holdfast.hub import server  # noqa: PLC0415 - after Django has started

    server.serve(hub, as_json=as_json)


@app.command()
def worker(config: Config = None) -> None:
    """Do the background work: what devices report, mails, fresh timestamps."""
    hub = _start(config)
    with state.held(hub.state / "worker.lock", what="worker"):
        start.migrate()
        from holdfast.hub.worker import main  # noqa: PLC0415 - after Django has started

        main()


@app.command("setup-link")
def setup_link(
    config: Config = None,
    *,
    another: Annotated[
        bool, typer.Option("--another", help="For one more account, although there are some.")
    ] = False,
) -> None:
    """Print a new one-time link that makes an account; earlier links end."""
    _start(config)
    start.migrate()
    from holdfast.hub.staff import services  # noqa: PLC0415 - after Django has started

    typer.echo(services.make_setup_link(another=another))


@app.command("verify-trail")
def verify_trail(
    config: Config = None,
    *,
    head: Annotated[
        str, typer.Option(help="NUMBER:DIGEST printed earlier, which must still be in the trail.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Walk the audit trail; exit 1 and name the first entry that is not as it was written."""
    hub = _start(config)
    start.migrate()
    from holdfast.hub.staff import trail  # noqa: PLC0415 - after Django has started

    found = trail.verify(hub.trail_head, expected=trail.parse_head(head) if head else None)
    if as_json:
        typer.echo(json.dumps({"entries": found.seq, "digest": found.digest}))
    else:
        typer.echo(f"The audit trail is whole: {found.seq} entries.")
        typer.echo(f"Its head, to be kept elsewhere: {found.seq}:{found.digest}")


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="What it is for, such as build-server.")],
    out: Annotated[Path, typer.Option("--out", help="File to write it to, readable by you only.")],
    config: Config = None,
) -> None:
    """Make an API token and write it to a file."""
    _start(config)
    start.migrate()
    from holdfast.hub.staff import services  # noqa: PLC0415 - after Django has started

    services.must_be_plain_name(name)
    # If the file cannot be written, the token is not made either.
    with start.all_or_nothing():
        made = services.make_token(name, by=services.SYSTEM)
        write_whole(out, made.encode() + b"\n", mode=0o600)
    typer.echo(f"The token {name} is in {out}.")


@app.command("add-device")
def add_device(
    name: Annotated[str, typer.Argument(help="Under which it will poll, such as its serial.")],
    product: Annotated[str, typer.Option(help="Id of its product.")],
    hardware: Annotated[str, typer.Option(help="Its hardware revision.")],
    out: Annotated[Path, typer.Option("--out", help="File for its token, readable by you only.")],
    config: Config = None,
) -> None:
    """Let a device in and write its token to a file."""
    _start(config)
    start.migrate()
    from holdfast.hub.fleet import services  # noqa: PLC0415 - after Django has started
    from holdfast.hub.products.queries import product_named  # noqa: PLC0415
    from holdfast.hub.staff.services import SYSTEM  # noqa: PLC0415

    with start.all_or_nothing():
        token = services.register_device(name, product_named(product), hardware, by=SYSTEM)
        write_whole(out, token.encode() + b"\n", mode=0o600)
    typer.echo(f"The device {name} may poll; its token is in {out}.")
