"""Entry point: finds the subcommand, shows errors the same way everywhere."""

import importlib
import os
import sys
import traceback
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from holdfast import __version__
from holdfast.core.errors import HoldfastError

# Loaded only when called: `holdfast product check` must not import Django.
SUBCOMMANDS = {
    "product": "Write, check and show the product profile.",
    "audit": "Judge firmware images, with reasons anyone can check.",
    "explain": "Say what a rule of the audit asks for, why, and what to do.",
    "keys": "Make, show, use and rotate signing keys.",
    "release": "Build, sign and publish a release.",
    "accounts": "Try passwords against the rules, suggest some, make block lists.",
    "hub": "Run the hub and look after it.",
    "gateway": "Run the gateway that devices poll.",
    "device": "Run and inspect a device on this machine.",
    "demo": "Hub, gateway, worker and one device on this machine, and the tour.",
    "bench": "Measure, and print figures as JSON.",
}


class LazyGroup(TyperGroup):
    """Lists the subcommands from a table and imports one when it is used."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - see below
        """Name every subcommand in the order of the table."""
        del ctx
        return list(SUBCOMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - Typer keeps its own classes private
        """Import the module of one subcommand; listing needs no import."""
        del ctx
        if cmd_name not in SUBCOMMANDS:
            return None
        if "--help" in sys.argv[1:2]:
            return TyperCommand(cmd_name, short_help=SUBCOMMANDS[cmd_name])
        module = importlib.import_module(f"holdfast.cli.{cmd_name}")
        return typer.main.get_command(module.app)


app = typer.Typer(
    cls=LazyGroup,
    name="holdfast",
    help="Keep connected products safe, and prove it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - Typer calls it so
    if asked:
        typer.echo(f"holdfast {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Keep connected products safe, and prove it."""
    del version


def show_error(error: HoldfastError) -> None:
    """Print what went wrong and what to do, on standard error."""
    console = Console(stderr=True, soft_wrap=True)
    console.print(Text.assemble(("error", "bold red"), f" [{error.code}] {error}"))
    if error.hint:
        console.print(Text.assemble(("  → ", "cyan"), error.hint))


def main() -> None:
    """Run the command line; the exit code says how it went.

    Whatever nobody foresaw ends with 3: the 1 of Python would say that something was found.
    """
    _open_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # a full disk is noticed here, and not after the exit code is given
    except HoldfastError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # who reads has seen enough; never 0, which would call an image fine
        _drop_output()
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        failure = HoldfastError(f"{place}{error.strerror or error}")
        show_error(failure)
        _drop_output()
        sys.exit(failure.exit_code)
    except Exception:  # noqa: BLE001 - this is the handler of the command line
        traceback.print_exc()
        show_error(HoldfastError("this is a fault of Holdfast itself; please report it"))
        sys.exit(HoldfastError.exit_code)


def _open_streams() -> None:
    """Open what the caller closed: else the next file would get the number of standard error."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def _drop_output() -> None:
    """Let the interpreter end quietly when what is left for standard output cannot be written."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
