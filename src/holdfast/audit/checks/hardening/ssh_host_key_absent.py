"""Host keys of SSH in the image."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._key_places import finding, named, private
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Host keys of SSH are made on each device, not shipped",
    why="Hundreds of thousands of routers answered with one of a few host keys from their images; "
    "anybody can stand in for such a device and read the password of who logs in.",
    fix="Leave the key out; let the device make it when SSH is first switched on.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=(
        "Article 1.12",
        "EN 303 645 5.4-3",
        "EN 303 645 5.4-4",
        "CRA Annex I part I (2)(d)",
        "EN 18031 CCK",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for private host keys of OpenSSH and Dropbear."""
    for key in private(image):
        if key.purpose == "ssh-host":
            evidence = (f"known from {key.known}",) if key.known else ()
            yield finding(key, f"{named(key)} that every device would share", evidence)
