"""The present moment, for the hosts; pure packages are given it as `now`."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(tz=UTC)


def stamp(moment: datetime) -> str:
    """Write a moment as RFC 3339 in UTC with whole seconds, ending in `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """Read what `stamp` wrote.

    Raises:
        ValueError: The text is not an RFC 3339 moment in UTC.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
