"""One session with a TACACS+ server: a connection of its own, and question and answer on it."""

import contextlib
import secrets
import socket
import ssl
import time
from dataclasses import dataclass

from holdfast.accounts.directories.reach import ReachError, receive, send
from holdfast.accounts.directories.settings import Server
from holdfast.accounts.directories.tacacs.packets import (
    HEADER_BYTES,
    MOST_SEQUENCE,
    Flags,
    Header,
    Kind,
    PacketError,
    header_of,
    obfuscated,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A connection to a server.

    Attributes:
        sock: Under TLS unless the settings say otherwise.
        server: For its limits and its address.
        secret: Obfuscates what travels; None under TLS, where nothing may be obfuscated.
        until: Moment of `time.monotonic()` by which everything must be over.
    """

    sock: socket.socket
    server: Server
    secret: bytes | None
    until: float

    def __repr__(self) -> str:
        """Show nothing of the secret."""
        return f"Link(server={self.server.name!r})"


class Session:
    """Asks, and gets the answer to exactly that; the connection serves no other session.

    Args:
        link: A fresh connection.
        kind: What the session is for.
        minor: Minor version of its packets.
    """

    def __init__(self, link: Link, kind: Kind, *, minor: int = 0) -> None:
        self._link = link
        self._kind = kind
        self._minor = minor
        self._session = secrets.randbits(32)
        self._sequence = 1

    def ask(self, body: bytes) -> bytes:
        """Send a body, and give the body of the reply.

        Raises:
            PacketError: What came back is not the answer.
            ReachError: Nothing came back.
        """
        link = self._link
        until = min(link.until, time.monotonic() + link.server.timeout_s)
        try:
            asked = self._send(body)
            first = receive(link.sock, 1, link.server, until=until)
        except ReachError as error:
            if self._sequence == 1 and _hung_up(error) and time.monotonic() < until:
                raise self._without_a_word() from error
            raise
        rest = receive(link.sock, HEADER_BYTES - 1, link.server, until=until)
        header = header_of(first + rest, asked=asked)
        self._must_be_covered(header)
        content = receive(link.sock, header.length, link.server, until=until)
        # A server that does not know our minor version says so in its own (RFC 8907 4.1), and
        # such an answer can be nothing but an error.
        if header.minor != self._minor:
            raise PacketError("error", "knows no such version of TACACS+")
        self._sequence += 2
        return content if link.secret is None else obfuscated(content, header, link.secret)

    def leave(self, body: bytes) -> None:
        """Send a last body to which no answer is waited for; it does not matter if it is lost."""
        with contextlib.suppress(ReachError):
            self._send(body)

    def _send(self, body: bytes) -> Header:
        if self._sequence >= MOST_SEQUENCE:
            raise PacketError("foreign", "does not come to an end with its questions")
        link = self._link
        header = Header(
            kind=self._kind,
            minor=self._minor,
            sequence=self._sequence,
            flags=Flags.UNENCRYPTED if link.secret is None else Flags(0),
            session=self._session,
            length=len(body),
        )
        content = body if link.secret is None else obfuscated(body, header, link.secret)
        send(link.sock, header.pack() + content, link.server, until=link.until)
        return header

    def _without_a_word(self) -> ReachError:
        """Say what it may mean that nothing at all was answered."""
        link = self._link
        if link.secret is None:
            guess = "it may not accept our client certificate"
            if not link.server.client_certificate:
                guess = "no client certificate is set for it, and it may want one"
            return ReachError(
                "tls",
                f"{link.server.address} ended the connection without a word: {guess}, or not know"
                " the address of this device",
            )
        return ReachError(
            "secret",
            f"{link.server.address} ended the connection without a word: it may have another shared"
            " secret, or not know the address of this device",
        )

    def _must_be_covered(self, header: Header) -> None:
        """Refuse what is obfuscated under TLS, or is not without."""
        clear = Flags.UNENCRYPTED in header.flags
        if clear is not (self._link.secret is None):
            how = "not obfuscated" if clear else "obfuscated under TLS"
            raise PacketError("flag", f"sends an answer that is {how}")


def _hung_up(error: ReachError) -> bool:
    """Tell whether the server closed the connection, with or without manners."""
    ends = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError, type(None))
    return isinstance(error.__cause__, ends)
