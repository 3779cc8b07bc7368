"""`holdfast device label`: print the label of a device again, for whoever still has its code."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.outputs import must_take_file
from holdfast.core.errors import UsageError
from holdfast.core.files import write_whole
from holdfast.device import config
from holdfast.device import label as labels
from holdfast.device.label import Label

_KINDS = (".svg", ".txt", ".json")
_LONGEST_CODE = 64
_SECRET_MODE = 0o600


def label(
    folder: Annotated[Path, typer.Argument(help="Folder of the device.")],
    *,
    code_file: Annotated[
        Path | None, typer.Option(help="File with the set-up code, - for standard input.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write to this .svg, .txt or .json file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Print the label of a device; its set-up code is asked for, and checked.

    The device keeps only a hash of the code. It is never an argument: arguments stand in the
    history of the shell and in the list of processes.
    """
    if out is not None:
        must_be_writable(out)
    settings = config.read(folder / "device.toml")
    code = _code(code_file)
    labels.must_fit(settings, code)
    made = labels.of(settings, code)
    if out is not None:
        write(made, out)
    elif as_json:
        typer.echo(json.dumps(made.plain(), indent=2))
    else:
        typer.echo(made.terminal())


def _code(file: Path | None) -> str:
    if file is not None and str(file) != "-":
        try:
            with file.open("rb") as opened:
                raw = opened.read(_LONGEST_CODE + 1)
        except OSError as error:
            raise UsageError(f"the file {file} cannot be read: {error.strerror}") from error
    elif file is None and sys.stdin.isatty():
        raw = _asked().encode(errors="replace")
    else:
        raw = sys.stdin.buffer.readline(_LONGEST_CODE + 1)
    code = raw.decode(errors="replace").strip()
    if not code or len(raw) > _LONGEST_CODE:
        raise UsageError("there is no set-up code in what was given")
    return code


def _asked() -> str:
    try:
        return str(typer.prompt("Set-up code", hide_input=True))
    except (typer.Abort, UnicodeDecodeError) as error:
        raise UsageError("no set-up code was typed") from error


def must_be_writable(path: Path) -> None:
    """Refuse a file name before anything is made.

    Raises:
        UsageError: Its ending says no kind of label, or no file can be put there.
    """
    if path.suffix not in _KINDS:
        raise UsageError(f"{path} ends with none of {', '.join(_KINDS)}")
    must_take_file(path)


def write(made: Label, path: Path) -> None:
    """Write a label in the form that the file name's ending says; for its owner's eyes only."""
    match path.suffix:
        case ".svg":
            content = made.svg()
        case ".txt":
            content = "\n".join([*made.lines(), ""])
        case _:
            content = json.dumps(made.plain(), indent=2) + "\n"
    write_whole(path, content.encode(), mode=_SECRET_MODE)
