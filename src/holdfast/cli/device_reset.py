"""`holdfast device reset`: the factory reset, for whoever has the device in his hands."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.core.errors import UsageError
from holdfast.device import config
from holdfast.device import reset as resetting


def reset(
    folder: Annotated[Path, typer.Argument(help="Folder of the device.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase everything of the owner: lost password, or the device is given away.

    Software, its security updates and the label stay: the set-up code on it is valid again.
    """
    settings = config.read(folder / "device.toml")
    if not yes:
        _must_be_meant(settings.controller_id)
    resetting.order(settings.folder, by="command")
    if resetting.carried_out_alone(settings.folder):
        typer.echo("Erased. The set-up code on the label is valid again.")
    else:
        typer.echo("The device runs: it is erased when it is switched on the next time.")


def _must_be_meant(controller_id: str) -> None:
    try:
        typed = typer.prompt(f"This erases all accounts and settings. Type {controller_id}")
    except (typer.Abort, UnicodeDecodeError) as error:
        raise UsageError("nothing was erased: nothing was typed that is text") from error
    if typed.strip() != controller_id:
        raise UsageError("nothing was erased: that is not the id of this device")
