"""The door: who gets in, who is sent to https, who is let go, and what it costs."""
# ruff: noqa: ANN401 - fixtures whose classes conftest.py holds where none can import them

import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from holdfast.cli.demo.pinned import PinError, PinnedConnection, _unjudged
from holdfast.device import certificate, config
from holdfast.device.gui import doorway

pytestmark = pytest.mark.servers


def place(site: Any) -> tuple[str, int]:
    host, _, port = site.url.removeprefix("https://").partition(":")
    return host, int(port)


def plainly(site: Any, sent: bytes) -> bytes:
    with socket.create_connection(place(site), timeout=10) as connection:
        connection.sendall(sent)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    return answer


def test_typing_http_leads_to_https(site: Any) -> None:
    host, port = place(site)
    answer = plainly(site, f"GET /history?page=1 HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 307 ")
    assert f"\r\nlocation: https://{host}:{port}/history?page=1\r\n".encode() in answer
    assert b"set-cookie" not in answer.lower()


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 30\r\n\r\nn=never-looked-at",
        b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET //evil.example/\x01 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /" + b"a" * 300 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"x" * 10_000,
        b"\x80\x2e\x01\x00\x02\r\n\r\n",
        b"\0\r\n\r\n",
    ],
    ids=[
        "post",
        "foreign",
        "no-host",
        "two",
        "control",
        "proxy",
        "long",
        "ssh",
        "x",
        "ssl2",
        "nul",
    ],
)
def test_everything_else_in_plain_text_gets_one_sentence(site: Any, sent: bytes) -> None:
    answer = plainly(site, sent)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"location" not in answer
    assert b"https only" in answer
    assert b"never-looked-at" not in answer


def test_plain_text_of_the_second_protocol_version_never_gets_a_page(site: Any) -> None:
    assert b"<html" not in plainly(site, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")


@pytest.mark.parametrize(
    ("version", "served"), [(ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)]
)
def test_new_protocols_are_served(site: Any, version: ssl.TLSVersion, *, served: bool) -> None:
    context = _unjudged()
    context.minimum_version = context.maximum_version = version
    plain = socket.create_connection(place(site), timeout=10)
    with context.wrap_socket(plain) as connection:
        assert (connection.version() == version.name.replace("_", ".")) is served


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES256-GCM-SHA384"])
def test_old_ciphers_are_refused(site: Any, ciphers: str) -> None:
    context = _unjudged()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    plain = socket.create_connection(place(site), timeout=10)
    with closing(plain), pytest.raises(OSError, match=r"EOF|reset"):
        context.wrap_socket(plain)


def test_version_before_1_2_is_refused(site: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    plain = socket.create_connection(place(site), timeout=10)
    with closing(plain), pytest.raises(OSError, match=r"EOF|reset"):
        context.wrap_socket(plain)


def test_pin_is_checked_before_anything_is_said(site: Any) -> None:
    host, port = place(site)
    wrong = PinnedConnection(f"{host}:{port}", sha256="00" * 32, timeout_s=10)
    with pytest.raises(PinError, match=site.sha256):
        wrong.request("GET", "/")
    right = PinnedConnection(f"{host}:{port}", sha256=site.sha256.upper(), timeout_s=10)
    with closing(right):
        right.request("GET", "/login")
        assert right.getresponse().status == 200


def test_name_of_the_label_is_answered(site: Any) -> None:
    host, port = place(site)
    for name, status in (("one.local", 200), ("ONE", 200), ("two.local", 421)):
        asking = PinnedConnection(f"{host}:{port}", sha256=site.sha256, timeout_s=10)
        with closing(asking):
            asking.request("GET", "/login", headers={"Host": name})
            assert asking.getresponse().status == status


def test_who_does_not_shake_hands_is_let_go(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "_HANDSHAKE_S", 0.3)
    begun = time.monotonic()
    for first in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"G", b"GET / HTTP/1.1\r\nHost:"):
        with socket.create_connection(place(site), timeout=10) as silent:
            if first:
                silent.sendall(first)
            with suppress(ConnectionResetError):
                silent.recv(10)
    assert time.monotonic() - begun < 8


def test_one_neighbour_cannot_take_all_connections(site: Any) -> None:
    with ExitStack() as stack:
        many = [
            stack.enter_context(socket.create_connection(place(site), timeout=10))
            for _ in range(doorway.MOST_OF_ONE)
        ]
        # One more of this address gets in, and the first that does nothing makes room for it.
        more = stack.enter_context(socket.create_connection(place(site), timeout=10))
        with _unjudged().wrap_socket(more) as served:
            assert served.version() == "TLSv1.3"
        many[0].settimeout(2)
        assert many[0].recv(1) == b""
        many[1].settimeout(0)
        with pytest.raises(BlockingIOError):
            many[1].recv(1)
        # Another address still gets in.
        other = socket.create_connection(place(site), timeout=10, source_address=("127.0.0.2", 0))
        with _unjudged().wrap_socket(stack.enter_context(other)) as served:
            assert served.version() == "TLSv1.3"
        assert len(many) == doorway.MOST_OF_ONE
    deadline = time.monotonic() + 10
    while True:  # those who left make room
        again = socket.create_connection(place(site), timeout=10)
        try:
            with closing(again), _unjudged().wrap_socket(again):
                break
        except OSError:
            assert time.monotonic() < deadline


class Real(NamedTuple):
    pid: int
    port: int


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    for name in ("gui", "run", "factory"):
        (tmp_path / name).mkdir()
    (tmp_path / "device.toml").write_text('controller_id = "one"\nhub_url = "http://127.0.0.1:1"\n')
    certificate.make(config.read(tmp_path / "device.toml"))
    holder = socket.create_server(("127.0.0.1", 0))
    command = [sys.executable, "-I", "-m", "holdfast.device.gui", "--fd", str(holder.fileno())]
    process = subprocess.Popen(
        [*command, "--config", str(tmp_path / "device.toml")], pass_fds=[holder.fileno()]
    )
    yield Real(process.pid, holder.getsockname()[1])
    process.terminate()
    process.wait(timeout=10)
    holder.close()


def resident_kb(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1))


def test_many_open_connections_stay_cheap(real: Real) -> None:
    with ExitStack() as stack:

        def connected(number: int) -> ssl.SSLSocket:
            plain = socket.create_connection(
                ("127.0.0.1", real.port), timeout=20, source_address=(f"127.0.0.{number}", 0)
            )
            return stack.enter_context(_unjudged().wrap_socket(plain))

        connected(1)
        before = resident_kb(real.pid)
        for number in range(2, 62):
            connected(number)
        after = resident_kb(real.pid)
    sys.stderr.write(f"gui: {before} kB, with 60 more connections {after} kB\n")
    assert after - before < 8_000
    assert after < 48_000


def test_gui_without_a_certificate_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "device.toml").write_text('controller_id = "one"\nhub_url = "http://127.0.0.1:1"\n')
    command = [sys.executable, "-I", "-m", "holdfast.device.gui", "--config"]
    done = subprocess.Popen([*command, str(tmp_path / "device.toml")], stderr=subprocess.PIPE)
    _, said = done.communicate(timeout=30)
    assert done.returncode != 0
    assert b"tls-certificate.pem" in said
    assert b"Traceback" not in said
