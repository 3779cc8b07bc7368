"""The process that serves the hub's pages."""

import ctypes
import errno
import json
import os
import signal
import socket
import sys
from typing import Any

from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server import Server
from rich.console import Console

from holdfast.core.errors import PortTakenError
from holdfast.hub import start, state
from holdfast.hub.config import HubConfig
from holdfast.hub.releases import services as releases
from holdfast.hub.staff import central, passwords
from holdfast.hub.staff import services as staff
from holdfast.hub.staff.queries import has_staff

# A thread waits for as long as a sender of a form or file takes; what hashes passwords is bounded
# on its own (staff.services).
THREADS = 32
# Seconds for the head of a request, then it is cut off.
HEAD_TIMEOUT_MS = 15_000
STOP_TIMEOUT_S = 10
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def must_be_free(host: str, port: int) -> None:
    """Refuse a port on which somebody listens; granian itself would share it.

    Raises:
        PortTakenError: It is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTakenError(host=host, port=port) from error
            raise


def _application() -> Any:  # noqa: ANN401 - any WSGI application
    """Load the application in the serving process, which must not outlive its parent."""
    ctypes.CDLL(None, use_errno=True).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    from holdfast.hub.wsgi import application  # noqa: PLC0415 - after the fork

    return application


def announce(config: HubConfig, link: str | None, *, as_json: bool) -> None:
    """Print where the hub is, and the one-time link if nobody can log in yet."""
    if as_json:
        shown = {"url": config.url, "listen": config.listen, "setup_link": link, "pid": os.getpid()}
        sys.stdout.write(json.dumps(shown) + "\n")
        sys.stdout.flush()
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print("[bold]Holdfast hub[/bold]")
    console.print(f"  pages    {config.url}")
    console.print(f"  devices  {config.device_url} (`holdfast gateway serve`)")
    console.print(f"  state    {config.state.absolute()}")
    if link is not None:
        console.print()
        console.print("  There is no account yet. This link makes the first one; it works once")
        console.print("  and for 24 hours. Every start prints a new one and ends the old one.")
        console.print(f"  [bold]{link}[/bold]")
    sys.stdout.flush()


def serve(config: HubConfig, *, as_json: bool = False) -> None:
    """Serve until a signal ends it.

    Args:
        config: Where to listen and where the state is.
        as_json: Announce for a program instead of a person.

    Raises:
        BusyError: Another hub uses the same state.
        PortTakenError: Another program listens there.
        CentralSettingsError: A shared secret is too short.
        BlockListError: A block list is missing, damaged or not signed.
    """
    host, port = config.address
    passwords.lists()
    central.secrets_must_be_long()
    with state.held(config.state / "hub.lock", what="hub"):
        must_be_free(host, port)
        start.migrate()
        SessionStore.clear_expired()
        releases.recover()
        link = None if has_staff() else staff.make_setup_link()
        connections.close_all()
        server = Server(
            "holdfast.hub.wsgi:application",
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            http=HTTPModes.http1,
            workers=1,
            blocking_threads=THREADS,
            backpressure=4 * THREADS,
            http1_settings=HTTP1Settings(header_read_timeout=HEAD_TIMEOUT_MS),
            workers_kill_timeout=STOP_TIMEOUT_S,
            log_enabled=False,
        )
        server.on_startup(lambda: announce(config, link, as_json=as_json))
        server.serve(target_loader=_application, wrap_loader=False)
