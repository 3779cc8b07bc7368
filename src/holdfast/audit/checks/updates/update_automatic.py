"""Whether the product looks for updates by itself."""

from collections.abc import Iterator

from holdfast.audit.checks.updates._ways import Way, ways
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="The product looks for updates by itself",
    why="Owners do not visit download pages; most routers run the software that they were sold "
    "with for years after the fix came out.",
    fix="Let a service or timer ask for updates, and install them in a window the owner can move.",
    recommendation=3,
    severity=Severity.MEDIUM,
    sources=(
        "Article 3.2",
        "Article 3.4",
        "EN 303 645 5.3-4A",
        "EN 303 645 5.3-5",
        "CRA Annex I part I (2)(c)",
        "CRA Annex I part II (7)",
    ),
)

ASLEEP = frozenset({Started.NO, Started.STARTABLE})


def run(image: Image) -> Iterator[Finding]:
    """Look through the start-up for a service, timer or cron line that asks."""
    found = ways(image)
    if image.model.updates.automatic:
        return
    if not image.model.start_up.steps:
        raise Undecided("the start-up could not be read")
    started = _started(image)
    for way in found:
        if way.name.startswith("vendor:"):
            runs = sorted(started & _near(image, way))
            if runs:
                raise Undecided(f"{runs[0]} runs all the time and may look for updates itself")
    yield Finding(
        where="",
        what="nothing looks for updates by itself",
        evidence=tuple(f"installs when told to: {way.path}" for way in found[:5]),
    )


def _started(image: Image) -> set[str]:
    """Give the programs that run from the start, links followed."""
    paths = {
        step.program
        for step in image.model.start_up.steps
        if step.program and step.started not in ASLEEP
    }
    nodes = (image.tree.resolve(path) for path in paths)
    return {node.path for node in nodes if node is not None}


def _near(image: Image, way: Way) -> set[str]:
    """Give the updater itself, and the programs that need it if it is a library."""
    node = image.tree.resolve(way.path)
    name = way.path.rpartition("/")[2]
    needing = {one.path for one, facts in image.elves() if facts.elf and name in facts.elf.needed}
    return needing | ({node.path} if node is not None else set())
