"""The broker and the owner's proof: on the real socket, across its end, and from the GUI's uid."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.errors import HoldfastError, NoSpaceError
from holdfast.device import boot, services
from holdfast.device.broker import settings as broker_settings
from holdfast.device.broker import wire
from holdfast.device.broker.proofs import Proofs, fresh_key, read_key
from holdfast.device.broker.server import Server
from holdfast.device.launcher import plan_of
from holdfast.hardening import confine, proof
from holdfast.hardening.arguments import Number
from holdfast.hardening.errors import ProofError
from holdfast.hardening.verbs import GUI, ROOT, Verb

KEY = b"k" * 32
GUI_UID = 61004
PASSWORD = "correct-zebra battery lamp"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(clock: Clock, key: bytes = KEY) -> str:
    return proof.made(key, verb="reboot", args={}, by="ada", now_s=clock.now_s)


def test_used_proofs_are_remembered_across_the_end_of_the_broker(
    tmp_path: Path, clock: Clock
) -> None:
    path, text = tmp_path / "proofs.json", made(clock)
    assert Proofs(path, KEY, clock=clock).prove(text, "reboot", {}) == "ada"
    with pytest.raises(ProofError):
        Proofs(path, KEY, clock=clock).prove(text, "reboot", {})
    assert Proofs(path, KEY, clock=clock).prove(made(clock), "reboot", {}) == "ada"
    assert path.stat().st_mode & 0o777 == 0o600
    assert KEY.hex() not in path.read_text()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 1}', "[" * 10_000])
def test_where_they_are_lost_only_what_is_confirmed_afterwards_counts(
    tmp_path: Path, clock: Clock, damage: str
) -> None:
    path, used, unused = tmp_path / "proofs.json", made(clock), made(clock)
    Proofs(path, KEY, clock=clock).prove(used, "reboot", {})
    path.write_text(damage)
    for text in (used, unused, used):
        with pytest.raises(ProofError):
            Proofs(path, KEY, clock=clock).prove(text, "reboot", {})
    clock.now_s += 1
    assert Proofs(path, KEY, clock=clock).prove(made(clock), "reboot", {}) == "ada"


def test_one_that_cannot_be_struck_out_is_not_heard(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise NoSpaceError("full")

    proofs = Proofs(tmp_path / "proofs.json", KEY, clock=clock)
    monkeypatch.setattr("holdfast.device.broker.proofs.write_whole", full)
    with pytest.raises(NoSpaceError):
        proofs.prove(made(clock), "reboot", {})


def test_another_start_has_another_key(tmp_path: Path, clock: Clock) -> None:
    text = made(clock)
    with pytest.raises(ProofError):
        Proofs(tmp_path / "proofs.json", b"x" * 32, clock=clock).prove(text, "reboot", {})
    with pytest.raises(ProofError):
        Proofs(tmp_path / "proofs.json", b"", clock=clock).prove(made(clock, b""), "reboot", {})


def test_the_key_cannot_be_changed_and_nothing_else_is_taken_for_it(tmp_path: Path) -> None:
    handle = fresh_key()
    try:
        key = read_key(handle)
        assert len(key) == proof.KEY_BYTES
        assert read_key(handle) == key
        for change in (lambda: os.pwrite(handle, b"x", 0), lambda: os.ftruncate(handle, 0)):
            with pytest.raises(OSError, match="not permitted"):
                change()
    finally:
        os.close(handle)
    assert read_key(-1) == b""
    (tmp_path / "file").write_bytes(b"k" * 32)
    with (tmp_path / "file").open("rb") as file:
        assert read_key(file.fileno()) == b""


TABLE = {
    "open": Verb(
        purpose="Open a port.",
        callers=frozenset({GUI, ROOT}),
        args={"port": Number(lowest=1, highest=9)},
        calls=100,
        proof_of=frozenset({GUI}),
    ),
    "look": Verb(purpose="Look.", callers=frozenset({GUI})),
}
Ask = Callable[..., wire.Answer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Ask]]:
    running: list[tuple[Server, threading.Thread, socket.socket]] = []

    def serve(names: set[str], key: bytes = KEY) -> Ask:
        path = tmp_path / f"{len(running)}.sock"
        listener = wire.listen(path)
        server = Server(
            listener,
            table=TABLE,
            handlers={
                "open": lambda peer, args: {"by": peer.by, **args},
                "look": lambda peer, _args: {"by": peer.by},
            },
            names={os.geteuid(): frozenset(names)},
            prove=Proofs(tmp_path / "proofs.json", key).prove if key else None,
        )
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        running.append((server, thread, listener))

        def ask(verb: str, text: str = "", **args: object) -> wire.Answer:
            return wire.call(path, verb, args, 5, proof=text)

        return ask

    yield serve
    for server, thread, listener in running:
        server.stop()
        thread.join(5)
        listener.close()


def proof_of(verb: str = "open", **args: Any) -> str:  # noqa: ANN401 - any argument
    return proof.made(KEY, verb=verb, args=args, by="ada", now_s=time.monotonic())


def refusal(ask: Ask, verb: str, text: str = "", **args: object) -> str:
    with pytest.raises(wire.AnsweredError) as caught:
        ask(verb, text, **args)
    return caught.value.code


@pytest.mark.servers
def test_the_gui_needs_a_proof_and_it_is_heard_once(serve: Callable[..., Ask]) -> None:
    ask = serve({GUI})
    assert refusal(ask, "open", port=1) == "verb-proof"
    text = proof_of(port=1)
    assert refusal(ask, "open", text, port=2) == "verb-proof"
    assert ask("open", text, port=1) == {"by": "ada", "port": 1}
    assert refusal(ask, "open", text, port=1) == "verb-proof"


@pytest.mark.servers
def test_nothing_that_only_looks_like_a_proof_helps(serve: Callable[..., Ask]) -> None:
    ask = serve({GUI})
    old = proof.made(KEY, verb="open", args={"port": 1}, by="ada", now_s=time.monotonic() - 61)
    coming = proof.made(KEY, verb="open", args={"port": 1}, by="ada", now_s=time.monotonic() + 9)
    foreign = proof.made(b"x" * 32, verb="open", args={"port": 1}, by="ada", now_s=time.monotonic())
    for text in (old, coming, foreign, proof_of("look", port=1), "x", "1.1.1.1.1"):
        assert refusal(ask, "open", text, port=1) == "verb-proof"
    assert refusal(ask, "open", "x" * 300, port=1) == "verb-malformed"
    assert refusal(ask, "look", proof_of("look")) == "verb-proof"  # it demands none


@pytest.mark.servers
def test_a_refused_argument_uses_no_proof_up(serve: Callable[..., Ask]) -> None:
    ask, text = serve({GUI}), proof_of(port=1)
    assert refusal(ask, "open", text, port=99) == "verb-argument"
    assert ask("open", text, port=1)["by"] == "ada"


@pytest.mark.servers
def test_root_needs_none_and_without_a_key_none_holds(serve: Callable[..., Ask]) -> None:
    assert serve({ROOT})("open", port=1) == {"by": "", "port": 1}
    ask = serve({GUI}, b"")
    assert refusal(ask, "open", proof_of(port=1), port=1) == "verb-proof"


def as_uid(uid: int, path: Path, verb: str, args: dict[str, Any], text: str = "") -> str:
    """Call from a process that runs under another id; gives `ok` or the code."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([61000])  # of the sockets
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            wire.call(path, verb, args, 30, proof=text)
            os.write(write_end, b"ok")
        except HoldfastError as error:
            os.write(write_end, error.code.encode())
        finally:
            os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with os.fdopen(read_end, "rb") as answer:
        return answer.read().decode()


