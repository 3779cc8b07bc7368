"""How all programs and libraries were compiled, counted."""

from collections.abc import Callable, Iterator

from holdfast.audit.facts.shapes import ElfFacts
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Most programs were compiled with the usual protections",
    why="Tool chains have offered these protections for free since about 2010.",
    fix="Set the flags once in the build system of the platform, for every package.",
    recommendation=1,
    severity=Severity.LOW,
    sources=("Article 1.3", "EN 303 645 5.6-9", "CRA Annex I part I (2)(k)"),
)
ENOUGH = 0.9
_PROTECTIONS: tuple[tuple[str, Callable[[ElfFacts], bool]], ...] = (
    ("a stack that cannot be executed", lambda elf: elf.nx),
    ("position independence", lambda elf: elf.pie or elf.type == "library"),
    ("read-only relocations", lambda elf: elf.relro != "none" or elf.static),
)


def run(image: Image) -> Iterator[Finding]:
    """Count the protections that do not depend on what a program does."""
    elves = [facts.elf for _, facts in image.elves() if facts.elf and facts.elf.type != "object"]
    if not elves:
        raise NotApplicable("no compiled program was found")
    for name, has in _PROTECTIONS:
        count = sum(has(elf) for elf in elves)
        if count < ENOUGH * len(elves):
            yield Finding(where="", what=f"{count} of {len(elves)} have {name}")
