"""What starts is not years behind its makers."""

from collections.abc import Iterator
from datetime import timedelta

from holdfast.audit.checks.hardening._lifetime import judged, severity_of
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity
from holdfast.audit.vulnerabilities.lifetimes import table

ABOUT = About(
    title="No component is more than three years behind its makers",
    why=(
        "Most small projects mend only their newest release; who stays years behind has to mend "
        "alone, and mostly does not."
    ),
    fix="Update the component as part of every release of the product.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.10", "EN 303 645 5.3-8", "CRA Annex I part I (2)(a)"),
)

MOST_BEHIND = timedelta(days=3 * 365)


def run(image: Image) -> Iterator[Finding]:
    """Look when each component was followed by a newer release; ended ones have their own check."""
    any_known, stated = False, f"by the table of {table().stated}"
    for one, version, lifetime in judged(image):
        if not lifetime.releases or lifetime.ended:
            continue
        any_known = True
        successor, newest = lifetime.successor(version), lifetime.newest()
        if successor is None or newest is None:
            continue
        if image.now.date() - successor.on <= MOST_BEHIND:
            continue
        yield Finding(
            where=one.where[0] if one.where else "",
            what=f"{one.name} {version} was followed by {successor.version} "
            f"by {successor.on} at the latest",
            evidence=tuple(
                filter(
                    None,
                    (
                        f"the newest release was {newest.version} of {newest.on}",
                        stated,
                        one.evidence,
                    ),
                )
            ),
            severity=severity_of(one) if one.started is not Started.BOOT else None,
        )
    if not any_known:
        raise NotApplicable("no component that the table of releases knows was found")
