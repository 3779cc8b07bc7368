"""Whatever the confined child does, its parent gets a report or an error of ours, in time.

Here hostile code runs in the child's place, behind the very same walls.
"""

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from holdfast.audit import child
from holdfast.audit.child import Settings, judge
from holdfast.audit.errors import ChildError, SubjectError
from holdfast.audit.limits import Limits
from holdfast.audit.report.shapes import Report
from holdfast.audit.verdicts import Verdict
from holdfast.audit.watching import remove
from holdfast.core.process import run
from tests.audit.unpack.boxes import SYSTEM, noise, squeezed, tar

pytestmark = pytest.mark.slow

SMALL = Limits(seconds=20, unpacked_bytes=20_000_000, file_bytes=10_000_000, files=2000)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(squeezed(tar(SYSTEM)))
    return path


@pytest.fixture
def room() -> Iterator[Path]:
    """Give the folder above the scratch folders; it must be empty afterwards.

    A user of its own must reach it, which is not so for the folders that pytest makes for root.
    """
    with TemporaryDirectory(prefix="holdfast-room-") as folder:
        room = Path(folder)
        room.chmod(0o755)
        yield room
        assert list(room.iterdir()) == []


@pytest.fixture
def instead(monkeypatch: pytest.MonkeyPatch, image: Path, room: Path) -> Callable[..., Report]:
    """Run code in the place of the child, and judge what it says."""

    def run(code: str, limits: Limits = SMALL) -> Report:
        before = "import json, os, sys, time\nrequest = json.load(sys.stdin)\n"
        monkeypatch.setattr(child, "COMMAND", (sys.executable, "-I", "-B", "-c", before + code))
        return judge(image, Settings(limits=limits, scratch=room, workers=1))

    return run


def test_an_image_is_judged(image: Path, room: Path) -> None:
    steps: list[tuple[str, float, str]] = []
    report = judge(image, Settings(scratch=room), progress=lambda *step: steps.append(step))
    assert report.subject.name == "image.tar.gz"
    assert report.subject.kind == "image"
    assert report.subject.size_bytes == image.stat().st_size
    assert len(report.subject.sha256) == 64
    assert report.opened.complete
    assert {entry.path for entry in report.files} >= set(SYSTEM)
    assert {check.rule for check in report.checks}
    assert not [check for check in report.checks if "failed:" in check.reason]
    assert next(step for step, _, _ in steps) == "opening"
    assert {step for step, _, _ in steps} >= {"opening", "facts", "model", "checks"}
    assert all(0 <= fraction <= 1 for _, fraction, _ in steps)
    assert report.seconds["total"] > 0


def test_a_folder_is_judged_as_it_is_and_links_lead_nowhere(tmp_path: Path, room: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("root::0:0:leaked:/:/bin/sh\n")
    folder = tmp_path / "rootfs"
    for path, content in SYSTEM.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            place.symlink_to(content.removeprefix("->"))
        else:
            place.write_bytes(content)
    (folder / "etc/shadow").symlink_to(outside)
    (folder / "etc/closed").write_text("only for its owner")
    (folder / "etc/closed").chmod(0o600)
    os.mkfifo(folder / "etc/pipe")
    report = judge(folder, Settings(scratch=room))
    assert report.subject.kind == "folder"
    by_path = {entry.path: entry for entry in report.files}
    assert by_path["etc/shadow"].kind == "link"
    assert by_path["etc/closed"].sha256
    assert by_path["etc/pipe"].kind == "pipe"
    assert report.opened.complete
    assert "leaked" not in repr(report)


def test_what_cannot_be_judged_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "empty", "pipe"):
        with pytest.raises(SubjectError):
            judge(tmp_path / name)
    with pytest.raises(SubjectError):
        judge(Path("/dev/null"))


def test_names_that_are_no_text_come_through(tmp_path: Path, room: Path) -> None:
    name = os.fsdecode(b"etc/caf\xe9\n\x1b[31m")
    path = tmp_path / "image.tar"
    path.write_bytes(tar({**SYSTEM, name: b"x"}))
    report = judge(path, Settings(scratch=room))
    assert any(entry.path.startswith("etc/caf\\xe9") for entry in report.files) or any(
        "caf" in entry.path for entry in report.files
    )
    assert json.dumps([entry.path for entry in report.files]).isascii()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("sys.exit(1)", "without an answer"),
        ("os.kill(os.getpid(), 11)", "signal 11"),
        ("os.write(3, b'garbage')", "nonsense"),
        ("os.write(3, b'\\xdf\\xff\\xff\\xff\\xff')", "nonsense"),
        ("os.write(3, b'\\x91' * 1_000_000)", "nonsense"),
        ("os.close(3)", "without an answer"),
        ("import msgspec; os.write(3, msgspec.msgpack.encode({'error': 'no\\x1b[2Jway'}))",
         r"no\?\[2Jway"),
        ("import msgspec; os.write(3, msgspec.msgpack.encode({'report': {'format': 1}}))",
         "nonsense"),
        ("while True: os.write(3, bytes(1 << 20))", "too much"),
    ],
)  # fmt: skip
def test_what_the_child_says_is_taken_for_input(
    instead: Callable[..., Report], code: str, says: str
) -> None:
    with pytest.raises(ChildError, match=says):
        instead(code)


