"""A closed folder above the device is passed, in a view of the files that nobody else has."""

import json
import os
import sys
from pathlib import Path

import pytest

from holdfast.core.process import run
from holdfast.device import passage

STRANGER = "61004"
LOOK = """
import json, os, subprocess, sys
from pathlib import Path
from holdfast.device import passage
base = Path(sys.argv[1])
trouble = passage.open_up([base / "deep/device", base / "deep", base / "missing"])
cat = ["setpriv", "--reuid", sys.argv[2], "--clear-groups", "cat", str(base / "deep/device/file")]
done = subprocess.run(cat, capture_output=True)
seen = (done.stdout + done.stderr).decode()
(base / "deep/device/new").write_text("kept")
print(json.dumps({"trouble": trouble, "seen": seen, "there": os.listdir(base)}))
"""

# In a world of mounts of its own, shared or not, with another process that looks on from outside.
BELOW_CHROOT = """
import ctypes, errno, json, os, sys
from pathlib import Path
from holdfast.device import passage
closed = Path(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x00020000) == 0
assert libc.mount(b"none", b"/", None, (1 << 14) | (1 << 20 if sys.argv[2] == "1" else 1 << 18),
                  None) == 0
ask, tell = os.pipe(), os.pipe()
if os.fork() == 0:
    os.read(ask[0], 1)
    os.write(tell[1], json.dumps(os.listdir(closed)).encode())
    os._exit(0)
real = passage._mount
def mount(source, place, kind, flags, options):
    if place == Path("/"):
        raise OSError(errno.EINVAL, "as below chroot")
    real(source, place, kind, flags, options)
passage._mount = mount
trouble = passage.open_up([closed / "device"])
os.write(ask[1], b"x")
print(json.dumps([trouble, os.listdir(closed), json.loads(os.read(tell[0], 1000))]))
"""


def _closed(tmp_path: Path, mode: int = 0o700) -> Path:
    """Make a closed folder, and in it open ones and an open file whatever the umask is."""
    base = tmp_path / "closed"
    (base / "deep/device").mkdir(parents=True)
    (base / "deep/device/file").write_text("reached")
    for path in ("deep", "deep/device"):
        (base / path).chmod(0o755)
    base.chmod(mode)
    (base / "deep/device/file").chmod(0o644)
    return base


def test_open_folders_are_left_alone() -> None:
    assert passage.open_up([Path("/usr"), Path("/no/such/folder")]) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a view of its own")
@pytest.mark.servers
@pytest.mark.parametrize("mode", [0o700, 0o701, 0o750], ids=oct)
def test_a_stranger_passes_but_sees_nothing_else(ground: Path, mode: int) -> None:
    """He has root's group still, so what is open to others only is closed to him."""
    base = _closed(ground, mode)
    (base / "secret").write_text("not for the device")
    before = Path("/proc/self/mountinfo").read_text()
    done = run([sys.executable, "-c", LOOK, base, STRANGER], timeout_s=30)
    told = json.loads(done.stdout)
    assert told == {"trouble": [], "seen": "reached", "there": ["deep"]}
    assert (base / "deep/device/new").read_text() == "kept"
    assert Path("/proc/self/mountinfo").read_text() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a view of its own")
@pytest.mark.servers
@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
def test_folders_in_between_are_passable_and_nobody_else_s_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    base = _closed(tmp_path)
    look = f"import os; os.umask({umask})\n{LOOK}\nprint(oct((base / 'deep').stat().st_mode))"
    look = look.replace('base / "deep", ', "")
    done = run([sys.executable, "-c", look, base, STRANGER], timeout_s=30)
    told, mode = done.stdout.decode().splitlines()
    assert json.loads(told)["seen"] == "reached"
    assert mode == "0o40711"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a view of its own")
@pytest.mark.servers
@pytest.mark.parametrize("shared", [True, False])
def test_below_chroot_nothing_is_covered_that_others_would_see(
    tmp_path: Path, *, shared: bool
) -> None:
    """There the kernel cannot be told to keep mounts private; a fresh folder tells what it does."""
    closed = tmp_path / "closed"
    (closed / "device").mkdir(parents=True)
    (closed / "device/file").write_text("reached")
    closed.chmod(0o700)
    done = run([sys.executable, "-c", BELOW_CHROOT, closed, str(int(shared))], timeout_s=30)
    trouble, here, others = json.loads(done.stdout)
    assert here == ["device"]
    assert others == ["device"]
    if shared:
        assert "others would see it" in trouble[0] or "no way round it" in trouble[0]
    else:
        assert trouble == []
