"""Reaching a server: name, route, TLS, and plain words for whatever goes wrong on the way.

Everything here ends by `until` (a moment of `time.monotonic()`), and everything that the network
does is a `ReachError` whose step and reason an administrator can act on.
"""

import contextlib
import errno
import ipaddress
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, zip_longest
from typing import Any

from holdfast.accounts.directories.answers import Step, StepName
from holdfast.accounts.directories.settings import Server
from holdfast.accounts.errors import ReachError

__all__ = ["ReachError", "connect", "context_of", "receive", "secure", "send", "told"]

SOON = timedelta(days=30)
"""A certificate that ends within this time is warned about."""
_ends: dict[str, datetime] = {}
"""When the certificates end that were trusted; the child that asks lives for one question."""
_STAGGER_S = 0.25
"""How long one address is tried alone before the next one joins (RFC 8305, 5)."""
_MOST_ADDRESSES = 8
_PIECE_BYTES = 16 * 1024

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
Found = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]]
Tell = Callable[[Step], None]


def connect(server: Server, *, until: float, tell: Tell | None = None) -> socket.socket:
    """Find the server's addresses and open a connection to the first that answers.

    Raises:
        ReachError: Step `name` or `route`.
    """
    addresses = addresses_of(server.host.strip("[]"), server.usual_port, until=until)
    shown = ", ".join(str(address[0]) for _, address in addresses)
    if tell is not None:
        host = server.host.strip("[]")
        told_name = "is an address already" if shown == host else f"is {shown}"
        tell(Step(name="name", ok=True, told=f"{host} {told_name}"))
    last = ReachError("route", f"{server.address} was not tried, there was no time left")
    for _ in range(server.tries):
        began = time.monotonic()
        if began >= until:
            break
        try:
            opened = _first_of(addresses, server, until=min(until, began + server.timeout_s))
        except ReachError as error:
            last = error
            continue
        if tell is not None:
            peer = str(opened.getpeername()[0])
            tell(Step(name="route", ok=True, told=f"{peer} answers on port {server.usual_port}"))
        return opened
    raise last


def addresses_of(
    host: str,
    port: int,
    *,
    until: float,
    kind: socket.SocketKind = socket.SOCK_STREAM,
    resolve: Callable[..., Found] = socket.getaddrinfo,
) -> list[Address]:
    """Look a name up, within the time; addresses of both families take turns.

    Args:
        host: Name or address.
        port: Port.
        until: Moment by which it is found.
        kind: For TCP or for UDP.
        resolve: Asks the system.

    Raises:
        ReachError: Step `name`.
    """
    found: Found
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found = _looked_up(partial(resolve, host, port, type=kind), host, until=until)
    else:
        found = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)
    # The order of the resolver (RFC 6724) says which family begins.
    families = list(dict.fromkeys(entry[0] for entry in found))
    columns = [[entry for entry in found if entry[0] is family] for family in families]
    turns = (entry for entry in chain(*zip_longest(*columns)) if entry is not None)
    pairs: Iterator[Address] = ((entry[0], entry[4]) for entry in turns)
    return list(dict.fromkeys(pairs))[:_MOST_ADDRESSES]


def _looked_up(resolve: Callable[[], Found], host: str, *, until: float) -> Found:
    # The resolver of the system knows no time limit: who asks it must be able to leave.
    outcome: list[Found | OSError | UnicodeError] = []

    def ask() -> None:
        try:
            outcome.append(resolve())
        except (OSError, UnicodeError) as error:
            outcome.append(error)

    asking = threading.Thread(target=ask, daemon=True, name="name-lookup")
    asking.start()
    asking.join(max(0.0, until - time.monotonic()))
    if not outcome:
        raise ReachError("name", f"no DNS server told the address of {host} in time")
    found = outcome[0]
    if isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN:
        raise ReachError(
            "name", f"no DNS server could be asked for {host}: look at the DNS setting"
        )
    if isinstance(found, Exception):
        raise ReachError("name", f"there is no address for {host}: look at its spelling")
    return found


