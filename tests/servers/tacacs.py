"""A TACACS+ server for tests, plain or over TLS 1.3; it shares no code with the client.

    with tacacs_server({"ada": User("correct horse")}, key="0123456789abcdef") as server:
        connect("127.0.0.1", server.port)

Source:
    RFC 8907 4 to 7, RFC 9887 3 and 4.
"""

import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

PASS, FAIL, GETDATA, GETUSER, GETPASS, RESTART, ERROR, FOLLOW = 1, 2, 3, 4, 5, 6, 7, 0x21
PASS_ADD, PASS_REPL, NOT_ALLOWED, NOT_DECIDED = 1, 2, 0x10, 0x11
PAP = 2
PATIENCE_S = 10.0


class GarbledError(Exception):
    """A request does not add up."""


@dataclass(frozen=True)
class User:
    """Somebody the server knows, with what an authorisation brings."""

    password: str
    arguments: tuple[str, ...] = ("priv-lvl=15",)
    permission: int = PASS_ADD


@dataclass
class Manners:
    """How the server behaves; the defaults are good manners.

    Attributes:
        pap: Status of the answer to PAP; None to look at name and password.
        questions: What is asked in an ASCII login, one after the other.
        verdict: Status at the end of a login; None to look at name and password.
        permission: Status of an authorisation; None for the user's own.
        noted: Status of accounting.
        flags: Flags of the header; None for the right ones.
        minor: Minor version of answers; None for the one of the request.
        wire: What is sent, in segments, instead of a whole packet.
        plain_body: Changes the body of an answer before it is obfuscated.
        before: Called before each answer.
        silent: Whether a request that does not add up is not even answered with an error.
    """

    pap: int | None = None
    questions: tuple[int, ...] = (GETPASS,)
    verdict: int | None = None
    permission: int | None = None
    noted: int = 1
    flags: int | None = None
    minor: int | None = None
    wire: Callable[[bytes], Iterable[bytes]] | None = None
    plain_body: Callable[[bytes], bytes] | None = None
    before: Callable[[], object] | None = None
    silent: bool = False


