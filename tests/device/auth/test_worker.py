"""What the worker knows of a device when it judges a password."""

import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from holdfast.accounts.errors import PasswordRefusedError
from holdfast.device.auth.worker import answered

WORDS = {"name": "Quiet Otter Box", "vendor": "Lumen"}


@pytest.mark.parametrize(
    "password",
    ["kitchen-lantern-20262027", "Quiet Otter Box 20262027", "xob rettO teiuQ 20262027"],
)
def test_names_that_everybody_can_read_are_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    question = {
        "do": "check", "folder": str(tmp_path), "now": datetime.now(UTC).isoformat(),
        "name": "ada", "password": password,
    }  # fmt: skip
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="other"))
    assert answered(question) == {}
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="kitchen-lantern"))
    with pytest.raises(PasswordRefusedError) as caught:
        answered({**question, "words": WORDS})
    assert caught.value.reason == "context"
