"""Writes down what devices say and when they were seen, in a thread of its own.

Events are committed in groups: a device is answered when its event survives a power cut, and all
that arrive during one commit share the next. When devices polled is gathered in a dictionary and
written every second or two, so that a poll itself never waits for anything.

How a report that ends an update is never lost, even when the disk is full or the database is held
by somebody else for long:

1. It is written to the reserve (`holdfast.gateway.reserve`), whose space was taken beforehand;
   the device is answered 200, since the report is as safe as in the database.
2. If the reserve is full as well, it is kept in memory and tried again every second, and the
   device is answered 503 or 507 with `Retry-After`, so that it may tell us again. The hub's state
   machine takes the same report twice without harm.

Everything else a device says is refused with 503 or 507 meanwhile; it says it again.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog

from holdfast.gateway import reserve
from holdfast.gateway.errors import StoreError
from holdfast.gateway.store import EventRow, Store

SEEN_S = 1.0
"""Last-seen times rest this long once, so that no poll writes into what is being saved."""

_SEEN_CHUNK = 20_000
_RETRY_S = 1.0
_ANSWER_S = 20.0
_GROUP_MOST = 500
_WAITING_MOST = 20_000
_HELD_MOST = 100_000

log = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    """An event, and who is told what became of it."""

    event: EventRow
    terminal: bool
    told: "asyncio.Future[None] | None"


class Journal:
    """The one writer of a gateway.

    Attributes:
        seen: Device id to milliseconds UTC of its last poll; polls write into it.
        left: Offers whose end an earlier gateway kept and that is not in the database yet.
        failing: What the last attempt to write ran into; None while all is well.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self.seen: dict[int, int] = {}
        self._resting: dict[int, int] = {}
        self.left: frozenset[int] = frozenset()
        self.failing: StoreError | None = None
        self._queue: deque[_Waiting] = deque()
        self._held: deque[EventRow] = deque(maxlen=_HELD_MOST)
        self._wake = threading.Event()
        self._stopping = False
        self._reserve: reserve.Reserve | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Take over what earlier gateways could not write, then begin."""
        for kept in reserve.left_by_others(self._folder):
            self._empty(kept)
            self.left |= {one.offer_id for one in kept.read() if one.offer_id is not None}
        self._reserve = reserve.take(self._folder)
        if self._reserve is None:
            log.warning("reserve.missed", folder=str(self._folder))
        self._thread.start()

    def stop(self) -> None:
        """Write everything that is left, then end; nobody may append any more."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        if self._reserve is not None:
            self._reserve.close()

    @property
    def healthy(self) -> bool:
        """Whether what devices say reaches the database."""
        return self.failing is None and self._thread.is_alive()

    async def append(self, event: EventRow, *, terminal: bool = False) -> None:
        """Keep an event, and return when it is safe.

        Raises:
            StoreError: It could not be kept; the device should say it again.
        """
        if len(self._queue) >= _WAITING_MOST and not terminal:
            raise StoreError("too many events are waiting for the database")
        told = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(event, terminal, told))
        self._wake.set()
        try:
            async with asyncio.timeout(_ANSWER_S):
                await told
        except TimeoutError as error:
            # It may still be written; the hub takes the same report twice without harm.
            raise StoreError("the database takes too long") from error

    def note(self, event: EventRow) -> None:
        """Keep an event that nobody waits for and that may be lost with the power."""
        if len(self._queue) < _WAITING_MOST:
            self._queue.append(_Waiting(event, terminal=False, told=None))
            self._wake.set()

    def _run(self) -> None:
        next_seen = next_retry = time.monotonic() + SEEN_S
        while not self._stopping:
            self._wake.wait(timeout=max(0.0, min(next_seen, next_retry) - time.monotonic()))
            self._wake.clear()
            self._commit_waiting()
            now = time.monotonic()
            if now >= next_seen:
                self._save_seen()
                next_seen = now + SEEN_S
            if now >= next_retry:
                self._retry_held()
                next_retry = now + _RETRY_S
        self._commit_waiting()
        self._retry_held()
        self._save_seen()
        self._save_seen()  # what was resting, then what came since

    def _commit_waiting(self) -> None:
        while self._queue:
            group = [self._queue.popleft() for _ in range(min(len(self._queue), _GROUP_MOST))]
            try:
                self._store.append([waiting.event for waiting in group])
            except StoreError as error:
                self._failed(error)
                self._keep_ends(group, error)
            else:
                self._worked()
                _tell(group, None)

    def _keep_ends(self, group: list[_Waiting], error: StoreError) -> None:
        """Save the reports that end an update; tell all the others to come again."""
        ends = [waiting for waiting in group if waiting.terminal]
        events = [waiting.event for waiting in ends]
        safe = bool(ends) and self._reserve is not None and self._reserve.add(events)
        if ends and not safe:
            self._held.extend(events)
            log.error("report.held", count=len(ends), reserve_full=self._reserve is not None)
        if safe:
            _tell(ends, None)
        _tell([one for one in group if not (safe and one.terminal)], error)

    def _retry_held(self) -> None:
        if self._held and self._tried(partial(self._store.append, list(self._held))):
            self._held.clear()
        if self._reserve is not None and not self._reserve.empty:
            self._empty(self._reserve)

    def _empty(self, kept: reserve.Reserve) -> None:
        events = kept.read()
        if events and self._tried(partial(self._store.append, events)):
            kept.clear()
            log.info("reserve.emptied", events=len(events))

    def _save_seen(self) -> None:
        ready, self._resting = self._resting, self.seen
        self.seen = {}
        pairs = list(ready.items())
        for start in range(0, len(pairs), _SEEN_CHUNK):
            chunk = pairs[start : start + _SEEN_CHUNK]
            if not self._tried(partial(self._store.save_seen, chunk)):
                # Older than what may have come since, so it must not overwrite.
                for device_id, at_ms in pairs[start:]:
                    self._resting.setdefault(device_id, at_ms)
                return
            self._commit_waiting()  # a device that waits for its answer comes first

    def _tried(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except StoreError as error:
            self._failed(error)
            return False
        self._worked()
        return True

    def _failed(self, error: StoreError) -> None:
        if self.failing is None:
            log.error("journal.stalled", reason=str(error), code=error.code)
        self.failing = error

    def _worked(self) -> None:
        if self.failing is not None:
            log.info("journal.resumed")
        self.failing = None


def _tell(group: list[_Waiting], error: StoreError | None) -> None:
    """Wake everybody of a group at once, in the thread of their event loop."""
    futures = [waiting.told for waiting in group if waiting.told is not None]
    if futures:
        loop = futures[0].get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, futures, error)


def _settle(futures: "list[asyncio.Future[None]]", error: StoreError | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
