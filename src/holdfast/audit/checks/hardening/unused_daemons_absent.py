"""Daemons that nothing starts are not shipped."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import found
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Network daemons that nothing starts are not in the image",
    why="An intruder starts what he finds; a daemon that nobody uses gets no updates either.",
    fix="Leave the package, or the applet of BusyBox, out of the build.",
    recommendation=1,
    severity=Severity.LOW,
    sources=("Article 1.4", "EN 303 645 5.6-6", "CRA Annex I part I (2)(j)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for listeners that lie there, unless the profile lets the owner start them."""
    switchable = (
        {one.name for one in image.profile.services if one.switchable} if image.profile else set()
    )
    for listener in image.model.listeners:
        if listener.started is Started.NO and listener.service not in switchable:
            yield found(image, listener)
