"""Programs that listen have a stack that cannot be executed."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._strength import weak_listeners
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Programs that listen have a stack that cannot be executed",
    why="On an executable stack the simplest overflow of 1996 still works.",
    fix="Link with -z noexecstack; on MIPS use a tool chain and kernel that support it.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.3", "EN 303 645 5.6-9", "CRA Annex I part I (2)(k)", "EN 18031 GEC"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at the programs that listen as shipped."""
    return weak_listeners(image, lambda elf: not elf.nx, "its stack can be executed")
