"""Certificates signed with hashes that can be forged."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._key_places import finding
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="No certificate of the product rests on MD5 or SHA-1",
    why="A false authority was made with MD5 in 2008, and two documents with the same SHA-1 in "
    "2017; today that costs less than a car.",
    fix="Have it signed anew with SHA-256 or better.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("EN 303 645 5.5-1", "CRA Annex I part I (2)(e)", "EN 18031 CRY"),
)

WEAK = {
    "md2": Severity.HIGH,
    "md4": Severity.HIGH,
    "md5": Severity.HIGH,
    "sha1": Severity.MEDIUM,
}


def run(image: Image) -> Iterator[Finding]:
    """Look at the signatures; a root's own signature protects nothing, so it does not count."""
    others = {"ca-bundle", "example"}
    found = [
        key for key in image.model.keys
        if key.kind == "certificate" and key.signature and key.purpose not in others
    ]  # fmt: skip
    if not found:
        raise NotApplicable("no certificate of its own was found")
    for key in found:
        root = key.authority and key.subject == key.issuer
        if key.signature in WEAK and not root:
            what = f"signed with {key.signature.upper()}"
            evidence = (f"certificate of {key.subject}",) if key.subject else ()
            yield finding(key, what, evidence, WEAK[key.signature])
