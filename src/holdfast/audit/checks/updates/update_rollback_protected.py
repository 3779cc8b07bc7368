"""Whether an older version, with its old holes, can be put back by others."""

from collections.abc import Iterator

from holdfast.audit.checks.updates._ways import ways
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="An older version is refused",
    why="An old release is signed as well; without a floor an attacker installs it and uses the "
    "hole that was closed long ago.",
    fix="Keep a version floor on the device: TUF, RAUC's min-bundle-version, SWUpdate's "
    "--no-downgrading, or a counter in fuses.",
    recommendation=3,
    severity=Severity.MEDIUM,
    sources=(
        "Article 3.8",
        "EN 303 645 5.3-7",
        "EN 303 645 5.3-10",
        "CRA Annex I part I (2)(f)",
        "EN 18031 SUM",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Ask of each tool for something that compares versions."""
    floors: dict[str, str] = {}
    for line in image.model.updates.rollback:
        name, _, place = line.partition(" ")
        floors.setdefault(name, place)
    unclear = []
    for way in ways(image):
        if way.name in floors and not way.name.startswith("vendor:"):
            continue
        if way.name in floors and (way.verified or way.unclear):
            unclear.append(f"{floors[way.name]} speaks of older versions")
        elif way.unclear:
            unclear.append(f"{way.path}: {way.unclear}")
        elif way.name == "mender" and way.verified:
            unclear.append("Mender refuses what an artifact's own dependencies rule out")
        elif way.verified:
            yield Finding(where=way.path, what="takes an older release as readily as a newer one")
        else:
            what = "takes any older image: it checks nothing that could keep one out"
            yield Finding(where=way.path, what=what)
    if unclear:
        raise Undecided("; ".join(unclear[:3]))
