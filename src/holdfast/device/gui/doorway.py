"""The door of the owner's pages: TLS goes in, plain HTTP is sent to https, idlers are let go.

uvicorn could speak TLS by itself, but would not count who is still shaking hands, and would
answer a person who typed `http://` with silence.
"""

import asyncio
import gc
import re
import socket
import ssl
from asyncio import sslproto
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from holdfast.core.errors import HoldfastError

# 256 KiB for each connection otherwise, 16 MiB for all that are served at once.
sslproto.SSLProtocol.max_size = 16 << 10

MOST = 64
"""Connections that are served at once, in whatever state they are."""
MOST_OF_ONE = 24
"""Of these, connections from one address: a single neighbour cannot take them all."""

_TLS = b"\x16"  # RFC 8446 5.1: every connection begins with a record of the kind "handshake"
_HANDSHAKE_S = 10.0
_GOODBYE_S = 1.0
_BREATH_S = 1.0
_AT_ONCE = 16
_HEAD_BYTES = 4096
# OpenSSL remembers 20,480 sessions of TLS 1.2, 24 MB, and Python has no switch for it.
_SHAKEN_BY_ONE = 512
_LEFT_TOGETHER = 32
_GET = re.compile(rb"(GET|HEAD) (/[!-~]{0,255}) HTTP/1\.[01]\r\n")
_HOST = re.compile(rb"\r\nhost:[ \t]*([!-~]{1,260})[ \t]*(?=\r\n)", re.IGNORECASE)
_ONLY_HTTPS = b"This device answers to https only. What you sent was not looked at.\n"


class Guest(Protocol):
    """What is told that its connection is over."""

    gone: Callable[[], None] | None


class Doorway:
    """Accepts what comes on one listening socket.

    Args:
        listening: The socket; it is not closed here.
        tls: Gives how TLS is spoken; asked for again now and then.
        protocol: Makes what serves one connection.
        is_own_host: Whether a name is one of this device.
    """

    def __init__(
        self,
        listening: socket.socket,
        *,
        tls: Callable[[], ssl.SSLContext],
        protocol: "Callable[[], asyncio.Protocol]",
        is_own_host: Callable[[str], bool],
    ) -> None:
        self._listening = listening
        self._fresh_tls = tls
        self._tls = tls()
        self._shaken = 0
        self._left = 0
        self._protocol = protocol
        self._is_own_host = is_own_host
        self._loop = asyncio.get_running_loop()
        self._guests: Counter[str] = Counter()
        self._welcomes: set[asyncio.Task[None]] = set()
        self._open = True
        listening.settimeout(0)
        self._loop.add_reader(listening.fileno(), self._accept)

    def close(self) -> None:
        """Let nobody in any more."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._listening.fileno())
        for welcome in self._welcomes:
            welcome.cancel()

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
            if self._guests.total() >= MOST or self._guests[source] >= MOST_OF_ONE:
                arrived.close()
                continue
            arrived.settimeout(0)
            self._guests[source] += 1
            welcome = self._loop.create_task(self._welcome(arrived, source))
            self._welcomes.add(welcome)
            welcome.add_done_callback(self._welcomes.discard)

    def _again(self) -> None:
        if self._open:
            self._loop.add_reader(self._listening.fileno(), self._accept)

    async def _welcome(self, arrived: socket.socket, source: str) -> None:
        released = False

        def gone() -> None:
            nonlocal released
            if not released:
                released = True
                self._tidy_up()
                self._guests[source] -= 1
                if not self._guests[source]:
                    del self._guests[source]

        ours, served = True, False
        try:
            async with asyncio.timeout(_HANDSHAKE_S):
                first = await self._first_byte(arrived)
                if first and first != _TLS:
                    await self._send_to_https(arrived)
            if first == _TLS:
                ours = False  # asyncio closes it: its number may soon be that of somebody else
                await self._loop.connect_accepted_socket(
                    lambda: self._serving(gone),
                    arrived,
                    ssl=self._context(),
                    ssl_handshake_timeout=_HANDSHAKE_S,
                    ssl_shutdown_timeout=_GOODBYE_S,
                )
                served = True
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            pass
        finally:
            if ours:
                arrived.close()
            if not served:
                gone()

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

    def _serving(self, gone: Callable[[], None]) -> asyncio.Protocol:
        protocol = self._protocol()
        protocol.gone = gone  # type: ignore[attr-defined] # a Guest; asyncio knows it by its base
        return protocol

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
