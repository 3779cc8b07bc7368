"""Whether vulnerability data is fresh enough to say that something is fine."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from holdfast.audit.vulnerabilities.shapes import DataAge

MOST_AGE: Final = {
    "kev": timedelta(days=30),
    "epss": timedelta(days=30),
    "nvd": timedelta(days=60),
    "cve5": timedelta(days=60),
    "osv": timedelta(days=60),
}
"""From when on data is old; what is not here does not grow old by itself."""

_RECORDS: Final = frozenset({"nvd", "cve5", "osv"})


class Freshness(NamedTuple):
    """What is to be said of the age of the data.

    Attributes:
        fresh: Whether all that is needed is there and new enough.
        old: Sources that are too old.
        troubles: In words.
    """

    fresh: bool
    old: frozenset[str]
    troubles: tuple[str, ...]


def freshness(ages: Iterable[DataAge], now: datetime) -> Freshness:
    """Judge the age of what a database holds.

    Args:
        ages: Its sources; none if there is no database.
        now: The moment of the audit.
    """
    there = {age.source: age for age in ages if age.entries}
    troubles: list[str] = []
    old: set[str] = set()
    if not there:
        return Freshness(False, frozenset(), ("there is no vulnerability data",))  # noqa: FBT003
    newest_records: dict[str, timedelta] = {}
    for name, age in there.items():
        passed = now - (age.published or age.imported)
        if name not in MOST_AGE or passed <= MOST_AGE[name]:
            continue
        old.add(name)
        newest_records[name] = passed
        known = "is" if age.published else "is at least"
        troubles.append(f"{name} {known} {passed.days} days old")
    if not _RECORDS & there.keys():
        troubles.append("there are no records of vulnerabilities (nvd, cve5 or osv)")
    elif _RECORDS & there.keys() - old:
        # One fresh catalogue of records is enough.
        troubles = [one for one in troubles if one.partition(" ")[0] not in _RECORDS]
        old -= _RECORDS
    if "kev" not in there:
        troubles.append("there is no list of known exploited vulnerabilities (kev)")
    return Freshness(not troubles, frozenset(old), tuple(troubles))
