"""What every request passes and every answer carries, written against ASGI itself."""

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# No Strict-Transport-Security: with it a browser would not let an owner past the warning about a
# certificate that nobody vouches for, and for addresses it means nothing (RFC 6797 8.1, 8.1.1).
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not "no-referrer": with it browsers send our own forms with the origin "null".
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253})(?::[0-9]{1,5})?")
_LONGEST_PATH = 256


def is_own_host(header: str, *, names: Collection[str] = ()) -> bool:
    """Whether a Host header can be this device: an address, localhost or the device's own name.

    A page of somebody else whose name was made to point here (DNS rebinding) carries a foreign
    name, and is turned away.

    Args:
        header: As it was sent.
        names: Names of the device beside that of the machine, in lower case.
    """
    found = _HOST.fullmatch(header)
    if found is None:
        return False
    host = found.group(1).strip("[]").lower().rstrip(".")
    own = socket.gethostname().lower()
    if host in {"localhost", own, f"{own}.local", *names}:
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_own_origin(headers: dict[bytes, bytes]) -> bool:
    """Whether a form was sent by a page of this device, as far as the browser says.

    Source:
        OWASP Cross-Site Request Forgery Prevention: standard headers as defence in depth.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None and site not in {b"same-origin", b"none"}:
        return False
    origin = headers.get(b"origin")
    if origin is None:
        return True
    return origin == b"https://" + headers.get(b"host", b"")


class Guard:
    """Turns away foreign hosts and foreign forms; puts the security headers on every answer.

    Args:
        app: What is guarded.
        names: Names of the device beside that of the machine.
    """

    def __init__(self, app: App, *, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer it."""
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in HEADERS if pair[0] not in names),
                ]
                if b"cache-control" not in names:
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        raw: list[tuple[bytes, bytes]] = scope["headers"]
        headers = dict(raw)
        hosts = [value for name, value in raw if name == b"host"]
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            await _refuse(guarded, 421, "This device does not answer to that name.")
        elif scope["method"] not in {"GET", "HEAD", "POST"}:
            await _refuse(guarded, 405, "This device knows GET, HEAD and POST.")
        elif len(scope.get("raw_path") or scope["path"]) > _LONGEST_PATH:
            await _refuse(guarded, 414, "This address is too long.")
        elif scope["method"] == "POST" and not is_own_origin(headers):
            await _refuse(guarded, 403, "This form was not sent by a page of this device.")
        else:
            await self._app(scope, receive, guarded)

    def _is_own(self, host: bytes) -> bool:
        return is_own_host(host.decode("latin-1"), names=self._names)


async def _refuse(send: Send, status: int, text: str) -> None:
    body = text.encode() + b"\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
