"""What a hostile agent may put into its staging folder."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.device.broker import staging
from holdfast.device.broker.errors import StagingError
from holdfast.device.broker.staging import Bounds

BOUNDS = Bounds(owner=None, image_bytes=1 << 20)


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    folder = tmp_path / "agent"
    (folder / "staging" / "metadata").mkdir(parents=True)
    (folder / "staging" / "artifact").write_bytes(b"image" * 1000)
    (folder / "staging" / "metadata" / "timestamp.json").write_text("{}")
    (tmp_path / "incoming").mkdir()
    (tmp_path / "secret").write_text("secret")
    return folder


def fetch(agent: Path, bounds: Bounds = BOUNDS) -> Path:
    incoming = agent.parent / "incoming"
    staging.fetch(agent, incoming, bounds, lambda _done, _whole: None)
    return incoming


def test_plain_files_are_copied(agent: Path) -> None:
    incoming = fetch(agent)
    assert (incoming / "artifact").read_bytes() == b"image" * 1000
    assert (incoming / "artifact").stat().st_mode & 0o777 == 0o600
    assert (incoming / "metadata" / "timestamp.json").read_text() == "{}"


def link_artifact(agent: Path) -> None:
    (agent / "staging/artifact").unlink()
    (agent / "staging/artifact").symlink_to(agent.parent / "secret")


def link_metadata_file(agent: Path) -> None:
    (agent / "staging/metadata/1.root.json").symlink_to(agent.parent / "secret")


def link_metadata(agent: Path) -> None:
    (agent / "staging/metadata").rename(agent / "elsewhere")
    (agent / "staging/metadata").symlink_to(agent / "elsewhere")


def link_staging(agent: Path) -> None:
    (agent / "staging").rename(agent / "elsewhere")
    (agent / "staging").symlink_to(agent / "elsewhere")


def hard_link(agent: Path) -> None:
    (agent / "staging/artifact").unlink()
    os.link(agent.parent / "secret", agent / "staging/artifact")


def pipe(agent: Path) -> None:
    (agent / "staging/artifact").unlink()
    os.mkfifo(agent / "staging/artifact")


def listening_socket(agent: Path) -> None:
    (agent / "staging/artifact").unlink()
    here = Path.cwd()
    os.chdir(agent / "staging")
    try:
        socket.socket(socket.AF_UNIX).bind("artifact")
    finally:
        os.chdir(here)


def folder(agent: Path) -> None:
    (agent / "staging/artifact").unlink()
    (agent / "staging/artifact").mkdir()


def too_large(agent: Path) -> None:
    os.truncate(agent / "staging/artifact", (1 << 20) + 1)


def too_large_metadata(agent: Path) -> None:
    os.truncate(agent / "staging/metadata/timestamp.json", (1 << 20) + 1)


def too_many(agent: Path) -> None:
    for number in range(64):
        (agent / f"staging/metadata/{number + 1}.root.json").write_text("{}")


def strange_name(agent: Path) -> None:
    (agent / "staging/metadata/..json").write_text("{}")


def nothing(agent: Path) -> None:
    (agent / "staging/artifact").unlink()


def no_metadata(agent: Path) -> None:
    (agent / "staging/metadata/timestamp.json").unlink()
    (agent / "staging/metadata").rmdir()


@pytest.mark.parametrize(
    "spoil",
    [
        link_artifact, link_metadata_file, link_metadata, link_staging, hard_link, pipe, folder,
        too_large, too_large_metadata, too_many, strange_name, nothing, no_metadata,
        pytest.param(listening_socket, marks=pytest.mark.servers),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_anything_else_is_refused_and_nothing_is_kept(
    agent: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(agent)
    with pytest.raises(StagingError) as refused:
        fetch(agent)
    assert refused.value.hint
    assert not list((agent.parent / "incoming").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make devices and change owners")
def test_devices_and_files_of_others_are_refused(agent: Path) -> None:
    artifact = agent / "staging/artifact"
    with pytest.raises(StagingError, match="alone"):
        fetch(agent, Bounds(owner=61002, image_bytes=1 << 20))
    artifact.unlink()
    os.mknod(artifact, 0o20644, os.makedev(1, 5))  # /dev/zero: endless
    with pytest.raises(StagingError, match="plain file"):
        fetch(agent)


def test_leftovers_of_an_interrupted_installation_are_replaced(agent: Path) -> None:
    incoming = agent.parent / "incoming"
    (incoming / "metadata").mkdir()
    (incoming / "metadata" / "9.root.json").write_text("old")
    (incoming / "artifact").symlink_to(agent.parent / "secret")
    fetch(agent)
    assert [path.name for path in (incoming / "metadata").iterdir()] == ["timestamp.json"]
    assert (agent.parent / "secret").read_text() == "secret"
