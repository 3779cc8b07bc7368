"""A few places for hashing: a flood of logins waits or is sent away, memory stays what it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from holdfast.accounts.errors import HashingBusyError

WAIT_S: Final = 3.0
MOST_WAITING: Final = 8
_MMAP_THRESHOLD: Final = -3
_LARGE_BYTES: Final = 4 << 20


class Slots:
    """So many hashes at once in this process, and so many who wait for one of them.

    Args:
        count: 1 on the device, a few on the hub; each takes the memory of one hash.
        wait_s: How long somebody waits at most.
        most_waiting: More are sent away at once: each who waits keeps a thread.
    """

    def __init__(
        self, count: int, *, wait_s: float = WAIT_S, most_waiting: int = MOST_WAITING
    ) -> None:
        _give_memory_back()
        self._free = BoundedSemaphore(count)
        self._inside = BoundedSemaphore(count + most_waiting)
        self._wait_s = wait_s

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold one of them for a while.

        Raises:
            HashingBusyError: None became free in time, or many wait already.
        """
        if not self._inside.acquire(blocking=False):
            raise HashingBusyError
        try:
            if not self._free.acquire(timeout=self._wait_s):
                raise HashingBusyError
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._inside.release()


def _give_memory_back() -> None:
    """Have what a hash needed go back to the system at once, whichever thread made the hash.

    The C library of GNU learns from the first one that such pieces come often, and from then on
    keeps one for every thread that ever hashed: 100 threads keep 19 MiB each.
    """
    import ctypes  # noqa: PLC0415 - only who hashes in this process has slots

    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # other C libraries have nothing to be told
        library.mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
