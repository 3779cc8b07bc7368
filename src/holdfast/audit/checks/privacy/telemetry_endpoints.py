"""Measuring services of others that the product reports to."""

from collections.abc import Iterator

from holdfast.audit.checks.privacy._places import own_hits, place
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="The product reports to no measuring service that its profile does not name",
    why="Analytics services get the address, the habits and often the identity of the owner, who "
    "was told nothing.",
    fix="Take the library or the tag out, or declare the endpoint, say why, and ask the owner.",
    recommendation=5,
    severity=Severity.MEDIUM,
    sources=(
        "Article 5.1",
        "EN 303 645 6-4",
        "EN 303 645 6-5",
        "CRA Annex I part I (2)(g)",
        "GDPR Art. 5.1c",
        "GDPR Art. 13",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for the hosts of analytics services in pages and programs."""
    declared = tuple(
        endpoint.host.lower() for endpoint in (image.profile.endpoints if image.profile else ())
    )
    told: set[tuple[str, str]] = set()
    for path, hit in own_hits(image, "telemetry-host"):
        host = hit.text.lower().partition("/")[0].rstrip(".")
        if (path, host) in told or any(name.endswith(host) for name in declared):
            continue
        told.add((path, host))
        where, offset = place(image, path, hit)
        yield Finding(where=where, what=f"names the measuring service {host}", offset=offset)
