"""The calm status screen: what runs where, and what to do next."""

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

MB = 1_000_000


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
        size = f"{resident / MB:.0f} MB" if resident else ""
        table.add_row(Text(name, "bold"), address, Text(state, colour), Text(size, "dim"))
    todo = Group(
        *(
            Text.assemble((f"{number}. ", "cyan"), what, "\n   ", (where, "bold"))
            for number, (what, where) in enumerate(steps, start=1)
        )
    )
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
        size = f"{resident / MB:.0f} MB"
        console.print(f"{name}\t{address}\t{state}\t{size}", highlight=False, soft_wrap=True)
    for what, where in steps:
        console.print(f"next\t{what}\t{where}", highlight=False, soft_wrap=True)
    console.print("keys\tfor demonstration only\tdocs/how-to/make-real-keys.md", highlight=False)
