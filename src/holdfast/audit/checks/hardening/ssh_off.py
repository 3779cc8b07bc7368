"""SSH is off as shipped."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import off
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="SSH is off as shipped",
    why=(
        "Owners rarely need a shell on their device, but password guessers find every SSH port "
        "within hours."
    ),
    fix=(
        "Do not enable the SSH daemon; let the owner switch it on under the advanced options, "
        "with his own key."
    ),
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.4", "EN 303 645 5.6-1", "EN 303 645 5.6-5", "CRA Annex I part I (2)(b)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for an SSH daemon that starts, or could be started."""
    return off(image, "ssh")
