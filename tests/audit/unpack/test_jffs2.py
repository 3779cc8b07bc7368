"""jffs2 as made by mkfs.jffs2, and nodes written here as a running system writes them."""

import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from lzallright import LZOCompressor

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind, Tree
from holdfast.audit.unpack.jffs2 import READER, measure, nodes
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
    same_file,
    tree_of,
    until_damage,
)

DEVICES = (
    "/dev d 755 0 0 - - - - -\n/dev/console c 600 5 6 5 1 - - -\n/dev/hda b 640 0 6 3 1 - - -\n"
)


def crc(raw: bytes) -> int:
    return zlib.crc32(raw, 0xFFFFFFFF) ^ 0xFFFFFFFF


class Log:
    """Writes nodes."""

    def __init__(self, order: str = "<") -> None:
        self.order, self.raw = order, b""

    def _node(self, kind: int, body: bytes) -> None:
        head = struct.pack(self.order + "HHI", 0x1985, kind, 12 + len(body))
        self.raw += head + struct.pack(self.order + "I", crc(head)) + body
        self.raw += b"\xff" * (-len(self.raw) % 4)

    def name(self, parent: int, name: bytes, inode: int, version: int = 1) -> None:
        head = struct.pack(self.order + "HHI", 0x1985, 0xE001, 40 + len(name))
        fixed = struct.pack(self.order + "IIIIBB2x", parent, version, inode, 0, len(name), 8)
        whole = head + struct.pack(self.order + "I", crc(head)) + fixed
        self._node(0xE001, fixed + struct.pack(self.order + "II", crc(whole), crc(name)) + name)

    def inode(
        self,
        number: int,
        content: bytes = b"",
        *,
        version: int = 1,
        mode: int = 0o100644,
        size: int | None = None,
        offset: int = 0,
        packed: bytes | None = None,
        compression: int = 0,
        length: int | None = None,
        sum_off: int = 0,
    ) -> None:
        packed = content if packed is None else packed
        length = len(content) if length is None else length
        size = offset + length if size is None else size
        head = struct.pack(self.order + "HHI", 0x1985, 0xE002, 68 + len(packed))
        fixed = struct.pack(
            self.order + "IIIHHIIIIIIIBBH",
            number,
            version,
            mode,
            7,
            8,
            size,
            1,
            2,
            3,
            offset,
            len(packed),
            length,
            compression,
            0,
            0,
        )
        whole = head + struct.pack(self.order + "I", crc(head)) + fixed
        sums = struct.pack(self.order + "II", crc(packed) + sum_off, crc(whole))
        self._node(0xE002, fixed + sums + packed)

    def tree(self) -> Tree:
        return tree_of(READER, self.raw)


@pytest.mark.servers
@pytest.mark.parametrize(
    "options",
    [
        "-l",
        "-b",
        "-l -m none",
        "-b -x zlib",
        "-l -X lzo -x zlib -x rtime",
        "-l -n -e 0x20000 -s 0x2000",
        "-b -m size -X lzo -p 0x400000",
    ],
)
def test_images_of_mkfs(need: Callable[[str], str], tmp_path: Path, options: str) -> None:
    folder, image = make(tmp_path / "root"), tmp_path / "image"
    (tmp_path / "devices").write_text(DEVICES)
    command: list[str | Path] = [need("mkfs.jffs2"), *options.split(), "-o", image, "-r", folder]
    process.run([*command, "-D", tmp_path / "devices"], timeout_s=60)
    raw = image.read_bytes()
    tree = tree_of(READER, raw)
    assert differences(tree, folder, more=("dev", "dev/console", "dev/hda")) == []
    assert same_file(tree, "bin/su", "bin/busybox")
    console, disk = node_of(tree, "dev/console"), node_of(tree, "dev/hda")
    assert (console.kind, console.device, console.mode) == (Kind.CHARACTER, (5, 1), 0o600)
    assert (console.uid, console.gid) == (5, 6)
    assert (disk.kind, disk.device) == (Kind.BLOCK, (3, 1))
    word = "big" if "-b" in options else "little"
    measured = measure(Bytes(raw + b"\xff" * 4096 + noise(1 << 21)))
    assert measured is not None
    assert measured.format == f"jffs2 {word}-endian"
    assert measured.size_bytes <= len(raw)


@pytest.mark.servers
def test_two_partitions_are_not_mixed(need: Callable[[str], str], tmp_path: Path) -> None:
    images = []
    for name in ("root", "settings"):
        folder = tmp_path / name
        folder.mkdir()
        for number in range(9):
            (folder / f"{name}-{number}").write_text(name)
        command: list[str | Path] = [need("mkfs.jffs2"), "-l", "-e", "0x10000", "-p"]
        process.run([*command, "-r", folder, "-o", tmp_path / "image"], timeout_s=60)
        images.append((tmp_path / "image").read_bytes())
    measured = measure(Bytes(b"".join(images)))
    assert measured is not None
    assert measured.size_bytes <= len(images[0])
    tree = tree_of(READER, b"".join(images))
    assert "root-8" in tree
    assert "settings-8" not in tree


