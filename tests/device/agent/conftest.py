"""A real agent process against a gateway that misbehaves on demand and real signed metadata."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from holdfast.device.broker import state as slots
from holdfast.device.broker import wire
from holdfast.device.broker.server import Server
from holdfast.device.broker.state import BootState, Slot
from holdfast.hardening.verbs import BROKER, ROOT
from holdfast.updates import bundle, keys
from holdfast.updates.errors import UpdateError, rebuild
from holdfast.updates.keys import Cost, SigningKey
from holdfast.updates.online import OnlineKeys
from holdfast.updates.release import Release, Severity, Version
from holdfast.updates.repository import Repository
from holdfast.updates.workshop import Start, Workshop

PRODUCT = "home-gateway"
CHEAP = Cost(iterations=1, memory_kib=8, lanes=1)
PASSPHRASE = "only for tests"
PROFILE = Path(__file__).parents[3] / "examples" / "home-gateway" / "product.toml"
TOKEN = "0123456789abcdef0123456789abcdef"


class Maker:
    """Signs real releases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime.now(tz=UTC).replace(microsecond=0)
        self.online = OnlineKeys.make(folder / "online")
        self.repository = Repository(folder / "repository")
        self.root = [self._key("root") for _ in range(2)]
        self.targets = self._key("targets")
        self.product = self._key(PRODUCT)
        self.workshop = Workshop.init(
            folder / "workshop",
            Start(
                online=self.online.public_bytes(),
                root=[key.public for key in [*self.root, self._key("root")]],
                targets=[self.targets.public, self._key("targets").public],
            ),
            now=self.now,
        )
        for key in self.root:
            self.workshop.sign("root", key)
        self.workshop.sign("targets", self.targets)
        self.workshop.add_product(
            PRODUCT,
            [self.product.public, self._key(PRODUCT).public],
            threshold=1,
            now=self.now,
        )
        self.workshop.sign("targets", self.targets)
        self.repository.initialise(self.workshop.files(), online=self.online, now=self.now)

    def _key(self, role: str) -> SigningKey:
        made = keys.make(
            self.folder / "workshop" / "keys", role=role, passphrase=PASSPHRASE, cost=CHEAP
        )
        return keys.load(made.path, PASSPHRASE, role=role)

    def release(self, version: str, **changes: object) -> Release:
        image = self.folder / "image.squashfs"
        image.write_bytes(f"image {version}\n".encode() * 60_000)
        recipe: dict[str, Any] = {
            "product": PRODUCT,
            "hardware": ("a", "b"),
            "version": Version.parse(version),
            "floor": Version.parse("1.0"),
            "severity": Severity.HIGH,
            "notes": "Closes a hole in the web page.",
            "fixes": ("CVE-2026-1234",),
            "artifact": image,
            "profile": PROFILE,
            **changes,
        }
        out = self.folder / "releases" / version
        bundle.build(bundle.Recipe(**recipe), out, now=self.now)
        bundle.sign(out, self.workshop, self.product, now=self.now)
        return self.repository.publish(out, online=self.online, now=self.now)

    def image(self, release: Release) -> bytes:
        folder = self.repository.folder / "targets" / release.product / str(release.version)
        return (folder / f"{release.sha256}.{release.artifact}").read_bytes()


@dataclass
class Gateway:
    """Speaks DDI as well as a test wants it to.

    Attributes:
        artifact: How the file is served: given offset and handler, returns nothing.
        fault: Called before every answer; returns whether it has answered itself.
        metadata: Where the signed lists come from, in place of the maker's repository.
        date: What the clock of the hub says.
    """

    maker: Maker
    port: int = 0
    offers: dict[int, Release] = field(default_factory=dict)
    revision: int = 1
    mode: str = "attempt"
    image: bytes = b""
    feedback: list[tuple[str, Any]] = field(default_factory=list)
    attributes: list[dict[str, str]] = field(default_factory=list)
    addresses: list[dict[str, str]] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    polls: int = 0
    closed: set[int] = field(default_factory=set)
    cancel: int = 0
    fault: Callable[["Handler"], bool] = lambda _handler: False
    metadata: Path | None = None
    date: datetime | None = None
    serve_file: Callable[["Handler", int], None] | None = None

    def offer(self, number: int, release: Release, image: bytes | None = None) -> None:
        self.image = self.maker.image(release) if image is None else image
        self.offers = {number: release}

    def details(self) -> list[str]:
        return [" ".join(body["status"]["details"]) for _, body in self.feedback]


