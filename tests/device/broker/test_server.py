"""The server of verbs: one stuck, greedy or hostile client takes nothing from the others."""

import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.errors import HoldfastError
from holdfast.device.broker import state, wire
from holdfast.device.broker.server import Limits, Server
from holdfast.device.broker.wire import Peer
from holdfast.hardening.arguments import Number
from holdfast.hardening.verbs import Verb

pytestmark = pytest.mark.servers

ME = frozenset({"me"})
TABLE: Mapping[str, Verb] = {
    "quick": Verb(purpose="Say so.", callers=ME, calls=100),
    "slow": Verb(purpose="Take a while.", callers=ME, slow=True, calls=100),
    "fail": Verb(purpose="Fail.", callers=ME),
    "rare": Verb(purpose="Twice a minute.", callers=ME, calls=2),
    "theirs": Verb(purpose="For others.", callers=frozenset({"other"})),
    "unmade": Verb(purpose="Has no handler.", callers=ME),
    "count": Verb(purpose="Count.", callers=ME, args={"to": Number(lowest=1, highest=9)}),
}
Calls = list[tuple[str, str]]


class NoLuckError(HoldfastError):
    """It did not work."""

    code = "no-luck"
    hint = "Try again."


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def serve(
    tmp_path: Path, gate: threading.Event
) -> Iterator[Callable[..., tuple[Path, Calls, threading.Thread]]]:
    servers: list[tuple[Server, threading.Thread, socket.socket]] = []

    def slow(_peer: Peer, _args: dict[str, Any]) -> wire.Answer:
        gate.wait(10)
        return {"slow": True}

    def fail(_peer: Peer, _args: dict[str, Any]) -> wire.Answer:
        raise NoLuckError("it did not work")

    def serve(**limits: Any) -> tuple[Path, Calls, threading.Thread]:  # noqa: ANN401 - of Limits
        path = tmp_path / "test.sock"
        listener = wire.listen(path)
        calls: Calls = []
        server = Server(
            listener,
            table=TABLE,
            handlers={
                "quick": lambda peer, _args: {"uid": peer.uid, "pid": peer.pid},
                "slow": slow,
                "fail": fail,
                "rare": lambda _peer, _args: {},
                "theirs": lambda _peer, _args: {"secret": 1},
                "count": lambda _peer, args: {"to": args["to"]},
            },
            names={os.geteuid(): ME},
            journal=lambda _peer, verb, _args, result: calls.append((verb, result)),
            limits=Limits(**limits),
        )
        thread = threading.Thread(target=server.serve)
        thread.start()
        servers.append((server, thread, listener))
        return path, calls, thread

    yield serve
    gate.set()
    for server, thread, listener in servers:
        server.stop()
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


Serve = Callable[..., tuple[Path, Calls, threading.Thread]]


def connected(path: Path) -> socket.socket:
    one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    one.settimeout(5)
    one.connect(str(path))
    return one


def refusal(path: Path, verb: str, args: dict[str, object] | None = None) -> str:
    with pytest.raises(wire.AnsweredError) as refused:
        wire.call(path, verb, args or {})
    return refused.value.code


def test_kernel_says_who_calls(serve: Serve) -> None:
    path, calls, _ = serve()
    assert wire.call(path, "quick", {}) == {"uid": os.geteuid(), "pid": os.getpid()}
    assert calls == [("quick", "ok")]


def test_refusals_name_their_reason_and_are_logged(serve: Serve) -> None:
    path, calls, _ = serve()
    assert refusal(path, "theirs") == "verb-caller"
    assert refusal(path, "unmade") == "verb-unknown"
    assert refusal(path, "shell") == "verb-unknown"
    assert refusal(path, "count", {"to": 10}) == "verb-argument"
    assert refusal(path, "fail") == "no-luck"
    assert calls == [
        ("theirs", "verb-caller"), ("(unknown)", "verb-unknown"), ("(unknown)", "verb-unknown"),
        ("count", "verb-argument"), ("fail", "no-luck"),
    ]  # fmt: skip


