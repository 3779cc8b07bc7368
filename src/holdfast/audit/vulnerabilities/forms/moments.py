"""Moments as publishers write them."""

from datetime import UTC, datetime


def moment_of(text: str) -> datetime | None:
    """Read a day or moment in ISO form, taken for UTC unless it says else; None for others."""
    try:
        moment = datetime.fromisoformat(text.strip()[:40])
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
