"""One request and its answer: reading within limits, answering in the forms devices understand."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

BODY_KEPT_BYTES = 1 << 20
"""So much of a body is read; a report may be longer, what follows is thrown away."""

TAIL_KEPT_BYTES = 64 << 10
"""So much of the end of a body that is too long is kept: the result may stand there."""

BODY_MOST_BYTES = 64 << 20
"""After so much the connection is closed."""

BODY_TIMEOUT_S = 30.0
"""A body that takes longer to arrive is given up: it may never end."""

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


class Refusal(Exception):  # noqa: N818 - an answer, not an error of this program
    """An answer that ends the request.

    Attributes:
        status: HTTP status.
        code: Stable name for programs.
        headers: More headers.
    """

    def __init__(self, status: int, code: str, reason: str, *headers: Header) -> None:
        super().__init__(reason)
        self.status = status
        self.code = code
        self.headers = headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What was read of a request's body.

    Attributes:
        content: All of it, or head and tail if it was too long.
        cut: Whether something between them was thrown away.
    """

    content: bytes
    cut: bool


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request and the way to answer it.

    Attributes:
        scope: ASGI's description of the request.
        parts: Parts of the route that stand for something, percent signs decoded.
        base_url: Start of links, without a slash at its end.
        status: Status of the answer once it began, else 0.
    """

    scope: Scope
    receive: Receive
    send: Send
    base_url: str
    parts: Sequence[str] = ()
    status: int = 0
    _headers: dict[bytes, bytes] | None = field(default=None, repr=False)

    @property
    def method(self) -> str:
        """The method, in capitals."""
        method: str = self.scope["method"]
        return method

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """Headers by lower-case name; the first of each name counts."""
        if self._headers is None:
            found: dict[bytes, bytes] = {}
            for name, value in self.scope["headers"]:
                found.setdefault(name, value)
            self._headers = found
        return self._headers

    async def body(self) -> Body:
        """Read the body, within the limits of size and time.

        Raises:
            Refusal: It is endless, or did not arrive in time.
        """
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                return await self._body()
        except TimeoutError as error:
            raise Refusal(
                408, "too-slow", "the body did not arrive in time", (b"connection", b"close")
            ) from error

    async def _body(self) -> Body:
        head, tail, seen = bytearray(), bytearray(), 0
        more = True
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                raise Refusal(400, "disconnected", "the client went away")
            chunk = message.get("body", b"")
            more = message.get("more_body", False)
            seen += len(chunk)
            if seen > BODY_MOST_BYTES:
                raise Refusal(413, "too-long", "the body is too long", (b"connection", b"close"))
            room = BODY_KEPT_BYTES - len(head)
            head += chunk[:room]
            tail += chunk[room:] if room > 0 else chunk
            del tail[:-TAIL_KEPT_BYTES]
        cut = seen > BODY_KEPT_BYTES
        return Body(content=bytes(head + tail), cut=cut and seen > len(head) + len(tail))

    async def answer(
        self, status: int, body: bytes = b"", *headers: Header, kind: bytes = b"application/json"
    ) -> None:
        """Send a whole answer; a HEAD request gets its headers only."""
        named = [(b"content-length", str(len(body)).encode()), *headers]
        if body:
            named.insert(0, (b"content-type", kind))
        await self.begin(status, named)
        content = b"" if self.method == "HEAD" else body
        await self.send({"type": "http.response.body", "body": content})

    async def answer_json(self, value: object, *headers: Header) -> None:
        """Send a value as JSON with status 200."""
        await self.answer(200, msgspec.json.encode(value), *headers)

    async def refuse(self, refusal: Refusal) -> None:
        """Send a refusal in the form that DDI clients know from hawkBit."""
        body = msgspec.json.encode({"errorCode": refusal.code, "message": str(refusal)})
        await self.answer(refusal.status, body, *refusal.headers)

    async def begin(self, status: int, headers: list[Header]) -> None:
        """Send status and headers."""
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": headers})


def host_of(scope: Scope) -> str:
    """Give the address by which the client came, or nothing if it is no plain host name."""
    for name, value in scope["headers"]:
        if name == b"host":
            text: str = value.decode("latin-1")
            return f"{scope['scheme']}://{text}" if _HOST.fullmatch(text) else ""
    return ""
