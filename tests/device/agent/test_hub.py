"""The agent's way to its hub: it does not wait for ever, whoever is on the other side."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from holdfast.device.agent import hub as hub_module
from holdfast.device.agent.errors import HubUnreachableError
from holdfast.device.agent.hub import Hub

pytestmark = pytest.mark.servers

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n"


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[Hub]:
    """Answer one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def work() -> None:
            accepted, _ = listening.accept()
            with accepted, suppress(OSError):
                accepted.recv(4096)
                serve(accepted)

        thread = threading.Thread(target=work)
        thread.start()
        port = listening.getsockname()[1]
        yield Hub(
            url=f"http://127.0.0.1:{port}", tenant="T", controller_id="c", token=lambda: "token"
        )
        thread.join(timeout=10)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", HEAD], ids=str)
def test_an_answer_drop_by_drop_is_broken_off(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the answer never does: a hub or a network that holds us up."""
    monkeypatch.setattr(hub_module, "_WHOLE_S", 0.4)

    def drip(accepted: socket.socket) -> None:
        accepted.sendall(head)
        for _ in range(100):
            accepted.sendall(b"x")
            time.sleep(0.02)

    began = time.monotonic()
    with server(drip) as hub:
        with pytest.raises(HubUnreachableError):
            hub.poll()
        assert time.monotonic() - began < 1.5


def test_a_large_file_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_WHOLE_S", 0.2)

    def slowly(accepted: socket.socket) -> None:
        accepted.sendall(HEAD)
        for _ in range(20):
            accepted.sendall(b"x" * 20)
            time.sleep(0.02)

    with server(slowly) as hub, hub.open("/file", {}) as answer:
        assert answer.read() == b"x" * 400
