"""Where everything must be there, what is skipped fails."""

import os
import sys
from pathlib import Path

import pytest

from holdfast.core.process import run

ROOT = Path(__file__).parents[2]
SKIPPING = """
import pytest

@pytest.fixture
def absent():
    pytest.skip("no such server")

def test_by_fixture(absent): pass

@pytest.mark.skipif(True, reason="never here")
def test_by_mark(): pass

def test_in_the_middle(): pytest.skip("half way")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("required", "told"), [("0", "3 skipped"), ("1", "1 failed, 2 errors")])
def test_skips_fail_in_ci(tmp_path: Path, required: str, told: str) -> None:
    (tmp_path / "test_absent.py").write_text(SKIPPING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
    ]
    env = {**os.environ, "HOLDFAST_REQUIRE_SERVERS": required, "PYTHONPATH": str(ROOT)}
    done = run([*command, tmp_path], timeout_s=60, env=env, check=False, cwd=ROOT)
    assert told in done.stdout.decode().splitlines()[-1]
