"""`holdfast audit`: judge images, compare them, keep vulnerability data.

What judges, opens or draws is loaded only by the command that needs it.
"""

import importlib
import sys
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from holdfast.cli.audit import images

DEFAULT: Final = "image"
"""What the command does when the first word is no subcommand."""

SUBCOMMANDS: Final = {
    "diff": ("comparison", "Say what changed from one image to the next."),
    "db": ("database", "Look after the vulnerability data."),
    "schema": ("schema", "Print the JSON Schema of a report."),
}


class AuditGroup(TyperGroup):
    """A group that judges what it is given unless it is told to do something else."""

    default_command = DEFAULT
    _told_all = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - see below
        """Name the subcommands; that of images goes without a name."""
        del ctx
        return list(SUBCOMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - Typer keeps its own classes private
        """Load the module of one subcommand; listing needs no more than its name."""
        if cmd_name == DEFAULT:
            return super().get_command(ctx, cmd_name)
        if cmd_name not in SUBCOMMANDS:
            return None
        module, told = SUBCOMMANDS[cmd_name]
        if ctx is not None and "--help" in sys.argv[2:3]:
            return TyperCommand(cmd_name, short_help=told)
        return typer.main.get_command(importlib.import_module(f"holdfast.cli.audit.{module}").app)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - as above
        """Take words that name no subcommand for what is to be judged."""
        if args and args[0] not in {*SUBCOMMANDS, "--help"}:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - as above
        """List the options, those of judging too when they are shown."""
        own = super().get_params(ctx)
        return [*self.commands[DEFAULT].params, *own] if self._told_all else own

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401 - as above
        """Show both ways to call it."""
        del ctx
        return ["[OPTIONS] IMAGE...", "|", "COMMAND ..."]

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - as above
        """Show the options of judging among those of the group."""
        self._told_all = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._told_all = False


app = typer.Typer(
    cls=AuditGroup,
    help=images.HELP,
    no_args_is_help=True,
    add_completion=False,
)
app.command(DEFAULT, help=images.HELP, hidden=True)(images.judge)


@app.callback()
def _root() -> None:
    pass