@pytest.mark.parametrize(
    ("code", "limit", "limits"),
    [
        ("time.sleep(60)", "seconds", replace(SMALL, seconds=1)),
        ("while True: pass", "seconds", replace(SMALL, seconds=1)),
        ("os.close(4)\nos.write(3, b'x')\ntime.sleep(60)", "seconds", replace(SMALL, seconds=1)),
        ("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)",
         "seconds", replace(SMALL, seconds=1)),
        (("f = open(request['scratch'] + '/x', 'wb')\n"
         "for n in range(9): open(request['scratch'] + f'/{n}', 'wb').write(bytes(9_000_000))\n"
         "time.sleep(60)"), "unpacked_bytes", SMALL),
        (("kept = []\n"
         "for n in range(9):\n"
         "    f = open(request['scratch'] + '/x', 'wb', 0)\n"
         "    f.write(bytes(9_000_000)); os.unlink(f.name); kept.append(f)\n"
         "time.sleep(60)"), "unpacked_bytes", SMALL),
        (("for n in range(5000): open(request['scratch'] + f'/{n}', 'wb').close()\n"
         "time.sleep(60)"), "files", SMALL),
        (("pids = []\n"
         "for n in range(3):\n"
         "    if os.fork() == 0:\n"
         "        kept = b'x' * 100_000_000; time.sleep(60)\n"
         "time.sleep(60)"), "memory_bytes", replace(SMALL, memory_bytes=256_000_000)),
    ],
)  # fmt: skip
def test_a_limit_gives_a_report_that_decides_nothing(
    instead: Callable[..., Report], code: str, limit: str, limits: Limits
) -> None:
    start = time.monotonic()
    report = instead(code, limits)
    assert time.monotonic() - start < 15
    assert report.outcome == "undecided"
    assert not report.opened.complete
    assert [hit.limit for hit in report.opened.limits] == [limit]
    assert report.checks
    assert {check.verdict for check in report.checks} == {Verdict.UNDECIDED}


def test_floods_of_progress_stop_nothing(
    instead: Callable[..., Report],
) -> None:
    with pytest.raises(ChildError, match="without an answer"):
        instead(
            "import signal\n"
            "signal.signal(signal.SIGPIPE, signal.SIG_IGN)\n"
            "try:\n"
            "    for n in range(300000): os.write(4, b'{}\\n' * 10)\n"
            "except OSError: pass\n"
        )


