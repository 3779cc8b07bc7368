"""What the gateway knows of the fleet, in memory; a poll is answered from here without waiting.

Devices are found by the very path that they poll. All idle devices of one polling interval share
one prepared answer; an answer that holds links is written when asked for, since links depend on
the address by which the device came.
"""

import gc
import hashlib
import secrets
import threading
import time
from collections.abc import Collection, Iterable
from typing import Any

import structlog

from holdfast.gateway.errors import StoreError
from holdfast.gateway.store import DeviceRow, Pending, Store
from holdfast.updates.offers import ACTIVE, State

FEED_S = 0.3
"""Seconds between two looks at the change feed."""

WORKING_POLL_S = 30
"""A device with something to do asks at least this often."""

LONGEST_POLL_S = 24 * 3600 - 1
_RELOAD_AT = 20_000
_SLICE = 500

Answer = tuple[dict[str, Any], dict[str, Any]]
"""The two ASGI messages of an answer."""

log = structlog.get_logger(__name__)


class Offer:
    """An open offer to one device.

    Attributes:
        id: The action id of the DDI.
        release_id: What is offered.
        mode: `attempt`, `forced` or `skip`.
        state: Of `holdfast.updates.offers.State`.
        revision: Changes when the device should read the offer again.
        shown: Whether the device is still to work on it.
        retrieved: Whether the hub was told that the device has read it.
    """

    __slots__ = ("id", "mode", "release_id", "retrieved", "revision", "shown", "state")

    def __init__(self, row: DeviceRow, *, ended: bool) -> None:
        self.id = row.offer_id or 0
        self.release_id = row.release_id or 0
        self.mode = row.mode or "attempt"
        self.state = row.state or State.OFFERED
        self.revision = row.revision or 1
        # Who only downloads is done when he has downloaded.
        done = self.mode == "skip" and self.state == State.DOWNLOADED
        self.shown = not ended and self.state in ACTIVE and not done
        self.retrieved = self.state != State.OFFERED


class Device:
    """One device that may call.

    Attributes:
        id: Number of its row.
        digest: SHA-256 of its token.
        offer: Its open offer, or None.
        poll_s: Seconds between its polls.
        wants: Whether its attributes are asked for.
        finished: Its newest confirmed offer, or 0.
        answer: The prepared answer to its poll; None if that holds links.
    """

    __slots__ = ("answer", "digest", "finished", "id", "offer", "poll_s", "wants")

    def __init__(self, *, device_id: int, digest: bytes) -> None:
        self.id = device_id
        self.digest = digest
        self.offer: Offer | None = None
        self.poll_s = 300
        self.wants = False
        self.finished = 0
        self.answer: Answer | None = None


NOBODY = Device(device_id=0, digest=hashlib.sha256(secrets.token_bytes(32)).digest())
"""Stands for every unknown device, so that asking for one takes as long as a wrong token."""


_NO_TOKEN = hashlib.sha256(b"").digest()


def path_of(tenant: str, controller_id: str) -> str:
    """Give the path, percent signs decoded, under which a device polls."""
    return f"/{tenant}/controller/v1/{controller_id}"


def clock_text(seconds: int) -> str:
    """Write seconds as the DDI writes a polling interval, HH:MM:SS."""
    limited = max(1, min(seconds, LONGEST_POLL_S))
    return f"{limited // 3600:02}:{limited // 60 % 60:02}:{limited % 60:02}"


