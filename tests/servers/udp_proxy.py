"""A UDP proxy on loopback that does to datagrams what bad networks and bad people do.

with udp_proxy(server_port) as proxy:
    proxy.answer = lambda reply: [flipped(reply), reply]
    ask("127.0.0.1", proxy.port)
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

ENOUGH = 65536
PATIENCE_S = 10.0
_BETWEEN_S = 0.0005  # so that who listens can keep up


def _unchanged(content: bytes) -> Iterable[bytes]:
    return [content]


@dataclass
class UdpProxy:
    """A running proxy.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        target: Port of the server behind it, on 127.0.0.1; 0 for nobody.
        request: What the server is sent instead of a datagram of the client.
        answer: What the client is sent instead of a reply of the server.
        at_once: What the client is sent for each of its datagrams, whatever the server says.
        delay_s: How late every answer is.
        elsewhere: Whether answers come from another port.
        requests: What the client sent.
        replies: What the server sent.
    """

    target: int
    port: int = 0
    request: Callable[[bytes], Iterable[bytes]] = _unchanged
    answer: Callable[[bytes], Iterable[bytes]] = _unchanged
    at_once: Callable[[bytes], Iterable[bytes]] = field(default=lambda _: [])
    delay_s: float = 0.0
    elsewhere: bool = False
    requests: list[bytes] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def serve(self, front: socket.socket, back: socket.socket, other: socket.socket) -> None:
        """Pass datagrams on until the end."""
        client: tuple[str, int] | None = None

        def listen_to_the_server() -> None:
            while not self._ended.is_set():
                with contextlib.suppress(OSError):
                    reply = back.recv(ENOUGH)
                    self.replies.append(reply)
                    if client is not None:
                        self._ended.wait(self.delay_s)
                        self._send(other if self.elsewhere else front, client, self.answer(reply))

        listening = threading.Thread(target=listen_to_the_server, daemon=True)
        listening.start()
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                content, client = front.recvfrom(ENOUGH)
                self.requests.append(content)
                self._send(front, client, self.at_once(content))
                if self.target:
                    for each in self.request(content):
                        back.send(each)
        listening.join(PATIENCE_S)
        assert not listening.is_alive()

    @property
    def running(self) -> bool:
        """Whether nobody has ended it."""
        return not self._ended.is_set()

    def end(self) -> None:
        """Let `serve` return."""
        self._ended.set()

    def _send(self, way: socket.socket, to: tuple[str, int], contents: Iterable[bytes]) -> None:
        for content in contents:
            way.sendto(content, to)
            time.sleep(_BETWEEN_S)


@contextlib.contextmanager
def udp_proxy(target: int = 0) -> Iterator[UdpProxy]:
    """Run a proxy before the server at port `target` of 127.0.0.1; it ends with the block."""
    proxy = UdpProxy(target=target)
    with contextlib.ExitStack() as rest:
        sockets = [
            rest.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3)
        ]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
            one.settimeout(0.05)
        front, back, _ = sockets
        if target:
            back.connect(("127.0.0.1", target))
        proxy.port = front.getsockname()[1]
        serving = threading.Thread(target=proxy.serve, args=sockets, daemon=True)
        serving.start()
        try:
            yield proxy
        finally:
            proxy.end()
            serving.join(PATIENCE_S)
            assert not serving.is_alive(), "the proxy did not end"
