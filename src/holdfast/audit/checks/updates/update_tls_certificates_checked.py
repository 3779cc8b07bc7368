"""Downloads that take any server for the right one."""

from collections.abc import Iterator

from holdfast.audit.checks.updates._ways import CERTIFICATE, skips
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="No download skips the check of the server's certificate",
    why="With curl -k or wget --no-check-certificate TLS keeps nobody out: whoever answers is "
    "believed.",
    fix="Take the option out, and ship the authority that signed the server's certificate.",
    recommendation=3,
    severity=Severity.HIGH,
    sources=(
        "EN 303 645 5.3-10",
        "EN 303 645 5.5-1",
        "CRA Annex I part I (2)(e)",
        "EN 18031 SCM",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for the options that turn the check off, in scripts, programs and settings."""
    found = skips(image, CERTIFICATE)
    encrypted = any("https://" in line for line in image.model.updates.urls)
    if not found and not encrypted:
        raise NotApplicable("no download over TLS was found")
    for skip in found:
        what = f"any server is believed: {skip.why}"
        yield Finding(where=skip.where, what=what, offset=skip.offset)
