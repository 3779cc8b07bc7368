"""What the profile promises to be absent is absent."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import found
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Services that the profile calls absent are not in the image",
    why="A buyer relies on the promise; a program that lies there is one command from running.",
    fix="Remove the program from the image, or correct the profile.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.3", "Article 1.4", "EN 303 645 5.6-6", "CRA Annex I part I (2)(j)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for programs of absent services, started or not."""
    if image.profile is None:
        raise NotApplicable("no profile was given, so nothing is promised")
    absent = {one.name for one in image.profile.services if one.default == "absent"}
    if not absent:
        raise NotApplicable("the profile promises no service to be absent")
    for listener in image.model.listeners:
        if listener.service in absent:
            yield found(image, listener)
