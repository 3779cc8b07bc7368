"""Telnet is off as shipped."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import off
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Telnet is off as shipped",
    why=(
        "Mirai spread by trying 62 factory passwords on Telnet, which also sends every password "
        "in clear."
    ),
    fix=(
        "Leave the Telnet daemon out of the image; if somebody needs a console, offer SSH under "
        "the advanced options."
    ),
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.4", "EN 303 645 5.6-1", "EN 303 645 5.6-5", "CRA Annex I part I (2)(b)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for a Telnet daemon that starts, or could be started."""
    return off(image, "telnet")
