"""All SQL of the gateway. Nothing else in this package knows that there is a database.

The tables belong to the hub, whose migrations make them; their names and columns are a contract
(docs/reference/ddi.md). One `Store` serves many threads, each with a connection of its own.

The change feed relies on `fleet_change.seq` becoming visible in ascending order. SQLite has one
writer at a time and guarantees that; a PostgreSQL store will have to look back over the rows of
transactions that were still open, which is why only this module interprets `seq`.
"""

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from holdfast.gateway.errors import NotReadyError, StoreError, StoreFullError

TABLES = frozenset(
    {
        "fleet_change",
        "fleet_device",
        "fleet_event",
        "fleet_lastseen",
        "fleet_offer",
        "products_product",
        "releases_artifact",
        "releases_release",
    }
)
READ_WAIT_S = 5.0
WRITE_WAIT_S = 4.0
_HISTORY_ROWS = 20_000  # how far back a device's own reports are looked for


class DeviceRow(NamedTuple):
    """A device that may call, with its open offer if it has one."""

    id: int
    tenant: str
    controller_id: str
    token_sha256: str
    wants_attributes: int
    poll_s: int
    offer_id: int | None
    release_id: int | None
    mode: str | None
    state: str | None
    revision: int | None


class OfferRow(NamedTuple):
    """One offer of a device, open or closed."""

    id: int
    release_id: int
    mode: str
    state: str
    revision: int
    closed_ms: int | None


class ArtifactRow(NamedTuple):
    """One file of a release."""

    release_id: int
    part: str
    name: str
    version: str
    filename: str
    size_bytes: int
    sha256: str
    sha1: str
    md5: str
    stored: str


class EventRow(NamedTuple):
    """Something a device did or said; `refresh` tells every gateway to look at it anew."""

    device_id: int
    offer_id: int | None
    kind: str
    body: str
    at_ms: int
    refresh: bool


class Changes(NamedTuple):
    """What the change feed says since the last look.

    Attributes:
        seq: Where to go on next time.
        devices: Ids of devices to look at anew.
        everything: Whether the whole snapshot has to be read again.
    """

    seq: int
    devices: frozenset[int]
    everything: bool


class Pending(NamedTuple):
    """What devices said that the hub's worker has not handled yet.

    Attributes:
        ended: Offers that their devices have closed.
        described: Devices that have sent their attributes.
    """

    ended: frozenset[int]
    described: frozenset[int]


_DEVICES = """
    SELECT d.id, d.tenant, d.controller_id, d.token_sha256, d.wants_attributes,
           coalesce(d.poll_s, p.poll_s, 300), o.id, o.release_id, o.mode, o.state, o.revision
    FROM fleet_device AS d
    LEFT JOIN products_product AS p ON p.id = d.product_id
    LEFT JOIN fleet_offer AS o ON o.device_id = d.id AND o.closed_ms IS NULL
    WHERE d.retired_ms IS NULL
"""
_PENDING = """
    SELECT kind, device_id, offer_id FROM fleet_event
    WHERE handled_ms IS NULL AND (
        kind = 'attributes' OR (kind = 'feedback' AND json_extract(body, '$.terminal')))
"""
_ARTIFACTS = """
    SELECT release_id, part, name, version, filename, size_bytes, sha256, sha1, md5, stored
    FROM releases_artifact WHERE release_id = ? ORDER BY id
"""
_SEEN = """
    INSERT INTO fleet_lastseen (device_id, at_ms)
    SELECT CAST(key AS INTEGER), value FROM json_each(?) WHERE true
    ON CONFLICT (device_id) DO UPDATE SET at_ms = max(at_ms, excluded.at_ms)
"""
_EVENTS = """
    INSERT INTO fleet_event (device_id, offer_id, kind, body, at_ms)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4
    FROM json_each(?) ORDER BY key
"""
_REFRESHED = """
    INSERT INTO fleet_change (device_id, at_ms)
    SELECT DISTINCT value ->> 0, ?2 FROM json_each(?1) WHERE value ->> 5
"""


