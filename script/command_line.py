"""Print docs/reference/command-line.md, drawn from the commands themselves."""
# ruff: noqa: INP001 - a script, not a package

import importlib
import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import get_args, get_origin

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from holdfast.cli.app import SUBCOMMANDS

INTRODUCTION = """\
# Command line

Written by `script/docs` from the commands themselves; change it there. `holdfast --help` and
`holdfast COMMAND --help` print the same.

Results go to standard output, everything else to standard error; with `--json` the result is JSON.
Exit code 0 means fine, 1 that something was found or refused, 2 wrong usage, 3 that it could not
be decided.
"""
Command = TyperCommand | TyperGroup
Parameter = TyperArgument | TyperOption

WORDS = {Path: "path", int: "whole number", float: "number", str: "text"}


def commands() -> Iterator[tuple[str, Command]]:
    """Give every command that can be called, by all its words."""
    for name in SUBCOMMANDS:
        app = importlib.import_module(f"holdfast.cli.{name}").app
        yield from _below(f"holdfast {name}", typer.main.get_command(app))


def page() -> str:
    """Write the whole page."""
    parts = [INTRODUCTION]
    group = ""
    for name, command in commands():
        if name.split()[1] != group:
            group = name.split()[1]
            parts.append(f"## {group}\n\n{SUBCOMMANDS[group]}\n")
        parts.append("\n".join(_described(name, command)) + "\n")
    return "\n".join(parts)


def _below(name: str, command: Command) -> Iterator[tuple[str, Command]]:
    if not isinstance(command, TyperGroup):
        yield name, command
        return
    default = getattr(command, "default_command", None)
    if default is not None:  # what goes without a word of its own
        yield name, command.get_command(None, default)
    for word in command.list_commands(None):
        yield from _below(f"{name} {word}", command.get_command(None, word))


def _described(name: str, command: Command) -> Iterator[str]:
    yield f"### `{name}`"
    yield ""
    yield inspect.cleandoc(command.help or "")
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    if not shown:
        return
    yield ""
    yield "| | value | if left out | meaning |"
    yield "|---|---|---|---|"
    for each in shown:
        cells = (_name(each), _value(each), _left_out(each), each.help or "")
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _name(parameter: Parameter) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{option}`" for option in parameter.opts)


def _value(parameter: Parameter) -> str:
    if getattr(parameter, "is_flag", False):
        return "-"
    kind = parameter.type_descriptor.annotation
    several = ""
    if get_origin(kind) is list:
        (kind,) = get_args(kind)
        several = ", several times"
    if issubclass(kind, Enum):
        return " or ".join(f"`{each.value}`" for each in kind) + several
    bounds = [str(each) for each in (parameter.min, parameter.max) if each is not None]
    between = f", {' to '.join(bounds)}" if len(bounds) > 1 else ""
    between = between or (f", at least {bounds[0]}" if bounds else "")
    return WORDS[kind] + between + several


def _left_out(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or default is False or default == "":
        return "-"
    return f"`{default.value if isinstance(default, Enum) else default}`"


if __name__ == "__main__":
    typer.echo(page(), nl=False)
