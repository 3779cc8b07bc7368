"""gooseBit, the nearest free rival, measured beside the gateway in the same run.

It is installed from locked requirements into an environment of its own, runs as one process under
uvicorn with SQLite, keeps its own defaults (no authentication of devices), and is given no access
log to write. Every registered device has told its attributes, so that its polls are idle ones.
"""

import contextlib
import hashlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console

from holdfast.cli.bench import fleet, wrk
from holdfast.core.errors import HoldfastError
from holdfast.core.process import run

VERSION = "0.2.12"
DEVICES = 500
CONNECTIONS = 16
LOCK = Path("requirements/bench.txt")
HOME = Path("var/bench/goosebit")

_START_S = 60.0
_ID_FORM = "goose-%04d"
_TABLES = """
import asyncio
from tortoise import Tortoise
from goosebit.db.config import TORTOISE_CONF

async def make():
    await Tortoise.init(config=TORTOISE_CONF)
    await Tortoise.generate_schemas()
    await Tortoise.close_connections()

asyncio.run(make())
"""


class RivalError(HoldfastError):
    """gooseBit could not be measured."""

    code = "bench-goosebit"
    hint = "Run from the root of the source tree with a network, or with --no-goosebit."


def measure(folder: Path, note: Console, *, seconds: int) -> wrk.Load:
    """Run gooseBit with a fresh database and poll random devices of it.

    Args:
        folder: Where its database and log go.
        note: Where to say what is being done.
        seconds: Length of the measurement.

    Raises:
        RivalError: It cannot be installed, or does not start.
    """
    python = _installed(note)
    with _running(python, folder) as port:
        note.print(f"registering {DEVICES} devices with gooseBit")
        for number in range(DEVICES):
            _register(port, number)
        note.print("measuring gooseBit")
        path = f"/DEFAULT/controller/v1/{_ID_FORM}"
        lua = wrk.script(folder, first=0, last=DEVICES - 1, path=path)
        url = f"http://127.0.0.1:{port}"
        return wrk.load(url, lua, seconds=seconds, connections=CONNECTIONS)


def _installed(note: Console) -> Path:
    """Make the environment, unless it holds exactly the locked requirements already."""
    if not LOCK.is_file():
        raise RivalError(f"{LOCK} is not here")
    python = HOME / "venv" / "bin" / "python"
    stamp = HOME / "installed"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        note.print(f"installing gooseBit {VERSION} into {HOME}")
        HOME.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", HOME / "venv"], timeout_s=120)
        pip = [
            str(python.absolute()),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        # With the caller's environment: it may say where packages come from.
        run([*pip, "--require-hashes", "-r", LOCK], timeout_s=600, env=os.environ)
        stamp.write_text(wanted)
    return python.absolute()


@contextlib.contextmanager
def _running(python: Path, folder: Path) -> Iterator[int]:
    environment = {
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        "GOOSEBIT_DB_URI": f"sqlite://{folder / 'goosebit.sqlite3'}",
        "GOOSEBIT_ARTIFACTS_DIR": str(folder / "goosebit-artifacts"),
    }
    run([str(python), "-c", _TABLES], timeout_s=60, env=environment, cwd=folder)
    port = fleet.free_port()
    server = [str(python), "-m", "uvicorn", "goosebit:app", "--port", str(port), "--no-access-log"]
    with (
        (folder / "goosebit.log").open("wb") as log,
        subprocess.Popen(server, env=environment, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            _wait(process, port, folder / "goosebit.log")
            yield port
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            _register(port, 0)
            return
        time.sleep(0.1)
    raise RivalError(f"gooseBit did not start: {log.read_text(errors='replace')[-500:]}")


def _register(port: int, number: int) -> None:
    """Poll once and tell attributes, as a device does at its first start."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    attributes = {"hw_boardname": "default", "hw_revision": "default", "sw_version": "1.0.0"}
    body = msgspec.json.encode({"data": attributes, "mode": "merge"})
    path = f"/DEFAULT/controller/v1/{_ID_FORM % number}"
    with contextlib.closing(connection):
        for method, address, content in (
            ("GET", path, None),
            ("PUT", f"{path}/configData", body),
        ):
            connection.request(
                method, address, body=content, headers={"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            answer.read()
            if answer.status != http.client.OK:
                raise RivalError(f"gooseBit answered {answer.status} to {method} of a device")
