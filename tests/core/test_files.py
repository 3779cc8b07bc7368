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


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o777, 0o1777], ids=oct)
def test_what_everybody_may_pass_is_open(ground: Path, mode: int) -> None:
    ground.chmod(mode)
    assert files.closed_above(ground / "below") is None
    assert files.closed_above(Path("/usr/bin")) is None


@pytest.mark.parametrize("mode", [0o700, 0o701, 0o710, 0o766], ids=oct)
def test_what_somebody_may_not_pass_is_closed(ground: Path, mode: int) -> None:
    (ground / "a/b").mkdir(parents=True)
    (ground / "a").chmod(mode)
    assert files.closed_above(ground / "a/b") == ground / "a"
    assert files.closed_above(ground / "a") is None


def test_a_full_disk_is_named() -> None:
    full = Path("/dev/full")
    with (
        pytest.raises(NoSpaceError, match="/dev/full"),
        files.full_disk_named(full),
        full.open("wb", buffering=0) as file,
    ):
        file.write(b"x")
