"""No component is past the end of its life."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._lifetime import judged, severity_of
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity
from holdfast.audit.vulnerabilities.lifetimes import lifetime_of, table
from holdfast.audit.vulnerabilities.products import package_of

ABOUT = About(
    title="No component is past the end of its life",
    why="When its makers have stopped, the next hole in it stays open for ever.",
    fix="Move to a version, or to another piece of software, that somebody looks after.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=(
        "Article 1.10",
        "EN 303 645 5.3-8",
        "EN 303 645 5.2-3",
        "CRA Annex I part I (2)(a)",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Compare components, and the distribution, with the table of ends."""
    today, any_known = image.now.date(), False
    stated = f"by the table of {table().stated}"
    for one, version, lifetime in judged(image):
        any_known = True
        series = lifetime.series_of(version)
        ended = lifetime.ended or (series.ended if series else None)
        older = series is None and lifetime.is_older_than_all(version)
        lapsed = lifetime.lapsed(version, today)
        if not older and not lapsed and (ended is None or ended >= today):
            continue
        what = f"{one.name} {version}"
        if lifetime.ended:
            what += f": {lifetime.note or 'given up'}"
        elif older:
            what += f" is older than every series that is known ({lifetime.series[-1].name} on)"
        elif lapsed:
            what += f" is of no series that is known; {lapsed.name}, which followed, "
            what += f"ended on {lapsed.ended}"
        else:
            what += f": the series {series.name if series else ''} ended on {ended}"
        yield Finding(
            where=one.where[0] if one.where else "",
            what=what,
            evidence=tuple(filter(None, (lifetime.note * (not lifetime.ended), stated))),
            severity=severity_of(one),
        )
    yield from _distributions(image, stated)
    if not any_known and not any(_distribution_of(image)):
        raise NotApplicable("no component that the table of ends knows was found")


def _distribution_of(image: Image) -> Iterator[tuple[str, str, str]]:
    # One that is a component itself has been judged like every other.
    seen: set[tuple[str, str]] = set()
    named = {one.name for one in image.model.components}
    for one in image.model.components:
        package = package_of(one)
        if package is None or package.system not in {"deb", "apk", "rpm"} or not package.release:
            continue
        key = (package.distribution, package.release)
        if key not in seen and package.distribution not in named:
            seen.add(key)
            yield *key, one.where[0] if one.where else ""


def _distributions(image: Image, stated: str) -> Iterator[Finding]:
    for name, release, where in _distribution_of(image):
        lifetime = lifetime_of(name)
        series = lifetime.series_of(release.removeprefix("v")) if lifetime else None
        if series and series.ended and series.ended < image.now.date() and lifetime:
            yield Finding(
                where=where,
                what=f"its packages are of {name} {series.name}, which ended on {series.ended}",
                evidence=tuple(filter(None, (lifetime.note, stated))),
            )
