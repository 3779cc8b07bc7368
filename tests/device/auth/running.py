"""A running auth: the real process on its real socket, with the real hash and the real worker."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.device import settings as device_settings
from holdfast.device.auth import setup_code
from holdfast.device.broker import wire
from holdfast.device.broker.proofs import fresh_key, read_key

CODE = "7K2M-XQ4R-9TBC"
PASSWORD = "correct-zebra battery lamp"
LONGEST = "".join(chr(0x20000 + 7 * number) for number in range(256))  # of four bytes each
CHEAP = '{"memory_kib": 7168, "passes": 5}'
CHEAP_KB = 7168
CLAIM = {"code": CODE, "name": "Ada", "password": PASSWORD, "source": "192.0.2.1"}
Start = Callable[..., "Auth"]


class Auth:
    """A running auth."""

    def __init__(self, folder: Path, log: Path, **changes: Any) -> None:  # noqa: ANN401 - of Settings
        config = device_settings.Settings(
            folder=folder,
            controller_id="sn-4711",
            hub_url="http://127.0.0.1:1",
            product=folder / "product.toml",
            roles=("owner", "viewer"),
            methods=("local", "ldap", "tacacs+"),
            words=(("vendor", "Lumen Works"), ("model", "Gateway"), ("serial", "sn-4711")),
            **changes,
        )
        words = ["--settings", device_settings.pack(config)]
        self.folder = folder
        self.socket = config.auth_socket
        with closing(Key()) as key, log.open("ab") as errors:
            self.key = key.content
            command = [sys.executable, "-I", "-m", "holdfast.device.auth", *words]
            self.process = subprocess.Popen(
                [*command, "--proof-fd", str(key.fd)],
                stderr=errors,
                pass_fds=[key.fd],
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
            )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(wire.AnsweredError):
                with suppress(wire.UnreachableError):
                    self.ask("account.state")
                    return
                time.sleep(0.02)
                continue
            return

    def ask(self, verb: str, text: str = "", /, **args: object) -> Any:  # noqa: ANN401 - JSON
        return wire.call(self.socket, verb, args, 30, proof=text)

    def refusal(self, verb: str, text: str = "", /, **args: object) -> wire.AnsweredError:
        with pytest.raises(wire.AnsweredError) as caught:
            self.ask(verb, text, **args)
        return caught.value

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=10) == 0

    def kb(self) -> int:
        """Give the memory of the process and all that it started."""
        pid = self.process.pid
        with suppress(OSError):
            threads = Path(f"/proc/{pid}/task").iterdir()
            children = [one for task in threads for one in (task / "children").read_text().split()]
            return sum(resident_kb(one) for one in (str(pid), *children))
        return 0


class Key:
    """The key of one start."""

    def __init__(self) -> None:
        self.fd = fresh_key()
        self.content = read_key(self.fd)

    def close(self) -> None:
        os.close(self.fd)


def resident_kb(pid: str) -> int:
    with suppress(OSError):
        found = re.search(
            r"^Rss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE
        )
        return int(found.group(1)) if found else 0
    return 0


@pytest.fixture(scope="session")
def setup_hash() -> str:
    return setup_code.hashed(CODE)


@pytest.fixture
def start(tmp_path: Path, setup_hash: str) -> Iterator[Start]:
    running: list[Auth] = []

    def start(*, cost: str = CHEAP, log: str = "", **changes: Any) -> Auth:  # noqa: ANN401
        for name in ("auth", "run", "factory"):
            (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "factory" / "setup-code.hash").write_text(setup_hash)
        if cost:
            (tmp_path / "auth" / "cost.json").write_text(cost)
        made = Auth(tmp_path, Path(log) if log else tmp_path / "auth.log", **changes)
        running.append(made)
        return made

    yield start
    for one in running:
        if one.process.poll() is None:
            one.stop()


@pytest.fixture
def auth(start: Start) -> Auth:
    """Claimed by ada."""
    made = start()
    made.ask("account.claim", **CLAIM)
    return made
