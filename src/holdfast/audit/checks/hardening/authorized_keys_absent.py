"""Keys of people who may log in by SSH, shipped in the image."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._key_places import finding, named
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="Nobody's key can log in as shipped",
    why="A key in authorized_keys is a door for whoever holds its other half, often a developer "
    "or a support desk, on every device that was sold.",
    fix="Ship without it; let the owner add his own key.",
    recommendation=1,
    severity=Severity.CRITICAL,
    sources=(
        "Article 1.11",
        "EN 303 645 5.1-1",
        "EN 303 645 5.4-3",
        "CRA Annex I part I (2)(d)",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for public keys in files from which SSH servers take whom they let in."""
    found = [key for key in image.model.keys if key.purpose == "ssh-authorised"]
    if image.live and found:
        raise Undecided("the owner of a running device may have added these keys himself")
    for key in found:
        known = (f"known from {key.known}",) if key.known else ()
        comment = (f"comment: {key.subject}",) if key.subject else ()
        yield finding(key, f"{named(key)} lets its holder in on every device", (*comment, *known))
