"""File sharing by SMB is off as shipped."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import off
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="File sharing by SMB is off as shipped",
    why="SambaCry and its kin were wormable holes in file sharing that nobody had asked for.",
    fix="Do not start smbd or ksmbd before the owner has switched file sharing on.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.4", "EN 303 645 5.6-1", "EN 303 645 5.6-5", "CRA Annex I part I (2)(b)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for an SMB server that starts, or could be started."""
    return off(image, "smb")
