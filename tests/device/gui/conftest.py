"""A GUI on a real port, real auth behind a real socket, and an agent that says what it is told."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.errors import UsageError
from holdfast.device import certificate
from holdfast.device.auth import setup_code
from holdfast.device.auth.service import Auth
from holdfast.device.broker import wire
from holdfast.device.broker.proofs import Proofs
from holdfast.device.broker.server import Server
from holdfast.device.certificate import server_context
from holdfast.device.claim import is_in_time
from holdfast.device.gui.app import application
from holdfast.device.gui.server import WebServer, listen
from holdfast.device.settings import Settings
from holdfast.hardening.proof import KEY_BYTES
from holdfast.hardening.verbs import AGENT_VERBS, AUTH_VERBS, BROKER, GUI

CODE = "7K2M-XQ4R-9TBC"
NAME = "ada"
PASSWORD = "correct horse battery"
NOTES = (
    "The gateway no longer accepts a specially made web address with which somebody in your"
    " network could read its settings.\n\nThe status page loads faster on phones."
)


def ms(days_ago: float = 0.0) -> int:
    return int((time.time() - days_ago * 86_400) * 1000)


def past(kind: str, version: str, *, code: str = "", sentence: str = "", hint: str = "") -> Any:
    return {
        "at_ms": ms(0.0001),
        "kind": kind,
        "version": version,
        "code": code,
        "sentence": sentence,
        "hint": hint,
    }


def offer(version: str = "1.1", severity: str = "high") -> dict[str, Any]:
    return {
        "version": version,
        "severity": severity,
        "size_bytes": 28_412_345,
        "made_ms": ms(2),
        "fixes": ["CVE-2026-12345", "CVE-2026-20001", "CVE-2025-61234"],
        "fixes_count": 3,
        "later": [1, 2, 3],
        "until_ms": ms(-3),
        "reason": "It waits for you, and is installed by itself when the time is up.",
    }


@dataclass
class ScriptedAgent:
    """Says what a test wrote into it, and remembers what it was asked."""

    state: dict[str, Any] = field(default_factory=dict)
    notes: str = NOTES
    history: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refusal: UsageError | None = None

    def __post_init__(self) -> None:
        self.current()

    def current(self, version: str = "1.0", **changes: Any) -> None:
        self.state = {
            "product": {
                "name": "Lumen Home Gateway",
                "vendor": "Lumen Works",
                "support_until": "2031-12-31",
            },
            "running": {"version": version},
            "stage": "current",
            "offer": None,
            "percent": None,
            "last": None,
            "hub": {"answered_ms": ms(0.001), "silent_since_ms": None, "turned_away": ""},
            "clock": "",
            "trouble": {"code": "", "sentence": ""},
            "preferences": {"mode": "ask", "window": "02:00-05:00"},
            "address": "",
        } | changes

    def handlers(self) -> dict[str, Callable[[Any, dict[str, Any]], dict[str, Any]]]:
        def state(_peer: Any, _args: Any) -> dict[str, Any]:
            return self.state

        def notes(_peer: Any, args: Any) -> dict[str, Any]:
            parts = [self.notes[at : at + 500] for at in range(0, len(self.notes), 500)] or [""]
            return {"text": parts[args["part"]], "parts": len(parts)}

        def history(_peer: Any, args: Any) -> dict[str, Any]:
            at = args["page"] * 6
            pages = max(1, -(-len(self.history) // 6))
            return {"entries": self.history[at : at + 6], "pages": pages}

        def told(verb: str) -> Callable[[Any, Any], dict[str, Any]]:
            def answer(_peer: Any, args: Any) -> dict[str, Any]:
                if self.refusal is not None:
                    raise self.refusal
                self.asked.append((verb, args))
                return {}

            return answer

        given: dict[str, Any] = {verb: told(verb) for verb in AGENT_VERBS}
        return given | {"update.state": state, "update.notes": notes, "update.history": history}


@dataclass
class Site:
    """A GUI that listens."""

    folder: Path
    agent: ScriptedAgent
    url: str
    sha256: str
    stop: Callable[[], None]
    start: Callable[[], None]
    stop_agent: Callable[[], None]
    restarts: list[str]
    auth: Auth


@contextmanager
def serving(server: Server) -> Iterator[None]:
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(timeout=5)
        server._listener.close()


@pytest.fixture(scope="session")
def setup_hash() -> str:
    return setup_code.hashed(CODE)


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one key and certificate for all tests; the browser believes no other."""
    folder = tmp_path_factory.mktemp("identity")
    (folder / "factory").mkdir()
    certificate.make(settings_in(folder))
    return folder