class Handler(BaseHTTPRequestHandler):
    gateway: Gateway
    protocol_version = "HTTP/1.1"

    def date_time_string(self, timestamp: float | None = None) -> str:
        date = self.gateway.date
        return super().date_time_string(date.timestamp() if date is not None else timestamp)

    def log_message(self, *_args: object) -> None:
        pass

    def answer(self, body: Any, status: int = 200) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    @property
    def own(self) -> str:
        return f"http://elsewhere.example:{self.gateway.port}/DEFAULT/controller/v1/one"

    def do_GET(self) -> None:
        gateway = self.gateway
        if gateway.fault(self):
            return
        path = self.path.partition("?")[0]
        if found := re.fullmatch(r"/DEFAULT/tuf/metadata/([a-z0-9.-]+)", path):
            file = (gateway.metadata or gateway.maker.repository.metadata) / found.group(1)
            self.answer(file.read_bytes() if file.exists() else b"", 200 if file.exists() else 404)
        elif self.headers.get("Authorization") != f"TargetToken {TOKEN}":
            self.answer({}, 401)
        elif path == "/DEFAULT/controller/v1/one":
            gateway.polls += 1
            self.answer({"config": {"polling": {"sleep": "00:00:01"}}, "_links": self.links()})
        elif found := re.fullmatch(r"/DEFAULT/controller/v1/one/deploymentBase/(\d+)", path):
            self.answer(self.deployment(int(found.group(1))))
        elif re.fullmatch(r"/DEFAULT/controller/v1/one/cancelAction/\d+", path):
            number = str(gateway.cancel)
            self.answer({"id": number, "cancelAction": {"stopId": number}})
        elif path == "/file":
            self.file()
        else:
            self.answer({}, 404)

    def links(self) -> dict[str, Any]:
        gateway = self.gateway
        links: dict[str, Any] = {}
        for number in gateway.offers:
            if number not in gateway.closed:
                href = f"{self.own}/deploymentBase/{number}?c={gateway.revision}"
                links["deploymentBase"] = {"href": href}
        if gateway.cancel:
            links = {"cancelAction": {"href": f"{self.own}/cancelAction/{gateway.cancel}"}}
        return links

    def deployment(self, number: int) -> Any:
        release = self.gateway.offers[number]
        return {
            "id": str(number),
            "deployment": {
                "download": self.gateway.mode,
                "update": self.gateway.mode,
                "chunks": [
                    {
                        "part": "os",
                        "name": release.product,
                        "version": str(release.version),
                        "artifacts": [
                            {
                                "filename": release.artifact,
                                "size": release.size_bytes,
                                "hashes": {"sha256": release.sha256},
                                "_links": {"download-http": {"href": f"{self.own[:30]}/../file"}}
                                | {"download": {"href": "http://elsewhere.example/file"}},
                            }
                        ],
                    }
                ],
            },
        }

    def file(self) -> None:
        gateway = self.gateway
        image = gateway.image
        asked = self.headers.get("Range", "")
        gateway.ranges.append(asked)
        tag = f'"{hashlib.sha256(image).hexdigest()}"'
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if self.headers.get("If-Range", tag) != tag:
            start = 0
        if gateway.serve_file is not None:
            gateway.serve_file(self, start)
            return
        if start and start >= len(image):
            self.answer(b"", 416)
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(image) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(image) - 1}/{len(image)}")
        self.end_headers()
        self.wfile.write(image[start:])

    def do_POST(self) -> None:
        if self.gateway.fault(self):
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/owner-address"):
            self.gateway.addresses.append(body)
        else:
            self.gateway.feedback.append((self.path.rpartition("v1/one/")[2], body))
            if body["status"]["execution"] == "closed":
                self.gateway.closed.add(int(body["id"]))
                self.gateway.cancel = 0
        self.answer({})

    def do_PUT(self) -> None:
        if self.gateway.fault(self):
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.gateway.attributes.append(body["data"])
        self.answer({})


