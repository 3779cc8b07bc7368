"""rexec, rlogin, rsh and ADB are off as shipped."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import off
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="rexec, rlogin, rsh and ADB are off as shipped",
    why="They give a shell by trusting an address, or anybody; botnets look for ADB on port 5555.",
    fix="Remove them from the image.",
    recommendation=1,
    severity=Severity.CRITICAL,
    sources=("Article 1.4", "EN 303 645 5.6-1", "EN 303 645 5.6-5", "CRA Annex I part I (2)(b)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for a remote shell service that starts, or could be started."""
    return off(image, "rexec", "rlogin", "rsh", "adb")
