"""The real process on its real socket, with the real hash."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.device.auth import setup_code
from holdfast.device.broker import wire

pytestmark = pytest.mark.servers

CODE = "7K2M-XQ4R-9TBC"
PASSWORD = "correct horse battery"


@pytest.fixture
def device(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    if "damaged" in request.node.name:
        (tmp_path / "auth").mkdir()
        (tmp_path / "auth" / "accounts.json").write_text('{"schema": 1, "accounts": [{"na')
    for name in ("auth", "run", "factory"):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "factory" / "setup-code.hash").write_text(setup_code.hashed(CODE))
    (tmp_path / "device.toml").write_text('controller_id = "one"\nhub_url = "http://127.0.0.1:1"\n')
    command = [sys.executable, "-I", "-m", "holdfast.device.auth", "--config"]
    full = "log_that_cannot" in request.node.name
    with Path("/dev/full" if full else "/dev/null").open("wb") as log:
        process = subprocess.Popen([*command, str(tmp_path / "device.toml")], stderr=log)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            wire.call(tmp_path / "run" / "auth.sock", "account.state", {})
            break
        except wire.AnsweredError:
            break
        except wire.UnreachableError:
            time.sleep(0.02)
    (tmp_path / "pid").write_text(str(process.pid))
    yield tmp_path
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0


def resident_kb(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1))


def test_claim_login_and_size(device: Path) -> None:
    socket = device / "run" / "auth.sock"
    assert wire.call(socket, "account.state", {}) == {"claimed": False}
    with pytest.raises(wire.AnsweredError) as caught:
        wire.call(
            socket, "account.claim", {"code": "AAAA", "name": "ada", "password": PASSWORD}, 20
        )
    assert caught.value.code == "account-setup-code"
    claimed = wire.call(
        socket, "account.claim", {"code": CODE, "name": "Ada", "password": PASSWORD}, 20
    )
    assert claimed == {"name": "ada", "role": "owner"}
    assert wire.call(socket, "account.state", {}) == {"claimed": True}
    login = {"name": "ada", "password": PASSWORD}
    assert wire.call(socket, "account.login", login, 20)["role"] == "owner"
    with pytest.raises(wire.AnsweredError) as caught:
        wire.call(socket, "account.login", {"name": "ada", "password": "no"}, 20)
    assert caught.value.code == "account-login"
    pid = int((device / "pid").read_text())
    assert resident_kb(pid) <= 16_000
    assert (device / "auth" / "accounts.json").stat().st_uid == os.getuid()


def test_unknown_names_take_as_long_as_known_ones(device: Path) -> None:
    socket = device / "run" / "auth.sock"
    wire.call(socket, "account.claim", {"code": CODE, "name": "ada", "password": PASSWORD}, 20)

    def seconds(name: str) -> float:
        began = time.monotonic()
        with pytest.raises(wire.AnsweredError):
            wire.call(socket, "account.login", {"name": name, "password": "wrong"}, 20)
        return time.monotonic() - began

    known = min(seconds("ada") for _ in range(3))
    unknown = min(seconds("eve") for _ in range(3))
    assert 0.4 < known / unknown < 2.5


def test_damaged_accounts_are_said_and_are_no_unclaimed_device(device: Path) -> None:
    """The process goes on, so that the owner's pages can say what is the matter."""
    path = device / "auth" / "accounts.json"
    socket = device / "run" / "auth.sock"
    claim = {"code": CODE, "name": "ada", "password": PASSWORD}
    for verb, args in (("account.state", {}), ("account.claim", claim)):
        with pytest.raises(wire.AnsweredError) as caught:
            wire.call(socket, verb, args, 20)
        assert caught.value.code == "account-file"
        assert "damaged" in str(caught.value)
        assert "from a copy" in caught.value.hint
    path.unlink()  # put back, in the owner's case
    assert wire.call(socket, "account.state", {}) == {"claimed": False}


def test_a_log_that_cannot_be_written_stops_nobody(device: Path) -> None:
    socket = device / "run" / "auth.sock"
    for number in range(3):
        with pytest.raises(wire.AnsweredError) as caught:
            wire.call(socket, "account.login", {"name": f"name{number}", "password": PASSWORD}, 20)
        assert caught.value.code == "account-unclaimed"
