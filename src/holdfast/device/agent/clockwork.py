"""Is the device's clock right? Nobody can know for sure, but much can be excluded."""

from datetime import datetime, timedelta

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


def _day(moment: datetime) -> str:
    local = moment.astimezone()
    return f"{local.day} {local:%B} {local.year}"
