"""FTP is off as shipped."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import off
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="FTP is off as shipped",
    why="FTP sends passwords and files in clear and is tried by the same bots that try Telnet.",
    fix="Remove the FTP server, or let the owner switch it on knowingly.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.4", "EN 303 645 5.6-1", "EN 303 645 5.6-5", "CRA Annex I part I (2)(b)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for an FTP server that starts, or could be started."""
    return off(image, "ftp")
