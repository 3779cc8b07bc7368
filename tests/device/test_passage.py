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
seen = subprocess.run(cat, capture_output=True).stdout.decode()
(base / "deep/device/new").write_text("kept")
print(json.dumps({"trouble": trouble, "seen": seen, "there": os.listdir(base)}))
"""


def test_open_folders_are_left_alone(tmp_path: Path) -> None:
    assert passage.closed_above(Path("/usr/bin")) is None
    tmp_path.chmod(0o700)
    (tmp_path / "below").mkdir()
    assert passage.closed_above(tmp_path / "below") is not None
    assert passage.open_up([Path("/usr"), Path("/no/such/folder")]) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take a view of its own")
@pytest.mark.servers
def test_a_stranger_passes_but_sees_nothing_else(tmp_path: Path) -> None:
    base = tmp_path / "closed"
    (base / "deep/device").mkdir(parents=True)
    (base / "deep/device/file").write_text("reached")
    (base / "secret").write_text("not for the device")
    base.chmod(0o700)
    before = Path("/proc/self/mountinfo").read_text()
    done = run([sys.executable, "-c", LOOK, base, STRANGER], timeout_s=30)
    told = json.loads(done.stdout)
    assert told == {"trouble": [], "seen": "reached", "there": ["deep"]}
    assert (base / "deep/device/new").read_text() == "kept"
    assert Path("/proc/self/mountinfo").read_text() == before
