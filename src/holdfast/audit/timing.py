"""Ends what takes too long, and measures what does not."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType


class Overtime(BaseException):
    """Raised in the middle of something that took too long."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `Overtime` in what takes longer; only in the main thread, elsewhere it has no end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_: int, __: FrameType | None) -> None:
        raise Overtime

    before = signal.signal(signal.SIGALRM, ring)
    try:
        # Again and again, since something may swallow the first one.
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.01), 1.0)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def measured(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add how long something takes."""
    start = monotonic()
    try:
        yield
    finally:
        seconds[stage] = round(seconds.get(stage, 0.0) + monotonic() - start, 3)
