"""How long the next try has to wait: free for three failures, then twice as long each time.

Failures are kept on disk, so pulling the plug resets nothing; waiting is counted by a clock that
only runs forward, so turning the device's clock changes nothing either.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping

from holdfast.device.auth.errors import SlowDownError

FREE_FAILURES = 3
LONGEST_WAIT_S = 60
"""Long enough for a password of 15 characters: half a million tries a year. Short, because anybody
in the home network can make the owner wait for as long (docs/explanation/threat-model.md)."""
_MOST_NAMES = 256
_MOST_FAILURES = 1_000_000


def wait_after(failures: int, *, longest_s: int = LONGEST_WAIT_S) -> int:
    """Give the seconds to wait after so many failures in a row.

    Source:
        OWASP ASVS 5.0 6.1.1; NIST SP 800-63B 5.2.2: delays that grow, never a lock for ever.
    """
    if failures < FREE_FAILURES:
        return 0
    return int(min(2 ** min(failures - FREE_FAILURES, 20), longest_s))


class Throttle:
    """Failures in a row by name, for a bounded number of names.

    Attributes:
        failures: Name to count; the longest unused name goes first when there are too many.
    """

    def __init__(
        self,
        failures: Mapping[str, int],
        *,
        monotonic: Callable[[], float],
        longest_s: int = LONGEST_WAIT_S,
    ) -> None:
        self._monotonic = monotonic
        self._longest_s = longest_s
        self.failures: OrderedDict[str, int] = OrderedDict(failures)
        # After a restart every wait begins anew: a power cut must not shorten it.
        now = monotonic()
        self._since: dict[str, float] = dict.fromkeys(self.failures, now)

    def must_wait(self, name: str) -> None:
        """Refuse a try that comes too early.

        Raises:
            SlowDownError: With the seconds that are left.
        """
        wait_s = wait_after(self.failures.get(name, 0), longest_s=self._longest_s)
        left_s = self._since.get(name, 0.0) + wait_s - self._monotonic()
        if wait_s and left_s > 0:
            raise SlowDownError(wait_s=math.ceil(left_s))

    def count(self, name: str, *, keep: Container[str] = ()) -> None:
        """Note a failure.

        Args:
            name: Who failed.
            keep: Names whose failures are never dropped: an attacker who tries hundreds of other
                names must not wipe out the count of the one he is after.
        """
        self.failures[name] = min(self.failures.get(name, 0) + 1, _MOST_FAILURES)
        self.failures.move_to_end(name)
        self._since[name] = self._monotonic()
        if len(self.failures) > _MOST_NAMES:
            oldest = next((known for known in self.failures if known not in keep), name)
            del self.failures[oldest]
            self._since.pop(oldest, None)

    def forget(self, name: str) -> bool:
        """Start from nothing after a success; tell whether there was something."""
        self._since.pop(name, None)
        return self.failures.pop(name, None) is not None