@pytest.fixture
def broker_with_key(device: Path) -> Iterator[bytes]:
    boot.choose(device)
    control_read, control_write = os.pipe()
    handle = fresh_key()
    with closing(wire.listen(device / "run" / "broker.sock", mode=0o666)) as listener:
        broker = services.broker(plan_of(device / "device.toml"))
        fds = {
            3: listener.fileno(),
            broker_settings.CONTROL_FD: control_write,
            broker_settings.PROOF_FD: handle,
            2: 2,
        }
        pid = confine.start(broker.command, broker.walls, fds=fds).pid
        yield read_key(handle)
        with suppress(ProcessLookupError, ChildProcessError):
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    for fd in (control_read, control_write, handle):
        os.close(fd)


@pytest.mark.servers
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to call as other users")
def test_the_real_broker_restarts_the_device_for_the_gui_only_with_a_proof(
    device: Path, broker_with_key: bytes
) -> None:
    path = device / "run" / "broker.sock"
    assert as_uid(GUI_UID, path, "reboot", {}) == "verb-proof"
    forged = proof.made(os.urandom(32), verb="reboot", args={}, by="ada", now_s=time.monotonic())
    assert as_uid(GUI_UID, path, "reboot", {}, forged) == "verb-proof"
    good = proof.made(broker_with_key, verb="reboot", args={}, by="ada", now_s=time.monotonic())
    assert as_uid(GUI_UID, path, "slot.activate", {}, good) == "verb-caller"
    assert as_uid(GUI_UID, path, "reboot", {}, good) == "ok"
    assert as_uid(GUI_UID, path, "reboot", {}, good) == "verb-proof"
    assert as_uid(61002, path, "reboot", {}) == "ok"  # the agent as ever
    lines = (device / "broker" / "journal.jsonl").read_text().splitlines()
    proven = [one for one in map(json.loads, lines) if one.get("by")]
    assert [(one["verb"], one["by"], one["uid"]) for one in proven] == [("reboot", "ada", GUI_UID)]


