"""Runs the gateway in one process under granian, until told to stop.

granian's own runners hand every request to the event loop, which costs more than a poll does.
Here a request is first shown to `Gateway.at_once` in the thread in which granian received it;
only what has to wait for something becomes a task of the event loop. One process answers about
1.6 times as many polls so (docs/reference/ddi.md, figures). It uses classes of granian that are
not its public interface (`ASGIWorker`, `CallbackScheduler`, `SocketHolder`, `WorkerSignal`): the
version is locked, and the tests with real servers fail if a new one changes them.
"""

import asyncio
import contextlib
import errno
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from granian import _granian
from granian.http import HTTP1Settings, HTTP2Settings

from holdfast.core.errors import PortTakenError
from holdfast.gateway.app import Gateway
from holdfast.gateway.common import Desk
from holdfast.gateway.config import GatewayConfig
from holdfast.gateway.errors import GatewayError
from holdfast.gateway.journal import Journal
from holdfast.gateway.snapshot import Feed, Snapshot, settle
from holdfast.gateway.store import Store

BACKLOG = 4_096
CONNECTIONS_MOST = 8_192
HEADERS_TIMEOUT_MS = 10_000
HEADERS_MOST_BYTES = 64 << 10
UNREAD_TIMEOUT_MS = 60_000
STOP_S = 5.0
READY_S = 30.0
_THREADS = 8
_FILE_THREADS = 16
_IDLE_S = 30
_SWITCH_S = 0.001

# Its type stub lags behind what it has.
_native: Any = _granian

log = structlog.get_logger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """Open the port for devices; port 0 takes a free one.

    Raises:
        PortTakenError: Another program has it.
        GatewayError: The address is not one of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection: small answers leave at once, and a client that has
        # stopped reading, or is gone without a word, does not hold its place for ever.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_MS)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(host=host, port=port) from error
        raise GatewayError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return sock


def serve(config: GatewayConfig, *, started: Callable[[str], None]) -> bool:
    """Answer devices until SIGINT or SIGTERM; then write down what is left and return.

    Args:
        config: Of hub and gateway.
        started: Called with the gateway's address once it answers.

    Returns:
        Whether every connection had ended; if not, the process should leave without waiting.

    Raises:
        PortTakenError: Another program has the port.
        NotReadyError: The hub has not made its database.
    """
    sock = listen(*config.address)
    with contextlib.closing(sock):
        stop = threading.Event()
        with _signals(stop):
            store = Store(config.database)
            store.wait_until_ready(timeout_s=READY_S, stopped=stop.is_set)
            return stop.is_set() or _run(config, store, sock, stop, started)


@contextlib.contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    def end(_number: int, _frame: object) -> None:
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(
    config: GatewayConfig,
    store: Store,
    sock: socket.socket,
    stop: threading.Event,
    started: Callable[[str], None],
) -> bool:
    _allow_files()
    # A thread that writes or reads the database must not keep polls waiting for its turn.
    sys.setswitchinterval(_SWITCH_S)
    snapshot, journal = Snapshot(store), Journal(store, config.state)
    journal.start()
    try:
        snapshot.ended = dict.fromkeys(journal.left, 1)
        snapshot.load()
        settle()
        feed = Feed(snapshot)
        feed.start()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="reader") as threads:
            desk = Desk(
                store=store,
                snapshot=snapshot,
                journal=journal,
                repository=config.repository,
                threads=threads,
            )
            gateway = Gateway(
                desk,
                base_url=config.base_url,
                healthy=lambda: journal.healthy and feed.healthy,
            )
            host, port = sock.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            address = f"http://{shown}:{port}"
            log.info("gateway.started", address_listened=address, devices=len(snapshot.devices))
            ended = asyncio.run(_answer(gateway, sock, stop, lambda: started(address)))
        feed.stop()
    finally:
        journal.stop()
        store.close()
    log.info("gateway.stopped", connections_ended=ended)
    return ended


def _allow_files() -> None:
    """Allow as many open connections as the system lets us have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _answer(
    gateway: Gateway, sock: socket.socket, stop: threading.Event, started: Callable[[], None]
) -> bool:
    loop = asyncio.get_running_loop()
    told, ended = _native.WorkerSignal(), asyncio.Event()
    told.add_cb(lambda: loop.call_soon_threadsafe(ended.set))
    worker = _native.ASGIWorker(
        1,  # number of this worker
        (None, _native.SocketHolder(os.dup(sock.fileno()), False, BACKLOG)),  # noqa: FBT003
        None,  # no channel to a parent process
        1,  # thread of the runtime
        _FILE_THREADS,
        1,  # thread in which requests reach Python
        _IDLE_S,
        CONNECTIONS_MOST,
        "1",  # HTTP/1.1 only
        HTTP1Settings(header_read_timeout=HEADERS_TIMEOUT_MS, max_buffer_size=HEADERS_MOST_BYTES),
        HTTP2Settings(),
        False,  # noqa: FBT003 - no websockets
        None,  # no static files
        False,  # noqa: FBT003 - TLS ends at the proxy in front
        *(None, None, None, "tls1.3", None, [], False),
        (None, None),  # no metrics
    )
    worker.serve_mtr(_Scheduler(loop, gateway, None, None, None), loop, told)
    started()
    await loop.run_in_executor(None, stop.wait)
    told.set()
    try:
        await asyncio.wait_for(ended.wait(), STOP_S)
    except TimeoutError:
        return False
    return True


class _Scheduler(_native.CallbackScheduler):  # type: ignore[misc]  # the class is untyped
    """Is given every request by granian, in the thread in which it arrived.

    The arguments are those of granian's class, which keeps the first two.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, gateway: Gateway, *_rest: None) -> None:
        super().__init__()

        async def answer(watcher: Any) -> None:  # noqa: ANN401 - granian's
            try:
                await gateway(watcher.scope, watcher.proto.receive, watcher.proto.send)
            finally:
                watcher.done()  # answers 500 if nothing was answered

        def begin(watcher: Any) -> None:  # noqa: ANN401 - granian's
            watcher.taskref(loop.create_task(answer(watcher)))

        def schedule(watcher: Any) -> None:  # noqa: ANN401 - granian's
            try:
                found = gateway.at_once(watcher.scope)
            except Exception:  # noqa: BLE001 - granian cannot bear one; the long way shows it
                found = None
            if found is not None:
                # What `send` does is done when it returns; there is nothing to wait for.
                send = watcher.proto.send
                send(found[0])
                send(found[1])
                return
            try:
                loop.call_soon_threadsafe(begin, watcher)
            except RuntimeError:  # the loop is closed: we are stopping
                watcher.done()

        self._schedule_fn = schedule