def json_answer(body: bytes, *, status: int = 200) -> Answer:
    """Prepare an answer in JSON."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    return (
        {"type": "http.response.start", "status": status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


class Snapshot:
    """The fleet as it was a moment ago.

    Attributes:
        devices: By the path that they poll, percent signs decoded.
        tenants: Every tenant that has a device, and DEFAULT.
        ended: Offers that their devices closed here, and how often they said so.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.devices: dict[str, Device] = {}
        self.tenants: frozenset[str] = frozenset({"DEFAULT"})
        self.ended: dict[int, int] = {}
        self._idle: dict[int, Answer] = {}
        self._seq = 0

    def load(self) -> None:
        """Read everything.

        Raises:
            StoreError: The database did not answer; what was known before stays.
        """
        self._seq = self._store.newest_change()
        pending = self._store.pending()
        finished = self._store.finished()
        devices: dict[str, Device] = {}
        tenants: dict[str, str] = {"DEFAULT": "DEFAULT"}
        for row in self._store.devices():
            path = path_of(row.tenant, row.controller_id)
            devices[path] = self._built(path, row, pending, finished)
            tenants.setdefault(row.tenant, row.tenant)
        if self.ended:
            still_open = {one.offer.id for one in devices.values() if one.offer is not None}
            self.ended = {one: times for one, times in self.ended.items() if one in still_open}
        self.devices = devices
        self.tenants = frozenset(tenants)

    def follow(self) -> int:
        """Look at the change feed once, and read anew what changed; returns how many devices.

        Raises:
            StoreError: The database did not answer; the next call goes on from the same place.
        """
        changes = self._store.changes(self._seq)
        if changes.everything or len(changes.devices) > _RELOAD_AT:
            self.load()
            return len(self.devices)
        ids = sorted(changes.devices)
        for start in range(0, len(ids), _SLICE):
            self._refresh(ids[start : start + _SLICE])
        self._seq = changes.seq
        return len(ids)

    def _refresh(self, ids: Collection[int]) -> None:
        pending = self._store.pending()
        finished = self._store.finished(ids)
        fresh = {}
        moved = set(ids)
        for row in self._store.devices(ids):
            path = path_of(row.tenant, row.controller_id)
            fresh[path] = self._built(path, row, pending, finished)
            known = self.devices.get(path)
            if known is not None and known.id == row.id:
                moved.discard(row.id)
            if row.tenant not in self.tenants:
                self.tenants |= {row.tenant}
        if moved:
            # Retired, deleted or renamed: rare, so their old paths are looked for.
            self._forget(path for path, one in list(self.devices.items()) if one.id in moved)
        self.devices.update(fresh)

    def _forget(self, paths: Iterable[str]) -> None:
        for path in list(paths):
            self.devices.pop(path, None)

    def _built(
        self, path: str, row: DeviceRow, pending: Pending, finished: dict[int, int]
    ) -> Device:
        try:
            digest = bytes.fromhex(row.token_sha256)
        except ValueError:
            digest = b""
        if len(digest) != len(NOBODY.digest) or digest == _NO_TOKEN:
            digest = NOBODY.digest  # no token fits
        device = Device(device_id=row.id, digest=digest)
        device.poll_s = row.poll_s
        device.wants = bool(row.wants_attributes) and row.id not in pending.described
        device.finished = finished.get(row.id, 0)
        if row.offer_id is not None:
            ended = row.offer_id in self.ended or row.offer_id in pending.ended
            device.offer = Offer(row, ended=ended)
            before = self.devices.get(path, NOBODY).offer
            if before is not None and before.id == row.offer_id and before.retrieved:
                device.offer.retrieved = True  # the worker has still to handle what we told it
        device.answer = self._prepared(device)
        return device

    def _prepared(self, device: Device) -> Answer | None:
        if device.wants or device.finished or (device.offer is not None and device.offer.shown):
            return None
        found = self._idle.get(device.poll_s)
        if found is None:
            sleep = clock_text(device.poll_s)
            body = b'{"config":{"polling":{"sleep":"%s"}},"_links":{}}' % sleep.encode()
            found = self._idle[device.poll_s] = json_answer(body)
        return found

    def end(self, device: Device, offer_id: int) -> int:
        """Note that a device closed an offer, so that it is not offered again meanwhile.

        Returns:
            How often it has said so.
        """
        times = self.ended[offer_id] = self.ended.get(offer_id, 0) + 1
        if device.offer is not None and device.offer.id == offer_id:
            device.offer.shown = False
            device.answer = self._prepared(device)
        return times

    def described(self, device: Device) -> None:
        """Note that a device sent its attributes, so that they are not asked for again."""
        device.wants = False
        device.answer = self._prepared(device)


def settle() -> None:
    """Keep the collector of garbage from walking over hundreds of thousands of objects that stay.

    Without this a poll now and then waits for it.
    """
    gc.collect()
    gc.freeze()


class Feed:
    """A thread that keeps a snapshot fresh.

    Attributes:
        failing: What the last look ran into; None while all is well.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._stopped = threading.Event()
        self.failing: StoreError | None = None
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        """Begin; the snapshot is loaded already."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stopped.set()
        self._thread.join()

    @property
    def healthy(self) -> bool:
        """Whether changes reach the snapshot."""
        return self.failing is None and self._thread.is_alive()

    def _run(self) -> None:
        pause_s = FEED_S
        while not self._stopped.wait(pause_s):
            began = time.monotonic()
            try:
                if self._snapshot.follow() > _RELOAD_AT:
                    settle()
            except StoreError as error:
                if self.failing is None:
                    log.warning("feed.stalled", reason=str(error))
                self.failing = error
            else:
                self.failing = None
            # Reading a large fleet anew again and again must leave time for polls.
            pause_s = max(FEED_S, 3 * (time.monotonic() - began))
