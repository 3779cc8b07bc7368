"""The gateway as a real server: what only a socket, a signal or a second process shows."""

import http.client
import random
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli.bench import wrk
from holdfast.core.errors import PortTakenError
from holdfast.gateway.server import HEADERS_TIMEOUT_MS, listen

pytestmark = pytest.mark.servers

# Of conftest.py, which cannot be imported.
Hub = Any
Serve = Any
Server = Any
Until = Any
BASE = "/DEFAULT/controller/v1/dev-1"
TOKEN = "a-token-of-32-letters-and-digits"
AUTHORIZED = {"Authorization": f"TargetToken {TOKEN}"}


def ask(
    server: Server,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request(method, path, body=body, headers=AUTHORIZED | (headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()


def raw(server: Server, content: bytes, *, silent_s: float = 1) -> bytes:
    """Send bytes, and give what comes back until the server closes or is silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=silent_s) as sock:
        found = b""
        with suppress(TimeoutError, ConnectionResetError, BrokenPipeError):
            sock.sendall(content)
            while piece := sock.recv(65536):
                found += piece
        return found


def rss_mb(server: Server) -> float:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    line = next(one for one in status.splitlines() if one.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def test_taken_port_is_named(serve: Serve, hub: Hub) -> None:
    server = serve()
    with pytest.raises(PortTakenError, match=str(server.port)):
        listen("127.0.0.1", server.port)
    with pytest.raises(AssertionError, match="port-taken"):
        serve(port=server.port)
    assert hub.database.exists()


def test_port_is_free_again_after_a_kill(serve: Serve, hub: Hub) -> None:
    hub.device()
    server = serve()
    assert ask(server, "GET", BASE)[0] == 200
    server.process.kill()
    server.process.wait()
    again = serve(port=server.port)
    assert ask(again, "GET", BASE)[0] == 200


def test_registered_device_is_known_within_a_second(serve: Serve, hub: Hub, until: Until) -> None:
    server = serve()
    assert ask(server, "GET", BASE)[0] == 401
    hub.device()
    until(lambda: ask(server, "GET", BASE)[0] == 200, timeout_s=2)


def test_last_seen_is_written_within_five_seconds_and_at_the_end(
    serve: Serve, hub: Hub, until: Until
) -> None:
    device = hub.device()
    hub.device("dev-2", token="two")
    server = serve()
    began = time.time()
    ask(server, "GET", BASE)
    (row,) = until(lambda: hub.rows("SELECT device_id, at_ms FROM fleet_lastseen"), timeout_s=5)
    assert row[0] == device
    assert abs(row[1] / 1000 - began) < 2
    path = "/DEFAULT/controller/v1/dev-2"
    assert ask(server, "GET", path, headers={"Authorization": "TargetToken two"})[0] == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=10) == 0
    assert hub.value("SELECT count(*) FROM fleet_lastseen") == 2


def test_two_gateways_on_one_database(serve: Serve, hub: Hub, until: Until) -> None:
    offer = hub.offer(hub.device(), hub.release())
    first, second = serve(), serve()
    for server in (first, second):
        assert b"deploymentBase" in ask(server, "GET", BASE)[1]
    body = b'{"status":{"execution":"closed","result":{"finished":"success"}}}'
    assert ask(first, "POST", f"{BASE}/deploymentBase/{offer}/feedback", body) == (200, b"")
    assert b"deploymentBase" not in ask(first, "GET", BASE)[1]
    until(lambda: b"deploymentBase" not in ask(second, "GET", BASE)[1], timeout_s=2)
    assert len(hub.events()) == 1


def test_large_file_needs_little_memory_and_one_that_stalls_stops_nobody(
    serve: Serve, hub: Hub
) -> None:
    size = 96 << 20
    release = hub.release("1.1", [("os.swu", bytes(size))])
    hub.offer(hub.device(), release)
    server = serve()
    path = f"{BASE}/softwaremodules/{release}/artifacts/os.swu"
    ask(server, "GET", BASE)
    before = rss_mb(server)
    stalled = []
    for extra in ({}, {"Range": "bytes=1-"}) * 4:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", path, headers=AUTHORIZED | extra)
        answer = connection.getresponse()
        assert answer.read(1000) == bytes(1000)
        stalled.append((connection, answer))  # and reads no further
    for extra in ({}, {"Range": "bytes=1-"}):
        status, body = ask(server, "GET", path, headers=extra)
        assert status == (206 if extra else 200)
        assert len(body) == size - len(extra)
    assert ask(server, "GET", BASE)[0] == 200
    assert rss_mb(server) - before < 40
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=15) == 0
    for connection, answer in stalled:
        answer.close()
        connection.close()


def test_body_is_waited_for_with_100_continue(serve: Serve, hub: Hub) -> None:
    hub.device()
    server = serve()
    body = b'{"data":{"a":"1"}}'
    head = (
        f"PUT {BASE}/configData HTTP/1.1\r\nHost: x\r\nAuthorization: TargetToken {TOKEN}\r\n"
        f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(head)
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert hub.events("attributes") == [{"mode": "merge", "data": {"a": "1"}}]


def test_long_report_in_chunks_is_taken(serve: Serve, hub: Hub) -> None:
    offer = hub.offer(hub.device(), hub.release())
    server = serve()

    def pieces() -> Iterator[bytes]:
        yield b'{"status":{"details":["'
        for _ in range(5_000):
            yield b"a line of a very long log " * 40
        yield b'"],"execution":"closed","result":{"finished":"failure"}}}'

    address = f"{BASE}/deploymentBase/{offer}/feedback"
    assert ask(server, "POST", address, pieces()) == (200, b"")
    (event,) = hub.events()
    assert (event["execution"], event["finished"]) == ("closed", "failure")


HOSTILE = (
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", b"431"),
    (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
    (b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\n\r\n", b"414"),
    (b"NONSENSE\r\n\r\n", b"400"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"400"),
    (b"GET /healthz HTTP/1.0\r\n\r\n", b"200"),
    (b"GET /%ff%00%0a HTTP/1.1\r\nHost: \xff\r\n\r\n", b"404"),
    (b"GET http://a/healthz HTTP/1.1\r\nHost: b\r\n\r\n", b"200"),
    (b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
    (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", b"404"),
)


def test_hostile_requests(serve: Serve) -> None:
    server = serve()
    for content, status in HOSTILE:
        answer = raw(server, content)
        assert answer.split(b" ")[1:2] == [status], content[:60]
    assert b"200 OK" not in raw(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert ask(server, "GET", "/healthz")[0] == 200


def test_random_bytes(serve: Serve, hub: Hub) -> None:
    hub.device()
    server = serve()
    dice = random.Random(7)  # noqa: S311 - a test that can be repeated
    start = f"GET {BASE} HTTP/1.1\r\nAuthorization: TargetToken {TOKEN}\r\n".encode()
    for _ in range(60):
        noise = dice.randbytes(dice.randint(0, 400))
        raw(server, start[: dice.randint(0, len(start))] + noise, silent_s=0.02)
    assert ask(server, "GET", BASE)[0] == 200


def test_pipelined_polls_are_all_answered(serve: Serve, hub: Hub) -> None:
    hub.device()
    server = serve()
    one = f"GET {BASE} HTTP/1.1\r\nHost: x\r\nAuthorization: TargetToken {TOKEN}\r\n\r\n".encode()
    two = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    found = raw(server, (one + two) * 10)
    assert found.count(b"HTTP/1.1 200 OK") == 20
    assert found.count(b'"sleep"') == found.count(b'"status":"ok"') == 10


@pytest.mark.slow
def test_headers_that_never_end_are_given_up(serve: Serve) -> None:
    server = serve()
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.settimeout(HEADERS_TIMEOUT_MS / 1000 + 10)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        while sock.recv(1000):
            pass


def test_hub_that_comes_later_is_waited_for(
    serve: Serve, hub: Hub, tmp_path: Path, until: Until
) -> None:
    hub.device()
    aside = tmp_path / "aside.sqlite3"
    hub.database.rename(aside)

    def bring() -> None:
        time.sleep(0.5)
        aside.rename(hub.database)

    thread = threading.Thread(target=bring)
    thread.start()
    server = serve()
    thread.join()
    until(lambda: ask(server, "GET", BASE)[0] == 200)


def test_locked_database_stops_no_poll(serve: Serve, hub: Hub) -> None:
    offer = hub.offer(hub.device(), hub.release())
    server = serve()
    body = b'{"status":{"execution":"proceeding"}}'
    with closing(sqlite3.connect(hub.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        for _ in range(20):
            assert ask(server, "GET", BASE)[0] == 200
        assert time.monotonic() - began < 2
        status, _ = ask(server, "POST", f"{BASE}/deploymentBase/{offer}/feedback", body)
        assert status == 503
        assert ask(server, "GET", "/healthz")[0] == 503
        end = b'{"status":{"execution":"closed","result":{"finished":"success"}}}'
        assert ask(server, "POST", f"{BASE}/deploymentBase/{offer}/feedback", end)[0] == 200
        other.execute("COMMIT")
    deadline = time.monotonic() + 15
    while not hub.events() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [one["execution"] for one in hub.events()] == ["closed"]
    assert ask(server, "GET", "/healthz")[0] == 200


def test_many_polls_at_once(
    serve: Serve, hub: Hub, need: Callable[[str], str], tmp_path: Path
) -> None:
    need("wrk")
    for number in range(20):
        hub.device(f"many-{number:02}", token=f"token-{number:02}")
    server = serve()
    lua = wrk.script(
        tmp_path, first=0, last=19, path="/DEFAULT/controller/v1/many-%02d", token="token-%02d"
    )
    found = wrk.load(server.url, lua, seconds=1, connections=16)
    assert found.errors == 0
    assert found.per_s > 500
