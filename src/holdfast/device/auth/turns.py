"""One thing at a time that costs memory; browsers that are known come before strangers."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from holdfast.accounts.errors import HashingBusyError

WAIT_S = 3.0
WAIT_FIRST_S = 20.0
MOST_WAITING = 4


class Turns:
    """A place that one at a time holds, with a queue that is short for strangers.

    Those who find the queue full are sent away at once, since each who waits keeps a thread.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._busy = False
        self._waiting = {True: 0, False: 0}

    @contextmanager
    def taken(self, *, first: bool) -> Iterator[None]:
        """Hold the place for a while.

        Args:
            first: Whether somebody known asks, who comes before strangers and may wait longer.

        Raises:
            HashingBusyError: It did not become free in time, or too many wait.
        """
        with self._changed:
            if self._waiting[first] >= MOST_WAITING:
                raise HashingBusyError
            self._waiting[first] += 1
            try:
                free = self._changed.wait_for(
                    lambda: not self._busy and (first or not self._waiting[True]),
                    timeout=WAIT_FIRST_S if first else WAIT_S,
                )
                if not free:
                    raise HashingBusyError
                self._busy = True
            finally:
                self._waiting[first] -= 1
                # Strangers look again whether somebody known still waits.
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