def test_rate_is_kept_across_connections(serve: Serve) -> None:
    path, _, _ = serve()
    wire.call(path, "rare", {})
    wire.call(path, "rare", {})
    assert refusal(path, "rare") == "verb-rate"
    assert wire.call(path, "quick", {})


def test_many_calls_on_one_connection(serve: Serve) -> None:
    path, _, _ = serve()
    with connected(path) as one:
        for number in range(50):
            one.send(wire.request_packet(str(number), "quick", {}))
            assert json.loads(one.recv(5000))["id"] == str(number)


def test_silent_clients_are_let_go_and_block_nobody(serve: Serve) -> None:
    path, _, _ = serve(silent_s=0.3)
    silent = [connected(path) for _ in range(10)]
    before = time.monotonic()
    assert wire.call(path, "quick", {})
    assert time.monotonic() - before < 2
    for one in silent:
        assert one.recv(100) == b""
        one.close()


def test_client_that_reads_no_answers_blocks_nobody(serve: Serve) -> None:
    path, _, _ = serve()
    with connected(path) as one:
        one.settimeout(1)
        with suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            for _ in range(100_000):
                one.send(wire.request_packet("1", "shell", {}))
        assert wire.call(path, "quick", {})


def test_too_many_connections_of_one_user_are_refused(serve: Serve) -> None:
    path, _, _ = serve(per_uid=4)
    kept = [connected(path) for _ in range(4)]
    with connected(path) as one:
        assert json.loads(one.recv(5000))["error"]["code"] == "busy"
    for each in kept:
        each.close()


def test_slow_verb_lets_others_through_and_is_bounded(serve: Serve, gate: threading.Event) -> None:
    path, calls, _ = serve(slow=1)
    with connected(path) as one:
        one.send(wire.request_packet("1", "slow", {}))
        assert wire.call(path, "quick", {})
        assert refusal(path, "slow") == "busy"
        gate.set()
        assert json.loads(one.recv(5000)) == {"id": "1", "ok": {"slow": True}}
    assert wire.call(path, "slow", {}) == {"slow": True}
    assert calls.count(("slow", "begun")) == calls.count(("slow", "ok")) == 2


def test_client_that_leaves_a_slow_call_does_no_harm(serve: Serve, gate: threading.Event) -> None:
    path, calls, _ = serve(slow=1)
    one = connected(path)
    one.send(wire.request_packet("1", "slow", {}))
    assert wire.call(path, "quick", {})
    one.close()
    gate.set()
    deadline = time.monotonic() + 5
    while ("slow", "ok") not in calls:
        assert time.monotonic() < deadline
        wire.call(path, "count", {"to": 1}) if calls.count(("count", "ok")) < 15 else time.sleep(
            0.01
        )
    assert wire.call(path, "slow", {}) == {"slow": True}


def test_server_ends_when_nobody_calls(serve: Serve) -> None:
    path, _, thread = serve(idle_s=0.2)
    assert wire.call(path, "quick", {})
    thread.join(10)
    assert not thread.is_alive()


def test_descriptors_sent_along_are_not_kept(serve: Serve) -> None:
    path, _, _ = serve()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with connected(path) as one, Path("/dev/null").open() as null:
        for _ in range(20):
            socket.send_fds(one, [wire.request_packet("1", "quick", {})], [null.fileno()])
            one.recv(5000)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 4


VERBS = ["status", "slot.install", "slot.activate", "slot.confirm", "slot.rollback", "reboot"]
NEARLY = ["shell", "exec", "slot.install ", "SLOT.INSTALL", "slot", "__init__", "status\n", "_x"]
VALUES: list[Any] = [
    None, True, -1, 1e308, "", "1.1", "../..", "\x00", "\ud800", [], {}, [[]], {"v": 1},
    "A" * 3000, "${PATH}", "$(reboot)", "'; DROP TABLE", "\u202e", 10**400,
]  # fmt: skip


