"""A conversation with an LDAP server: one request at a time, each with its end in sight."""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from typing import Self

from holdfast.accounts.directories import reach
from holdfast.accounts.directories.answers import Step, StepName
from holdfast.accounts.directories.ldap import messages
from holdfast.accounts.directories.ldap.ber import SEQUENCE, BerError, length_size
from holdfast.accounts.directories.ldap.messages import Entry, Result, Search
from holdfast.accounts.directories.settings import Server
from holdfast.accounts.errors import ReachError

Tell = Callable[[Step], None]

_MOST_MESSAGE_BYTES = 4 * 1024 * 1024
_MOST_BYTES = 32 * 1024 * 1024
"""All that is read of a server in one conversation."""
_MOST_MESSAGES = 20_000
_PAGE = 500


class TooManyError(Exception):
    """More entries fit than are wanted."""


class Talk:
    """One connection, with TLS on it; nothing is ever sent without.

    Args:
        server: Whom to talk to.
        context: For TLS.
        until: Moment of `time.monotonic()` by which all of it ends.
        tell: Is told of each step.
    """

    def __init__(
        self, server: Server, context: ssl.SSLContext, *, until: float, tell: Tell | None = None
    ) -> None:
        self._server = server
        self._until = until
        self._last = 0
        self._read = 0
        plain = self._ready(tell)
        self._sock: ssl.SSLSocket = reach.secure(
            plain, server, context, until=self._soon(), again=self._ready
        )

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say farewell, if anybody still listens."""
        with contextlib.suppress(OSError, ReachError):
            self._say(messages.unbind(), until=min(self._until, time.monotonic() + 0.1))
        self._sock.close()

    @property
    def tls(self) -> ssl.SSLSocket:
        """Give the connection, to tell of its certificate."""
        return self._sock

    def _ready(self, tell: Tell | None = None) -> socket.socket:
        """Open a connection, up to the point where TLS begins."""
        sock = reach.connect(self._server, until=self._until, tell=tell)
        if self._server.transport == "starttls":
            try:
                _start_tls(sock, self._server, until=self._soon())
            except BaseException:
                sock.close()
                raise
        return sock

    def _soon(self) -> float:
        return min(self._until, time.monotonic() + self._server.timeout_s)

    def bind(self, dn: str, password: str, *, step: StepName) -> Result:
        """Ask whether name and password belong together.

        Raises:
            ReachError: There was no answer that could be relied on.
        """
        if not password:
            raise ReachError("settings", "an empty password is never sent: servers say yes to it")
        return self._ask(messages.bind(dn, password), messages.BOUND, step)

    def who(self) -> Result:
        """Ask as whom this connection is bound.

        Raises:
            ReachError: There was no answer that could be relied on.
        """
        return self._ask(messages.extended(messages.WHO_AM_I), messages.EXTENDED_ANSWER, "bind")

    def _ask(self, operation: bytes, due: int, step: StepName) -> Result:
        until = self._soon()
        with _during(step, self._server):
            self._say(operation, until=until)
            tag, content, controls = self._heard(until=until)
            if tag != due:
                raise BerError("another answer came than was due")
            return messages.result(content, controls)

    def search(self, wanted: Search, *, most: int) -> tuple[list[Entry], Result]:
        """Search, page by page if `wanted` has pages.

        Args:
            wanted: What is searched.
            most: More entries than this are refused.

        Raises:
            ReachError: There was no answer that could be relied on.
            TooManyError: More entries fit.
        """
        found: list[Entry] = []
        cookie = b""
        while True:
            until = self._soon()
            seconds = max(1, int(until - time.monotonic()))
            paged = messages.page(wanted.page, cookie) if wanted.page else b""
            with _during("search", self._server):
                self._say(messages.search(wanted, seconds=seconds), paged, until=until)
                ended = _collected(found, self._entries(until), most=most)
            if ended.code != 0 or not wanted.page or not ended.cookie:
                return found, ended
            cookie = ended.cookie

    def _entries(self, until: float) -> Iterator[Entry | Result]:
        for _ in range(_MOST_MESSAGES):
            tag, content, controls = self._heard(until=until)
            if tag == messages.ENTRY:
                yield messages.entry(content)
            elif tag == messages.SEARCHED:
                yield messages.result(content, controls)
                return
            elif tag != messages.ELSEWHERE:  # references to other servers are not followed
                raise BerError("another answer came than was due")
        raise BerError("the answer does not end")

    def _say(self, operation: bytes, controls: bytes = b"", *, until: float) -> None:
        self._last += 1
        content = messages.message(self._last, operation, controls)
        reach.send(self._sock, content, self._server, until=until)

    def _heard(self, *, until: float) -> tuple[int, bytes, bytes]:
        if self._read > _MOST_BYTES:
            raise BerError("the answers are too large")
        content = _one_message(self._sock, self._server, until=until)
        self._read += len(content)
        identity, tag, operation, controls = messages.opened(content)
        if identity == 0:
            raise BerError("the server ends the conversation")
        if identity != self._last:
            raise BerError("an answer came that belongs to nothing that was asked")
        return tag, operation, controls


def _collected(found: list[Entry], answers: Iterator[Entry | Result], *, most: int) -> Result:
    """Collect entries up to the result.

    Raises:
        TooManyError: More than `most` came.
    """
    for answer in answers:
        if isinstance(answer, Result):
            return answer
        if len(found) == most:
            raise TooManyError
        found.append(answer)
    raise BerError("the answer has no end")


def _start_tls(sock: socket.socket, server: Server, *, until: float) -> None:
    """Ask the server to begin TLS.

    Raises:
        ReachError: Step `tls`.
    """
    with _during("tls", server):
        request = messages.message(1, messages.extended(messages.START_TLS))
        reach.send(sock, request, server, until=until)
        identity, tag, content, _ = messages.opened(_one_message(sock, server, until=until))
        if tag != messages.EXTENDED_ANSWER or identity != 1:
            raise BerError("another answer came than was due")
        ended = messages.result(content)
    if ended.code != 0:
        raise ReachError(
            "tls",
            f"{server.address} refuses StartTLS{saying(ended)}: give the server a certificate,"
            " or set transport to tls and use its port for that",
        )


def _one_message(sock: socket.socket, server: Server, *, until: float) -> bytes:
    """Receive one message, without its outermost tag and length."""
    tag, first = reach.receive(sock, 2, server, until=until)
    if tag != SEQUENCE:
        raise BerError("what it says is not LDAP")
    more = length_size(first)
    size = int.from_bytes(reach.receive(sock, more, server, until=until), "big") if more else first
    if size > _MOST_MESSAGE_BYTES:
        raise BerError(f"one message is larger than {_MOST_MESSAGE_BYTES // 1024 // 1024} MiB")
    return reach.receive(sock, size, server, until=until)


@contextlib.contextmanager
def _during(step: StepName, server: Server) -> Iterator[None]:
    """Name the step in what goes wrong."""
    try:
        yield
    except ReachError as error:
        # TLS may say only now that it wants a certificate (TLS 1.3), or that octets were changed.
        raise ReachError(error.step if error.step == "tls" else step, error.reason) from error
    except BerError as error:
        raise ReachError(step, f"{server.address} does not answer as LDAP does: {error}") from error


def saying(ended: Result) -> str:
    """Add what the server says, and the number of its answer."""
    words = f": {ended.words}" if ended.words else ""
    return f" (result {ended.code}{words})"


def speaks_tls_at_once(server: Server, *, until: float) -> bool:
    """Look whether a server that was asked for StartTLS begins with TLS instead."""
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(OSError, ValueError, ReachError):
        sock = reach.connect(server, until=until)
        with looking.wrap_socket(sock):
            return True
    return False


def wants_start_tls(server: Server, *, until: float) -> bool:
    """Look whether a server that was expected to begin with TLS wants StartTLS."""
    with contextlib.suppress(OSError, ReachError), reach.connect(server, until=until) as sock:
        _start_tls(sock, server, until=until)
        return True
    return False


_SEARCH_WORDS = {
    3: "the search took too long for the server",
    4: "the server does not give all that was found: raise its limit for this account",
    10: "the server refers to another one, which is not followed: search what it holds itself",
    11: "the server does not give all that was found: raise its limit for this account",
    32: "there is nothing at {base}, or this account may not see it",
    34: "{base} is no DN",
    50: "this account may not search at {base}",
}


def failure(ended: Result, base: str) -> ReachError:
    """Say why a search did not work."""
    words = _SEARCH_WORDS.get(ended.code, "the server cannot search").format(base=base)
    return ReachError("search", words + saying(ended))
