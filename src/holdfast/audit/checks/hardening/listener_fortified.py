"""Programs that listen use checked functions."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._strength import weak_listeners
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Programs that listen use checked functions",
    why="The checked functions of the C library stop the copy that would overflow.",
    fix="Compile with -O2 -D_FORTIFY_SOURCE=2; musl needs fortify-headers.",
    recommendation=1,
    severity=Severity.INFO,
    sources=("Article 1.3", "EN 303 645 5.6-9", "CRA Annex I part I (2)(k)", "EN 18031 GEC"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at the programs that listen as shipped."""
    return weak_listeners(
        image, lambda elf: not elf.fortify, "it uses no checked functions of libc", go=False
    )
