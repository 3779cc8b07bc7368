"""A hostile piece of network between device and gateway, for the tour's attacks."""

import http.client
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit

_CHUNK_BYTES = 64 * 1024
_TIMEOUT_S = 30.0
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade"})


@dataclass(slots=True)
class Fault:
    """What the network does to the next artifacts that pass.

    Attributes:
        kind: `none`, `cut` (close after `after_bytes`), `endless` (never stop sending), `flip`
            (change the byte at `after_bytes`) or `down` (nothing passes, artifact or not).
        after_bytes: Where in the answer it happens.
        times: How many answers are hit; then the network is honest again.
    """

    kind: str = "none"
    after_bytes: int = 0
    times: int = 0


class FaultyNetwork:
    """Forwards HTTP to the gateway, and harms artifacts when told.

    Attributes:
        port: The loopback port on which it listens.
        ranges: The Range headers of all artifact requests so far, "" where none was sent.
        sent_bytes: Bytes of artifacts sent so far.
    """

    def __init__(self, *, port: int, upstream: str) -> None:
        self.fault = Fault()
        self.ranges: list[str] = []
        self.sent_bytes = 0
        network = self

        class Handler(_Forwarder):
            owner: ClassVar[FaultyNetwork] = network
            upstream_netloc: ClassVar[str] = urlsplit(upstream).netloc

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def harm(self, kind: str, *, after_bytes: int = 0, times: int = 1) -> None:
        """Set what happens to the next artifacts."""
        self.fault = Fault(kind=kind, after_bytes=after_bytes, times=times)
        self.ranges = []
        self.sent_bytes = 0

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Forwarder(BaseHTTPRequestHandler):
    """One exchange: ask the gateway, pass on its answer, harmed or not."""

    protocol_version = "HTTP/1.1"
    owner: ClassVar[FaultyNetwork]
    upstream_netloc: ClassVar[str]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - fixed by the base
        """Keep quiet."""

    def _forward(self) -> None:
        self.close_connection = True
        if self.owner.fault.kind == "down":
            return
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        upstream = http.client.HTTPConnection(self.upstream_netloc, timeout=_TIMEOUT_S)
        try:
            kept = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
            upstream.request(self.command, self.path, body, kept)
            self._answer(upstream.getresponse())
        except OSError:
            pass  # the device sees a broken connection, as it would in the field
        finally:
            upstream.close()

    do_GET = do_POST = do_PUT = do_HEAD = _forward  # noqa: N815 - fixed by the base

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        artifact = "/artifacts/" in self.path or "/tuf/targets/" in self.path
        hit = artifact and self.command == "GET" and self._take_fault()
        endless = hit and self.owner.fault.kind == "endless"
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            dropped = name.lower() in _HOP_BY_HOP or (endless and name.lower() == "content-length")
            if not dropped:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if artifact and self.command == "GET":
            self.owner.ranges.append(self.headers.get("Range", ""))
        if self.command != "HEAD":
            self._body(answer, harmed=hit, artifact=artifact)

    def _take_fault(self) -> bool:
        fault = self.owner.fault
        if fault.kind == "none" or fault.times <= 0:
            return False
        fault.times -= 1
        return True

    def _body(self, answer: http.client.HTTPResponse, *, harmed: bool, artifact: bool) -> None:
        fault = self.owner.fault
        sent = 0
        while chunk := answer.read(_CHUNK_BYTES):
            if harmed and fault.kind == "cut" and sent + len(chunk) > fault.after_bytes:
                self.wfile.write(chunk[: fault.after_bytes - sent])
                return
            if harmed and fault.kind == "flip" and sent <= fault.after_bytes < sent + len(chunk):
                spot = fault.after_bytes - sent
                chunk = chunk[:spot] + bytes([chunk[spot] ^ 1]) + chunk[spot + 1 :]
            self.wfile.write(chunk)
            sent += len(chunk)
            if artifact:
                self.owner.sent_bytes += len(chunk)
        while harmed and fault.kind == "endless":
            self.wfile.write(bytes(_CHUNK_BYTES))
            self.owner.sent_bytes += _CHUNK_BYTES
