"""The hostile network really does what the tour says it does."""

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep

import pytest

from holdfast.cli.demo.faults import FaultyNetwork

pytestmark = pytest.mark.servers
BODY = bytes(range(256)) * 4096


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)


@pytest.fixture
def network() -> Iterator[FaultyNetwork]:
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    network = FaultyNetwork(port=0, upstream=f"http://127.0.0.1:{upstream.server_address[1]}")
    yield network
    network.close()
    upstream.shutdown()
    upstream.server_close()


def fetch(network: FaultyNetwork, path: str, limit: int = 1 << 30) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", network.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    got = bytearray()
    try:
        while len(got) < limit and (chunk := answer.read1(65536)):
            got += chunk
    except http.client.IncompleteRead as cut:
        got += cut.partial
    finally:
        connection.close()
    return bytes(got)


def test_an_honest_network_changes_nothing(network: FaultyNetwork) -> None:
    assert fetch(network, "/x/artifacts/a") == BODY
    until = monotonic() + 5  # it counts what it has sent, so the last of it a moment later
    while network.sent_bytes < len(BODY) and monotonic() < until:
        sleep(0.01)
    assert network.sent_bytes == len(BODY)


def test_a_cut_ends_where_told_and_only_once(network: FaultyNetwork) -> None:
    network.harm("cut", after_bytes=300_001)
    assert fetch(network, "/x/artifacts/a") == BODY[:300_001]
    assert fetch(network, "/x/artifacts/a") == BODY


def test_one_byte_is_flipped(network: FaultyNetwork) -> None:
    network.harm("flip", after_bytes=500_000)
    got = fetch(network, "/x/artifacts/a")
    assert [spot for spot in range(len(BODY)) if got[spot] != BODY[spot]] == [500_000]


def test_endless_goes_on_after_the_end(network: FaultyNetwork) -> None:
    network.harm("endless")
    assert len(fetch(network, "/x/artifacts/a", limit=3 * len(BODY))) >= 3 * len(BODY)


def test_what_is_no_artifact_is_left_alone(network: FaultyNetwork) -> None:
    network.harm("cut", after_bytes=1)
    assert fetch(network, "/DEFAULT/controller/v1/x") == BODY


def test_nothing_passes_while_it_is_down(network: FaultyNetwork) -> None:
    network.harm("down")
    with pytest.raises(http.client.RemoteDisconnected):
        fetch(network, "/DEFAULT/controller/v1/x")
    network.harm("none")
    assert fetch(network, "/DEFAULT/controller/v1/x") == BODY