@dataclass
class TacacsServer:
    """A running server.

    Attributes:
        port: On 127.0.0.1.
        requests: Kind and clear body of every packet that came, in their order.
        records: Arguments of every accounting record.
        sessions: Session numbers, in their order.
    """

    users: Mapping[str, User]
    key: str
    context: ssl.SSLContext | None
    manners: Manners
    port: int = 0
    requests: list[tuple[int, bytes]] = field(default_factory=list)
    records: list[list[str]] = field(default_factory=list)
    sessions: list[bytes] = field(default_factory=list)
    _open: list[socket.socket] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._open.append(listener)
        self._start(self._accept, listener)

    def end(self) -> None:
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "a thread of the server did not end"
        for one in list(self._open):
            one.close()

    def _start(self, what: Callable[[socket.socket], None], sock: socket.socket) -> None:
        thread = threading.Thread(target=what, args=(sock,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.settimeout(PATIENCE_S)
                self._open.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        sock = client
        with contextlib.suppress(OSError, EOFError):
            if self.context is not None:
                sock = self.context.wrap_socket(client, server_side=True)
                self._open.append(sock)
            self._session(sock)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    # --- one session -----------------------------------------------------------------------

    def _session(self, sock: socket.socket) -> None:
        header, body = self._read(sock)
        self.sessions.append(header[4:8])
        kind = header[1]
        try:
            if not header[3] & 1 and self.context is not None:  # RFC 9887 4
                self._answer(sock, header, _message(ERROR))
            elif kind == 1:
                self._login(sock, header, body)
            elif kind == 2:
                self._answer(sock, header, self._authorised(body))
            elif kind == 3:
                self._answer(sock, header, self._noted(body))
        except GarbledError:
            if not self.manners.silent:  # RFC 8907 4.5: an error, and the end
                self._answer(sock, header, _message(ERROR))

    def _login(self, sock: socket.socket, header: bytes, body: bytes) -> None:
        fields = _fields(body[8:], body[4:8])
        if body[2] == PAP:
            status = self.manners.pap
            if status is None:
                status = self._verdict(fields[0], fields[3])
            self._answer(sock, header, _message(status))
            return
        name, password = fields[0], b""
        questions = self.manners.questions
        if not name and GETUSER not in questions:
            questions = (GETUSER, *questions)
        for question in questions:
            self._answer(sock, header, _message(question, flags=question == GETPASS))
            before = header
            header, body = self._read(sock)
            if header[:2] + header[4:8] != before[:2] + before[4:8] or header[2] != before[2] + 2:
                raise GarbledError
            if body[4] & 1:
                return  # the client gave up
            told = _fields(body[5:], [int.from_bytes(body[0:2]), int.from_bytes(body[2:4])])[0]
            name = told if question == GETUSER else name
            password = told if question == GETPASS else password
        self._answer(sock, header, _message(self._verdict(name, password)))

    def _verdict(self, name: bytes, password: bytes) -> int:
        if self.manners.verdict is not None:
            return self.manners.verdict
        user = self.users.get(name.decode(errors="replace"))
        right = user is not None and password and user.password.encode() == password
        return PASS if right else FAIL

    def _authorised(self, body: bytes) -> bytes:
        fields = _fields(body[8 + body[7] :], [*body[4:7], *body[8 : 8 + body[7]]])
        user = self.users.get(fields[0].decode(errors="replace"))
        shell = fields[3:] == [b"service=shell", b"cmd="]
        if user is None or not shell:
            return bytes((NOT_ALLOWED, 0, 0, 0, 0, 0))
        status = self.manners.permission or user.permission
        arguments = [one.encode() for one in user.arguments]
        fixed = bytes((status, len(arguments), 0, 0, 0, 0))
        return fixed + bytes(map(len, arguments)) + b"".join(arguments)

    def _noted(self, body: bytes) -> bytes:
        count = body[8]
        fields = _fields(body[9 + count :], [*body[5:8], *body[9 : 9 + count]])
        words = [str(body[0]), *(one.decode() for one in (fields[0], fields[2], *fields[3:]))]
        self.records.append(words)
        return bytes((0, 0, 0, 0, self.manners.noted))

    # --- packets ---------------------------------------------------------------------------

    def _read(self, sock: socket.socket) -> tuple[bytes, bytes]:
        header = _exactly(sock, 12)
        body = _exactly(sock, int.from_bytes(header[8:12]))
        if not header[3] & 1:
            body = self._veiled(header, body)
        self.requests.append((header[1], body))
        return header, body

    def _answer(self, sock: socket.socket, asked: bytes, body: bytes) -> None:
        manners = self.manners
        if manners.before is not None:
            manners.before()
        if manners.plain_body is not None:
            body = manners.plain_body(body)
        right = 0 if self.context is None else 1
        flags = right if manners.flags is None else manners.flags
        version = asked[0] if manners.minor is None else 0xC0 | manners.minor
        header = bytes((version, asked[1], asked[2] + 1, flags)) + asked[4:8]
        header += len(body).to_bytes(4)
        packet = header + (body if flags & 1 else self._veiled(header, body))
        for segment in [packet] if manners.wire is None else manners.wire(packet):
            sock.sendall(segment)

    def _veiled(self, header: bytes, body: bytes) -> bytes:
        pad = b""
        while len(pad) < len(body):
            parts = header[4:8] + self.key.encode() + header[0:1] + header[2:3] + pad[-16:]
            pad += hashlib.new("md5", parts, usedforsecurity=False).digest()
        veiled = int.from_bytes(body) ^ int.from_bytes(pad[: len(body)])
        return veiled.to_bytes(len(body))


def _message(status: int, *, flags: int = 0) -> bytes:
    text = b"Password: " if status == GETPASS else b""
    return bytes((status, flags)) + len(text).to_bytes(2) + bytes(2) + text


def _fields(content: bytes, lengths: Iterable[int]) -> list[bytes]:
    """Cut content into fields, which must add up; with another key they do not."""
    found = []
    for length in lengths:
        found.append(content[:length])
        content = content[length:]
        if len(found[-1]) < length:
            raise GarbledError
    if content:
        raise GarbledError
    return found


def _exactly(sock: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        piece = sock.recv(min(size - len(content), 65536))
        if not piece:
            raise EOFError
        content += piece
    return content


def server_context(
    certificate: str, key: str, client_ca: str = "", *, newest: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """Make what TLS on the server's side needs, from paths; with `client_ca` (PEM) mutual."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if newest is None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    else:
        context.maximum_version = newest
    context.load_cert_chain(certificate, key)
    if client_ca:
        context.load_verify_locations(cadata=client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextlib.contextmanager
def tacacs_server(
    users: Mapping[str, User],
    *,
    key: str = "",
    context: ssl.SSLContext | None = None,
    manners: Manners | None = None,
) -> Iterator[TacacsServer]:
    """Run a server on loopback; it ends with the block."""
    server = TacacsServer(users=users, key=key, context=context, manners=manners or Manners())
    try:
        server.listen()
        yield server
    finally:
        server.end()
