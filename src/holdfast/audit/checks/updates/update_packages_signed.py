"""Whether package feeds are signed and checked."""

from collections.abc import Iterator

from holdfast.audit.checks.updates._ways import MANAGERS, PACKAGES, skips, ways
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Packages come from signed feeds only",
    why="A package brings scripts that run as root; an unsigned feed gives that right to everybody "
    "between the device and the server.",
    fix="Set `option check_signature` (opkg), take [trusted=yes] away (apt), set gpgcheck=1 (rpm), "
    "and ship the feed's public key.",
    recommendation=3,
    severity=Severity.HIGH,
    sources=(
        "Article 3.7",
        "EN 303 645 5.3-9",
        "EN 303 645 5.3-10",
        "CRA Annex I part I (2)(f)",
        "EN 18031 SUM",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at every package manager that has a feed on the network."""
    managers = [way for way in ways(image) if way.name in MANAGERS]
    if not managers:
        raise NotApplicable("no package manager has a feed on the network")
    loose = skips(image, PACKAGES)
    for skip in loose:
        what = f"packages are not checked: {skip.why}"
        yield Finding(where=skip.where, what=what, offset=skip.offset)
    for way in managers:
        if not way.verified and not loose:
            why = way.lacking or "no public key was found"
            yield Finding(where=way.path, what=f"packages cannot be checked: {why}")
