"""What a device keeps, reads from a folder, and holds an image against."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.errors import HoldfastError
from holdfast.updates import client as client_module
from holdfast.updates.client import Fetch, folder_fetch, must_hold
from holdfast.updates.errors import (
    CutShortError,
    MetadataError,
    MissingError,
    TamperedError,
    TooLongError,
    UpdateError,
)
from holdfast.updates.release import Version

World = Any  # the class in conftest.py, which cannot be imported
Serve = Callable[[dict[str, bytes]], Fetch]
V = Version.parse


@pytest.mark.usefixtures("published")
def test_damaged_memory_is_learnt_again(world: World) -> None:
    trusted = world.device()
    world.client(trusted).refresh("camera")
    for path in sorted((trusted / "tuf").rglob("*.json")):
        for content in (b"", b"garbage", path.read_bytes()[:-5]):
            path.write_bytes(content)
            world.client(trusted).refresh("camera")


@pytest.mark.usefixtures("published")
def test_nothing_in_the_memory_is_a_link_and_the_anchor_stays(world: World) -> None:
    trusted = world.device()
    anchor = (trusted / "root.json").read_bytes()
    world.client(trusted).refresh("camera")
    assert not [path for path in trusted.rglob("*") if path.is_symlink()]
    assert (trusted / "root.json").read_bytes() == anchor
    assert not (trusted / "tuf" / "root.json").exists()


@pytest.mark.usefixtures("published")
def test_what_is_learnt_survives_a_power_cut(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """python-tuf itself does not wait for the disk; our override must stay in its way."""
    written: list[str] = []

    def write(path: Path, content: bytes) -> None:
        written.append(path.name)
        path.write_bytes(content)

    monkeypatch.setattr(client_module, "write_whole", write)
    trusted = world.device()
    world.client(trusted).refresh("camera")
    kept = {path.name for path in (trusted / "tuf").rglob("*.json")}
    assert kept == set(written) >= {"1.root.json", "timestamp.json", "camera.json"}


@pytest.mark.usefixtures("published")
def test_a_damaged_anchor_is_named(world: World) -> None:
    trusted = world.device()
    (trusted / "root.json").write_bytes(b"{}")
    with pytest.raises(MetadataError, match="made with is damaged"):
        world.client(trusted).refresh("camera")
    (trusted / "root.json").unlink()
    with pytest.raises(UpdateError, match="cannot be used"):
        world.client(trusted).refresh("camera")


@pytest.mark.usefixtures("published")
def test_errors_of_the_way_itself_pass_unchanged(world: World) -> None:
    class HubIsAwayError(HoldfastError):
        code = "hub-away"

    def away(_name: str, _limit: int) -> bytes:
        raise HubIsAwayError("nobody answers")

    def broken(_name: str, _limit: int) -> bytes:
        raise ConnectionResetError("gone")

    with pytest.raises(HubIsAwayError):
        world.client(world.device("one"), away).refresh("camera")
    with pytest.raises(ConnectionResetError):
        world.client(world.device("two"), broken).refresh("camera")


def test_a_folder_is_read_without_following_anything(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    folder = tmp_path / "incoming"
    folder.mkdir()
    fetch = folder_fetch(folder)
    (folder / "timestamp.json").symlink_to(secret)
    (folder / "1.snapshot.json").mkdir()
    (folder / "1.targets.json").write_bytes(b"x" * 11)
    with pytest.raises(MetadataError, match="cannot be read"):
        fetch("timestamp.json", 10)
    with pytest.raises(MetadataError, match="not a plain file"):
        fetch("1.snapshot.json", 10)
    with pytest.raises(TooLongError):
        fetch("1.targets.json", 10)
    assert fetch("1.targets.json", 11) == b"x" * 11
    for name in ("../secret", "2.root.json", "/etc/passwd", "", "a/b.json", "00.root.json"):
        with pytest.raises(MissingError):
            fetch(name, 10)
    folder.rename(tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved")
    with pytest.raises(MetadataError):
        fetch("1.targets.json", 11)


def test_only_the_signed_image_holds(world: World) -> None:
    release = world.release("1.0")
    image = world.repository.stored(release).read_bytes()
    must_hold(release, io.BytesIO(image))
    with pytest.raises(CutShortError, match="79999 of 80000"):
        must_hold(release, io.BytesIO(image[:-1]))
    with pytest.raises(TooLongError):
        must_hold(release, io.BytesIO(image + b"\0"))
    flipped = bytearray(image)
    flipped[40_000] ^= 1
    with pytest.raises(TamperedError):
        must_hold(release, io.BytesIO(flipped))
