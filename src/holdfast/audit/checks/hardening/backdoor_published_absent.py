"""No backdoor that was published for other products."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.patterns.backdoors import BACKDOORS
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No published backdoor is in the image",
    why="Makers inherit backdoors with the kits they build from, years after they were published.",
    fix="Replace the program; find out from which supplier it came, and what else did.",
    recommendation=1,
    severity=Severity.CRITICAL,
    sources=("Article 1.11", "EN 303 645 5.4-3", "CRA Annex I part I (2)(d)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for the traces of published backdoors in every file."""
    for backdoor in BACKDOORS:
        for path, hit in image.hits(backdoor.name):
            yield Finding(
                where=path, what=f"{backdoor.what} [{backdoor.source}]", offset=hit.offset
            )
