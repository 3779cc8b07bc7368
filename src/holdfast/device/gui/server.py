"""The web server of the device: uvicorn behind one door, and bounds on how long a request takes."""

import asyncio
import gc
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from holdfast.core.errors import PortTakenError, UsageError
from holdfast.device.gui.doorway import MOST, REGULARS, Doorway, Host, Regulars
from holdfast.device.gui.guard import App, is_own_host

REQUEST_S = 10.0
"""Seconds in which a request must be complete; a slower client is let go."""

_HEAD_BYTES = 16_384
_HIGHEST_PORT = 65_535


class PatientNoMore(H11Protocol, Host):
    """Lets go of clients that open a connection and never finish a request (slow loris)."""

    _deadline: asyncio.TimerHandle | None = None

    @property
    def is_answering(self) -> bool:
        """Whether a whole request came, and its answer is being made."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def connection_made(  # type: ignore[override] # uvicorn narrows it to asyncio.Transport
        self, transport: asyncio.Transport
    ) -> None:
        """Begin to count with the connection."""
        super().connection_made(transport)
        self.has_begun = True
        self._count()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting, and make room at the door."""
        self._stop()
        super().connection_lost(exc)
        if self.gone is not None:
            self.gone()

    def on_response_complete(self) -> None:
        """Begin to count anew with the next request of the same connection."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._count()

    def _count(self) -> None:
        self._stop()
        self._deadline = self.loop.call_later(REQUEST_S, self._let_go)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _let_go(self) -> None:
        # While an answer is being made the body was not necessarily read; both get the same time.
        if self.is_answering:
            self._count()
            return
        self.transport.close()


def listen(address: str) -> socket.socket:
    """Take the address `host:port` of the settings.

    Raises:
        UsageError: It is not one.
        PortTakenError: Another program listens there.
    """
    host, colon, port_text = address.rpartition(":")
    host = host.strip("[]")
    if not colon or not port_text.isdecimal() or int(port_text) > _HIGHEST_PORT:
        raise UsageError(f"{address!r} is not host:port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, int(port_text)))
    except OSError as error:
        made.close()
        raise PortTakenError(host=host, port=int(port_text)) from error
    made.listen(MOST)
    return made


def configured(app: App) -> uvicorn.Config:
    """Give the settings under which uvicorn serves the owner's pages."""
    settings: dict[str, Any] = {
        "loop": "asyncio",
        "http": PatientNoMore,
        "ws": "none",
        "lifespan": "off",
        "interface": "asgi3",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        # No limit_concurrency: it would turn everybody away once strangers hold all places.
        "backlog": MOST,
        "timeout_keep_alive": 15,
        "timeout_graceful_shutdown": 1,
        "h11_max_incomplete_event_size": _HEAD_BYTES,
    }
    return uvicorn.Config(app, **settings)


class WebServer(uvicorn.Server):
    """uvicorn, let in through our own door.

    Args:
        app: The pages.
        tls: Gives how TLS is spoken; asked for again now and then.
        names: Names of this device beside those of the machine.
    """

    def __init__(
        self, app: App, *, tls: Callable[[], ssl.SSLContext], names: tuple[str, ...] = ()
    ) -> None:
        super().__init__(configured(app))
        self._tls = tls
        self._names = names
        self._doors: list[Doorway] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door of each socket."""
        await self.lifespan.startup()
        self.lifespan.state[REGULARS] = regulars = Regulars()  # each request carries it
        protocol = partial(
            PatientNoMore,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        own = partial(is_own_host, names=self._names)
        self._doors = [
            Doorway(one, tls=self._tls, protocol=protocol, is_own_host=own, regulars=regulars)
            for one in sockets or ()
        ]
        self.servers = []
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the doors, then end what is under way."""
        for door in self._doors:
            door.close()
        await super().shutdown(sockets=sockets)


def serve(
    app: App,
    listening: socket.socket,
    *,
    tls: Callable[[], ssl.SSLContext],
    names: tuple[str, ...] = (),
) -> None:
    """Serve until the process is told to end."""
    # What is loaded by now stays; to look through it again and again would cost milliseconds.
    gc.collect()
    gc.freeze()
    WebServer(app, tls=tls, names=names).run(sockets=[listening])
