"""The two ways to a RADIUS server: datagrams, which are sent again, and a connection with TLS."""

import errno
import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Self

from holdfast.accounts.directories.answers import Step
from holdfast.accounts.directories.radius.packets import (
    HEADER_BYTES,
    MOST_BYTES,
    Reply,
    Request,
    reply_of,
)
from holdfast.accounts.directories.reach import (
    ReachError,
    addresses_of,
    connect,
    context_of,
    receive,
    secure,
    send,
)
from holdfast.accounts.directories.settings import Server
from holdfast.accounts.errors import RadiusReplyError, RadiusSilenceError

Tell = Callable[[Step], None]
Build = Callable[[str], Request]
"""Makes a question; it is told from which of our addresses that will be sent."""

SILENT = (
    "either no server listens there, or the shared secret is wrong, or the server drops requests"
    " of clients that it does not know: RADIUS cannot tell them apart; look into the server's log"
)
RADSEC_SECRET = b"radsec"  # RFC 6614 2.3 gives it to everybody
_PAUSE_S = 0.1
"""Before asking again where nobody listened: a server that starts anew is back soon."""
_SIGNATURE = (
    "the answer is signed with another secret, or was changed on the way: compare the shared"
    " secret here with the one in the server's list of clients"
)
_SIGNATURE_TLS = (
    'the answer is signed with another secret than ours: with TLS it is "radsec" (RFC 6614), unless'
    " the server was told otherwise"
)
# The most telling first.
_FAULTS = {
    "unsigned": (
        "the server answers without Message-Authenticator; anybody on the way can forge such an"
        " answer (CVE-2024-3596), so it is not believed: have the server send it, or use TLS"
    ),
    "signature": _SIGNATURE,
    "malformed": "what answers there does not speak RADIUS: is the port right?",
    "foreign": "answers came that belong to no question of ours",
}


@dataclass
class _Peer:
    """One address of the server.

    Attributes:
        socket: Connected, so that the kernel drops what comes from any other address or port.
        request: What it is asked.
        error: What the network said about it last; 0 for nothing.
    """

    socket: socket.socket
    request: Request
    error: int = 0


