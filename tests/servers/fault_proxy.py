"""A TCP proxy on loopback that does to a connection what bad networks and bad people do.

    with fault_proxy(server_port, Flip(at=12, towards="client")) as proxy:
        connect("127.0.0.1", proxy.port)

A fault holds for every connection, and its count of octets starts anew with each.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Towards = Literal["client", "server"]
ENOUGH = 65536
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """No fault: everything is passed on as it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse(Fault):
    """Nobody listens at the port: the connection is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Fault):
    """The connection is accepted, then closed at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence(Fault):
    """The connection is accepted; what comes is read, and nothing is ever answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage(Fault):
    """The connection is answered with `content` without asking anybody; then closed, or not."""

    content: bytes
    close: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Fault):
    """What the server says reaches the client `seconds` late (the first time it says something)."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate(Fault):
    """After `after` octets in a direction the receiver finds the end of the connection."""

    after: int
    towards: Towards = "client"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip(Fault):
    """The octet at `at` (counted from 0) in a direction is changed by exclusive or with `mask`."""

    at: int
    towards: Towards = "client"
    mask: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces(Fault):
    """What goes in a direction goes in segments of `size` octets, with a pause between them."""

    size: int = 1
    pause_s: float = 0.001
    towards: Towards = "client"


@dataclass
class FaultProxy:
    """A running proxy.

    Attributes:
        port: Where it listens (or, for `Refuse`, where nobody does), on 127.0.0.1.
        target: Port of the server behind it, on 127.0.0.1.
        fault: What it does; may be set to another, which holds from the next connection on.
        connections: How many were accepted.
        passed: Octets that went in each direction, after the fault.
    """

    target: int
    fault: Fault
    port: int = 0
    connections: int = 0
    passed: dict[str, bytearray] = field(
        default_factory=lambda: {"client": bytearray(), "server": bytearray()}
    )
    _ended: threading.Event = field(default_factory=threading.Event)
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def listen(self) -> None:
        """Take a free port; with `Refuse` without listening there."""
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._keep(listener)
        if not isinstance(self.fault, Refuse):
            listener.listen(16)
            self._start(self._accept, listener)

    def end(self) -> None:
        """Close everything, and wait until no thread runs."""
        self._ended.set()
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)  # wakes who waits for it; close alone does not
        for thread in list(self._threads):
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "a thread of the proxy did not end"
        for one in list(self._open):
            one.close()

    def _start(self, what: object, *words: object) -> None:
        thread = threading.Thread(target=what, args=words, daemon=True)  # type: ignore[arg-type] # ours
        self._threads.append(thread)
        thread.start()

    def _keep(self, one: socket.socket) -> None:
        with self._lock:
            self._open.add(one)

    def _accept(self, listener: socket.socket) -> None:
        while not self._ended.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._keep(client)
            if self._ended.is_set():
                return
            self.connections += 1
            self._start(self._serve, client, self.fault)

    def _serve(self, client: socket.socket, fault: Fault) -> None:
        match fault:
            case Drop() | Refuse():
                self._close(client)
            case Silence():
                self._swallow(client)
            case Garbage():
                with contextlib.suppress(OSError):
                    client.sendall(fault.content)
                if not fault.close:
                    self._swallow(client)
                self._close(client)
            case _:
                self._connect(client, fault)

    def _connect(self, client: socket.socket, fault: Fault) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=PATIENCE_S)
        except OSError:
            self._close(client)
            return
        server.settimeout(None)
        self._keep(server)
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._start(self._pump, client, server, "server", fault)
        self._pump(server, client, "client", fault)

    def _pump(
        self, source: socket.socket, sink: socket.socket, towards: Towards, fault: Fault
    ) -> None:
        at = 0
        with contextlib.suppress(OSError):
            while chunk := source.recv(ENOUGH):
                if isinstance(fault, Delay) and towards == "client" and at == 0:
                    self._ended.wait(fault.seconds)
                for piece in _pieces(_changed(chunk, at, towards, fault), towards, fault):
                    self.passed[towards] += piece
                    sink.sendall(piece)
                    if isinstance(fault, Pieces):
                        self._ended.wait(fault.pause_s)
                at += len(chunk)
                if isinstance(fault, Truncate) and fault.towards == towards and at >= fault.after:
                    break
        # The other direction may still have something to say: it ends by itself.
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _swallow(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while client.recv(ENOUGH):
                pass

    def _close(self, one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def _changed(chunk: bytes, at: int, towards: Towards, fault: Fault) -> bytes:
    """Flip, or cut off, what the fault says; `at` is where the chunk begins."""
    match fault:
        case Flip() if fault.towards == towards and at <= fault.at < at + len(chunk):
            changed = bytearray(chunk)
            changed[fault.at - at] ^= fault.mask
            return bytes(changed)
        case Truncate() if fault.towards == towards:
            return chunk[: max(0, fault.after - at)]
        case _:
            return chunk


def _pieces(chunk: bytes, towards: Towards, fault: Fault) -> Iterator[bytes]:
    size = len(chunk)
    if isinstance(fault, Pieces) and fault.towards == towards:
        size = fault.size
    for start in range(0, len(chunk), max(1, size)):
        yield chunk[start : start + size]


@contextlib.contextmanager
def fault_proxy(target: int, fault: Fault | None = None) -> Iterator[FaultProxy]:
    """Run a proxy before the server at port `target` of 127.0.0.1; it ends with the block."""
    proxy = FaultProxy(target=target, fault=fault or Fault())
    try:
        proxy.listen()
        yield proxy
    finally:
        proxy.end()
