"""What the child that asks servers cannot do any more, and what it still can: each is tried."""

import ast
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.core import landlock
from holdfast.core.process import run

# Says by name whether each thing worked; TRIED stands for the folder of the test.
ATTACK = """
import os, resource, socket, ssl, subprocess, sys, threading
from pathlib import Path
from holdfast.accounts.directories import reach
from holdfast.accounts.directories.fence import fence

def load_key():
    with reach._in_memory("x" * 4000) as path:
        assert Path(path).read_text() == "x" * 4000

def thread():
    found = []
    one = threading.Thread(target=lambda: found.append(socket.getaddrinfo("localhost", 389)))
    one.start(); one.join()
    assert found[0]

def listen():
    socket.create_server(("127.0.0.1", 0))

def connect():
    socket.create_connection(("127.0.0.1", PORT), timeout=5).close()

folder = Path("TRIED")
things = {
    "read": lambda: (folder / "keys.json").read_text(),
    "list": lambda: os.listdir(folder),
    "write": lambda: (folder / "new").write_text("x"),
    "change": lambda: (folder / "keys.json").write_text("x"),
    "remove": lambda: (folder / "keys.json").unlink(),
    "temporary": lambda: Path("/tmp/holdfast-fence").write_text("x"),
    "settings": lambda: Path("/etc/passwd").read_text(),
    "run": lambda: subprocess.run(["/bin/true"]),
    "environment": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
    "listen": listen,
    "memory": lambda: bytearray(2 << 30),
    "connect": connect,
    "key": load_key,
    "names": thread,
    "authorities": lambda: ssl.create_default_context().get_ca_certs(),
    "code": lambda: __import__("http.server"),
}
missing = fence()
told = {}
for name, does in things.items():
    try:
        does()
        told[name] = True
    except (OSError, MemoryError):
        told[name] = False
told["cores"] = resource.getrlimit(resource.RLIMIT_CORE) != (1, 1)
told["spins"] = resource.getrlimit(resource.RLIMIT_CPU)[1] > 60
print((missing, told))
"""
STAYS = {"connect", "key", "names", "authorities", "code"}


@pytest.mark.servers
def test_of_all_that_it_could_do_little_is_left(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        code = ATTACK.replace("TRIED", str(tmp_path)).replace("PORT", port)
        done = run([sys.executable, "-I", "-c", code], timeout_s=30)
    missing, told = ast.literal_eval(done.stdout.decode())
    if landlock.abi() == 0:
        pytest.fail(f"this kernel has no Landlock: {missing}")
    assert missing == []
    assert {name for name, works in told.items() if works} == STAYS
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_it_is_fenced_in_before_it_hears_a_secret() -> None:
    command = [sys.executable, "-I", "-m", "holdfast.accounts.directories.child"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        status, deadline = Path(f"/proc/{child.pid}/status"), time.monotonic() + 10
        while "NoNewPrivs:\t1" not in status.read_text():
            assert time.monotonic() < deadline, "it waits for the question without a fence"
            time.sleep(0.01)
        answer, _ = child.communicate(b"{}", timeout=10)
    assert b"cannot be read" in answer
