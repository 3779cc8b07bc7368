"""How much one device may write, so that one that runs wild does not fill the hub's disk."""

import time
from collections.abc import Callable

BURST = 60
PER_S = 1.0
_PRUNE_AT = 10_000


class WriteLimit:
    """A bucket of tokens for each device; a write takes one, a second gives one back.

    The clients that exist send about twenty reports per installation.
    """

    def __init__(
        self,
        *,
        burst: float = BURST,
        per_s: float = PER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._per_s = per_s
        self._clock = clock
        self._buckets: dict[int, tuple[float, float]] = {}

    def take(self, device_id: int) -> int:
        """Take a token; return 0, or the seconds after which there will be one."""
        now = self._clock()
        if len(self._buckets) > _PRUNE_AT:
            self._prune(now)
        left = self._left(device_id, now)
        if left < 1:
            return max(1, round((1 - left) / self._per_s + 0.5))
        self._buckets[device_id] = (left - 1, now)
        return 0

    def _left(self, device_id: int, now: float) -> float:
        level, since = self._buckets.get(device_id, (self._burst, now))
        return min(self._burst, level + (now - since) * self._per_s)

    def _prune(self, now: float) -> None:
        full = [one for one in self._buckets if self._left(one, now) >= self._burst]
        for one in full:
            del self._buckets[one]
