from pathlib import Path

import pytest

from holdfast.core import files
from holdfast.core.errors import NoSpaceError


def test_a_file_is_replaced_whole_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    files.write_whole(target, b"old", mode=0o600)
    files.write_whole(target, b"new", mode=0o600)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_full_disk_is_named() -> None:
    full = Path("/dev/full")
    with (
        pytest.raises(NoSpaceError, match="/dev/full"),
        files.full_disk_named(full),
        full.open("wb", buffering=0) as file,
    ):
        file.write(b"x")
