"""A TLS server that says what it was told to, whatever it is asked: for answers no real one gives.

with scripted(authority, [b"first answer", b"second answer"]) as server:
    connect("127.0.0.1", server.port)
"""

import contextlib
import itertools
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.authority import Authority

ENDLESS = b"..."
"""As an answer: the one before it again and again, until nobody listens any more."""


@dataclass
class Scripted:
    """A running server; every connection gets the same answers, one for each thing it says.

    Attributes:
        port: On 127.0.0.1.
        asked: What came before each answer, over all connections.
    """

    context: ssl.SSLContext
    answers: Sequence[bytes]
    listener: socket.socket
    asked: list[bytes] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    @property
    def port(self) -> int:
        port: int = self.listener.getsockname()[1]
        return port

    def start(self) -> None:
        self._begin(self._accept)

    def end(self) -> None:
        for each in (self.listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a thread of the server did not end"
        for each in (self.listener, *self._open):
            each.close()

    def _begin(self, what: Callable[..., None], *words: object) -> None:
        self._threads.append(threading.Thread(target=what, args=words, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                plain.settimeout(10)
                self._open.append(plain)
                self._begin(self._serve, plain)

    def _serve(self, plain: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            self.context.wrap_socket(plain, server_side=True) as secure,
        ):
            self._open.append(secure)
            for answer, following in itertools.zip_longest(self.answers, self.answers[1:]):
                self.asked.append(secure.recv(65536))
                secure.sendall(answer)
                while following == ENDLESS:
                    secure.sendall(answer)
            while secure.recv(65536):
                pass


@contextlib.contextmanager
def scripted(authority: Authority, answers: Sequence[bytes]) -> Iterator[Scripted]:
    """Run a server until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        context.load_cert_chain(*authority.issue().write(Path(folder), "server"))
    listener = socket.create_server(("127.0.0.1", 0))
    server = Scripted(context=context, answers=answers, listener=listener)
    server.start()
    try:
        yield server
    finally:
        server.end()
