"""The calm status screen: what runs where, and what to do next."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

MIB = 1 << 20


def device_words(boot: Mapping[str, Any]) -> str:
    """Say in words which slot runs what."""
    booted = str(boot.get("booted", ""))
    slots = boot.get("slots", {})
    version = slots.get(booted, {}).get("version", "?") if isinstance(slots, dict) else "?"
    trying = boot.get("trying")
    words = f"runs {version} from slot {booted}" if booted else "starting"
    return f"{words}, on trial" if trying and trying == booted else words


def read_boot(device: Path) -> dict[str, Any]:
    """Read the device's boot state; empty while there is none."""
    try:
        content = json.loads((device / "boot/boot.json").read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def draw(
    rows: list[tuple[str, str, str, int]], steps: list[tuple[str, str]], notes: list[str]
) -> RenderableType:
    """Lay out the screen.

    Args:
        rows: Name, address, state in words and resident bytes of each program.
        steps: What to do next and where.
        notes: Sentences at the bottom.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, address, state, resident in rows:
        colour = "green" if state.startswith(("running", "runs")) else "yellow"
        size = f"{resident / MIB:.0f} MB" if resident else ""
        table.add_row(Text(name, "bold"), address, Text(state, colour), Text(size, "dim"))
    todo = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for number, (what, where) in enumerate(steps, start=1):
        todo.add_row(Text(f"{number}.", "cyan"), what, Text(where, "bold", overflow="fold"))
    words = Group(*(Text(note, "dim") for note in notes))
    warning = Text(
        "Every key here was made for demonstration only: docs/how-to/make-real-keys.md", "yellow"
    )
    return Panel(
        Group(table, Text(), todo, Text(), warning, words), title="Holdfast", border_style="blue"
    )


def print_plain(
    console: Console, rows: list[tuple[str, str, str, int]], steps: list[tuple[str, str]]
) -> None:
    """The same for a pipe: one fact a line."""
    for name, address, state, resident in rows:
        console.print(f"{name}\t{address}\t{state}\t{resident}", highlight=False, soft_wrap=True)
    for what, where in steps:
        console.print(f"next\t{what}\t{where}", highlight=False, soft_wrap=True)
    console.print("keys\tfor demonstration only\tdocs/how-to/make-real-keys.md", highlight=False)
