"""Whether what installs software checks a signature before."""

from collections.abc import Iterator

from holdfast.audit.checks.updates._ways import MANAGERS, ways
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="The device checks a signature before it installs anything",
    why="Without one, whoever reaches the upload page or stands between device and server puts "
    "software of his own on it, for good.",
    fix="Sign releases with a key that is kept offline, put the public half into the image, and "
    "let the installer refuse what it cannot verify.",
    recommendation=3,
    severity=Severity.CRITICAL,
    sources=(
        "Article 3.7",
        "Article 3.8",
        "EN 303 645 5.3-9",
        "EN 303 645 5.3-10",
        "EN 303 645 5.3-7",
        "CRA Annex I part I (2)(f)",
        "CRA Annex I part II (7)",
        "EN 18031 SUM",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Ask of each tool for verifying code and a public key; packages have a check of their own."""
    found = ways(image)
    whole = [way for way in found if way.name not in MANAGERS]
    if not whole and not any(way.verified for way in found):
        raise NotApplicable("software comes in packages only, see update-packages-signed")
    unclear = []
    for way in whole:
        if way.verified:
            continue
        if way.unclear:
            unclear.append(f"{way.path}: {way.unclear}")
        elif way.name == "sysupgrade" and any(other.verified for other in found):
            what = "writes whole images unverified, see update-check-not-skippable"
            yield Finding(where=way.path, what=what, severity=Severity.INFO)
        else:
            evidence = (way.lacking or "no verifying code and no public key were found",)
            what = "installs what it is given without checking a signature"
            yield Finding(where=way.path, what=what, evidence=evidence)
    if unclear:
        raise Undecided("; ".join(unclear[:3]))
