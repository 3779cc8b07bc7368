"""The change feed: how the gateway learns that an answer of its may have changed."""

from collections.abc import Collection

from holdfast.hub.fleet.models import Change
from holdfast.hub.moments import now_ms

_ONE_BY_ONE = 1000


def announce(device_ids: Collection[int]) -> None:
    """Add lines for devices, in the transaction of whoever calls; one for all if they are many."""
    at_ms = now_ms()
    if len(device_ids) > _ONE_BY_ONE:
        Change.objects.create(device=None, at_ms=at_ms)
        return
    Change.objects.bulk_create(
        [Change(device_id=device_id, at_ms=at_ms) for device_id in sorted(device_ids)]
    )
