"""FAT as made by mkfs.vfat and filled by mtools."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.unpack.fat import READER, measure, nodes
from holdfast.audit.unpack.source import Bytes
from holdfast.core import process
from tests.audit.unpack.sample import (
    budget,
    content,
    differences,
    make,
    node_of,
    noise,
    reading,
    tree_of,
    until_damage,
)

Make = Callable[..., bytes]
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make(tmp_path_factory.mktemp("fat") / "root", links=False, many=200)
    (folder / "KERNEL.IMG").write_bytes(b"kernel")
    (folder / "lower.txt").write_bytes(b"lower")
    (folder / "naïve 中.html").write_bytes(b"unicode")
    (folder / "deep/er/still").mkdir(parents=True)
    (folder / "deep/er/still/here").write_bytes(b"here")
    return folder


@pytest.fixture
def mkfs(need: Callable[[str], str], folder: Path, tmp_path: Path) -> Make:
    def build(*options: str, megabytes: int) -> bytes:
        image = tmp_path / "fat"
        with image.open("wb") as file:
            file.truncate(megabytes << 20)
        process.run([need("mkfs.vfat"), *options, image], timeout_s=60)
        names = sorted(path.name for path in folder.iterdir())
        command: list[str | Path] = [need("mcopy"), "-s", "-m", "-Q", "-i", image, *names, "::/"]
        process.run(command, timeout_s=60, cwd=folder, env=ENVIRONMENT)
        return image.read_bytes()

    return build


@pytest.mark.servers
@pytest.mark.parametrize(
    ("name", "options", "megabytes"),
    [
        ("FAT12", "-F 12 -s 4", 6),
        ("FAT16", "-F 16", 30),
        ("FAT16", "-F 16 -S 4096 -s 1", 40),
        ("FAT32", "-F 32 -s 1", 40),
        ("FAT32", "-F 32 -f 1 -R 9", 70),
    ],
)
def test_every_width(mkfs: Make, folder: Path, name: str, options: str, megabytes: int) -> None:
    image = mkfs(*options.split(), megabytes=megabytes)
    measured = measure(Bytes(image + b"more"))
    assert measured is not None
    assert (measured.format, measured.size_bytes) == (name, len(image))
    tree = tree_of(READER, image)
    assert differences(tree, folder, but=("mode", "mtime")) == []
    times = {node_of(tree, path).mtime for path in ("short", "bin/busybox")}
    assert times == {1_234_567_890}
    assert (node_of(tree, "short").uid, node_of(tree, "short").mode) == (0, 0o755)


@pytest.mark.servers
def test_damaged_chains_and_folders_end(mkfs: Make) -> None:
    image = bytearray(mkfs("-F", "16", "-s", "1", megabytes=16))
    table, root = _places(image)
    # All clusters lead to the second one: long files repeat, folders go round.
    image[table + 4 : table + 2 * 20_000] = struct.pack("<H", 2) * 19_998
    found, _ = until_damage(READER, bytes(image))
    assert "short" in {node.path for node in found}
    # All clusters are the last one of their chain.
    image[table + 4 : table + 2 * 20_000] = b"\xff" * 2 * 19_998
    tree = tree_of(READER, bytes(image))
    with pytest.raises(FormatError, match="chain"):
        reading(tree, "bin/busybox")()
    entry = image.index(b"SHORT      ", root)
    image[entry + 28 : entry + 32] = b"\xff" * 4
    read = reading(tree_of(READER, bytes(image)), "short")
    with pytest.raises(LimitError):
        read()


def _places(image: bytearray) -> tuple[int, int]:
    (sector,) = struct.unpack_from("<H", image, 11)
    reserved, tables, _, _, _, length = struct.unpack_from("<HBHHBH", image, 14)
    return reserved * sector, (reserved + tables * length) * sector


@pytest.mark.servers
def test_a_folder_that_holds_itself_ends(mkfs: Make) -> None:
    image = bytearray(mkfs("-F", "16", megabytes=16))
    _, root = _places(image)
    outer = image.index(b"DEEP       ", root)
    cluster = image[outer + 26 : outer + 28]
    inner = image.index(b"ER         ", root)
    image[inner + 26 : inner + 28] = cluster
    found, why = until_damage(READER, bytes(image))
    assert "two places" in why
    assert "short" in {node.path for node in found}


@pytest.mark.servers
def test_a_deleted_file_is_gone(need: Callable[[str], str], mkfs: Make, tmp_path: Path) -> None:
    mkfs("-F", "16", megabytes=16)
    process.run([need("mdel"), "-i", tmp_path / "fat", "::/short"], timeout_s=60)
    tree = tree_of(READER, (tmp_path / "fat").read_bytes())
    assert tree.get("short") is None
    assert content(tree, "lower.txt") == b"lower"


def test_other_bytes_are_not_fat() -> None:
    table = bytes(446) + struct.pack("<B3xB3xII", 0x80, 0x83, 8, 100) + bytes(48) + b"\x55\xaa"
    for raw in (b"", noise(9000), noise(510) + b"\x55\xaa" + noise(9000), table + bytes(90_000)):
        assert measure(Bytes(raw)) is None
    with pytest.raises(FormatError):
        list(nodes(Bytes(noise(5000)), budget()))
