"""Programs that listen guard their stack."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._strength import weak_listeners
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Programs that listen guard their stack",
    why="A stack protector turns an overflow into a crash that can be noticed.",
    fix="Compile with -fstack-protector-strong.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.3", "EN 303 645 5.6-9", "CRA Annex I part I (2)(k)", "EN 18031 GEC"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at the programs that listen as shipped."""
    return weak_listeners(
        image, lambda elf: not elf.canary, "no function of it guards its stack", go=False
    )
