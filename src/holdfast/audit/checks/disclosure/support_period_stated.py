"""Until when security updates come."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from holdfast.audit.checks.disclosure._texts import page_hit, page_with, release_values
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="The product says until when it gets security updates, and that day is to come",
    why="Owners keep devices for years after the last fix and do not know it.",
    fix="Write SUPPORT_END into os-release, show it in the interface, and keep to it.",
    recommendation=4,
    severity=Severity.MEDIUM,
    sources=(
        "Article 3.6",
        "EN 303 645 5.3-13",
        "CRA Annex I part II (8)",
        "PSTI Sch. 1 para 3",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Compare SUPPORT_END, and what the profile promises, with the moment of the audit."""
    stated = None
    today = image.now.astimezone(UTC).date()
    for where, name, value in release_values(image):
        day = _day(value) if name == "SUPPORT_END" else None
        if day is None:
            continue
        stated = day
        if day < today:
            yield Finding(where=where, what=f"support was over on {day}")
        promised = image.profile.support.until if image.profile is not None else day
        if day != promised:
            yield Finding(where=where, what=f"says {day}, the profile promises {promised}")
    if image.profile is not None:
        until = image.profile.support.until
        if until < today:
            yield Finding(
                where="", what=f"the profile promises support until {until}: that is over"
            )
        stated = stated or (until if page_with(image, until.isoformat()) else None)
    if stated is None and not page_hit(image, "disclosure-support"):
        raise Undecided("no end of support stands in the image; it may stand on the maker's site")


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
