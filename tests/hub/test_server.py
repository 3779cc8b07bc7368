"""The hub as a process: started twice, killed, on a taken port, fed with large files."""

import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.accounts.blocklist import builtin

pytestmark = [pytest.mark.servers, pytest.mark.slow]

Hub = Any
MIB = 1 << 20


def command(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `holdfast hub ...` to its end."""
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    return subprocess.run(  # noqa: TID251 - the command line itself is tested
        [shutil.which("holdfast") or "", "hub", words[0], "-c", str(config), *words[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=env,
    )


def connect(hub: Hub) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", int(hub.url.rpartition(":")[2]), timeout=30)


def ask(
    hub: Hub,
    method: str,
    path: str,
    **options: Any,  # noqa: ANN401 - of http.client
) -> tuple[int, bytes]:
    connection = connect(hub)
    try:
        connection.request(method, path, **options)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def bearer(tmp_path: Path, start_hub: Callable[[], Hub]) -> dict[str, str]:
    """Make a token with the command line; the hub of the same folder may run."""
    del start_hub
    made = command(tmp_path / "hub.toml", "token", "build-server", "--out", str(tmp_path / "token"))
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    return {"Authorization": f"Bearer {(tmp_path / 'token').read_text().strip()}"}


def children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in listed]


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended, even if nobody has asked how."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
    return "State:\tZ" in status


def test_two_hubs_on_one_database_and_a_taken_port(
    start_hub: Callable[[], Hub], tmp_path: Path
) -> None:
    hub = start_hub()
    second = command(hub.config, "serve")
    assert second.returncode == 2
    assert f"process {hub.process.pid}" in second.stderr
    assert "kill" in second.stderr
    port = hub.url.rpartition(":")[2]
    other = tmp_path / "other.toml"
    other.write_text(f'state = "other"\nlisten = "127.0.0.1:{port}"\n')
    third = command(other, "serve")
    assert third.returncode == 2
    assert "port-taken" in third.stderr
    assert port in third.stderr
    assert ask(hub, "GET", "/login/")[0] == 200


def test_a_killed_hub_comes_back_and_prints_a_new_link(start_hub: Callable[[], Hub]) -> None:
    first = start_hub()
    (worker,) = children(first.process.pid)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(10)
    second = start_hub()
    assert is_gone(worker), "the serving process outlived its parent"
    assert second.setup_link != first.setup_link
    path = first.setup_link.removeprefix(first.url)
    assert ask(second, "GET", path)[0] == 410
    assert ask(second, "GET", second.setup_link.removeprefix(second.url))[0] == 200
    verified = command(second.config, "verify-trail", "--json")
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["entries"] == 2
    assert second.stop() == 0


def test_the_trail_is_verified_by_the_command_line(start_hub: Callable[[], Hub]) -> None:
    hub = start_hub()
    hub.stop()
    whole = command(hub.config, "verify-trail")
    found = re.search(r"(\d+:[0-9a-f]{64})", whole.stdout)
    assert whole.returncode == 0
    assert found
    assert command(hub.config, "verify-trail", "--head", found[1]).returncode == 0
    foreign = command(hub.config, "verify-trail", "--head", "1:" + "0" * 64)
    assert foreign.returncode == 1
    assert "entry 1 was replaced" in foreign.stderr
    (hub.config.parent / "state" / "trail-head.json").unlink()
    assert command(hub.config, "verify-trail").returncode == 1


def test_state_is_for_its_owner_only(start_hub: Callable[[], Hub], tmp_path: Path) -> None:
    start_hub().stop()
    state = tmp_path / "state"
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "secret-key").stat().st_mode & 0o777 == 0o600
    for key in (state / "online-keys").glob("*.pem"):
        assert key.stat().st_mode & 0o777 == 0o600


def test_a_faulty_configuration_names_every_fault(tmp_path: Path) -> None:
    config = tmp_path / "hub.toml"
    config.write_text('stat = "x"\nlisten = 5\npublic_url = "ftp://x"\n')
    said = command(config, "init")
    assert said.returncode == 2
    assert "did you mean state?" in said.stderr
    assert "hub.toml:2" in said.stderr
    assert "hub.toml:3" in said.stderr


def resident_bytes(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def zeros(count: int) -> Iterator[bytes]:
    for _piece in range(count):
        yield bytes(MIB)


def test_a_hub_does_not_start_with_a_shared_secret_that_can_be_tried_out(tmp_path: Path) -> None:
    secret = tmp_path / "tac"
    secret.write_text("testing123\n")
    config = tmp_path / "hub.toml"
    config.write_text(
        f'listen = "127.0.0.1:1"\nstate = "{tmp_path / "state"}"\n'
        f'[central_login_secrets]\ntac = "{secret}"\ngone = "{tmp_path / "gone"}"\n'
        '[[central_login.servers]]\nname = "tac"\nprotocol = "tacacs+"\n'
        'host = "192.0.2.9"\ntransport = "plain"\nwarned = true\n'
    )
    refused = command(config, "serve")
    assert refused.returncode == 2, refused.stderr
    assert "servers[0].shared: has fewer than 16 characters" in " ".join(refused.stderr.split())
    assert "testing123" not in refused.stderr


def test_a_hub_does_not_start_without_its_block_lists(tmp_path: Path) -> None:
    mine = tmp_path / "mine.blocklist"
    config = tmp_path / "hub.toml"
    config.write_text(
        f'listen = "127.0.0.1:1"\nstate = "{tmp_path / "state"}"\n'
        f'[accounts]\nblocklists = ["{mine}"]\n'
    )
    whole = Path(builtin.__file__).with_name("common.blocklist").read_bytes()
    for content, reason in (
        (None, "No such file"),
        (b"nonsense", "too short"),
        (whole[:2000] + b"\0" + whole[2001:], "cannot be used"),
    ):
        if content is not None:
            mine.write_bytes(content)
        refused = command(config, "serve")
        assert refused.returncode == 3, refused.stderr
        told = " ".join(refused.stderr.split())
        assert "accounts-block-list" in told
        assert reason in told
        assert "Traceback" not in told


def test_a_large_upload_streams_through(
    start_hub: Callable[[], Hub], bearer: dict[str, str], tmp_path: Path
) -> None:
    hub = start_hub()
    (worker,) = children(hub.process.pid)
    before = resident_bytes(worker)
    count = 192
    digest = hashlib.sha256()
    for piece in zeros(count):
        digest.update(piece)
    headers = {**bearer, "Content-Length": str(count * MIB)}
    path = f"/api/uploads/{digest.hexdigest()}"
    status, body = ask(hub, "PUT", path, body=zeros(count), headers=headers)
    assert status == 201, body
    assert (tmp_path / "state/uploads" / digest.hexdigest()).stat().st_size == count * MIB
    assert resident_bytes(worker) - before < 48 * MIB
    assert ask(hub, "HEAD", path, headers=bearer)[0] == 200


def test_uploads_that_lie_leave_nothing(
    start_hub: Callable[[], Hub], bearer: dict[str, str], tmp_path: Path
) -> None:
    hub = start_hub()
    path = "/api/uploads/" + hashlib.sha256(b"abc").hexdigest()
    assert ask(hub, "PUT", path, body=b"abd", headers=bearer)[0] == 422
    # Chunks without an announced end.
    chunked = ask(hub, "PUT", path, body=iter([b"abc"]), headers=bearer, encode_chunked=True)
    assert chunked[0] == 411
    # Announced and never sent: the sender goes away.
    address = ("127.0.0.1", int(hub.url.rpartition(":")[2]))
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
    with socket.create_connection(address, timeout=10) as sender:
        token = f"Authorization: {bearer['Authorization']}\r\n\r\n"
        sender.sendall(head.encode() + token.encode() + b"abc")
    # Larger than the hub takes: answered before a byte of it is read.
    huge = {**bearer, "Content-Length": str(1 << 50)}
    connection = connect(hub)
    connection.putrequest("PUT", path)
    for name, value in huge.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    uploads = tmp_path / "state/uploads"
    deadline = time.monotonic() + 10
    while list(uploads.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list(uploads.iterdir())
    assert ask(hub, "GET", "/login/")[0] == 200


@pytest.mark.parametrize("path", ["/api/releases", "/login/"])
def test_a_score_of_slow_senders_does_not_stop_the_pages(
    start_hub: Callable[[], Hub], path: str
) -> None:
    hub = start_hub()
    address = ("127.0.0.1", int(hub.url.rpartition(":")[2]))
    senders = [socket.create_connection(address, timeout=10) for _number in range(20)]
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
    form = "Content-Type: application/x-www-form-urlencoded\r\n\r\nname="
    try:
        for sender in senders:
            sender.sendall((head + form).encode())
        assert ask(hub, "GET", "/login/")[0] == 200
    finally:
        for sender in senders:
            sender.close()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "a b", ""])
def test_a_foreign_host_header_is_refused(start_hub: Callable[[], Hub], host: str) -> None:
    hub = start_hub()
    status, body = ask(hub, "GET", "/login/", headers={"Host": host})
    assert status == 400
    assert b"evil" not in body


def test_a_device_is_let_in_by_the_command_line(
    start_hub: Callable[[], Hub], tmp_path: Path
) -> None:
    hub = start_hub()
    out = tmp_path / "device-token"
    words = ("add-device", "ng-0001", "--product", "camera", "--hardware", "a", "--out", str(out))
    said = command(hub.config, *words)
    assert said.returncode == 2
    assert "there is no product 'camera'" in said.stderr
    assert not out.exists()
