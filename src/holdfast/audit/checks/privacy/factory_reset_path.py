"""Whether the owner can take his data off the device."""

from collections.abc import Iterator

from holdfast.audit.checks.privacy._places import own_hits
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="The owner can erase his data",
    why="Devices are sold, lent and thrown away with the passwords and the habits of their owners "
    "on them.",
    fix="Offer a reset in the interface and by a button, and let it destroy the key of the data.",
    recommendation=5,
    severity=Severity.MEDIUM,
    sources=(
        "Article 5.1",
        "EN 303 645 5.11-1",
        "CRA Annex I part I (2)(m)",
        "CRA Annex I part I (2)(b)",
        "GDPR Art. 17",
        "EN 18031 DLM",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for the words of a reset in programs, scripts and pages."""
    if next(own_hits(image, "privacy-reset"), None) is not None:
        return
    keeps = image.profile.personal_data if image.profile is not None else ()
    here = sorted(one.field for one in keeps if one.where == "device")
    if not here:
        raise Undecided("nothing speaks of a reset; no profile says whether one is needed")
    yield Finding(
        where="",
        what="nothing was found that erases the owner's data",
        evidence=tuple(f"the profile keeps {field} on the device" for field in here[:5]),
    )
