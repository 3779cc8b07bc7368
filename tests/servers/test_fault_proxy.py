"""The proxy does what it says: a test that believes it must be able to."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.servers.fault_proxy import (
    Delay,
    Drop,
    Fault,
    Flip,
    Garbage,
    Pieces,
    Refuse,
    Silence,
    Truncate,
    fault_proxy,
)

pytestmark = pytest.mark.servers
SENT = b"0123456789"


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says everything again in capitals; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    while said := client.recv(4096):
                        client.sendall(said)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def said(port: int, *, wanted: int = len(SENT), timeout_s: float = 3) -> bytes:
    """Send something, and give what comes until it is enough, the end, or too late."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as client:
        client.sendall(SENT)
        with contextlib.suppress(ConnectionResetError):
            while len(answer) < wanted and (more := client.recv(4096)):
                answer += more
    return answer


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault(), SENT),
        (Drop(), b""),
        (Garbage(content=b"HTTP/1.1 ", close=True), b"HTTP/1.1 "),
        (Truncate(after=4), b"0123"),
        (Truncate(after=0), b""),
        (Truncate(after=4, towards="server"), b"0123"),
        (Flip(at=0), b"1123456789"),
        (Flip(at=9, towards="server", mask=0x80), b"012345678\xb9"),
        (Flip(at=10), SENT),
        (Pieces(), SENT),
    ],
)
def test_each_fault(echo: int, fault: Fault, answer: bytes) -> None:
    with fault_proxy(echo, fault) as proxy:
        assert said(proxy.port) == answer
        assert said(proxy.port) == answer, "a fault holds for every connection"
        assert proxy.connections == 2


def test_pieces_are_pieces(echo: int) -> None:
    with fault_proxy(echo, Pieces(size=3, pause_s=0.02)) as proxy:
        assert said(proxy.port, wanted=1) == b"012"


def test_late_and_never(echo: int) -> None:
    with fault_proxy(echo, Delay(seconds=0.1)) as proxy:
        start = time.monotonic()
        assert said(proxy.port) == SENT
        assert time.monotonic() - start >= 0.1
    with fault_proxy(echo, Silence()) as proxy, pytest.raises(TimeoutError):
        said(proxy.port, timeout_s=0.05)


def test_refuses(echo: int) -> None:
    with fault_proxy(echo, Refuse()) as proxy, pytest.raises(ConnectionRefusedError):
        said(proxy.port)


def test_ends_while_somebody_waits(echo: int) -> None:
    start = time.monotonic()
    with (
        fault_proxy(echo, Delay(seconds=60)) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port)) as client,
    ):
        client.sendall(SENT)
        while not proxy.passed["server"]:
            time.sleep(0.001)
    assert time.monotonic() - start < 5
