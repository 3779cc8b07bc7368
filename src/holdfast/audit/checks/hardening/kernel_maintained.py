"""The kernel belongs to a series that is maintained."""

import re
from collections.abc import Iterator
from datetime import date

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided
from holdfast.audit.vulnerabilities.lifetimes import lifetime_of, table
from holdfast.audit.vulnerabilities.versions import key_of

ABOUT = About(
    title="The kernel belongs to a series that is maintained",
    why=(
        "Nobody mends the holes of a series that has ended; every hole found in a newer one tells "
        "an attacker where to look."
    ),
    fix="Move to a longterm series of kernel.org that outlives the support of the product.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=(
        "Article 1.9",
        "EN 303 645 5.3-8",
        "EN 303 645 5.2-3",
        "CRA Annex I part I (2)(a)",
        "kernel.org, list of longterm releases",
    ),
)

_CIP = re.compile(r"-(?:s?lts)?-?cip\d*", re.IGNORECASE)
_DISTRIBUTION = re.compile(r"#\d+\S*-Ubuntu|\.el\d|-Microsoft|\bSUSE\b|amzn\d", re.IGNORECASE)


def run(image: Image) -> Iterator[Finding]:
    """Compare the kernel's series with the table of series and their ends."""
    kernel = image.model.kernel
    if not kernel.version and not kernel.modules and not kernel.where:
        raise NotApplicable("there is no kernel in the image")
    lifetime = lifetime_of("linux")
    if not kernel.version or lifetime is None or key_of(kernel.version, "linux") is None:
        raise Undecided("the version of the kernel could not be told")
    words = f"{kernel.version} #{kernel.banner.partition(' #')[2]}"
    if _CIP.search(f"{kernel.version} {kernel.banner}"):
        raise Undecided("the Civil Infrastructure Platform maintains it on a calendar of its own")
    if _DISTRIBUTION.search(words):
        raise Undecided("a distribution maintains it on a calendar of its own")
    series, today = lifetime.series_of(kernel.version), image.now.date()
    where = kernel.where[0] if kernel.where else ""
    stated = f"by the table of {table().stated}"
    if series is None:
        if (key := key_of(kernel.version, "linux")) and key > key_of(
            lifetime.series[0].newest, "linux"
        ):
            raise Undecided(f"the table of {table().stated} knows of no series as new as this")
        yield Finding(
            where=where,
            what=f"Linux {kernel.version} is of no series that is maintained",
            evidence=(stated,),
        )
    elif series.ended is not None and series.ended < today:
        yield Finding(
            where=where,
            what=f"Linux {kernel.version}: the series {series.name} ended on {series.ended}",
            evidence=(f"its last release was {series.newest}", stated),
        )
    else:
        yield from _soon(image, series.name, series.ended, where)


def _soon(image: Image, name: str, ended: date | None, where: str) -> Iterator[Finding]:
    """Tell of a series that ends before the support that the maker has promised."""
    if ended is not None and image.profile is not None:
        until = image.profile.support.until
        if ended < until:
            yield Finding(
                where=where,
                what=f"the series {name} ends on {ended}, the promised support on {until}",
                severity=Severity.INFO,
            )
