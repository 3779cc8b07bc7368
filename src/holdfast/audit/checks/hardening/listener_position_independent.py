"""Programs that listen are position independent."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._strength import weak_listeners
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Programs that listen are position independent",
    why="At a fixed address an attacker finds every gadget where he found it in the shop's device.",
    fix="Compile with -fPIE and link with -pie.",
    recommendation=1,
    severity=Severity.LOW,
    sources=("Article 1.3", "EN 303 645 5.6-9", "CRA Annex I part I (2)(k)", "EN 18031 GEC"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at the programs that listen as shipped."""
    return weak_listeners(image, lambda elf: not elf.pie, "it is loaded at a fixed address")