class Store:
    """The hub's database as the gateway sees it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._all: list[sqlite3.Connection] = []

    def _connect(self, *, durable: bool) -> sqlite3.Connection:
        name = "durable" if durable else "quick"
        found: sqlite3.Connection | None = getattr(self._local, name, None)
        if found is not None:
            return found
        made = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=WRITE_WAIT_S if durable else READ_WAIT_S,
            isolation_level=None,
            check_same_thread=False,  # `close` is called by another thread, when all have ended
        )
        # FULL: what a device was told is kept survives a power cut. NORMAL: a last-seen time
        # may be lost with the power, and its commit waits for no disk.
        made.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        setattr(self._local, name, made)
        with self._lock:
            self._all.append(made)
        return made

    def close(self) -> None:
        """Close every connection; nobody may use the store any more."""
        with self._lock:
            while self._all:
                self._all.pop().close()

    def must_be_ready(self) -> None:
        """Refuse to work without the hub's tables.

        Raises:
            NotReadyError: The database or one of its tables is missing.
        """
        if not self._path.is_file():
            raise NotReadyError(f"there is no database at {self._path}")
        names = {row[0] for row in self._rows("SELECT name FROM sqlite_master WHERE type='table'")}
        missing = sorted(TABLES - names)
        if missing:
            raise NotReadyError(f"the database has no table {missing[0]} yet")

    def wait_until_ready(self, *, timeout_s: float, stopped: Callable[[], bool]) -> None:
        """Wait for the hub to make its tables.

        Raises:
            NotReadyError: They are still missing after the time.
        """
        deadline = time.monotonic() + timeout_s
        while not stopped():
            try:
                self.must_be_ready()
            except NotReadyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with _named():
            return self._connect(durable=False).execute(sql, values).fetchall()

    def devices(self, ids: Collection[int] | None = None) -> Iterator[DeviceRow]:
        """Read all devices that may call, or those of the given ids."""
        sql = _DEVICES
        values: list[str] = []
        if ids is not None:
            sql += " AND d.id IN (SELECT value FROM json_each(?))"
            values = [_text(sorted(ids))]
        with _named():
            rows = self._connect(durable=False).execute(sql, values)
            while batch := rows.fetchmany(500):
                yield from map(DeviceRow._make, batch)

    def finished(self, ids: Collection[int] | None = None) -> dict[int, int]:
        """Read the newest confirmed offer of each device that has one."""
        where = ""
        values: list[str] = []
        if ids is not None:
            where = " AND device_id IN (SELECT value FROM json_each(?))"
            values = [_text(sorted(ids))]
        sql = f"""SELECT device_id, max(id) FROM fleet_offer
            WHERE closed_ms IS NOT NULL AND state = 'confirmed'{where} GROUP BY device_id"""  # noqa: S608 - constant parts
        return dict(self._rows(sql, *values))

    def pending(self) -> Pending:
        """Read what the hub's worker has still to handle, as far as answers depend on it."""
        ended, described = set(), set()
        for kind, device_id, offer_id in self._rows(_PENDING):
            if kind == "attributes":
                described.add(device_id)
            elif offer_id is not None:
                ended.add(offer_id)
        return Pending(frozenset(ended), frozenset(described))

    def newest_change(self) -> int:
        """Say where the change feed stands; ask before reading everything."""
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM fleet_change")[0][0])

    def changes(self, seq: int, *, most: int = 5_000) -> Changes:
        """Read what changed after `seq`.

        The hub may delete old lines of the feed. If lines are gone that were never seen here, or
        the feed begins again after a restore, everything has to be read again.
        """
        rows = self._rows(
            "SELECT seq, device_id FROM fleet_change WHERE seq > ? ORDER BY seq LIMIT ?",
            seq,
            most + 1,
        )
        if not rows:
            newest = self.newest_change()
            behind = newest < seq and newest > 0
            return Changes(newest if behind else seq, frozenset(), everything=behind)
        whole = len(rows) > most or rows[0][0] != seq + 1 or any(row[1] is None for row in rows)
        if whole:
            return Changes(self.newest_change(), frozenset(), everything=True)
        return Changes(rows[-1][0], frozenset(row[1] for row in rows), everything=False)

    def offer(self, device_id: int, offer_id: int) -> OfferRow | None:
        """Read one offer, if it is this device's."""
        rows = self._rows(
            """SELECT id, release_id, mode, state, revision, closed_ms FROM fleet_offer
            WHERE id = ? AND device_id = ?""",
            offer_id,
            device_id,
        )
        return OfferRow._make(rows[0]) if rows else None

    def was_offered(self, device_id: int, release_id: int) -> bool:
        """Tell whether this release was ever offered to this device."""
        sql = "SELECT 1 FROM fleet_offer WHERE device_id = ? AND release_id = ? LIMIT 1"
        return bool(self._rows(sql, device_id, release_id))

    def knows_token(self, token_sha256: str) -> bool:
        """Tell whether the digest is that of a device's token."""
        sql = "SELECT 1 FROM fleet_device WHERE token_sha256 = ? AND retired_ms IS NULL LIMIT 1"
        return bool(self._rows(sql, token_sha256))

    def artifacts(self, release_id: int) -> tuple[ArtifactRow, ...]:
        """Read the files of a release."""
        return tuple(map(ArtifactRow._make, self._rows(_ARTIFACTS, release_id)))

    def reports(self, offer_id: int, most: int) -> list[str]:
        """Read the bodies of the newest feedback to an offer, newest first."""
        rows = self._rows(
            """SELECT body FROM fleet_event
            WHERE id > (SELECT coalesce(max(id), 0) FROM fleet_event) - ?
            AND offer_id = ? AND kind = 'feedback' ORDER BY id DESC LIMIT ?""",
            _HISTORY_ROWS,
            offer_id,
            most,
        )
        return [row[0] for row in rows]

    def append(self, events: Sequence[EventRow]) -> None:
        """Keep events; when this returns they survive a power cut.

        Raises:
            StoreFullError: The disk is full. Nothing was kept.
            StoreError: The database is busy or unusable. Nothing was kept.
        """
        rows = _text(events)
        with _named(), _transaction(self._connect(durable=True)) as connection:
            connection.execute(_EVENTS, (rows,))
            if any(event.refresh for event in events):
                connection.execute(_REFRESHED, (rows, events[-1].at_ms))

    def save_seen(self, seen: Iterable[tuple[int, int]]) -> None:
        """Write down when devices polled last, in one statement; times never go back.

        Args:
            seen: Device ids, each with milliseconds UTC.

        Raises:
            StoreError: The database is busy, full or unusable. Nothing was kept.
        """
        # One step of the database without Python in it: the thread holds no interpreter lock
        # meanwhile, and polls go on.
        with _named(), _transaction(self._connect(durable=False)) as connection:
            connection.execute(_SEEN, (_text(dict(seen)),))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled back already.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _named() -> Iterator[None]:
    """Turn the database's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
            raise StoreFullError(f"the database cannot grow: {error}") from error
        raise StoreError(f"the database did not answer: {error}") from error
