"""`holdfast gateway`: runs what devices poll."""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from holdfast.core import log
from holdfast.gateway import config, server

app = typer.Typer(
    help="Run the gateway that devices poll.", no_args_is_help=True, add_completion=False
)


@app.callback()
def _root() -> None:
    """Run the gateway that devices poll."""


@app.command()
def serve(
    *,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", help="hub.toml; else as HOLDFAST_HUB_CONFIG says, or here."),
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the address, and log, as JSON.")
    ] = False,
) -> None:
    """Answer devices until Ctrl-C. Many gateways may run beside each other on one database."""
    log.configure(json_lines=json_output)

    def tell(address: str) -> None:
        shown = msgspec.json.encode({"url": address}).decode() if json_output else address
        typer.echo(shown)
        sys.stdout.flush()

    if not server.serve(config.read(config_file), started=tell):
        # A connection would not end. All is written; do not wait for it.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