def _first_of(addresses: list[Address], server: Server, *, until: float) -> socket.socket:
    """Connect to all addresses, each a moment after the one before, and keep the first."""
    waiting = list(addresses)
    reasons: list[str] = []
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as rest:
        while waiting or selector.get_map():
            if waiting:
                _begin(waiting.pop(0), selector, rest, reasons)
            if not selector.get_map():
                continue
            left = until - time.monotonic()
            if left <= 0:
                break
            for key, _ in selector.select(min(left, _STAGGER_S) if waiting else left):
                trying = key.fileobj
                selector.unregister(trying)
                if not isinstance(trying, socket.socket):  # pragma: no cover - for the types
                    continue
                code = trying.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    return _kept(trying, until=until)
                reasons.append(_route_reason(code, server))
    if reasons:
        raise ReachError("route", reasons[0])
    raise ReachError(
        "route",
        f"nothing answers at {server.address} within {server.timeout_s} s: look at the address,"
        " the routes and the firewalls on the way",
    )


def _begin(
    address: Address,
    selector: selectors.BaseSelector,
    rest: contextlib.ExitStack,
    reasons: list[str],
) -> None:
    family, where = address
    try:
        trying = rest.enter_context(socket.socket(family, socket.SOCK_STREAM))
        trying.settimeout(0)
        code = trying.connect_ex(where)
        if code in {0, errno.EINPROGRESS}:
            selector.register(trying, selectors.EVENT_WRITE)
            return
    except OSError as error:
        code = error.errno or errno.EIO
    reasons.append(f"{where[0]} cannot be reached: {os.strerror(code)}")


def _kept(connected: socket.socket, *, until: float) -> socket.socket:
    # A copy of the number outlives the ExitStack, which closes all that were tried.
    kept = socket.socket(fileno=connected.detach())
    kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    kept.settimeout(max(0.001, until - time.monotonic()))
    return kept


def _route_reason(code: int, server: Server) -> str:
    if code == errno.ECONNREFUSED:
        return (
            f"{server.address} refuses connections: is the server running, and is"
            f" {server.usual_port} its port?"
        )
    return f"{server.address} cannot be reached: {os.strerror(code)}"


