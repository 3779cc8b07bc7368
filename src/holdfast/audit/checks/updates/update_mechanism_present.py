"""Whether there is a way to bring a fix onto the product at all."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="There is a way to install new software",
    why="A hole in a product that cannot be updated stays open until the last of them is thrown "
    "away.",
    fix="Build in an update mechanism: the platform's own agent, SWUpdate, RAUC or Mender.",
    recommendation=3,
    severity=Severity.HIGH,
    sources=(
        "Article 3.2",
        "EN 303 645 5.3-1",
        "EN 303 645 5.3-2",
        "CRA Annex I part I (2)(c)",
        "EN 18031 SUM",
    ),
)

_LIST: Final = re.compile(r"(?:^|/)(?:[a-z]+\.ids|filelist|[\w.-]*\.(?:list|md5sums))$")
"""Names of things, which speak of nothing."""


def run(image: Image) -> Iterator[Finding]:
    """Look for a known tool, or for a vendor's program that writes to the flash."""
    if image.model.updates.tools:
        return
    if image.model.start_up.init == "none":
        raise NotApplicable("no root file system was found")
    words = next((hit for hit in image.hits("update-firmware") if not _LIST.search(hit[0])), None)
    if words is not None:
        raise Undecided(f"{words[0]} speaks of updates, but what installs them was not recognised")
    if not image.opened.complete:
        raise Undecided("parts of the image could not be opened")
    yield Finding(where="", what="nothing was found that installs new software")
