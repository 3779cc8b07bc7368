"""The history of a device: lines of a code and parameters, put in words when they are shown."""

from holdfast.hub.fleet.models import HistoryEntry
from holdfast.hub.moments import now_ms


def entry(
    device_id: int,
    code: str,
    *,
    offer_id: int | None = None,
    at_ms: int | None = None,
    parameters: dict[str, object] | None = None,
) -> HistoryEntry:
    """Make a line without writing it, for those who write many at once."""
    return HistoryEntry(
        device_id=device_id,
        offer_id=offer_id,
        at_ms=now_ms() if at_ms is None else at_ms,
        code=code,
        parameters=parameters or {},
    )


def add(
    device_id: int,
    code: str,
    /,
    *,
    offer_id: int | None = None,
    at_ms: int | None = None,
    **parameters: object,
) -> None:
    """Write one line, in the transaction of whoever calls.

    Args:
        device_id: Whose history.
        code: A key of `holdfast.hub.fleet.words.SENTENCES`.
        offer_id: The offer that it is about.
        at_ms: When it happened, milliseconds UTC; now unless told.
        parameters: What the sentence names; already cleaned.
    """
    entry(device_id, code, offer_id=offer_id, at_ms=at_ms, parameters=parameters).save(
        force_insert=True
    )
