"""A hub's database made by the hub's own migrations, and a gateway on it without sockets.

`tests/servers/conftest.py` takes its hub from here.
"""

import asyncio
import hashlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from holdfast.cli.bench.fleet import insert
from holdfast.core.process import run
from holdfast.gateway.app import Gateway
from holdfast.gateway.common import Desk
from holdfast.gateway.journal import Journal
from holdfast.gateway.limits import WriteLimit
from holdfast.gateway.snapshot import Snapshot
from holdfast.gateway.store import Store
from holdfast.updates.digests import digests_of

PRODUCT = "home-gateway"
TOKEN = "a-token-of-32-letters-and-digits"


Whatever = Any
"""Stands for rows and JSON, whose shape each test knows."""


class Hub:
    """Rows of the hub's database, written as the hub writes them."""

    def __init__(self, folder: Path) -> None:
        self.state = folder
        self.database = folder / "hub.sqlite3"
        self.repository = folder / "repository"
        self.repository.mkdir()

    def _connection(self) -> closing[sqlite3.Connection]:
        connection = sqlite3.connect(self.database, timeout=20)
        connection.execute("PRAGMA synchronous = OFF")  # no power cut will hit these rows
        return closing(connection)

    def run(self, sql: str, *values: object) -> None:
        with self._connection() as connection, connection:
            connection.execute(sql, values)

    def rows(self, sql: str, *values: object) -> list[Whatever]:
        with self._connection() as connection:
            return connection.execute(sql, values).fetchall()

    def value(self, sql: str, *values: object) -> Whatever:
        return self.rows(sql, *values)[0][0]

    def add(self, table: str, **columns: object) -> int:
        with self._connection() as connection, connection:
            return insert(connection, table, tuple(columns), [tuple(columns.values())])

    def product(self, product_id: str = PRODUCT) -> str:
        if not self.rows("SELECT 1 FROM products_product WHERE id = ?", product_id):
            self.add("products_product", id=product_id, poll_s=300)
        return product_id

    def device(self, controller_id: str = "dev-1", token: str = TOKEN, **columns: object) -> int:
        usual: dict[str, object] = {
            "controller_id": controller_id,
            "token_sha256": hashlib.sha256(token.encode()).hexdigest(),
            "product_id": self.product(),
            "wants_attributes": 0,
            "attributes": "{}",
        }
        number = self.add("fleet_device", **(usual | columns))
        self.change(number)
        return number

    def release(
        self, version: str = "1.1", files: Sequence[tuple[str, bytes]] = (("os.swu", b"image"),)
    ) -> int:
        major, minor = map(int, version.split("."))
        release_id = self.add(
            "releases_release",
            product_id=self.product(),
            version=version,
            number=major * 1_000_000 + minor * 1_000,
            severity="high",
            fixes="[]",
            hardware='["a"]',
            floor="1.0",
        )
        for name, content in files:
            self.artifact(release_id, version, name, content)
        return release_id

    def artifact(self, release_id: int, version: str, name: str, content: bytes) -> Path:
        folder = self.repository / "targets" / PRODUCT / version
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{hashlib.sha256(content).hexdigest()}.{name}"
        path.write_bytes(content)
        with path.open("rb") as file:
            digests = digests_of(file)
        self.add(
            "releases_artifact",
            release_id=release_id,
            part="os",
            name=PRODUCT,
            version=version,
            filename=name,
            size_bytes=digests.size_bytes,
            sha256=digests.sha256,
            sha1=digests.sha1,
            md5=digests.md5,
            stored=str(path.relative_to(self.repository)),
        )
        return path

    def offer(self, device_id: int, release_id: int, **columns: object) -> int:
        usual: dict[str, object] = {
            "device_id": device_id,
            "release_id": release_id,
            "mode": "attempt",
            "state": "offered",
        }
        number = self.add("fleet_offer", **(usual | columns))
        self.change(device_id)
        return number

    def change(self, device_id: int | None = None) -> None:
        self.run("INSERT INTO fleet_change (device_id, at_ms) VALUES (?, 1)", device_id)

    def events(self, kind: str = "feedback") -> list[Whatever]:
        """Give the bodies of all events of a kind, oldest first."""
        rows = self.rows("SELECT body FROM fleet_event WHERE kind = ? ORDER BY id", kind)
        return [msgspec.json.decode(row[0]) for row in rows]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables that hub and gateway share, made by the hub's migrations."""
    folder = tmp_path_factory.mktemp("hub")
    config = folder / "hub.toml"
    config.write_text('state = "state"\n')
    (folder / "state").mkdir()
    environment = {
        "PATH": os.defpath,
        "HOLDFAST_HUB_CONFIG": str(config),
        "DJANGO_SETTINGS_MODULE": "holdfast.hub.settings",
    }
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    run(command, timeout_s=60, env=environment, cwd=folder)
    return folder / "state" / "hub.sqlite3"


