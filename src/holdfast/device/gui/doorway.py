"""The door of the owner's pages: TLS goes in, plain HTTP is sent to https, idlers make room.

uvicorn could speak TLS by itself, but would not count who is still shaking hands, and would
answer a person who typed `http://` with silence. Whoever comes while all places are taken gets
that of somebody who only holds his: however many addresses hold the page open, it answers.
"""

import asyncio
import gc
import re
import socket
import ssl
from asyncio import sslproto
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from holdfast.core.errors import HoldfastError

# 256 KiB for each connection otherwise, 16 MiB for all that are served at once.
sslproto.SSLProtocol.max_size = 16 << 10

MOST = 64
"""Connections that are served at once, in whatever state they are."""
MOST_OF_ONE = 24
"""Of these, connections from one address: a single neighbour cannot take them all."""
REGULARS = "regulars"
"""Key of the state that each request carries, under which it finds `Regulars`."""

_TLS = b"\x16"  # RFC 8446 5.1: every connection begins with a record of the kind "handshake"
_HANDSHAKE_S = 10.0
_GOODBYE_S = 1.0
_BREATH_S = 1.0
_AT_ONCE = 2  # in each turn of the loop: those who are here get on faster than others come
_HEAD_BYTES = 4096
# OpenSSL remembers 20,480 sessions of TLS 1.2, 24 MB, and Python has no switch for it.
_SHAKEN_BY_ONE = 512
_LEFT_TOGETHER = 32
_MOST_REGULARS = 16
_GET = re.compile(rb"(GET|HEAD) (/[!-~]{0,255}) HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"\r\nhost:[ \t]*([!-~]{1,260})[ \t]*(?=\r\n)", re.IGNORECASE)
_ONLY_HTTPS = b"This device answers to https only. What you sent was not looked at.\n"


class Host(asyncio.Protocol):
    """What serves one connection, once hands are shaken.

    Attributes:
        gone: To be called when the connection is over.
        transport: The connection.
        has_begun: Whether hands are shaken.
    """

    gone: Callable[[], None] | None = None
    transport: asyncio.Transport
    has_begun = False

    @property
    def is_answering(self) -> bool:
        """Whether a whole request came, and its answer is being made."""
        raise NotImplementedError


class Regulars:
    """Addresses from which somebody was logged in lately: they make no room for strangers.

    No cookie can say so, since it is read only once hands are shaken.
    """

    def __init__(self) -> None:
        self._sources: dict[str, None] = {}

    def remember(self, source: str) -> None:
        """Take an address for known; of too many, the one that was not seen for longest goes."""
        self._sources.pop(source, None)
        while len(self._sources) >= _MOST_REGULARS:
            del self._sources[next(iter(self._sources))]
        self._sources[source] = None

    def __contains__(self, source: str) -> bool:
        """Whether an address is known."""
        return source in self._sources


class _Guest:
    """One connection, from its arrival to its end.

    Attributes:
        source: Where it comes from.
        arrived: Its socket, as long as it is ours to close.
        has_spoken: Whether anything came yet.
        host: What will serve it, or does; None before anything came.
        welcome: What shakes hands with it.
    """

    __slots__ = ("arrived", "has_spoken", "host", "source", "welcome")

    def __init__(self, arrived: socket.socket, source: str) -> None:
        self.arrived: socket.socket | None = arrived
        self.source = source
        self.has_spoken = False
        self.host: Host | None = None
        self.welcome: asyncio.Task[None] | None = None

    @property
    def is_in(self) -> bool:
        """Whether hands are shaken."""
        return self.host is not None and self.host.has_begun

    @property
    def stage(self) -> int:
        """How far it has come: silent, shaking hands, asking nothing whole, or being answered."""
        if self.host is not None and self.host.has_begun:
            return 3 if self.host.is_answering else 2
        return 1 if self.has_spoken else 0

    def show_out(self) -> None:
        """End it without a goodbye, for which nobody has a place to wait."""
        if self.host is not None and self.host.has_begun:
            self.host.transport.abort()
        elif self.welcome is not None:
            self.welcome.cancel()


def _least_missed(guests: Iterable[_Guest]) -> _Guest:
    """Choose who gives his place to somebody else.

    Those who have come equally far compete among themselves only, and where most are somebody
    goes: so however many hold a place at one stage, whoever passes through is not pushed out. There
    it is first the turn of the address with most places, and of who came first.
    """
    everybody = list(guests)
    stages = Counter(guest.stage for guest in everybody)
    fullest = max(stages, key=lambda stage: stages[stage])
    places = Counter(guest.source for guest in everybody)
    return min(
        (guest for guest in everybody if guest.stage == fullest),
        key=lambda guest: -places[guest.source],
    )


class Doorway:
    """Accepts what comes on one listening socket.

    Args:
        listening: The socket; it is not closed here.
        tls: Gives how TLS is spoken; asked for again now and then.
        protocol: Makes what serves one connection.
        is_own_host: Whether a name is one of this device.
        regulars: Who makes no room for strangers.
    """

    def __init__(
        self,
        listening: socket.socket,
        *,
        tls: Callable[[], ssl.SSLContext],
        protocol: Callable[[], Host],
        is_own_host: Callable[[str], bool],
        regulars: Regulars,
    ) -> None:
        self._listening = listening
        self._fresh_tls = tls
        self._tls = tls()
        self._shaken = 0
        self._left = 0
        self._protocol = protocol
        self._is_own_host = is_own_host
        self._loop = asyncio.get_running_loop()
        self._regulars = regulars
        self._guests: dict[_Guest, None] = {}  # in the order in which they came
        self._open = True
        listening.settimeout(0)
        self._loop.add_reader(listening.fileno(), self._accept)

    def close(self) -> None:
        """Let nobody in any more."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._listening.fileno())
        for guest in self._guests:
            if guest.welcome is not None:
                guest.welcome.cancel()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                arrived, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor left: others have to go first
                self._loop.remove_reader(self._listening.fileno())
                self._loop.call_later(_BREATH_S, self._again)
                return
            source = str(address[0])
            if not self._makes_room(source):
                arrived.close()
                continue
            arrived.settimeout(0)
            guest = _Guest(arrived, source)
            self._guests[guest] = None
            guest.welcome = self._loop.create_task(self._welcome(arrived, guest))
            guest.welcome.add_done_callback(partial(self._welcomed, guest))

    def _makes_room(self, source: str) -> bool:
        """See to it that one more has a place; False if only a regular could give his."""
        own = [guest for guest in self._guests if guest.source == source]
        if len(own) >= MOST_OF_ONE:
            leaving = _least_missed(own)
        elif len(self._guests) >= MOST:
            strangers = [guest for guest in self._guests if guest.source not in self._regulars]
            if not strangers and source not in self._regulars:
                return False
            leaving = _least_missed(strangers or self._guests)
        else:
            return True
        self._leave(leaving)
        leaving.show_out()
        return True

    def _leave(self, guest: _Guest) -> None:
        """Give the place of a guest free, once."""
        if guest in self._guests:
            del self._guests[guest]
            self._tidy_up()

    def _again(self) -> None:
        if self._open:
            self._loop.add_reader(self._listening.fileno(), self._accept)

    async def _welcome(self, arrived: socket.socket, guest: _Guest) -> None:
        with suppress(OSError, TimeoutError):  # ssl.SSLError is an OSError
            async with asyncio.timeout(_HANDSHAKE_S):
                first = await self._first_byte(arrived)
                guest.has_spoken = True
                if first and first != _TLS:
                    await self._send_to_https(arrived)
            if first == _TLS:
                guest.arrived = None  # asyncio closes it: its number may soon be somebody else's
                await self._loop.connect_accepted_socket(
                    lambda: self._serving(guest),
                    arrived,
                    ssl=self._context(),
                    ssl_handshake_timeout=_HANDSHAKE_S,
                    ssl_shutdown_timeout=_GOODBYE_S,
                )

    def _welcomed(self, guest: _Guest, _welcome: object) -> None:
        # Also of one who was shown out before his welcome had begun.
        if guest.arrived is not None:
            guest.arrived.close()
        if not guest.is_in:
            self._leave(guest)

    def _context(self) -> ssl.SSLContext:
        """Give how TLS is spoken; what strangers left in its memory of sessions goes with it."""
        self._shaken += 1
        if self._shaken % _SHAKEN_BY_ONE == 0:
            with suppress(HoldfastError):
                self._tls = self._fresh_tls()
        return self._tls

    def _tidy_up(self) -> None:
        """Free what connections leave behind: cycles, which the collector counts, not weighs."""
        self._left += 1
        if self._left % _LEFT_TOGETHER == 0:
            gc.collect()

    def _serving(self, guest: _Guest) -> Host:
        guest.host = host = self._protocol()
        host.gone = lambda: self._leave(guest)
        return host

    async def _first_byte(self, arrived: socket.socket) -> bytes:
        """Look at what comes first, and leave it for whoever reads next."""
        ready = asyncio.Event()
        self._loop.add_reader(arrived.fileno(), ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_reader(arrived.fileno())
        return arrived.recv(1, socket.MSG_PEEK)

    async def _send_to_https(self, arrived: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
            part = await self._loop.sock_recv(arrived, _HEAD_BYTES - len(head))
            if not part:
                break
            head += part
        if head:
            await self._loop.sock_sendall(arrived, self.plain_answer(head))
            with suppress(OSError):
                arrived.shutdown(socket.SHUT_WR)
            # What was not read yet would make the kernel throw our answer away.
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    while await self._loop.sock_recv(arrived, _HEAD_BYTES):
                        pass

    def plain_answer(self, head: bytes) -> bytes:
        """Answer the head of a plain HTTP request: where to go, or why nothing was done."""
        asked, hosts = _GET.match(head), _HOST.findall(head)
        line, headers = b"400 Bad Request", b""
        if asked and len(hosts) == 1 and self._is_own_host(hosts[0].decode("ascii")):
            # Not for ever: another device may have this address tomorrow.
            line = b"307 Temporary Redirect"
            headers = b"location: https://" + hosts[0] + asked.group(2) + b"\r\n"
        return (
            b"HTTP/1.1 " + line + b"\r\n" + headers + b"content-type: text/plain; charset=utf-8\r\n"
            b"x-content-type-options: nosniff\r\ncache-control: no-store\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n" % len(_ONLY_HTTPS) + _ONLY_HTTPS
        )