def context_of(server: Server, client_key: str | None) -> ssl.SSLContext:
    """Make what TLS with this server needs: at least 1.2, certificate and name required.

    Args:
        server: Says whom to believe, and which certificate is ours.
        client_key: Key of our certificate, PEM without a password.

    Raises:
        ReachError: Step `settings`: certificates or key cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and its name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if server.ca:
            context.load_verify_locations(cadata=server.ca)
        else:
            context.load_default_certs()
    except (ssl.SSLError, ValueError) as error:
        raise ReachError(
            "settings", f"the certificates in ca of {server.name} cannot be read"
        ) from error
    if server.client_certificate:
        if not client_key:
            raise ReachError(
                "settings", f"the key of {server.name}'s client certificate is missing"
            )
        _load_own(context, server, client_key)
    return context


def _load_own(context: ssl.SSLContext, server: Server, client_key: str) -> None:
    try:
        # OpenSSL reads keys from files only: these are memory, without a name on any disk.
        with _in_memory(client_key) as key, _in_memory(server.client_certificate) as certificate:
            context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        mismatch = "KEY_VALUES_MISMATCH" in str(getattr(error, "reason", ""))
        trouble = "does not belong to it" if mismatch else "cannot be read (PEM without password?)"
        # Not `from error`: what OpenSSL says of a key is for nobody.
        raise ReachError(
            "settings", f"the key of {server.name}'s client certificate {trouble}"
        ) from None


@contextlib.contextmanager
def _in_memory(text: str) -> Iterator[str]:
    number = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        with open(number, "wb", closefd=False) as file:
            file.write(text.encode("ascii", "replace"))
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


def secure(
    sock: socket.socket,
    server: Server,
    context: ssl.SSLContext,
    *,
    until: float,
    again: Callable[[], socket.socket] | None = None,
) -> ssl.SSLSocket:
    """Begin TLS; `sock` is closed if that fails.

    Args:
        sock: A connection on which the server expects TLS now.
        server: Says which name must stand in the certificate.
        context: Of `context_of`.
        until: Moment by which the handshake is done.
        again: Opens such a connection once more, to say why a certificate was refused; nothing
            is sent on it. Without it the words are fewer.

    Raises:
        ReachError: Step `tls`.
    """
    name = server.tls_name or server.host.strip("[]")
    try:
        sock.settimeout(_left(until, "tls", server))
        secured = context.wrap_socket(sock, server_hostname=name)
    except ssl.SSLCertVerificationError as error:
        sock.close()
        # Imported here, since most logins need nothing of it, and it is large.
        from holdfast.accounts.directories.certificates import diagnosis  # noqa: PLC0415

        raise ReachError("tls", diagnosis(error, name, _refused_certificate(again))) from error
    except (OSError, ValueError) as error:
        sock.close()
        raise ReachError("tls", told(error, server)) from error
    except ReachError:
        sock.close()
        raise
    with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError, OSError):
        # As OpenSSL tells it: no login waits for the library that reads certificates.
        ends_s = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
        _ends[server.name] = datetime.fromtimestamp(ends_s, UTC)
    return secured


def ending_soon(now: datetime) -> dict[str, str]:
    """Give the last day, as 2031-05-17, of trusted certificates that end within `SOON`.

    Args:
        now: Aware.

    Returns:
        By name of the server, of those with which this process began TLS.
    """
    return {name: f"{ends:%Y-%m-%d}" for name, ends in _ends.items() if ends - now < SOON}


def _refused_certificate(again: Callable[[], socket.socket] | None) -> bytes | None:
    """Look at a certificate that was refused, over a connection that carries nothing else."""
    if again is None:
        return None
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE
    with (
        contextlib.suppress(OSError, ValueError, ReachError),
        again() as sock,
        looking.wrap_socket(sock) as wrapped,
    ):
        return wrapped.getpeercert(binary_form=True)
    return None


def send(sock: socket.socket, content: bytes, server: Server, *, until: float) -> None:
    """Send all of it.

    Raises:
        ReachError: Step `route`.
    """
    view = memoryview(content)
    try:
        while view:
            sock.settimeout(_left(until, "route", server))
            view = view[sock.send(view[:_PIECE_BYTES]) :]
    except OSError as error:
        raise ReachError(_step_of(error), told(error, server)) from error


def receive(sock: socket.socket, size: int, server: Server, *, until: float) -> bytes:
    """Receive exactly so many bytes.

    Raises:
        ReachError: Step `route`; step `tls` where TLS says that something was changed on the way.
    """
    content = bytearray()
    try:
        while len(content) < size:
            sock.settimeout(_left(until, "route", server))
            piece = sock.recv(min(size - len(content), _PIECE_BYTES))
            if not piece:
                raise ReachError("route", f"{server.address} ended the connection too early")
            content += piece
    except OSError as error:
        raise ReachError(_step_of(error), told(error, server)) from error
    return bytes(content)


def _left(until: float, step: StepName, server: Server) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise ReachError(step, f"{server.address} did not answer in time")
    return left


def _step_of(error: OSError) -> StepName:
    return "tls" if isinstance(error, ssl.SSLError) else "route"


_TLS_WORDS = {
    "WRONG_VERSION_NUMBER": "does not speak TLS here: wrong port, or the wrong kind of transport?",
    "HTTP_REQUEST": "is a web server",
    "UNSUPPORTED_PROTOCOL": "knows only versions of TLS that are not safe any more",
    "TLSV1_ALERT_PROTOCOL_VERSION": "refuses every version of TLS that is allowed here",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "wants a client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "refuses the handshake: it may want a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "does not know who signed our client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "refuses our client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "says that our client certificate has ended",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "does not accept our client certificate",
    "TLSV1_ALERT_ACCESS_DENIED": "refuses our client certificate",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "has no certificate for this name",
    "NO_SHARED_CIPHER": "shares no cipher with us",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "was answered by bytes changed on the way",
    "SSLV3_ALERT_BAD_RECORD_MAC": "received bytes that were changed on the way",
    "TLSV1_ALERT_DECRYPT_ERROR": "received bytes that were changed on the way",
}


def told(error: Exception, server: Server) -> str:
    """Say in words what a connection failed with; nothing that the server chose is repeated."""
    if isinstance(error, TimeoutError):
        return f"{server.address} did not answer in time"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return f"{server.address} ended the connection too early"
    if isinstance(error, ssl.SSLError):
        words = _TLS_WORDS.get(error.reason or "", f"and TLS: {error.reason or 'broken'}")
        return f"{server.address} {words}"
    if isinstance(error, OSError) and error.errno:
        return f"{server.address} cannot be reached: {os.strerror(error.errno)}"
    return f"{server.address} cannot be used: {type(error).__name__}"
