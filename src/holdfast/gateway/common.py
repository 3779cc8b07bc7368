"""What the handlers of requests share."""

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import TypeVar
from urllib.parse import quote

import msgspec

from holdfast.gateway.exchange import Exchange, Refusal
from holdfast.gateway.files import PLACES
from holdfast.gateway.journal import Journal
from holdfast.gateway.limits import WriteLimit
from holdfast.gateway.snapshot import Device, Snapshot
from holdfast.gateway.store import EventRow, OfferRow, Store

_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_NUMBER_END = 1 << 31

Found = TypeVar("Found")


def now_ms() -> int:
    """Give the present moment in milliseconds UTC."""
    return time.time_ns() // 1_000_000


def number_of(text: str) -> int:
    """Read an id out of a path; clients hold ids in 31 bits.

    Raises:
        Refusal: It is none.
    """
    number = int(text) if _NUMBER.fullmatch(text) else 0
    if not 0 < number < _NUMBER_END:
        raise Refusal(404, "not-found", "there is nothing of that number")
    return number


def device_url(exchange: Exchange) -> str:
    """Give the address that a device polls, percent signs encoded."""
    tenant, _, _, controller_id = exchange.scope["path"].split("/")[1:5]
    return f"{exchange.base_url}/{quote(tenant)}/controller/v1/{quote(controller_id, safe='')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The parts of a gateway, and the few things that handlers do with them alike.

    Attributes:
        store: The database.
        snapshot: The fleet in memory.
        journal: Takes what devices say.
        repository: Folder of metadata and release files.
        threads: Where the database and files are read.
        limit: How much one device may write.
        places: How many parts of files may be on their way.
    """

    store: Store
    snapshot: Snapshot
    journal: Journal
    repository: Path
    threads: Executor
    limit: WriteLimit = field(default_factory=WriteLimit)
    places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(PLACES))

    async def ask(self, question: Callable[..., Found], *values: object) -> Found:
        """Run something that may wait for a disk in another thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, question, *values)

    def must_have_room(self, device: Device) -> None:
        """Refuse a device that writes too much.

        Raises:
            Refusal: With the seconds to wait.
        """
        wait_s = self.limit.take(device.id)
        if wait_s:
            header = (b"retry-after", b"%d" % wait_s)
            raise Refusal(429, "too-many", "this device tells us too much too quickly", header)

    async def offer(self, device: Device, number: int) -> OfferRow:
        """Find an action of this device, open or closed.

        Raises:
            Refusal: It has none of that number.
        """
        own = device.offer
        if own is not None and own.id == number:
            return OfferRow(own.id, own.release_id, own.mode, own.state, own.revision, None)
        found = await self.ask(self.store.offer, device.id, number)
        if found is None:
            raise Refusal(404, "not-found", "this device has no such action")
        return found

    def event(
        self,
        device: Device,
        kind: str,
        body: object,
        *,
        offer_id: int | None = None,
        refresh: bool = False,
    ) -> EventRow:
        """Write down something that a device did or said."""
        text = msgspec.json.encode(body).decode()
        return EventRow(device.id, offer_id, kind, text, now_ms(), refresh)
