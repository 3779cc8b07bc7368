"""Programs that listen have read-only relocations."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._strength import weak_listeners
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Programs that listen have read-only relocations",
    why="A writable table of functions is what a single stray write turns into control.",
    fix="Link with -z relro -z now.",
    recommendation=1,
    severity=Severity.LOW,
    sources=("Article 1.3", "EN 303 645 5.6-9", "CRA Annex I part I (2)(k)", "EN 18031 GEC"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at the programs that listen as shipped."""
    return weak_listeners(
        image, lambda elf: elf.relro != "full" and not elf.static, "its relocations stay writable"
    )