@pytest.mark.parametrize("order", "<>")
def test_later_versions_count(order: str) -> None:
    log = Log(order)
    log.name(1, b"kept", 2)
    log.name(1, b"gone", 3)
    log.name(1, b"moved", 4)
    log.inode(2, b"first version")
    log.inode(2, b"SECOND", version=2, size=13)
    log.inode(2, b"", version=3, size=9, mode=0o104755)  # cut, and made setuid
    log.inode(3, b"x")
    log.inode(4, b"y")
    log.name(1, b"gone", 0, version=2)
    log.name(1, b"new", 4, version=3)
    log.name(1, b"moved", 0, version=4)
    log.name(1, b"gone", 3, version=1)  # an old node that was copied later
    tree = log.tree()
    assert {node.path for node in tree.walk()} == {"", "kept", "new"}
    assert content(tree, "kept") == b"SECONDver"
    assert node_of(tree, "kept").mode == 0o4755
    assert (node_of(tree, "kept").uid, node_of(tree, "kept").gid) == (7, 8)


def test_every_compression() -> None:
    plain = b"abcabcabc" * 100
    log = Log()
    packed = {
        "zero": (1, b"", bytes(900)),
        "zlib": (6, zlib.compress(plain), plain),
        "lzo": (7, LZOCompressor().compress(plain), plain),
        # Each byte with how much to repeat of what followed it the last time.
        "rtime": (2, b"a\0b\0c\0" + b"a\xffb\xffc\xff" + b"a\xff" * 2, plain[:600]),
        "lzma": (8, _lzma(plain), plain),
    }
    for number, (name, (compression, raw, whole)) in enumerate(packed.items(), start=2):
        log.name(1, name.encode(), number)
        log.inode(number, packed=raw, compression=compression, length=len(whole))
    tree = log.tree()
    for name, (_, _, whole) in packed.items():
        assert content(tree, name) == whole


def _lzma(plain: bytes) -> bytes:
    """Squeeze without any header, as a widely used patch of the kernel does."""
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 8192, "lc": 0, "lp": 0, "pb": 0}]
    return lzma.compress(plain, lzma.FORMAT_RAW, filters=filters)


def test_what_was_cut_off_while_it_was_written_does_not_count() -> None:
    log = Log()
    log.name(1, b"file", 2)
    log.inode(2, b"whole")
    log.inode(2, b"halfw", version=2, sum_off=1)
    assert content(log.tree(), "file") == b"whole"


def test_a_missing_piece_is_told() -> None:
    log = Log()
    log.name(1, b"file", 2)
    log.inode(2, b"start", size=100)
    log.inode(2, b"end", version=2, offset=97)
    read = reading(log.tree(), "file")
    with pytest.raises(FormatError, match="missing"):
        read()


@pytest.mark.parametrize(
    ("compression", "raw"),
    [(6, zlib.compress(bytes(100_000))), (7, b"\xff" * 40), (3, b"x"), (5, b"x"), (77, b"x")],
)
def test_nonsense_in_a_piece_is_told(compression: int, raw: bytes) -> None:
    log = Log()
    log.name(1, b"file", 2)
    log.inode(2, packed=raw, compression=compression, length=4096)
    read = reading(log.tree(), "file")
    with pytest.raises(FormatError):
        read()


def test_a_bomb_of_zeros_is_a_limit() -> None:
    log = Log()
    for number in range(2, 40):
        log.name(1, b"%d" % number, number)
        log.inode(number, compression=1, length=1 << 23)
    found = list(nodes(Bytes(log.raw), budget(unpacked_bytes=1 << 25)))
    with pytest.raises(LimitError, match="unpacked_bytes"):
        assert [node.read() for node in found if node.read]


def test_damage_of_the_structure_is_told_after_what_is_whole() -> None:
    log = Log()
    log.name(1, b"good", 2)
    log.inode(2, b"content")
    log.name(1, b"bad", 99)
    log.name(1, b"../up", 2)
    log.name(77, b"lost", 2)
    found, why = until_damage(READER, log.raw)
    assert [node.path for node in found] == ["", "good"]
    assert "no folder leads to" in why
    assert [node.path for node in until_damage(READER, log.raw[:-3])[0]] == ["", "good"]


def test_folders_that_hold_each_other_end() -> None:
    log = Log()
    log.inode(2, mode=0o40755)
    log.inode(3, mode=0o40755)
    log.name(1, b"a", 2)
    log.name(2, b"b", 3)
    log.name(3, b"c", 2)
    log.name(3, b"d", 1)
    log.inode(1, mode=0o40755)
    assert len(until_damage(READER, log.raw)[0]) == 5


def test_other_bytes_are_not_jffs2() -> None:
    assert measure(Bytes(b"")) is None
    assert measure(Bytes(b"\x85\x19\x01\xe0" + noise(5000))) is None
    assert measure(Bytes(b"\x85\x19" * 100_000)) is None
    with pytest.raises(FormatError):
        list(nodes(Bytes(noise(5000)), budget()))


def test_false_magics_do_not_hold_up() -> None:
    log = Log()
    log.name(1, b"file", 2)
    log.inode(2, b"content")
    raw = log.raw + b"\x85\x19\x01\xe0" * 200_000
    measured = measure(Bytes(raw))
    assert measured is not None
    assert measured.size_bytes == len(log.raw)
