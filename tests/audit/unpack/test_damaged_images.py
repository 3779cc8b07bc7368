"""Images with flipped bits and cut ends: nothing but our two errors, and in time."""

import io
import random
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.unpack import (
    cpio,
    deb,
    extfs,
    fat,
    iso,
    jffs2,
    partitions,
    tape,
    ubi,
    ubifs,
    yaffs,
    zipped,
)
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import MOST_PATH
from holdfast.audit.unpack.reader import Container, FileSystem
from holdfast.audit.unpack.source import Bytes
from holdfast.core import process
from tests.audit.unpack.sample import budget, make
from tests.audit.unpack.yaffs_writer import Writer

MOST_SECONDS = 5
BLOCK = 512


def written(image: bytes) -> list[int]:
    """Give the places of blocks that are not blank."""
    places = range(0, len(image), BLOCK)
    return [at for at in places if image[at : at + BLOCK].strip(b"\0").strip(b"\xff")]


def damaged(image: bytes, seed: int, blocks: list[int]) -> bytes:
    """Flip some bytes of some blocks, most in the first of them; cut off a few ends."""
    chance = random.Random(seed)  # noqa: S311
    raw = bytearray(image)
    first = blocks[: max(1, len(blocks) // 8)]
    for _ in range(chance.choice((1, 1, 2, 5, 20, 100))):
        at = chance.choice(first if chance.random() < 0.6 else blocks) + chance.randrange(BLOCK)
        if at < len(raw):
            value = raw[at] ^ 1 << chance.randrange(8)
            raw[at] = chance.choice((value, 0, 0xFF, 0x7F, 0x80, chance.randrange(256)))
    if chance.random() < 0.1:
        source, target = chance.choice(blocks), chance.choice(blocks)
        raw[target : target + BLOCK] = image[source : source + BLOCK]
    if chance.random() < 0.2:
        del raw[chance.randrange(len(raw)) :]
    return bytes(raw)


def try_file_system(reader: FileSystem, image: bytes) -> None:
    """Measure, list and read everything; only our errors may come."""
    source = Bytes(image)
    measured = reader.measure(source)
    assert measured is None or 0 < measured.size_bytes <= len(image)
    found = []
    try:
        for node in reader.nodes(source, _budget()):
            found.append(node)  # noqa: PERF402 - what came before an error counts
    except (FormatError, LimitError):
        pass
    for node in found:
        assert ".." not in node.path.split("/")
        assert not node.path.startswith("/")
        assert len(node.path) <= MOST_PATH
        if node.read is not None:
            with suppress(FormatError, LimitError):
                assert len(node.read()) == node.size_bytes


def try_container(reader: Container, image: bytes) -> None:
    """Measure, and read the start of every part; only our errors may come."""
    source = Bytes(image)
    measured = reader.measure(source)
    assert measured is None or 0 < measured.size_bytes <= len(image)
    try:
        for part in reader.parts(source, _budget()):
            assert "/" not in part.name
            part.source.read_at(0, 1 << 20)
    except (FormatError, LimitError):
        pass


def _budget() -> Budget:
    return budget(seconds=20, file_bytes=32 << 20, files=20_000, unpacked_bytes=128 << 20)


def survive(reader: FileSystem | Container, image: bytes, seeds: range) -> None:
    assert any(image.startswith(magic.content, magic.at) for magic in reader.magics)
    assert reader.measure(Bytes(image)) is not None
    blocks = written(image)
    for seed in seeds:
        start = time.monotonic()
        if isinstance(reader, FileSystem):
            try_file_system(reader, damaged(image, seed, blocks))
        else:
            try_container(reader, damaged(image, seed, blocks))
        assert time.monotonic() - start < MOST_SECONDS, f"seed {seed}"


def _tar(form: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content in (("a" * 150, b"x" * 3000), ("etc/shadow", b"root::"), ("e", b"")):
            about = tarfile.TarInfo(name)
            about.size, about.uid = len(content), 3_000_000
            archive.addfile(about, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/" + "t" * 120
        archive.addfile(link)
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(9):
            archive.writestr(f"folder/{number}", bytes(number * 1000))
    return stream.getvalue()


def _cpio(magic: bytes) -> bytes:
    image = b""
    for name, content in ((b"etc/passwd", b"root"), (b"bin/sh", b"x" * 2000), (b"TRAILER!!!", b"")):
        numbers = (5, 0o100644, 0, 0, 2, 9, len(content), 8, 1, 0, 0, len(name) + 1, 0)
        image += magic + b"".join(b"%08X" % number for number in numbers) + name + b"\0"
        image += bytes(-len(image) % 4) + content
        image += bytes(-len(image) % 4)
    return image


def _yaffs() -> bytes:
    writer = Writer()
    writer.header(3, 1, b"", thing=1, mode=0o40755)
    folder = writer.header(3, 1, b"etc", mode=0o40755)
    for number in range(9):
        writer.content(writer.header(1, folder, b"%d" % number, size=5000), b"y" * 5000)
    return writer.image()


def _ar() -> bytes:
    members = b"".join(
        name.ljust(16) + b"0".ljust(24) + b"100644  " + b"99".ljust(10) + b"`\n" + b"a" * 100
        for name in (b"debian-binary", b"//", b"/0", b"#1/20")
    )
    return b"!<arch>\n" + members


def _mbr() -> bytes:
    entries = ((0x80, 0x83, 8, 20), (0, 5, 40, 60))
    raw = b"".join(struct.pack("<B3xB3xII", *each) for each in entries).ljust(64, b"\0")
    inner = struct.pack("<B3xB3xII", 0, 0x83, 2, 9).ljust(64, b"\0")
    table = bytes(446) + raw + b"\x55\xaa" + bytes(39 * 512) + bytes(446) + inner + b"\x55\xaa"
    return table.ljust(100 * 512, b"\0")


MADE: dict[str, tuple[FileSystem | Container, bytes]] = {
    "tar GNU": (tape.READER, _tar(tarfile.GNU_FORMAT)),
    "tar POSIX": (tape.READER, _tar(tarfile.PAX_FORMAT)),
    "zip": (zipped.READER, _zip()),
    "cpio newc": (cpio.READER, _cpio(b"070701")),
    "cpio crc": (cpio.READER, _cpio(b"070702")),
    "yaffs": (yaffs.READER, _yaffs()),
    "ar": (deb.READER, _ar()),
    "mbr": (partitions.MBR_READER, _mbr()),
}


@pytest.mark.parametrize("name", MADE)
def test_images_made_here(name: str) -> None:
    reader, image = MADE[name]
    survive(reader, image, range(60))


COMMANDS: dict[str, tuple[FileSystem | Container, str]] = {
    "ext2": (extfs.READER, "mke2fs -q -F -t ext2 -b 1024 -d ROOT IMAGE 6M"),
    "ext3": (extfs.READER, "mke2fs -q -F -t ext3 -b 1024 -d ROOT IMAGE 8M"),
    "ext4": (extfs.READER, "mke2fs -q -F -t ext4 -O inline_data,^has_journal -d ROOT IMAGE 6M"),
    "jffs2": (jffs2.READER, "mkfs.jffs2 -l -r ROOT -o IMAGE"),
    "jffs2 big": (jffs2.READER, "mkfs.jffs2 -b -X lzo -r ROOT -o IMAGE"),
    "ubifs": (ubifs.READER, "mkfs.ubifs -m 512 -e 15872 -c 400 -r ROOT -o IMAGE"),
    "iso": (iso.READER, "genisoimage -quiet -R -J -o IMAGE ROOT"),
    "tar sparse": (tape.READER, "tar -c -S --format=gnu -f IMAGE ROOT"),
    "tar sparse 1.0": (tape.READER, "tar -c -S --format=posix -f IMAGE ROOT"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("damaged") / "root", many=20)


def _run(need: Callable[[str], str], command: str, folder: Path, image: Path) -> None:
    program, *words = command.split()
    named: dict[str, str | Path] = {"ROOT": folder, "IMAGE": image}
    process.run([need(program), *[named.get(word, word) for word in words]], timeout_s=60)


@pytest.mark.servers
@pytest.mark.parametrize("name", COMMANDS)
def test_images_of_programs(
    need: Callable[[str], str], folder: Path, tmp_path: Path, name: str
) -> None:
    reader, command = COMMANDS[name]
    _run(need, command, folder, tmp_path / "image")
    survive(reader, (tmp_path / "image").read_bytes(), range(60))


@pytest.mark.servers
def test_a_journal_that_is_to_be_played_back(
    need: Callable[[str], str], folder: Path, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    _run(need, COMMANDS["ext3"][1], folder, image)
    (tmp_path / "blocks").write_bytes(bytes(range(256)) * 4 * 60)
    numbers = ",".join(str(number) for number in range(3000, 3060))
    commands = f"jo\njw -b {numbers} -c {tmp_path / 'blocks'}\njw -r {numbers}\njc\n"
    process.run([need("debugfs"), "-w", "-f", "-", image], timeout_s=60, stdin=commands.encode())
    raw = bytearray(image.read_bytes())
    raw[1024 + 96] |= 4
    journal = raw.index(b"\xc0\x3b\x39\x98")
    original = bytes(raw[journal : journal + 8192])
    for seed in range(60):
        whole = bytearray(raw)
        flipped = damaged(original, seed, written(original))
        whole[journal : journal + 8192] = flipped.ljust(8192, b"\0")
        try_file_system(extfs.READER, bytes(whole))


@pytest.mark.servers
@pytest.mark.parametrize(("width", "sectors"), [("12", "4"), ("16", "2"), ("32", "1")])
def test_fat(
    need: Callable[[str], str], folder: Path, tmp_path: Path, width: str, sectors: str
) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(8_000_000 if width == "12" else 35_000_000)
    process.run([need("mkfs.vfat"), "-F", width, "-s", sectors, image], timeout_s=60)
    names = ["bin/busybox", "many", "short"]
    process.run([need("mcopy"), "-s", "-i", image, *names, "::/"], cwd=folder, timeout_s=60)
    survive(fat.READER, image.read_bytes(), range(25))


@pytest.mark.servers
def test_ubi_and_gpt(need: Callable[[str], str], tmp_path: Path) -> None:
    image = tmp_path / "image"
    (tmp_path / "content").write_bytes(bytes(range(256)) * 400)
    volume = f"[a]\nmode=ubi\nimage={tmp_path / 'content'}\nvol_id=1\nvol_type=static\nvol_name=k\n"
    (tmp_path / "ini").write_text(volume)
    sizes = ("-p", "16384", "-m", "512")
    process.run([need("ubinize"), *sizes, "-o", image, tmp_path / "ini"], timeout_s=60)
    survive(ubi.READER, image.read_bytes(), range(60))
    with image.open("wb") as file:
        file.truncate(4 << 20)
    process.run([need("sfdisk"), "-q", image], stdin=b"label: gpt\nsize=1M\n", timeout_s=60)
    survive(partitions.GPT_READER, image.read_bytes(), range(60))
