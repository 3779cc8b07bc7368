"""The gateway as an ASGI application: who is calling, where it goes, what an error becomes."""

import hashlib
import hmac
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import quote

import structlog

from holdfast.core.errors import HoldfastError
from holdfast.gateway import ddi, downloads
from holdfast.gateway.common import Desk
from holdfast.gateway.exchange import Exchange, Receive, Refusal, Scope, Send, host_of
from holdfast.gateway.snapshot import NOBODY, Answer, Device

TARGET_TOKEN = b"TargetToken "
PATH_MOST = 2_000
RETRY_S = 5
AT_ONCE_MOST = 16

_sha256 = hashlib.sha256
_same = hmac.compare_digest
_now_ns = time.time_ns

log = structlog.get_logger(__name__)

DeviceHandler = Callable[[Desk, Exchange, Device], Awaitable[None]]


class Route(NamedTuple):
    """An address after `/{tenant}/controller/v1/{controllerId}`, and what answers there.

    Attributes:
        path: Words of the path; `*` stands for anything.
        methods: Handler of each method that may be used.
    """

    path: tuple[str, ...]
    methods: dict[str, DeviceHandler]


# The rest of the DDI (cancelAction, confirmationBase) is further lines of this table.
ROUTES = (
    Route((), {"GET": ddi.poll}),
    Route(("configData",), {"PUT": ddi.config_data}),
    Route(("deploymentBase", "*"), {"GET": ddi.deployment}),
    Route(("deploymentBase", "*", "feedback"), {"POST": ddi.feedback}),
    Route(("installedBase", "*"), {"GET": ddi.installed}),
    Route(("softwaremodules", "*", "artifacts"), {"GET": downloads.artifacts}),
    Route(
        ("softwaremodules", "*", "artifacts", "*"),
        {"GET": downloads.artifact, "HEAD": downloads.artifact},
    ),
    Route(("owner-address",), {"POST": ddi.owner_address}),
)
_BASE_PARTS = 4


