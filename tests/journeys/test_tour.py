"""`script/up --tour`, the heartbeat of the project: every step, attack and power cut."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.core.process import run

pytestmark = [pytest.mark.servers, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
POINTS = 50
# What the story must have shown; a step that is dropped must not go unnoticed.
REFUSALS = {
    "update-tampered",
    "update-wrong-product",
    "update-wrong-hardware",
    "update-rollback",
    "update-expired",
    "update-mixed-metadata",
    "update-foreign-key",
    "update-below-threshold",
    "update-too-long",
    "no-space",
    "update-unhealthy",
}


@pytest.mark.skipif(os.geteuid() != 0, reason="the full disk and the users of the tour need root")
def test_all_of_the_tour_holds(tmp_path: Path, need: Callable[[str], str]) -> None:
    for program in ("mksquashfs", "unsquashfs", "apt-get", "dpkg-deb", "setpriv"):
        need(program)
    (ROOT / "var/images").mkdir(parents=True, exist_ok=True)
    (tmp_path / "images").symlink_to(ROOT / "var/images")
    done = run(
        [sys.executable, "-I", "-m", "holdfast.cli", "demo", "--tour", "--json",
         "--state", tmp_path, "--points", str(POINTS)],
        timeout_s=1200,
        check=False,
        env=dict(os.environ),
    )  # fmt: skip
    told = json.loads(done.stdout)
    seen = "\n".join(line for step in told["steps"] for line in step["evidence"])
    assert told["holds"], f"{told['steps'][-1]}\n{done.stderr.decode()[-2000:]}"
    assert done.exit_code == 0
    assert {code for code in REFUSALS if f"[{code}]" in seen} == REFUSALS
    assert "Range: bytes=" in seen
    assert "never neither" in seen