def hostile_packet(chance: random.Random) -> bytes:
    """Make a random, changed or nearly right packet that is never a call with an effect."""
    kind = chance.choice(["noise", "value", "verb", "argument", "key", "bytes"])
    if kind == "noise":
        return chance.randbytes(chance.randrange(1, 6000))
    call: dict[str, Any] = {"v": 1, "id": str(chance.random()), "verb": "status", "args": {}}
    if kind == "value":
        call[chance.choice(["v", "id", "verb", "args"])] = chance.choice(VALUES)
    elif kind == "verb":
        call["verb"] = chance.choice(NEARLY)
    elif kind == "argument":
        call["verb"] = chance.choice(VERBS)
        call["args"] = {
            chance.choice(["version", "reason", "path"]): chance.choice(VALUES),
            "more": chance.choice(VALUES),
        }
    elif kind == "key":
        call["verb"] = chance.choice(VERBS)
        call[chance.choice(["extra", "V", "session", "uid"])] = chance.choice(VALUES)
    packet = bytearray(json.dumps(call).encode())
    if kind == "bytes":
        for _ in range(chance.randrange(1, 4)):
            packet[chance.randrange(len(packet))] = chance.randrange(256)
    return bytes(packet)


def tree_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for name in ("slots", "boot", "verifier", "agent", "factory")
        for path in (folder / name).rglob("*")
    }


@pytest.mark.slow
def test_ten_thousand_hostile_packets(
    device: Path,
    start_broker: Callable[[], int],
    ask: Callable[..., wire.Answer],
    eventually: Callable[..., None],
) -> None:
    pid = start_broker()
    path = device / "run" / "broker.sock"
    ask("status")
    before = tree_of(device)
    sent = answered = refused = 0
    ok_verbs: set[str] = set()
    one: socket.socket | None = None
    chance = random.Random(20_26)  # noqa: S311 - the same packets every time
    for _ in range(10_000):
        packet = hostile_packet(chance)
        if one is None:
            one = connected(path)
        try:
            one.send(packet)
            sent += 1
            reply = one.recv(5000)
        except OSError:
            reply = b""
        if reply:
            answered += 1
            answer = json.loads(reply)
            assert set(answer) in ({"id", "ok"}, {"id", "error"})
            if "error" in answer:
                refused += 1
                assert answer["error"]["code"].startswith(("verb-", "busy")), answer
                assert answer["error"]["message"]
            else:
                ok_verbs.add(json.loads(packet)["verb"])
        if not reply or answer["id"] == "":
            one.close()
            one = None
    if one is not None:
        one.close()
    assert sent == 10_000
    assert answered == sent
    assert refused > 7_000
    assert ok_verbs <= {"status"}
    assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the broker has died"
    eventually(lambda: ask("status")["booted"] == "a")
    assert tree_of(device) == before
    assert state.read(device / "boot/boot.json").slots["b"].state == "empty"
    assert (device / "broker/journal.jsonl").stat().st_size < 64_000


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to call as other users")
@pytest.mark.parametrize(
    ("uid", "verb", "code"),
    [
        (61004, "slot.install", "verb-caller"),
        (61004, "slot.activate", "verb-caller"),
        (61004, "reboot", "verb-proof"),
        (61003, "reboot", "verb-caller"),
        (61001, "status", "verb-caller"),
        (65534, "status", "verb-caller"),
        (1000, "reboot", "verb-caller"),
        (61004, "status", "ok"),
        (61002, "slot.activate", "slot-nothing-ready"),
    ],
)
def test_broker_knows_callers_by_uid(
    device: Path, start_broker: Callable[[], int], uid: int, verb: str, code: str
) -> None:
    start_broker()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            args = {"version": "1.1"} if verb == "slot.install" else {}
            wire.call(device / "run" / "broker.sock", verb, args, 10)
            os.write(write_end, b"ok")
        except HoldfastError as error:
            os.write(write_end, error.code.encode())
        finally:
            os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with os.fdopen(read_end, "rb") as answer:
        assert answer.read().decode() == code