class ScriptedBroker:
    """Keeps the broker's contract over a real boot.json; what it says of an image is scripted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "boot" / "boot.json"
        self.calls: list[str] = []
        self.refusal: UpdateError | None = None
        self.healthy = True
        self.rebooted = threading.Event()
        good = Slot(state="good", version="1.0", sha256="0" * 64)
        slots.write(
            self.file,
            BootState(good="a", booted="a", boot_id="1" * 32, slots={"a": good, "b": Slot()}),
        )
        self.write_health()

    def write_health(self) -> None:
        now = slots.read(self.file)
        state = {"boot_id": now.boot_id, "state": "healthy" if self.healthy else "unhealthy"}
        (self.folder / "run" / "health.json").write_text(json.dumps({**state, "reason": ""}))

    def handlers(self) -> dict[str, Any]:
        def noting(verb: str, carry_out: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
            def handler(_peer: object, args: dict[str, Any]) -> dict[str, Any]:
                self.calls.append(verb)
                return carry_out(args)

            return handler

        return {
            "slot.install": noting("slot.install", self.install),
            "slot.activate": noting("slot.activate", self.activate),
            "slot.confirm": noting("slot.confirm", self.confirm),
            "reboot": noting("reboot", self.reboot),
        }

    def install(self, args: dict[str, Any]) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        staging = self.folder / "agent" / "staging"
        names = {path.name for path in (staging / "metadata").iterdir()}
        assert "timestamp.json" in names
        assert any(name.endswith(f".{PRODUCT}.json") for name in names)
        digest = hashlib.sha256((staging / "artifact").read_bytes()).hexdigest()
        now = slots.read(self.file)
        ready = Slot(state="ready", version=args["version"], sha256=digest)
        slots.write(self.file, now.with_slot(now.other, ready))
        return {}

    def activate(self, _args: dict[str, Any]) -> dict[str, Any]:
        now = slots.read(self.file)
        other = now.slots[now.other]
        trying = Slot(state="trying", version=other.version, sha256=other.sha256)
        changed = now.with_slot(now.other, trying)
        slots.write(self.file, _replaced(changed, trying=now.other, tries_left=3))
        return {"trying": now.other, "tries_left": 3}

    def confirm(self, _args: dict[str, Any]) -> dict[str, Any]:
        now = slots.read(self.file)
        good = Slot(state="good", version=now.running.version, sha256=now.running.sha256)
        changed = now.with_slot(now.booted, good)
        slots.write(self.file, _replaced(changed, good=now.booted, trying=None, tries_left=0))
        return {}

    def reboot(self, _args: dict[str, Any]) -> dict[str, Any]:
        self.rebooted.set()
        return {}

    def boot(self, *, healthy: bool = True) -> None:
        """Start the device anew, as the boot code does; an unhealthy slot falls back."""
        now = slots.read(self.file)
        if now.trying and healthy:
            now = _replaced(now, booted=now.trying, boot_id=os.urandom(16).hex())
        elif now.trying:
            now = _replaced(
                now.given_up(now.trying, "its web page did not answer in time"),
                booted=now.good,
                boot_id=os.urandom(16).hex(),
            )
        else:
            now = _replaced(now, boot_id=os.urandom(16).hex())
        slots.write(self.file, now)
        self.rebooted.clear()
        self.write_health()


def _replaced(now: BootState, **changes: Any) -> BootState:
    return now._replace(**changes)


@dataclass
class Bench:
    """One device under test."""

    folder: Path
    maker: Maker
    gateway: Gateway
    broker: ScriptedBroker
    process: subprocess.Popen[bytes] | None = None
    log: str = "/dev/stderr"
    _servers: list[Server] = field(default_factory=list)

    def start(self) -> None:
        command = [sys.executable, "-I", "-m", "holdfast.device.agent"]
        with Path(self.log).open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--config", str(self.folder / "device.toml")], stderr=log
            )
        self.until(self._answers, "the agent to answer")

    def _answers(self) -> bool:
        try:
            self.ask("update.state")
        except wire.UnreachableError:
            return False
        return True

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(timeout=10) == 0
            self.process = None

    def ask(self, verb: str, **args: Any) -> dict[str, Any]:
        return wire.call(self.folder / "run" / "agent.sock", verb, args)

    def stage(self) -> str:
        return str(self.ask("update.state")["stage"])

    def last(self) -> dict[str, Any]:
        return dict(self.ask("update.state")["last"] or {})

    def until(self, holds: Callable[[], Any], what: str, *, within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.02)

    def memory(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "agent" / "state.json").read_bytes()))


@pytest.fixture(scope="session")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    made = Maker(tmp_path_factory.mktemp("maker"))
    for version in ("1.1", "1.2"):
        made.release(version)
    return made


@pytest.fixture
def bench(maker: Maker, tmp_path: Path) -> Iterator[Bench]:
    for name in ("factory", "boot", "agent", "run"):
        (tmp_path / name).mkdir()
    gateway = Gateway(maker)
    handler = type("OwnHandler", (Handler,), {"gateway": gateway})
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    web.daemon_threads = True
    gateway.port = web.server_address[1]
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    (tmp_path / "factory" / "root.json").write_bytes(
        (maker.repository.metadata / "1.root.json").read_bytes()
    )
    (tmp_path / "factory" / "product.toml").write_bytes(PROFILE.read_bytes())
    (tmp_path / "factory" / "token").write_text(TOKEN)
    (tmp_path / "device.toml").write_text(
        'controller_id = "one"\n'
        f'hub_url = "http://127.0.0.1:{gateway.port}"\n'
        "poll_s = 1\n"
        'gui_listen = "127.0.0.1:0"\n'
    )
    broker = ScriptedBroker(tmp_path)
    names = {os.getuid(): frozenset({ROOT, "agent"})}
    server = Server(
        wire.listen(tmp_path / "run" / "broker.sock"),
        table=BROKER,
        handlers=broker.handlers(),
        names=names,
    )
    auth = Server(wire.listen(tmp_path / "run" / "auth.sock"), table={}, handlers={}, names={})
    threads = [threading.Thread(target=one.serve) for one in (server, auth)]
    for one in threads:
        one.start()
    bench = Bench(tmp_path, maker, gateway, broker)
    yield bench
    bench.kill()
    for ended in (server, auth):
        ended.stop()
    web.shutdown()
    for one in (*threads, thread):
        one.join(timeout=5)
    for ended in (server, auth):
        ended._listener.close()
    web.server_close()


@pytest.fixture
def refusal() -> Callable[[str, str], UpdateError]:
    return rebuild
