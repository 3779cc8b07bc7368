"""Is the device's clock right? Nobody can know for sure, but much can be excluded."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from holdfast.device.broker.state import Slot

_SLACK = timedelta(days=1)


def doubt(now: datetime, *, passed: datetime | None, hub: datetime | None) -> str:
    """Say in words why the clock cannot be right; empty if nothing speaks against it.

    Args:
        now: What the clock says.
        passed: A moment that has certainly passed, because something signed was made then.
        hub: What the hub's clock said just now; no proof, but worth a word.
    """
    if passed is not None and now < passed - _SLACK:
        return (
            f"The clock of this device says {_day(now)}, but its software was made later than that,"
            f" on {_day(passed)}. Set date and time, or connect the device to a time server."
        )
    if hub is None or hub.tzinfo is None or abs(hub - now) <= _SLACK:
        return ""
    return (
        f"By the clock of this device it is {_day(now)}, by that of the hub {_day(hub)}."
        " One of them is wrong. If it is this one, set date and time."
    )


def passed(learnt_ms: int | None, running: Slot) -> datetime | None:
    """Give a moment that has certainly passed; None if nothing is known.

    Args:
        learnt_ms: When the newest signed release that was ever seen was made.
        running: What runs; it was made in the past as well.
    """
    known = [] if learnt_ms is None else [datetime.fromtimestamp(learnt_ms / 1000, tz=UTC)]
    with suppress(ValueError):  # a file of the factory that does not say
        made = datetime.fromisoformat(running.made)
        known += [made] if made.tzinfo is not None else []
    return max(known, default=None)


class Jump(NamedTuple):
    """Somebody set the clock.

    Attributes:
        before_ms: What it would show now without that.
        by_ms: By how much it was set; negative if backwards.
    """

    before_ms: int
    by_ms: int


class Jumps:
    """Notices that somebody set the clock, by a second one that nobody can set."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self._ticked = time.clock_gettime(time.CLOCK_BOOTTIME)

    def look(self, now_ms: int) -> Jump | None:
        """Say by how much the clock was set since the last look; None if by less than a day."""
        ticked = time.clock_gettime(time.CLOCK_BOOTTIME)
        before_ms = self._now_ms + int((ticked - self._ticked) * 1000)
        self._ticked, self._now_ms = ticked, now_ms
        jump = Jump(before_ms=before_ms, by_ms=now_ms - before_ms)
        return jump if abs(jump.by_ms) >= _SLACK / timedelta(milliseconds=1) else None


def _day(moment: datetime) -> str:
    local = moment.astimezone()
    return f"{local.day} {local:%B} {local.year}"
