"""HTTP to one hub: bounded in time and bytes, the token sent nowhere else."""

import http.client
import io
import json
import math
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from holdfast.core.errors import UsageError
from holdfast.device.agent.errors import (
    GoneError,
    HubBusyError,
    HubError,
    HubGarbageError,
    HubStrangerError,
    HubUnreachableError,
    RejectedError,
    TokenError,
)

_CONNECT_S = 10.0
_SILENT_S = 20.0
_WHOLE_S = 60.0
_LONGEST_ANSWER = 1 << 18
_CHUNK = 1 << 14
_OK = frozenset({200, 201})
_GONE = frozenset({404, 410})
_STRANGER = frozenset({401, 403, 405})
_BUSY = frozenset({408, 409, 425, 429})
_SERVER_FAULT = 500
_AGENT = "holdfast-agent/1"
_TOKEN = re.compile(r"[!-~]{1,512}")


class _Patient(io.RawIOBase):
    """Reads a socket until a deadline; otherwise one byte at a time would keep us for ever."""

    def __init__(self, raw: io.RawIOBase, connected: socket.socket) -> None:
        self._raw = raw
        self._connected = connected
        self.deadline = time.monotonic() + _WHOLE_S

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - as typeshed has it
        """Read what is there."""
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connected.settimeout(min(left_s, _SILENT_S))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the socket as well."""
        self._raw.close()
        super().close()


class Answer(http.client.HTTPResponse):
    """An answer that is complete after a minute, or broken off."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *args, **kwargs)
        self._patient = _Patient(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._patient)

    def take_time(self) -> None:
        """Leave it to the reader how long the body may take."""
        self._patient.deadline = math.inf


class Body(Protocol):
    """The body of an answer."""

    def read1(self, size: int, /) -> bytes:
        """Read what is there, at most so much."""
        ...


class Hub:
    """One hub, as one device sees it.

    Attributes:
        date: What the hub's clock said last; None if it never said.
    """

    def __init__(
        self, *, url: str, tenant: str, controller_id: str, token: Callable[[], str]
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise UsageError(f"hub_url {url!r} is not an http or https address")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._prefix = parts.path.rstrip("/")
        self.tenant = quote(tenant, safe="")
        self._base = f"{self._prefix}/{self.tenant}/controller/v1/{quote(controller_id, safe='')}"
        self._token = token
        self.date: datetime | None = None

    def poll(self) -> bytes:
        """Ask whether there is something to do."""
        return self._ask("GET", self._base)

    def get(self, path: str, *, limit_bytes: int = _LONGEST_ANSWER) -> bytes:
        """Get a small thing by the path of a link."""
        return self._ask("GET", path, limit_bytes=limit_bytes)

    def metadata(self, name: str, *, limit_bytes: int) -> bytes:
        """Get a file of signed metadata."""
        path = f"{self._prefix}/{self.tenant}/tuf/metadata/{quote(name, safe='.')}"
        return self._ask("GET", path, limit_bytes=limit_bytes)

    def send(self, method: str, below: str, body: Mapping[str, Any]) -> None:
        """Send a report to a path below the device's own."""
        self._ask(method, f"{self._base}/{below}", body=body)

    @contextmanager
    def open(self, path: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """Begin to get a large thing; the caller reads and bounds it.

        Raises:
            HubUnreachableError: No connection, or it broke off.
        """
        with self._connected() as connection:
            connection.request("GET", path, headers={**self._headers(), **headers})
            answer = self._answer(connection)
            if isinstance(answer, Answer):
                answer.take_time()
            yield answer

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        limit_bytes: int = _LONGEST_ANSWER,
    ) -> bytes:
        headers = self._headers()
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        with self._connected() as connection:
            connection.request(method, path, body=content, headers=headers)
            answer = self._answer(connection)
            must_be_fine(answer.status)
            read = b""
            while chunk := answer.read1(_CHUNK):
                read += chunk
                if len(read) > limit_bytes:
                    raise HubGarbageError("The update server's answer is too long.")
            return read

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"TargetToken {self._token()}",
            "Accept": "application/json",
            "User-Agent": _AGENT,
            "Connection": "close",
        }

    @contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=_CONNECT_S)
        connection.response_class = Answer
        try:
            connection.connect()
            connection.sock.settimeout(_SILENT_S)
            yield connection
        except http.client.HTTPException as error:
            raise HubUnreachableError("The connection to the update server broke off.") from error
        except TimeoutError as error:
            raise HubUnreachableError("The update server does not answer in time.") from error
        except (ConnectionError, OSError) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # a file of ours, not the network
            raise HubUnreachableError(
                f"The update server cannot be reached: {error.strerror or error}."
            ) from error
        finally:
            connection.close()

    def _answer(self, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        answer = connection.getresponse()
        said = answer.getheader("Date", "")
        try:
            self.date = parsedate_to_datetime(said) if said else None
        except (ValueError, TypeError, OverflowError):
            self.date = None
        return answer


def read_token(path: Path) -> str:
    """Read the device's token.

    Raises:
        TokenError: It is missing, unreadable, or cannot stand in a header.
    """
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise TokenError from error
    if not _TOKEN.fullmatch(token):
        raise TokenError
    return token


def must_be_fine(status: int) -> None:
    """Turn the status of an answer into what to do next.

    Raises:
        HubError: One of its kinds, unless the status is a success.
    """
    if status in _OK:
        return
    kind: type[HubError] = RejectedError
    if status in _GONE:
        kind = GoneError
    elif status in _STRANGER:
        kind = HubStrangerError
    elif status in _BUSY or status >= _SERVER_FAULT:
        kind = HubBusyError
    elif status < 400:  # noqa: PLR2004 - redirects: the token is not carried elsewhere
        kind = HubGarbageError
    raise kind(f"The update server answers with status {status}.")
