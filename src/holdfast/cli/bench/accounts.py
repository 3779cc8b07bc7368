"""Figures of accounts: each part is a module beside this one with a function `measure`."""

import importlib
import json
import os
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from holdfast.cli.bench.errors import BenchError
from holdfast.cli.bench.figures import Figures

PARTS = {
    "policy": "holdfast.cli.bench.accounts_policy",
    "storage": "holdfast.cli.bench.accounts_storage",
    "guessing": "holdfast.cli.bench.accounts_guessing",
    "central": "holdfast.cli.bench.accounts_central",
}
"""Name of a part, and the module whose `measure() -> Figures` measures it."""


def bench(
    *,
    part: Annotated[list[str] | None, typer.Option(help="Only this part; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Measure what accounts promise: which passwords are refused, and what that costs."""
    wanted = part or [*PARTS]
    unknown = [name for name in wanted if name not in PARTS]
    if unknown:
        raise BenchError(f"There is no part {unknown[0]}, only {', '.join(PARTS)}.")
    note = Console(stderr=True, quiet=as_json)
    found: dict[str, Figures] = {}
    for name in wanted:
        note.print(f"measuring {name}")
        found[name] = importlib.import_module(PARTS[name]).measure()
    holds = all(figure.holds for figures in found.values() for figure in figures.values())
    if as_json:
        plain: dict[str, object] = {
            name: {key: figure.plain() for key, figure in figures.items()}
            for name, figures in found.items()
        }
        plain |= {"load_1min": round(os.getloadavg()[0], 2), "holds": holds}
        typer.echo(json.dumps(plain, indent=2))
    else:
        _show(found)
    if not holds:
        raise typer.Exit(1)


def _show(found: dict[str, Figures]) -> None:
    table = Table("part", "figure", "measured", "goal", "", box=None, pad_edge=False)
    for part, figures in found.items():
        for name, figure in figures.items():
            verdict = "" if not figure.goal else "holds" if figure.holds else "MISSED"
            table.add_row(part, name.replace("_", " "), f"{figure.value:g}", figure.goal, verdict)
    Console().print(table)
