"""Locked packages are named by hash, never by where they lie: every mirror serves them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = [*(ROOT / "requirements").glob("*.txt"), ROOT / "tests/servers/openid/package-lock.json"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert re.search(r"sha(256:|512-)", text)
    assert not re.search(r"\w+://|\bwww\.", text)
