"""Keys of samples and tests that a product trusts for its updates."""

import re
from collections.abc import Iterator

from holdfast.audit.checks.updates._ways import located
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="No key of a sample or test is trusted for updates",
    why="Phones and bootloaders were sold that trusted the test key of their source tree; its "
    "private half can be downloaded.",
    fix="Replace it by the public half of your own release key.",
    recommendation=3,
    severity=Severity.CRITICAL,
    sources=(
        "Article 3.7",
        "EN 303 645 5.3-7",
        "EN 303 645 5.3-10",
        "EN 303 645 5.4-4",
        "CRA Annex I part I (2)(f)",
        "EN 18031 CCK",
    ),
)

TEST_WORDS = re.compile(
    r"\b(?:test(?:ing)?|demo|devel(?:opment)?|debug|dummy|example|sample|snake-?oil|insecure"
    r"|do not (?:use|trust))\b",
    re.IGNORECASE,
)


def run(image: Image) -> Iterator[Finding]:
    """Look at the public keys for updates: known ones, and those that call themselves a test."""
    keys = [key for key in image.model.keys if key.purpose == "update-verify"]
    if not keys:
        raise NotApplicable("no public key for updates was found")
    for key in keys:
        path, at = located(key.where[0])
        if key.known:
            what = "its private half is public"
            yield Finding(where=path, what=what, offset=at, evidence=(f"known from {key.known}",))
        elif (match := TEST_WORDS.search(key.subject)) is not None:
            what = f"calls itself a key for {match[0].lower()!r}"
            yield Finding(where=path, what=what, offset=at, severity=Severity.MEDIUM)
