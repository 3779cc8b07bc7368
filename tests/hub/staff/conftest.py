"""A clock for the brake on guessing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.hub.staff import brake
from tests.hub.staff.attempts import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, db: Path) -> Iterator[Clock]:
    del db
    made = Clock()
    monkeypatch.setattr(brake, "time", made)
    brake.forget()
    yield made
    brake.forget()