@pytest.fixture
def hub(empty_database: Path, tmp_path: Path) -> Hub:
    """A hub without products or devices."""
    folder = tmp_path / "state"
    folder.mkdir()
    shutil.copy(empty_database, folder / "hub.sqlite3")
    return Hub(folder)


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    path: str | None = None

    @property
    def json(self) -> Whatever:
        return msgspec.json.decode(self.body)


class Bench:
    """A gateway that is asked without a socket."""

    def __init__(self, hub: Hub, threads: ThreadPoolExecutor) -> None:
        self.hub = hub
        self.store = Store(hub.database)
        self.snapshot = Snapshot(self.store)
        self.journal = Journal(self.store, hub.state)
        self.limit = WriteLimit()
        desk = Desk(
            store=self.store,
            snapshot=self.snapshot,
            journal=self.journal,
            repository=hub.repository,
            threads=threads,
            limit=self.limit,
        )
        self.app = Gateway(desk, healthy=lambda: True)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Sequence[bytes] = b"",
        *,
        token: str | None = TOKEN,
        headers: dict[str, str] | None = None,
        extensions: dict[str, Any] | None = None,
    ) -> Answer:
        return asyncio.run(
            self.ask_soon(method, path, body, token=token, headers=headers, extensions=extensions)
        )

    async def ask_soon(
        self,
        method: str,
        path: str,
        body: bytes | Sequence[bytes] = b"",
        *,
        token: str | None = TOKEN,
        headers: dict[str, str] | None = None,
        extensions: dict[str, Any] | None = None,
    ) -> Answer:
        path, _, query = path.partition("?")
        pairs = [(b"host", b"gw.example:8001")]
        if token is not None:
            pairs.append((b"authorization", f"TargetToken {token}".encode()))
        pairs += [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()]
        scope = {
            "type": "http",
            "scheme": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": pairs,
            "extensions": extensions or {},
        }
        chunks = [body] if isinstance(body, bytes) else list(body)
        pieces = iter(
            {"type": "http.request", "body": one, "more_body": at < len(chunks) - 1}
            for at, one in enumerate(chunks)
        )
        answer = Answer()

        async def receive() -> dict[str, Any]:
            try:
                return next(pieces)
            except StopIteration:
                await asyncio.sleep(3600)
                raise

        async def send(message: Whatever) -> None:
            if message["type"] == "http.response.start":
                assert answer.status == 0, "two answers"
                answer.status = message["status"]
                answer.headers = dict(message["headers"])
            elif message["type"] == "http.response.pathsend":
                answer.path = message["path"]
            else:
                answer.body += message.get("body", b"")

        await self.app(scope, receive, send)
        if answer.path is not None:
            answer.body = await asyncio.to_thread(Path(answer.path).read_bytes)
        return answer


@pytest.fixture
def gateway(hub: Hub) -> Iterator[Callable[[], Bench]]:
    """Starts a gateway on the hub as it is now."""
    started: list[Bench] = []
    with ThreadPoolExecutor(2) as threads:

        def start() -> Bench:
            bench = Bench(hub, threads)
            bench.journal.start()
            bench.snapshot.ended = dict.fromkeys(bench.journal.left, 1)
            bench.snapshot.load()
            started.append(bench)
            return bench

        yield start
    for bench in started:
        bench.journal.stop()
        bench.store.close()
