"""Whether the makers of a piece of software still look after a version, and how old it is.

The facts stand in `lifetimes.toml`, with the day on which they were last checked.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

from holdfast.audit.vulnerabilities.products import NAMES, canonical, scheme_of
from holdfast.audit.vulnerabilities.versions import key_of


class Series(NamedTuple):
    """Releases that are looked after together.

    Attributes:
        name: For example `3.18`.
        ended: Last day of maintenance; None while none is announced.
        newest: Newest release on the day the table was checked.
        newest_on: When that came out.
    """

    name: str
    ended: date | None
    newest: str
    newest_on: date


class Release(NamedTuple):
    """One version and the day it came out, at the latest."""

    version: str
    on: date


class Lifetime(NamedTuple):
    """What is known of one piece of software.

    Attributes:
        name: As the tables know it.
        series: Newest first; empty if only the newest release is ever looked after.
        releases: Oldest first; not all of them.
        ended: When all of it was given up; None if it was not.
        note: For people.
    """

    name: str
    series: tuple[Series, ...] = ()
    releases: tuple[Release, ...] = ()
    ended: date | None = None
    note: str = ""

    def series_of(self, version: str) -> Series | None:
        """Find the series of a version; the most exact name counts."""
        key = key_of(version, self._scheme)
        fitting = [
            one
            for one in self.series
            if key is not None
            and (start := key_of(one.name, self._scheme)) is not None
            and (end := key_of(f"{one.name}.*", self._scheme)) is not None
            and not key < start
            and (key < end or _is_letter_of(version, one.name))
        ]
        return max(fitting, key=lambda one: len(one.name), default=None)

    def is_older_than_all(self, version: str) -> bool:
        """Tell whether a version is older than every series in the table."""
        key = key_of(version, self._scheme)
        starts = [key_of(one.name, self._scheme) for one in self.series]
        return (
            key is not None
            and bool(starts)
            and all(start is not None and key < start for start in starts)
        )

    def lapsed(self, version: str, today: date) -> Series | None:
        """Give the oldest series after a version of none that has ended as well; None if none."""
        key = key_of(version, self._scheme)
        if key is None or self.series_of(version) is not None:
            return None
        later = [
            one
            for one in self.series
            if one.ended is not None
            and one.ended < today
            and (start := key_of(one.name, self._scheme)) is not None
            and key < start
        ]
        return min(later, key=lambda one: one.ended or today, default=None)

    def successor(self, version: str) -> Release | None:
        """Find the first release in the table that is newer; None if there is none."""
        key = key_of(version, self._scheme)
        if key is None:
            return None
        newer = [
            one
            for one in self.releases
            if (other := key_of(one.version, self._scheme)) is not None and key < other
        ]
        return min(newer, key=lambda one: one.on, default=None)

    def newest(self) -> Release | None:
        """Give the newest release in the table."""
        if self.releases:
            return self.releases[-1]
        return Release(self.series[0].newest, self.series[0].newest_on) if self.series else None

    @property
    def _scheme(self) -> str:
        return scheme_of(next(iter(NAMES.get(self.name, ())), ""))


def _is_letter_of(version: str, series: str) -> bool:
    """Tell whether `1.1.1w` belongs to `1.1.1`."""
    rest = version.lower().removeprefix(series)
    return rest != version.lower() and not rest[:1].isdigit()


class Table(NamedTuple):
    """All of it.

    Attributes:
        stated: When the facts were last checked.
        lifetimes: By name.
    """

    stated: date
    lifetimes: Mapping[str, Lifetime]


@cache
def table() -> Table:
    """Read the table."""
    whole = tomllib.loads(
        (files("holdfast.audit.vulnerabilities") / "lifetimes.toml").read_text(encoding="utf-8")
    )
    lifetimes = {
        one["name"]: Lifetime(
            name=one["name"],
            series=tuple(
                Series(name, date.fromisoformat(ended) if ended else None, newest,
                       date.fromisoformat(on))
                for name, ended, newest, on in one.get("series", ())
            ),
            releases=tuple(
                Release(text.split()[0], date.fromisoformat(text.split()[1]))
                for text in one.get("releases", ())
            ),
            ended=date.fromisoformat(one["ended"]) if "ended" in one else None,
            note=one.get("note", ""),
        )
        for one in whole["component"]
    }  # fmt: skip
    return Table(whole["stated"], MappingProxyType(lifetimes))


def lifetime_of(name: str) -> Lifetime | None:
    """Look a component up; None if the table does not know it."""
    return table().lifetimes.get(canonical(name))