class Gateway:
    """Answers devices.

    Attributes:
        desk: What the handlers work with.
    """

    def __init__(self, desk: Desk, *, base_url: str = "", healthy: Callable[[], bool]) -> None:
        self.desk = desk
        self._snapshot = desk.snapshot
        self._journal = desk.journal
        self._base_url = base_url
        self._healthy = healthy
        self._doing: dict[int, int] = {}

    def at_once(self, scope: Scope) -> Answer | None:
        """Answer a poll without waiting for anything, or leave it to the long way.

        This is what nearly every request is. It may run in any thread: it reads one dictionary
        and writes one entry of another.
        """
        path = scope["path"]
        device = self._snapshot.devices.get(path, NOBODY)
        for name, value in scope["headers"]:
            if name == b"authorization":
                right = _same(_sha256(value[12:]).digest(), device.digest)
                if (
                    not right
                    or device is NOBODY
                    or value[:12] != TARGET_TOKEN
                    or scope["method"] != "GET"
                ):
                    return None
                self._journal.seen[device.id] = _now_ns() // 1_000_000
                return device.answer or ddi.poll_answer(device, self._url(scope) + quote(path))
        return None

    def _url(self, scope: Scope) -> str:
        return self._base_url or host_of(scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI 3 wants it."""
        if scope["type"] != "http":
            await _live(scope, receive, send)
            return
        answer = self.at_once(scope)
        if answer is not None:
            start, body = answer
            await send(start)
            await send(body)
            return
        exchange = Exchange(scope=scope, receive=receive, send=send, base_url=self._url(scope))
        await self._answer(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        """Show every error the same way: the one place of the gateway that catches them all."""
        try:
            await self._dispatch(exchange)
        except Refusal as refusal:
            if not exchange.status:
                await exchange.refuse(refusal)
        except HoldfastError as error:
            if not exchange.status:
                await exchange.refuse(_refusal_of(error))
        except Exception as error:  # noqa: BLE001 - the one place
            # Where, and not with what: the values around it hold tokens.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            log.error(  # noqa: TRY400 - see above
                "request.failed",
                fault=type(error).__name__,
                at=f"{frame.filename}:{frame.lineno}",
                method=exchange.method,
            )
            if not exchange.status:
                await exchange.refuse(Refusal(500, "fault", "the gateway has a fault"))

    async def _dispatch(self, exchange: Exchange) -> None:
        path: str = exchange.scope["path"]
        if len(path) > PATH_MOST:
            raise Refusal(414, "too-long", "the address is too long")
        words = path.split("/")[1:]
        match words:
            case [tenant, "controller", "v1", controller_id, *rest]:
                await self._device(exchange, f"/{tenant}/controller/v1/{controller_id}", rest)
            case [tenant, "tuf", "metadata", name]:
                _must_use(exchange, "GET")
                exchange.parts = (tenant, name)
                await downloads.metadata(self.desk, exchange)
            case [tenant, "tuf", "targets", product, version, name]:
                _must_use(exchange, "GET", "HEAD")
                exchange.parts = (tenant, product, version, name)
                await downloads.target(self.desk, exchange, token_of(exchange))
            case ["healthz"]:
                _must_use(exchange, "GET")
                await self._health(exchange)
            case _:
                raise Refusal(404, "not-found", "there is nothing at this address")

    async def _device(self, exchange: Exchange, path: str, rest: list[str]) -> None:
        device = self._snapshot.devices.get(path, NOBODY)
        right = _same(_sha256(token_of(exchange)).digest(), device.digest)
        if not right or device is NOBODY:
            raise Refusal(
                401,
                "unauthorized",
                "the device or its token is not known",
                (b"www-authenticate", b"TargetToken"),
            )
        for route in ROUTES:
            if len(route.path) == len(rest) and all(
                known in ("*", word) for known, word in zip(route.path, rest, strict=True)
            ):
                _must_use(exchange, *route.methods)
                exchange.parts = [
                    word for known, word in zip(route.path, rest, strict=True) if known == "*"
                ]
                with self._place_of(device):
                    await route.methods[exchange.method](self.desk, exchange, device)
                return
        raise Refusal(404, "not-found", "there is nothing at this address")

    @contextmanager
    def _place_of(self, device: Device) -> Iterator[None]:
        """Let one device do only so much at a time: what it does may need memory and files."""
        doing = self._doing.get(device.id, 0)
        if doing >= AT_ONCE_MOST:
            wait = (b"retry-after", b"1")
            raise Refusal(429, "too-many", "this device asks too much at the same time", wait)
        self._doing[device.id] = doing + 1
        try:
            yield
        finally:
            left = self._doing.pop(device.id) - 1
            if left:
                self._doing[device.id] = left

    async def _health(self, exchange: Exchange) -> None:
        """Tell a load balancer or supervisor whether devices should come here."""
        healthy = self._healthy()
        body = b'{"status":"ok"}' if healthy else b'{"status":"cannot write or read"}'
        await exchange.answer(200 if healthy else 503, body)


def token_of(exchange: Exchange) -> bytes:
    """Give the device token that was presented, or nothing."""
    value = exchange.headers.get(b"authorization", b"")
    scheme, _, token = value.strip().partition(b" ")
    return token.strip() if scheme.lower() == b"targettoken" else b""


def _must_use(exchange: Exchange, *methods: str) -> None:
    if exchange.method not in methods:
        allowed = (b"allow", ", ".join(methods).encode())
        raise Refusal(405, "method", "this method is not for this address", allowed)


def _refusal_of(error: HoldfastError) -> Refusal:
    if error.http_status in {503, 507}:
        retry = (b"retry-after", b"%d" % RETRY_S)
        return Refusal(error.http_status, error.code, "try again in a while", retry)
    return Refusal(error.http_status, error.code, str(error))


async def _live(scope: Scope, receive: Receive, send: Send) -> None:
    """Take part in the server's start and stop; what has to be done is done outside."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1003})
        return
    while True:
        word = (await receive())["type"].removeprefix("lifespan.")
        await send({"type": f"lifespan.{word}.complete"})
        if word == "shutdown":
            return
