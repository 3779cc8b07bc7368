"""UPnP-IGD is not even there."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No gateway control by UPnP (IGD) is in the image",
    why="What is not there cannot be switched on by a hole in the pages, or by the next release.",
    fix="Leave out the daemon and its descriptions; plain discovery (SSDP, mDNS) may stay.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.14", "EN 303 645 5.6-1", "EN 303 645 5.6-6"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for device and service types of IGD in programs, descriptions and pages."""
    seen: set[str] = set()
    for path, hit in image.hits("igd-device", "igd-service"):
        if path not in seen:
            seen.add(path)
            yield Finding(where=path, what=f"names {hit.text}", offset=hit.offset)
