"""Somebody who owns the hub: its database, its repository and its online keys, but no other key."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.cli.demo.places import Places
from holdfast.core.clock import now
from holdfast.core.files import write_whole
from holdfast.updates.online import OnlineKeys
from holdfast.updates.upstream import CryptoSigner, Metadata, MetaFile, Snapshot, Targets, Timestamp

_OPEN = "closed_ms IS NULL"


class StolenHub:
    """What the thief of a hub can do; each method is one of his moves."""

    def __init__(self, places: Places) -> None:
        self._database = places.hub / "hub.sqlite3"
        self._metadata = places.hub / "repository/metadata"
        self._online = places.hub / "online-keys"

    def offer(self, product: str, version: str, device: str) -> int:
        """Write an offer into the database, past every check of the hub; gives its number."""
        moment_ms = time.time_ns() // 1_000_000
        with self._connected() as connection:
            row = connection.execute(
                "SELECT d.id, r.id FROM fleet_device d, releases_release r "
                "WHERE d.controller_id = ? AND r.product_id = ? AND r.version = ?",
                (device, product, version),
            ).fetchone()
            connection.execute(
                f"UPDATE fleet_offer SET state = 'cancelled', closed_ms = ? "  # noqa: S608 - constant
                f"WHERE device_id = ? AND {_OPEN}",
                (moment_ms, row[0]),
            )
            number = connection.execute(
                "INSERT INTO fleet_offer (device_id, release_id, mode, state, revision, opened_ms,"
                " installed_boot, reason_code, reason) VALUES (?, ?, 'attempt', 'offered', 1, ?,"
                " '', '', '')",
                (*row, moment_ms),
            ).lastrowid
            connection.execute(
                "INSERT INTO fleet_change (device_id, at_ms) VALUES (?, ?)", (row[0], moment_ms)
            )
        return int(number or 0)

    def withdraw(self, device: str) -> None:
        """Close whatever is open for a device."""
        with self._connected() as connection:
            connection.execute(
                f"UPDATE fleet_offer SET state = 'cancelled', closed_ms = ? WHERE {_OPEN} "  # noqa: S608 - constant
                "AND device_id = (SELECT id FROM fleet_device WHERE controller_id = ?)",
                (time.time_ns() // 1_000_000, device),
            )
            connection.execute("INSERT INTO fleet_change (at_ms) VALUES (0)")

    def state_of(self, number: int) -> tuple[str, str, str]:
        """Read what became of an offer: state, reason code, reason."""
        with self._connected() as connection:
            row = connection.execute(
                "SELECT state, reason_code, reason FROM fleet_offer WHERE id = ?", (number,)
            ).fetchone()
        return (str(row[0]), str(row[1]), str(row[2])) if row else ("", "", "")

    def unheard(self, device: str) -> int:
        """Count what a device reported and the worker has not handled yet."""
        with self._connected() as connection:
            row = connection.execute(
                "SELECT count(*) FROM fleet_event WHERE handled_ms IS NULL"
                " AND device_id = (SELECT id FROM fleet_device WHERE controller_id = ?)",
                (device,),
            ).fetchone()
        return int(row[0])

    def freeze(self) -> None:
        """Serve a timestamp that ran out yesterday, as somebody who withholds news would."""
        self._stamp(expires_in=timedelta(days=-1))

    def mix(self, product: str) -> None:
        """Serve an older list of releases under the name of the newest."""
        newest = self._newest(product)
        older = newest.with_name(f"{int(newest.name.split('.')[0]) - 1}.{product}.json")
        write_whole(newest, older.read_bytes())

    def sign_with_own_key(self, product: str) -> None:
        """Serve the list of releases signed by a key that the maker never named."""
        listed: Metadata[Targets] = Metadata.from_bytes(self._newest(product).read_bytes())
        listed.signatures.clear()
        listed.sign(CryptoSigner(Ed25519PrivateKey.generate()))
        self._serve(product, listed.to_bytes())

    def keep_one_signature(self, product: str) -> None:
        """Serve the list of releases with one of its two signatures."""
        listed: Metadata[Targets] = Metadata.from_bytes(self._newest(product).read_bytes())
        kept = next(iter(listed.signatures))
        for keyid in set(listed.signatures) - {kept}:
            del listed.signatures[keyid]
        self._serve(product, listed.to_bytes())

    @contextlib.contextmanager
    def undone(self, product: str) -> Iterator[None]:
        """Put the honest list back afterwards, under a newer timestamp."""
        path = self._newest(product)
        honest = path.read_bytes()
        try:
            yield
        finally:
            self._serve(product, honest)

    def _serve(self, product: str, content: bytes) -> None:
        path = self._newest(product)
        write_whole(path, content)
        self._stamp(expires_in=timedelta(days=1))

    def _stamp(self, *, expires_in: timedelta) -> None:
        """Sign a new snapshot of what lies there, and a new timestamp, with the stolen keys."""
        keys = OnlineKeys.load(self._online)
        timestamp: Metadata[Timestamp] = Metadata.from_bytes(
            (self._metadata / "timestamp.json").read_bytes()
        )
        version = timestamp.signed.snapshot_meta.version
        snapshot: Metadata[Snapshot] = Metadata.from_bytes(
            (self._metadata / f"{version}.snapshot.json").read_bytes()
        )
        for name, meta in snapshot.signed.meta.items():
            if meta.hashes is not None:
                content = (self._metadata / f"{meta.version}.{name}").read_bytes()
                snapshot.signed.meta[name] = MetaFile.from_data(
                    meta.version, content, list(meta.hashes)
                )
        snapshot.signed.version += 1
        snapshot.signatures.clear()
        snapshot.sign(keys.snapshot.signer)
        raw = snapshot.to_bytes()
        write_whole(self._metadata / f"{snapshot.signed.version}.snapshot.json", raw)
        hashes = list(timestamp.signed.snapshot_meta.hashes or {"sha256": ""})
        timestamp.signed.snapshot_meta = MetaFile.from_data(snapshot.signed.version, raw, hashes)
        timestamp.signed.version += 1
        timestamp.signed.expires = now().replace(microsecond=0) + expires_in
        timestamp.signatures.clear()
        timestamp.sign(keys.timestamp.signer)
        write_whole(self._metadata / "timestamp.json", timestamp.to_bytes())

    def _newest(self, role: str) -> Path:
        found = self._metadata.glob(f"*.{role}.json")
        return max(found, key=lambda path: int(path.name.split(".")[0]))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with (
            contextlib.closing(sqlite3.connect(self._database, timeout=10)) as connection,
            connection,
        ):
            yield connection