@pytest.mark.servers
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for ids of their own")
def test_from_password_to_restart_through_the_whole_device(
    device: Path,
    launch: Callable[[], "subprocess.Popen[bytes]"],
    eventually: Callable[..., None],
) -> None:
    code = "7K2M-XQ4R-9TBC"
    from holdfast.device.auth import setup_code  # noqa: PLC0415 - loads Argon2, only here

    (device / "factory" / "setup-code.hash").unlink()
    (device / "factory" / "setup-code.hash").write_text(setup_code.hashed(code))
    (device / "auth").mkdir(exist_ok=True)
    (device / "auth" / "cost.json").write_text('{"memory_kib": 7168, "passes": 5}')
    launch()
    auth, broker = device / "run" / "auth.sock", device / "run" / "broker.sock"
    eventually(lambda: wire.call(auth, "account.state", {}) == {"claimed": False})
    claim = {"code": code, "name": "ada", "password": PASSWORD}
    eventually(lambda: wire.call(auth, "account.claim", claim, 30)["cookie"])
    confirm = {"name": "ada", "secret": PASSWORD, "verb": "reboot", "args": "{}"}
    for wrong in ({"secret": "no"}, {"verb": "slot.activate"}, {"args": "[]"}, {"args": "{"}):
        with pytest.raises(wire.AnsweredError):
            wire.call(auth, "account.prove", {**confirm, **wrong}, 30)
    text = wire.call(auth, "account.prove", confirm, 30)["proof"]
    eventually(lambda: wire.call(broker, "status", {})["health"]["state"] == "healthy")
    before = wire.call(broker, "status", {})["boot_id"]
    assert as_uid(GUI_UID, broker, "reboot", {}) == "verb-proof"
    assert as_uid(GUI_UID, broker, "reboot", {}, text) == "ok"
    eventually(lambda: wire.call(broker, "status", {})["boot_id"] != before)
    # The gui has no descriptor of the key, and cannot look into those who have.
    processes = json.loads((device / "run" / "processes.json").read_text())

    def has_key(name: str) -> bool:
        folder = Path(f"/proc/{processes[name]['pid']}/fd")
        return any("holdfast-proof" in str(fd.readlink()) for fd in folder.iterdir())

    assert [name for name in ("auth", "agent", "gui") if has_key(name)] == ["auth"]
