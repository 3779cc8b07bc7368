"""What the maker's command line says to a hub over HTTP; standard library only."""

import base64
import hashlib
import http.client
import ipaddress
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from holdfast.core.errors import HoldfastError, UsageError
from holdfast.core.files import CHUNK_BYTES
from holdfast.updates.bundle import changed, opened
from holdfast.updates.errors import BY_CODE, rebuild
from holdfast.updates.progress import printable

TIMEOUT_S = 120
_ANSWER_MOST_BYTES = 1 << 20
_OK, _MULTIPLE = 200, 300
_WORDS_MOST = 2000

Progress = Callable[[int], None]


class HubError(HoldfastError):
    """The hub refused; what it said is the message."""

    code = "hub-refused"
    exit_code = 1


class HubUnreachableError(HoldfastError):
    """Nobody answers at the hub's address."""

    code = "hub-unreachable"
    hint = "Check the address, and that the hub is running; then run the same command again."


class Hub:
    """One hub and the token with which it is spoken to."""

    def __init__(self, url: str, *, token: str = "") -> None:
        """Take the address apart.

        Raises:
            UsageError: The address makes no sense, or would show the token to everybody.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in {"http", "https"} or not parts.hostname or port == -1:
            error = UsageError(f"{url[:200]!r} is not the address of a hub")
            error.hint = "Write it like https://hub.example.com"
            raise error
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError("the address of a hub has neither a name, nor a question, nor a mark")
        if parts.scheme == "http" and not _is_here(parts.hostname):
            error = UsageError(f"{parts.hostname} would get the token unprotected, for all to read")
            error.hint = "Use https://; plain http is for a hub on this very machine."
            raise error
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, port
        self._base = parts.path.rstrip("/")
        self._token = token
        self.url = url.rstrip("/")

    def online_keys(self) -> bytes:
        """Fetch the public parts of the hub's own keys."""
        return json.dumps(self._call("GET", "/api/online-keys"), indent=2).encode() + b"\n"

    def send_lists(self, metadata: Mapping[str, bytes]) -> dict[str, Any]:
        """Send roots, targets file and lists without a release."""
        return self._call("POST", "/api/repository", {"metadata": _encoded(metadata)})

    def publish(
        self, metadata: Mapping[str, bytes], files: Mapping[str, str], *, offer: bool
    ) -> dict[str, Any]:
        """Publish a release whose files have been uploaded."""
        asked = {"metadata": _encoded(metadata), "files": dict(files), "offer": offer}
        return self._call("POST", "/api/releases", asked)

    def judgement(self, release: int) -> dict[str, Any]:
        """Ask how far the hub's audit of a release is."""
        return self._call("GET", f"/api/releases/{release}/judgement")

    def upload(
        self, source: Path, *, path: str, size_bytes: int, sha256: str, progress: Progress
    ) -> None:
        """Send one file, proving while it is read that it is still the one that was built.

        Raises:
            TamperedError: It is another one; the hub has not got the last part of it.
            HubError: The hub refused it.
        """
        with opened(source) as file, self._connected() as connection:
            connection.putrequest("PUT", f"{self._base}/api/uploads/{sha256}")
            for name, value in self._headers().items():
                connection.putheader(name, value)
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader("Content-Length", str(size_bytes))
            # A hub that refuses early closes the line; its answer says why.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.endheaders()
                for chunk in _proved(file, path, size_bytes, sha256):
                    connection.send(chunk)
                    progress(len(chunk))
            _answer(connection.getresponse())

    def _call(self, method: str, path: str, asked: object = None) -> dict[str, Any]:
        body = None if asked is None else json.dumps(asked).encode()
        headers = self._headers() | ({"Content-Type": "application/json"} if body else {})
        with self._connected() as connection:
            connection.request(method, self._base + path, body, headers)
            return _answer(connection.getresponse())

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "Connection": "close"}
        return headers | ({"Authorization": f"Bearer {self._token}"} if self._token else {})

    @contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        connection = (
            http.client.HTTPSConnection(
                self._host, self._port, timeout=TIMEOUT_S, context=ssl.create_default_context()
            )
            if self._secure
            else http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        )
        try:
            yield connection
        except ssl.SSLCertVerificationError as error:
            refusal = HubUnreachableError(
                f"the certificate of {self.url} is not valid: {error.verify_message}"
            )
            refusal.hint = "Check the address; have the hub's certificate put in order."
            raise refusal from error
        except (OSError, http.client.HTTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise HubUnreachableError(f"{self.url} does not answer: {why}") from error
        finally:
            connection.close()


def _proved(file: BinaryIO, path: str, size_bytes: int, sha256: str) -> Iterator[bytes]:
    """Give a file piece by piece; the last piece only when the whole is the right one."""
    digest, sent = hashlib.sha256(), 0
    held = b""
    while chunk := file.read(CHUNK_BYTES):
        if held:
            yield held
        digest.update(chunk)
        sent += len(chunk)
        held = chunk
        if sent > size_bytes:
            break
    if sent != size_bytes or digest.hexdigest() != sha256:
        raise changed(path)
    yield held


def _answer(response: http.client.HTTPResponse) -> dict[str, Any]:
    content = response.read(_ANSWER_MOST_BYTES)
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        said = None
    if _OK <= response.status < _MULTIPLE:
        if isinstance(said, dict):
            return said
        raise HubError(f"the hub answered {response.status} with something that is not JSON")
    fault = said.get("error") if isinstance(said, dict) else None
    if not isinstance(fault, dict):
        raise HubError(f"the hub answered {response.status} {printable(response.reason)}"[:200])
    code, message, hint = (
        printable(str(fault.get(name) or "")[:_WORDS_MOST]) for name in ("code", "message", "hint")
    )
    if code in BY_CODE:
        raise rebuild(code, message, hint)
    error = HubError(f"{message} ({code})" if code else message)
    error.hint = hint
    raise error


def _encoded(metadata: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(content).decode() for name, content in metadata.items()}


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
