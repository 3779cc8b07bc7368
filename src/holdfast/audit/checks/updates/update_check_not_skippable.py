"""Ways around the check of an update's signature."""

from collections.abc import Iterator

from holdfast.audit.checks.updates._ways import SIGNATURE, skips, ways
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="No way leads around the check of an update's signature",
    why="A second installer that checks nothing, or a script that says --force, makes the "
    "signature of the first one worthless.",
    fix="Let every way of installing verify, and take the switches out that turn it off; in "
    "OpenWrt set REQUIRE_IMAGE_SIGNATURE=1 and ship ucert.",
    recommendation=3,
    severity=Severity.HIGH,
    sources=(
        "Article 3.8",
        "EN 303 645 5.3-9",
        "EN 303 645 5.3-10",
        "CRA Annex I part I (2)(f)",
        "EN 18031 SUM",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for installers and commands that take unsigned software beside those that do not."""
    if not any(way.verified for way in ways(image)):
        raise NotApplicable("no signature is checked at all, see update-verified")
    for skip in skips(image, SIGNATURE):
        what = f"takes unsigned software: {skip.why}"
        yield Finding(where=skip.where, what=what, offset=skip.offset)
