"""TFTP is off as shipped."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import off
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="TFTP is off as shipped",
    why="TFTP asks nobody who he is: whoever reaches it reads or writes its files.",
    fix=(
        "Remove the TFTP server, or start it only in a rescue mode that needs a hand on the device."
    ),
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.4", "EN 303 645 5.6-1", "EN 303 645 5.6-5", "CRA Annex I part I (2)(b)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for a TFTP server that starts, or could be started."""
    return off(image, "tftp")