def settings_in(folder: Path) -> Settings:
    return Settings(
        folder=folder,
        controller_id="One",
        hub_url="http://127.0.0.1:1",
        product=folder / "product.toml",
        roles=("owner", "viewer"),
        methods=("local", "ldap", "radius", "tacacs+"),
        words=(("vendor", "Lumen Works"), ("model", "G1")),
    )


@pytest.fixture
def unclaimed(tmp_path: Path, setup_hash: str, identity: Path) -> Iterator[Site]:
    for name in ("auth", "gui", "run", "factory"):
        (tmp_path / name).mkdir()
    (tmp_path / "factory" / "setup-code.hash").write_text(setup_hash)
    config = settings_in(tmp_path)
    for file in (identity / "factory").iterdir():
        shutil.copy(file, tmp_path / "factory")
    # The GUI's own uid, as on a device: without a proof nothing dangerous is heard.
    names = {os.getuid(): frozenset({GUI})}
    agent, restarts, key = ScriptedAgent(), [], os.urandom(KEY_BYTES)
    auth = Auth(config, proof_key=key)

    def reboot(peer: Any, _args: Any) -> dict[str, Any]:
        restarts.append(peer.by)
        return {}

    broker_server = Server(
        wire.listen(config.broker_socket),
        table=BROKER,
        handlers={"reboot": reboot},
        names=names,
        prove=Proofs(tmp_path / "run" / "proofs.json", key).prove,
    )
    agent_server = Server(
        wire.listen(config.agent_socket),
        table=AGENT_VERBS,
        handlers=agent.handlers(),
        names=names,
    )
    auth_server = Server(
        wire.listen(config.auth_socket),
        table=AUTH_VERBS,
        handlers=auth.handlers(),
        names=names,
        prove=auth.prove,
    )
    holder: socket.socket = listen("127.0.0.1:0")
    host, port = holder.getsockname()[:2]
    running: list[tuple[WebServer, threading.Thread]] = []

    def start() -> None:
        app = application(config, is_in_time=partial(is_in_time, config.run, config.claim_s))
        tls = partial(server_context, config.certificate_file, config.tls_key_file)
        server = WebServer(app, tls=tls, names=config.names)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [holder.dup()]}, daemon=True
        )
        thread.start()
        running.append((server, thread))
        deadline = time.monotonic() + 5
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop() -> None:
        while running:
            server, thread = running.pop()
            server.should_exit = True
            thread.join(timeout=5)

    with serving(agent_server), serving(auth_server), serving(broker_server):
        start()
        yield Site(
            folder=tmp_path,
            agent=agent,
            url=f"https://{host}:{port}",
            sha256=certificate.fingerprint(config.certificate_file),
            stop=stop,
            start=start,
            stop_agent=agent_server.stop,
            restarts=restarts,
            auth=auth,
        )
        stop()
    holder.close()


@pytest.fixture
def site(unclaimed: Site) -> Site:
    wire.call(
        unclaimed.folder / "run" / "auth.sock",
        "account.claim",
        {"code": CODE, "name": NAME, "password": PASSWORD},
        30,
    )
    return unclaimed


class Words:
    """Ready-made answers of an agent."""

    offer = staticmethod(offer)
    past = staticmethod(past)
    ms = staticmethod(ms)


@pytest.fixture
def words() -> Words:
    return Words()
