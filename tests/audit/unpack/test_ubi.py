"""UBI and UBIFS as made by ubinize and mkfs.ubifs, and what a running system writes after that."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind
from holdfast.audit.unpack import ubi, ubifs
from holdfast.audit.unpack.source import Bytes
from holdfast.core import process
from tests.audit.unpack.sample import (
    budget,
    content,
    differences,
    make,
    node_of,
    noise,
    parts_of,
    reading,
    same_file,
    tree_of,
    until_damage,
)

ERASE, PAGE = 16384, 512
LEB = ERASE - 2 * PAGE
DEVICES = """\
/dev d 755 0 0 - - - - -
/dev/console c 600 5 6 5 1 - - -
/dev/far b 640 70000 80000 259 70000 - - -
"""
CONFIGURATION = """\
[root]
mode=ubi
image={root}
vol_id=3
vol_size=20MiB
vol_type=dynamic
vol_name=root fs
[kernel]
mode=ubi
image={kernel}
vol_id=5
vol_type=static
vol_name=kernel
"""
Make = Callable[..., bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("ubi") / "root")


@pytest.fixture
def mkfs(need: Callable[[str], str], folder: Path, tmp_path: Path) -> Make:
    def build(*options: str) -> bytes:
        image = tmp_path / "ubifs"
        (tmp_path / "devices").write_text(DEVICES)
        sizes = ("-m", str(PAGE), "-e", str(LEB), "-c", "900")
        command: list[str | Path] = [need("mkfs.ubifs"), *sizes, *options, "-r", folder]
        process.run([*command, "-D", tmp_path / "devices", "-o", image], timeout_s=60)
        return image.read_bytes()

    return build


@pytest.fixture
def ubinize(need: Callable[[str], str], tmp_path: Path) -> Make:
    def build(root: bytes, kernel: bytes, *options: str) -> bytes:
        (tmp_path / "root").write_bytes(root)
        (tmp_path / "kernel").write_bytes(kernel)
        text = CONFIGURATION.format(root=tmp_path / "root", kernel=tmp_path / "kernel")
        (tmp_path / "ini").write_text(text)
        sizes = ("-p", str(ERASE), "-m", str(PAGE), "-s", str(PAGE))
        command: list[str | Path] = [need("ubinize"), *sizes, *options, "-o", tmp_path / "ubi"]
        process.run([*command, tmp_path / "ini"], timeout_s=60)
        return (tmp_path / "ubi").read_bytes()

    return build


@pytest.mark.servers
@pytest.mark.parametrize("compression", ["none", "lzo", "zlib", "zstd", "favor_lzo"])
def test_images_of_mkfs(mkfs: Make, folder: Path, compression: str) -> None:
    image = mkfs("-x", compression)
    measured = ubifs.measure(Bytes(image))
    assert measured is not None
    assert measured.size_bytes == len(image)
    tree = tree_of(ubifs.READER, image)
    assert differences(tree, folder, more=("dev", "dev/console", "dev/far")) == []
    assert same_file(tree, "bin/su", "bin/busybox")
    far = node_of(tree, "dev/far")
    assert (far.kind, far.device, far.uid, far.gid) == (Kind.BLOCK, (259, 70000), 70000, 80000)


class Journal:
    """Writes nodes into an image as a running system does after the last commit."""

    def __init__(self, image: bytes, bud: int) -> None:
        self.image = bytearray(image) + b"\xff" * (bud + 1 - len(image) // LEB) * LEB
        struct.pack_into("<I", self.image, 40, bud + 1)  # the volume was larger than the image
        struct.pack_into("<I", self.image, 4, zlib.crc32(self.image[8:4096]) ^ 0xFFFFFFFF)
        master = self.image.rindex(struct.pack("<IBB2x", 512, 7, 0), LEB, 2 * LEB) - 16
        self.log = int.from_bytes(self.image[master + 44 : master + 48], "little")
        self.sequence, self.bud = 1 << 20, bud
        end = self.image.index(b"\xff" * 64, self.log * LEB)
        self._write(8, struct.pack("<III", bud, 0, 1) + bytes(28), end + -end % 8)
        self.at = bud * LEB

    def _write(self, kind: int, body: bytes, at: int) -> int:
        self.sequence += 1
        rest = struct.pack("<QIBB2x", self.sequence, 24 + len(body), kind, 0) + body
        node = struct.pack("<II", 0x06101831, zlib.crc32(rest) ^ 0xFFFFFFFF) + rest
        self.image[at : at + len(node)] = node
        return at + len(node) + -len(node) % 8

    def name(self, parent: int, name: bytes, inode: int) -> None:
        key = struct.pack("<II8x", parent, 2 << 29)
        body = key + struct.pack("<QBBHI", inode, 0, 0, len(name), 0) + name + b"\0"
        self.at = self._write(2, body, self.at)

    def inode(self, number: int, size: int, mode: int = 0o100644, links: int = 1) -> None:
        key = struct.pack("<II8x", number, 0)
        numbers = struct.pack("<QQQQQ12xIIIIIII", 1, size, 1, 2, 3, links, 4, 5, mode, 0, 0, 0)
        self.at = self._write(0, key + numbers.ljust(120, b"\0"), self.at)

    def content(self, number: int, block: int, content: bytes) -> None:
        key = struct.pack("<II8x", number, 1 << 29 | block)
        body = key + struct.pack("<IHH", len(content), 0, 0) + content
        self.at = self._write(1, body, self.at)

    def cut(self, number: int, old: int, new: int) -> None:
        self.at = self._write(4, struct.pack("<I12xQQ", number, old, new), self.at)


def _number_of(image: bytes, name: bytes) -> int:
    """Find the inode of a name in an image."""
    at = image.index(struct.pack("<H", len(name)) + bytes(4) + name + b"\0") - 50
    return int.from_bytes(image[at + 40 : at + 48], "little")


@pytest.mark.servers
def test_the_journal_counts(mkfs: Make) -> None:
    image = mkfs("-x", "none")
    journal = Journal(image, len(image) // LEB + 2)
    journal.inode(9000, 5000, 0o104755)
    journal.content(9000, 0, b"x" * 4096)
    journal.content(9000, 1, b"y" * 904)
    journal.name(1, b"added", 9000)
    journal.name(1, b"short", 0)
    journal.inode(_number_of(image, b"motd"), 4096, 0o100600)
    journal.cut(_number_of(image, b"motd"), 84000, 4096)
    journal.inode(_number_of(image, b"empty"), 6000)
    journal.content(_number_of(image, b"empty"), 1, b"z" * 1904)
    tree = tree_of(ubifs.READER, bytes(journal.image))
    assert content(tree, "added") == b"x" * 4096 + b"y" * 904
    added = node_of(tree, "added")
    assert (added.mode, added.uid, added.gid, added.mtime) == (0o4755, 4, 5, 3)
    assert tree.get("short") is None
    assert content(tree, "etc/motd") == (b"a line that can be squeezed\n" * 200)[:4096]
    assert content(tree, "empty") == bytes(4096) + b"z" * 1904


@pytest.mark.servers
def test_without_an_index_all_nodes_are_looked_at(mkfs: Make, folder: Path) -> None:
    image = bytearray(mkfs())
    for block in (1, 2):
        image[block * LEB : block * LEB + 100] = bytes(100)
    found, why = until_damage(ubifs.READER, bytes(image))
    assert why
    assert {"bin/busybox", "etc/passwd", "loop/a"} <= {node.path for node in found}
    assert len(found) >= len(list(folder.rglob("*")))


@pytest.mark.servers
def test_a_damaged_block_of_a_file_is_told(mkfs: Make, folder: Path) -> None:
    image = bytearray(mkfs("-x", "none"))
    image[image.index((folder / "bin/busybox").read_bytes()[:100]) + 50] ^= 1
    read = reading(tree_of(ubifs.READER, bytes(image)), "bin/busybox")
    with pytest.raises(FormatError, match="damaged"):
        read()


@pytest.mark.servers
def test_a_boastful_size_is_a_limit(mkfs: Make) -> None:
    image = mkfs()
    journal = Journal(image, len(image) // LEB + 2)
    journal.inode(_number_of(image, b"empty"), 1 << 50)
    read = reading(tree_of(ubifs.READER, bytes(journal.image)), "empty")
    with pytest.raises(LimitError):
        read()


@pytest.mark.servers
def test_volumes_in_any_order(mkfs: Make, ubinize: Make) -> None:
    root, kernel = mkfs(), noise(100_001)
    image = ubinize(root, kernel)
    measured = ubi.measure(Bytes(image + noise(50 * ERASE)))
    assert measured is not None
    assert measured.size_bytes == len(image)
    blocks = [image[at : at + ERASE] for at in range(0, len(image), ERASE)]
    # Turned round, with blank and bad blocks between, an old copy and one that was not finished.
    newer = _copy(blocks[5], 5, blocks[5][2 * PAGE :])
    turned = [*blocks[:5], newer, *blocks[6:]][::-1]
    unfinished = _copy(blocks[5], 6, b"!" * LEB, copied=True)
    turned[3:3] = [b"\xff" * ERASE, noise(ERASE), _copy(blocks[5], 4, b"!" * LEB), unfinished]
    for whole in (image, b"".join(turned)):
        parts = {part.name: part.source for part in parts_of(ubi.READER, whole)}
        assert set(parts) == {"root-fs", "kernel"}
        assert parts["kernel"].read_at(0, 1 << 30) == kernel
        assert parts["root-fs"].read_at(0, 1 << 30) == root
        assert parts["root-fs"].read_at(LEB - 5, 10) == root[LEB - 5 : LEB + 5]


def _copy(block: bytes, sequence: int, content: bytes, *, copied: bool = False) -> bytes:
    """Copy an erase block with another content and sequence number."""
    header = bytearray(block[PAGE : PAGE + 60])
    struct.pack_into(">Q", header, 40, sequence)
    if copied:  # with a check sum, which is that of something else
        header[6] = 1
        struct.pack_into(">I", header, 20, 100)
        struct.pack_into(">I", header, 32, 12345)
    whole = bytes(header) + struct.pack(">I", zlib.crc32(header) ^ 0xFFFFFFFF)
    return block[:PAGE] + whole + block[PAGE + 64 : 2 * PAGE] + content


@pytest.mark.servers
def test_another_image_behind_is_another_one(ubinize: Make) -> None:
    first, second = ubinize(b"a", b"b", "-Q", "1"), ubinize(b"c", b"d", "-Q", "2")
    measured = ubi.measure(Bytes(first + second))
    assert measured is not None
    assert measured.size_bytes == len(first)


@pytest.mark.servers
def test_a_static_volume_with_a_gap_is_told(ubinize: Make) -> None:
    image = ubinize(b"a", noise(100_000))
    with pytest.raises(FormatError, match="missing"):
        parts_of(ubi.READER, image[: -2 * ERASE])


def _erase_block(volume: int, number: int, sequence: int = 1) -> bytes:
    erase = struct.pack(">4sB11xIII32x", b"UBI#", 1, 64, 128, 7)
    head = struct.pack(
        ">4sBBBxII4xIIII4xQ12x", b"UBI!", 1, 1, 0, volume, number, 0, 0, 0, 0, sequence
    )
    return b"".join(
        raw + struct.pack(">I", zlib.crc32(raw) ^ 0xFFFFFFFF) for raw in (erase, head)
    ).ljust(4096, b"x")


def test_a_boastful_number_of_a_block_makes_no_volume() -> None:
    image = _erase_block(0, 0) + _erase_block(0, 0xFFFFFFF0) + _erase_block(1, 0x7FFFFFFF)
    parts = parts_of(ubi.READER, image)
    assert [(part.name, part.source.size_bytes) for part in parts] == [("volume0", 4096 - 128)]


def test_other_bytes_are_neither() -> None:
    for raw in (b"", b"UBI#\1" + noise(9000), noise(9000), struct.pack("<II", 0x06101831, 0) * 9):
        assert ubi.measure(Bytes(raw)) is None
        assert ubifs.measure(Bytes(raw)) is None
    with pytest.raises(FormatError):
        list(ubi.parts(Bytes(noise(9000)), budget()))
    with pytest.raises(FormatError):
        list(ubifs.nodes(Bytes(noise(9000)), budget()))