def test_nothing_is_left_running(instead: Callable[..., Report], tmp_path: Path) -> None:
    mark = f"left-{os.getpid()}-{tmp_path.name}"
    with pytest.raises(ChildError):
        instead(
            "for n in range(3):\n"
            "    if os.fork() == 0:\n"
            "        for call in (os.setsid, lambda: os.setpgid(0, 0)):\n"
            "            try: call()\n"
            "            except OSError: pass\n"
            f"        sys.argv[0] = {mark!r}\n"
            "        os.execv(sys.executable, [sys.executable, '-I', '-c',"
            f" 'import time; time.sleep(60)', {mark!r}])\n"
            "time.sleep(0.5)\n"
        )
    until = time.monotonic() + 5
    while (left := _named(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []


def _named(mark: str) -> list[str]:
    found = []
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdecimal() and mark.encode() in (place / "cmdline").read_bytes():
                found.append(place.name)
        except OSError:
            continue
    return found


ATTACKS = r"""
import ctypes, socket
done = {}
def attack(name, action):
    try:
        done[name] = repr(action())[:100]
    except BaseException as error:
        done[name] = ""
def write(path):
    with open(path, "wb") as file:
        return file.write(b"hostile")
def connect(port):
    with socket.create_connection(("127.0.0.1", port), timeout=2) as one:
        return one.send(b"x")
for path in TARGETS["write"]:
    attack("write " + path, lambda: write(path))
for path in TARGETS["read"]:
    attack("read " + path, lambda: open(path, "rb").read(10))
for path in TARGETS["list"]:
    attack("list " + path, lambda: os.listdir(path))
attack("connect", lambda: connect(TARGETS["port"]))
attack("unix socket", lambda: socket.socket(socket.AF_UNIX))
attack("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attack("kill the parent", lambda: os.kill(os.getppid(), 0) or "could")
attack("session", os.setsid)
attack("group", lambda: os.setpgid(0, 0))
attack("root", lambda: os.setuid(0) or (os.getuid() == 0 and TARGETS["uid"] != 0))
attack("device", lambda: os.mknod(request["scratch"] + "/null", 0o20666, os.makedev(1, 3)))
attack("execute", lambda: (
    write(request["scratch"] + "/x"), os.chmod(request["scratch"] + "/x", 0o755),
    os.execv(request["scratch"] + "/x", ["x"])))
attack("image", lambda: os.pwrite(5, b"hostile", 0))
attack("trace", lambda: ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0 or 1/0)
import msgspec
os.write(3, msgspec.msgpack.encode({"error": "\n".join(n + "=" + v for n, v in done.items() if v)}))
"""


def test_there_is_no_way_out(
    instead: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "secret").write_text("secret")
    (home / "secret").chmod(0o644)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    before = image.read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        targets = {
            "write": [str(home / "new"), str(home / "secret"), "new", "/tmp/holdfast-hostile",  # noqa: S108
                      "/dev/shm/holdfast-hostile", str(Path(child.__file__)), str(image)],  # noqa: S108
            "read": [str(home / "secret"), "/etc/shadow", "/etc/passwd", "/root/.bashrc",
                     str(image)],
            "list": [str(home), "/root", "/home", "/etc", "/tmp", str(tmp_path)],  # noqa: S108
            "port": server.getsockname()[1],
            "uid": os.geteuid(),
        }  # fmt: skip
        with pytest.raises(ChildError) as caught:
            instead(f"TARGETS = {targets!r}\n{ATTACKS}")
    assert str(caught.value) == "the confined child gave up: "
    assert image.read_bytes() == before
    assert {path.name for path in home.iterdir()} == {"secret"}


def test_every_wall_stands_here(image: Path, room: Path) -> None:
    """On a kernel of today, started by root, nothing is missing; else it is named."""
    report = judge(image, Settings(scratch=room))
    if os.geteuid() == 0:
        assert report.opened.walls_missing == ()
    else:
        assert all("user id" in each for each in report.opened.walls_missing)


AS_ANYBODY = """
import json, os, sys
from pathlib import Path
from holdfast.audit.child import Settings, judge
folder = Path(sys.argv[1])
settings = Settings(scratch=folder, cache=folder / "cache")
reports = [judge(folder / "image.tar", settings) for _ in range(2)]
told = [(r.opened.complete, r.opened.walls_missing, r.cached) for r in reports]
print(json.dumps([told, sorted(os.listdir(folder))]))
"""


def test_it_works_for_ordinary_users(room: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("the other tests ran as an ordinary user already")
    folder = room / "own"
    folder.mkdir()
    (folder / "image.tar").write_bytes(tar(SYSTEM))
    os.chown(folder, 65534, 65534)
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = run([*drop, sys.executable, "-B", "-c", AS_ANYBODY, folder], timeout_s=60)
    ((first, second), left) = json.loads(done.stdout)
    assert left == ["cache", "image.tar"]
    assert first[0] is second[0] is True
    # What an ordinary user cannot have is named, and nothing else is missing.
    assert [each for each in first[1] if "user id of its own" not in each] == []
    assert first[2][0] == 0
    assert second[2][0] == second[2][1] > 0
    remove(folder)


def test_a_second_audit_of_the_same_product_costs_only_what_changed(
    tmp_path: Path, image: Path
) -> None:
    settings = Settings(cache=tmp_path / "cache")
    first, second = judge(image, settings), judge(image, settings)
    assert first.cached[0] == 0
    assert second.cached[0] == second.cached[1] == first.cached[1]
    assert first.checks == second.checks
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(noise(500))
    third = judge(image, settings)
    assert third.cached[0] == 0
    assert third.model == first.model


def test_several_at_once(image: Path, room: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        reports = list(pool.map(lambda _: judge(image, Settings(scratch=room)), range(3)))
    assert len({report.rules for report in reports}) == 1
    assert all(report.opened.complete for report in reports)


def test_hostile_folders_are_removed(tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.mkdir(mode=0o755)
    (keep / "file").write_text("stays")
    folder = tmp_path / "scratch"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3000):  # far longer than a path may be
        os.mkdir("d", 0o700, dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    (folder / "link").symlink_to(keep)
    (folder / "closed").mkdir()
    (folder / "closed/inner").mkdir()
    (folder / "closed/inner/x").write_text("x")
    (folder / "closed/inner").chmod(0)
    (folder / "closed").chmod(0)
    os.mkfifo(folder / "pipe")
    for number in range(5):
        (folder / str(number)).mkdir()
        (folder / str(number) / str(number)).mkdir()
    remove(folder)
    assert not folder.exists()
    assert (keep / "file").read_text() == "stays"
    assert keep.stat().st_mode & 0o777 == 0o755


def test_what_a_killed_audit_left_is_removed_by_the_next(
    image: Path, room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_ABANDONED_S", 0.0)
    left = room / "holdfast-audit-left"
    (left / "deep/deeper").mkdir(parents=True)
    (left / "deep/file").write_bytes(noise(5000))
    foreign = room / "holdfast-audit-link"
    foreign.symlink_to(image.parent)
    running = room / "holdfast-audit-running"
    running.mkdir()
    held = os.open(running, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    judge(image, Settings(scratch=room))
    assert not left.exists()
    assert running.exists()
    assert image.exists()
    os.close(held)
    foreign.unlink()
    running.rmdir()
