"""The system that the tests run on, judged by the real command."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.audit.live.observation import observe

pytestmark = [pytest.mark.servers, pytest.mark.slow]

Report = dict[str, Any]
NOBODY = 65534
PATIENCE_S = 10
SERVER = """
import http.server, os, sys
if os.geteuid() == 0 and int(sys.argv[2]):
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
server = http.server.HTTPServer((sys.argv[1], 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def server(address: str, uid: int) -> Iterator[int]:
    """Run a real web server on a port that the kernel chooses; gives the port."""
    command = [sys.executable, "-I", "-c", SERVER, address, str(uid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/") as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


@pytest.fixture
def judged(ground: Path, need: Callable[[str], str]) -> Callable[..., Report]:
    def judge(*, uid: int = 0) -> Report:
        home = ground / f"home-{uid}"
        home.mkdir()
        command = [need("holdfast"), "audit", "--live", "--json"]
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home)}
        other = uid if os.geteuid() == 0 and uid else None
        if other is not None:
            os.chown(home, other, other)
        done = subprocess.run(  # noqa: TID251 - as somebody else
            command,
            env=env,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            user=other,
            group=other,
            extra_groups=None if other is None else [],
        )
        assert done.returncode in {0, 1, 3}, done.stderr
        assert list(home.iterdir()) == []  # nothing is left behind, and nothing kept
        report: Report = json.loads(done.stdout)
        return report

    return judge


def listeners(report: Report, port: int) -> list[Report]:
    return [each for each in report["model"]["listeners"] if each["port"] == port]


def settings_of_the_system() -> dict[str, tuple[int, int, int]]:
    found = {}
    for name in ("passwd", "shadow", "group", "hosts", "fstab", "crontab", "os-release"):
        if os.path.lexists(place := f"/etc/{name}"):
            about = os.lstat(place)
            found[place] = (about.st_mtime_ns, about.st_size, about.st_mode)
    return found


def test_what_listens_is_seen_with_its_account(judged: Callable[..., Report]) -> None:
    before = settings_of_the_system()
    other = NOBODY if os.geteuid() == 0 else os.geteuid()
    with server("127.0.0.1", 0) as near, server("0.0.0.0", other) as wide:
        began = time.monotonic()
        report = judged()
        took_s = time.monotonic() - began
    (one,) = listeners(report, near)
    assert one["address"] == "loopback"
    assert one["program"].rpartition("/")[2].startswith("python")
    (one,) = listeners(report, wide)
    assert (one["address"], one["user_why"]) == ("", "seen")
    assert one["user"] in {"nobody", str(other), os.environ.get("USER", "")}
    assert report["subject"]["kind"] == "live"
    assert "no others" in report["notes"][0]
    assert took_s < PATIENCE_S * 3
    assert settings_of_the_system() == before


def test_an_ordinary_user_is_told_what_he_cannot_see(judged: Callable[..., Report]) -> None:
    if os.geteuid() == 0:
        with server("127.0.0.1", 0) as port:
            report = judged(uid=NOBODY)
        (one,) = listeners(report, port)
        assert (one["program"], one["user"]) == ("", "root")
    else:
        report = judged()
    assert not report["opened"]["complete"]
    assert report["outcome"] != "pass"
    whys = " ".join(each["why"] for each in report["opened"]["unopened"])
    assert "run it as root" in whys
    assert "may not be read" in whys or "cannot be read" in whys


def test_the_kernel_itself_is_understood() -> None:
    seen = observe()
    (me,) = (one for one in seen.processes if one.pid == os.getpid())
    assert me.uid == os.geteuid()
    assert Path(me.program).samefile(sys.executable)
    assert seen.mounts
