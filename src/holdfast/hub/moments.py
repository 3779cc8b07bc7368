"""Moments as the tables keep them: whole milliseconds UTC, which the gateway reads too."""

from datetime import UTC, datetime

from holdfast.core.clock import now

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def now_ms() -> int:
    """Return the present moment."""
    return to_ms(now())


def to_ms(moment: datetime) -> int:
    """Turn an aware moment into milliseconds UTC."""
    return int(moment.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    """Turn milliseconds UTC into an aware moment."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
