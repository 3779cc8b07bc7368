"""Every text passes through here on its way to a page, so that a catalogue can translate it."""

from collections.abc import Callable
from datetime import datetime, timedelta

Translation = Callable[[str], str]
LANGUAGE = "en"
_MEGABYTE = 1_000_000
_ONE_DAY = timedelta(days=1)


def translate(text: str) -> str:
    """Give a text in the owner's language; the hook where gettext comes in."""
    return text


def day(moment: datetime) -> str:
    """Write a day by the device's own clock: `22 November 2026`."""
    local = moment.astimezone()
    return f"{local.day} {translate(f'{local:%B}')} {local.year}"


def clock(moment: datetime) -> str:
    """Write a time of day by the device's own clock: `14:05`."""
    return f"{moment.astimezone():%H:%M}"


def when(moment: datetime) -> str:
    """Write a moment: `22 November 2026, 14:05`."""
    return f"{day(moment)}, {clock(moment)}"


def near(moment: datetime, *, now: datetime) -> str:
    """Write a moment as shortly as it is still clear: only the time if it is today."""
    local, today = moment.astimezone().date(), now.astimezone().date()
    if local == today:
        return translate("today at {clock}").format(clock=clock(moment))
    if local == (now.astimezone() + _ONE_DAY).date():
        return translate("tomorrow at {clock}").format(clock=clock(moment))
    if local == (now.astimezone() - _ONE_DAY).date():
        return translate("yesterday at {clock}").format(clock=clock(moment))
    return when(moment)


def size(count_bytes: int) -> str:
    """Write a size: `28.4 MB`."""
    if count_bytes < _MEGABYTE:
        return translate("{count} kB").format(count=max(1, round(count_bytes / 1000)))
    return translate("{count} MB").format(count=f"{count_bytes / _MEGABYTE:.1f}")


def days(count: int) -> str:
    """Write a number of days: `3 days`."""
    if count == 1:
        return translate("1 day")
    return translate("{count} days").format(count=count)