class Datagrams:
    """RADIUS over UDP; for one `with`."""

    def __init__(self, server: Server, secret: bytes) -> None:
        self._server = server
        self._secret = secret
        self._rest = ExitStack()
        self._sockets: list[socket.socket] = []
        self._faults: set[str] = set()
        self._must_be_signed = True

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the sockets."""
        self._rest.close()

    def open(self, *, until: float, tell: Tell | None) -> None:
        """Look the name up, and take a socket for each address.

        Raises:
            ReachError: Step `name` or `route`.
        """
        server = self._server
        addresses = addresses_of(
            server.host.strip("[]"), server.usual_port, until=until, kind=socket.SOCK_DGRAM
        )
        if tell is not None:
            shown = ", ".join(str(where[0]) for _, where in addresses)
            tell(Step(name="name", ok=True, told=f"{server.host} is {shown}"))
        trouble = 0
        for family, where in addresses:
            try:
                # Not every kernel knows both families.
                one = self._rest.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                one.settimeout(0)
                one.connect(where)
            except OSError as error:
                trouble = error.errno or errno.EIO
            else:
                self._sockets.append(one)
        if not self._sockets:
            raise ReachError("route", f"{server.address} cannot be reached: {os.strerror(trouble)}")

    def ask(self, build: Build, *, until: float, must_be_signed: bool = True) -> Reply:
        """Ask, and ask again with the same packet; the addresses take turns.

        Args:
            build: Makes the question.
            until: Moment of `time.monotonic()`.
            must_be_signed: False only where the answer decides nothing.

        Raises:
            RadiusSilenceError: Nothing came.
            ReachError: Nothing that is to be believed came; step `route` or `secret`.
        """
        self._faults.clear()
        self._must_be_signed = must_be_signed
        peers = [_Peer(one, build(str(one.getsockname()[0]))) for one in self._sockets]
        times = max(self._server.tries, len(peers))
        patience_s = self._server.timeout_s * self._server.tries / times
        if time.monotonic() >= until:
            raise ReachError("route", f"{self._server.address} was not asked: no time was left")
        for turn in range(times):
            began = time.monotonic()
            if began >= until:
                break
            asked = peers[turn % len(peers)]
            reply = self._one_try(asked, peers, until=min(until, began + patience_s))
            if reply is not None:
                return reply
            if asked.error:
                time.sleep(max(0.0, min(_PAUSE_S, until - time.monotonic())))
        raise self._trouble(peers)

    def _one_try(self, asked: _Peer, peers: list[_Peer], *, until: float) -> Reply | None:
        """Ask one address, and listen to all that were asked before, too."""
        asked.error = 0
        try:
            with selectors.DefaultSelector() as selector:
                for peer in peers:
                    selector.register(peer.socket, selectors.EVENT_READ, peer)
                asked.socket.send(asked.request.content)
                while not asked.error and (left := until - time.monotonic()) > 0:
                    for key, _ in selector.select(left):
                        reply = self._heard(key.data)
                        if reply is not None:
                            return reply
        except OSError as error:
            asked.error = error.errno or errno.EIO
        return None

    def _heard(self, peer: _Peer) -> Reply | None:
        """Take one datagram; what is not to be believed is noted and dropped (RFC 2865 3)."""
        try:
            content = peer.socket.recv(MOST_BYTES + 1)
            return reply_of(
                content, peer.request, self._secret, must_be_signed=self._must_be_signed
            )
        except BlockingIOError:
            pass  # the kernel found the datagram's checksum wrong
        except OSError as error:
            peer.error = error.errno or errno.EIO
        except RadiusReplyError as error:
            self._faults.add(error.fault)
        return None

    def _trouble(self, peers: list[_Peer]) -> ReachError:
        address = self._server.address
        for fault, told in _FAULTS.items():
            if fault in self._faults:
                return ReachError("secret", f"{address}: {told}")
        errors = [peer.error for peer in peers]
        if all(error == errno.ECONNREFUSED for error in errors):
            return ReachError(
                "route",
                f"nothing listens at {address}: is the server running, and is"
                f" {self._server.usual_port} its port for logins?",
            )
        if all(errors):
            return ReachError("route", f"{address} cannot be reached: {os.strerror(errors[0])}")
        return RadiusSilenceError("secret", f"{address} does not answer: {SILENT}")


class Connection:
    """RADIUS over TLS (RadSec); for one `with`.

    Source:
        RFC 6613 (packets in a stream), RFC 6614.
    """

    def __init__(self, server: Server, secret: bytes, client_key: str) -> None:
        self._server = server
        self._secret = secret
        self._key = client_key
        self._rest = ExitStack()
        self._socket: ssl.SSLSocket | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say goodbye without waiting for an answer, and close the connection."""
        with suppress(OSError, ValueError):
            if self._socket is not None:
                self._socket.settimeout(0)
                self._socket.unwrap()  # else servers log an error for each login
        self._rest.close()

    def open(self, *, until: float, tell: Tell | None) -> None:
        """Connect and agree on TLS.

        Raises:
            ReachError: Step `settings`, `name`, `route` or `tls`.
        """
        server = self._server
        context = context_of(server, self._key)
        plain = connect(server, until=until, tell=tell)
        until = min(until, time.monotonic() + server.timeout_s)
        again = None if tell is None else partial(connect, server, until=until)
        self._socket = self._rest.enter_context(
            secure(plain, server, context, until=until, again=again)
        )

    @property
    def certificate(self) -> bytes:
        """Give the server's certificate, DER, which has been checked."""
        found = self._socket.getpeercert(binary_form=True) if self._socket else None
        return found or b""

    def ask(self, build: Build, *, until: float) -> Reply:
        """Ask once; TCP sends again by itself.

        Raises:
            ReachError: Nothing that is to be believed came.
        """
        if self._socket is None:  # pragma: no cover - `open` comes first
            raise ReachError("route", "there is no connection")
        until = min(until, time.monotonic() + self._server.timeout_s)
        request = build(str(self._socket.getsockname()[0]))
        send(self._socket, request.content, self._server, until=until)
        try:
            content = self._packet(self._socket, until=until)
            # TLS has proved who answers and that nothing was changed: there the signature is
            # asked of nobody (with a secret that everybody knows, it would prove nothing).
            return reply_of(content, request, self._secret, must_be_signed=False)
        except RadiusReplyError as error:
            told = _SIGNATURE_TLS if error.fault == "signature" else _FAULTS[error.fault]
            raise ReachError("secret", f"{self._server.address}: {told}") from error
        except ReachError as error:
            raise self._left_alone(error) from error

    def _left_alone(self, error: ReachError) -> ReachError:
        """Say what it means that nothing comes although TLS was agreed on."""
        if error.step != "route":
            return error
        if not self._server.client_certificate:
            # With TLS 1.3 this shows only now, and often as a mere end of the connection.
            told = "no client certificate is set for it, and RadSec servers want one"
            return ReachError("tls", f"{error.reason}, after TLS was agreed on: {told}")
        if self._secret != RADSEC_SECRET:
            told = 'the shared secret set for it is not "radsec", which RFC 6614 wants: remove it'
            return ReachError("secret", f"{error.reason}, after TLS was agreed on: {told}")
        told = (
            "does the server know this device as a client, and who signed its client certificate?"
            " Look into the server's log"
        )
        return ReachError("secret", f"{error.reason}, after TLS was agreed on: {told}")

    def _packet(self, sock: ssl.SSLSocket, *, until: float) -> bytes:
        head = receive(sock, 4, self._server, until=until)
        size = int.from_bytes(head[2:], "big")
        if not HEADER_BYTES <= size <= MOST_BYTES:
            raise RadiusReplyError("malformed", "its length is wrong")
        return head + receive(sock, size - len(head), self._server, until=until)


Line = Datagrams | Connection
"""A way to a server: opened, then asked."""
