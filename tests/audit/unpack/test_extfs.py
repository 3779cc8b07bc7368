"""ext2, ext3 and ext4 as made by mke2fs and debugfs."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind
from holdfast.audit.unpack.extfs import READER, measure, nodes
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

pytestmark = pytest.mark.servers

VARIANTS = {
    "ext2 1k": ["-t", "ext2", "-b", "1024"],
    "ext2 4k, small inodes": ["-t", "ext2", "-b", "4096", "-I", "128"],
    "ext2 revision 0": ["-t", "ext2", "-r", "0"],
    "ext3": ["-t", "ext3"],
    "ext4": ["-t", "ext4"],
    "ext4 inline": ["-t", "ext4", "-O", "inline_data,^has_journal", "-I", "512"],
    "ext4 meta groups": ["-t", "ext4", "-O", "^64bit,^flex_bg,meta_bg,^resize_inode"],
    "ext4 many groups": ["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"],
}

Make = Callable[..., bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("ext") / "root", many=1500)


@pytest.fixture
def mke2fs(need: Callable[[str], str], folder: Path, tmp_path: Path) -> Make:
    """Make an image of the folder, then let debugfs do something to it."""

    def build(options: list[str], *commands: str, size: str = "24M") -> bytes:
        image = tmp_path / "image"
        image.unlink(missing_ok=True)
        command: list[str | Path] = [
            need("mke2fs"),
            "-q",
            "-F",
            *options,
            "-d",
            folder,
            image,
            size,
        ]
        process.run(command, timeout_s=60)
        if commands:
            text = "\n".join(commands).encode()
            process.run([need("debugfs"), "-w", "-f", "-", image], timeout_s=60, stdin=text)
        return image.read_bytes()

    return build


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_gives_all_back(mke2fs: Make, folder: Path, variant: str) -> None:
    image = mke2fs(VARIANTS[variant])
    measured = measure(Bytes(image + b"another partition"))
    assert measured is not None
    assert measured.size_bytes == len(image)
    assert measured.format == variant.split(maxsplit=1)[0]
    tree = tree_of(READER, image)
    assert differences(tree, folder) == []
    assert same_file(tree, "bin/su", "bin/busybox")


def test_a_large_block_size(mke2fs: Make, folder: Path) -> None:
    # One block as a folder has a length that does not fit into its 16 bits.
    options = ["-t", "ext4", "-b", "65536", "-O", "^has_journal", "-N", "4000"]
    assert differences(tree_of(READER, mke2fs(options, size="200M")), folder) == []


@pytest.mark.parametrize("inode", ["128", "256"])
def test_owners_devices_and_setuid(mke2fs: Make, inode: str) -> None:
    image = mke2fs(
        ["-t", "ext4", "-I", inode],
        "mknod console c 5 1",
        "mknod far b 300 7000",
        "mknod pipe p",
        "sif short uid 100000",
        "sif short gid 3000000",
        "sif short mode 0106711",
    )
    tree = tree_of(READER, image)
    short = node_of(tree, "short")
    assert (short.uid, short.gid, short.mode) == (100_000, 3_000_000, 0o6711)
    console, far = node_of(tree, "console"), node_of(tree, "far")
    assert (console.kind, console.device) == (Kind.CHARACTER, (5, 1))
    assert (far.kind, far.device) == (Kind.BLOCK, (300, 7000))
    assert node_of(tree, "pipe").kind is Kind.PIPE
    assert console.read is None


def test_a_file_in_many_pieces(mke2fs: Make, folder: Path) -> None:
    pieces = folder / "pieces"
    with pieces.open("wb") as file:
        for number in range(700):
            file.seek(number * 8192)
            file.write(b"%04d" % number * 1024)
    try:
        for options in (["-t", "ext4", "-b", "1024"], ["-t", "ext2", "-b", "1024"]):
            image = mke2fs(options)
            assert content(tree_of(READER, image), "pieces") == pieces.read_bytes()
    finally:
        pieces.unlink()


@pytest.mark.parametrize("options", ["", "-v 2", "-v 3", "-c"])
@pytest.mark.parametrize("kind", ["ext3", "ext4"])
def test_the_journal_of_a_running_system_counts(
    mke2fs: Make, need: Callable[[str], str], tmp_path: Path, kind: str, options: str
) -> None:
    (tmp_path / "new").write_text("added\n")
    before = mke2fs(["-t", kind, "-b", "1024"])
    image = tmp_path / "image"
    commands = f"write {tmp_path / 'new'} etc/added\nrm short\nsif etc/motd mode 0104755\n"
    process.run([need("debugfs"), "-w", "-f", "-", image], timeout_s=60, stdin=commands.encode())
    after = image.read_bytes()
    changed = [
        block
        for block in range(2, len(before) // 1024)  # all but the superblock
        if before[block * 1024 : block * 1024 + 1024] != after[block * 1024 : block * 1024 + 1024]
    ]
    blocks = b"".join(after[block * 1024 : block * 1024 + 1024] for block in changed)
    (tmp_path / "blocks").write_bytes(blocks)
    image.write_bytes(before)
    numbers = ",".join(map(str, changed))
    commands = f"jo {options}\njw -b {numbers} {tmp_path / 'blocks'}\njc\n"
    process.run([need("debugfs"), "-w", "-f", "-", image], timeout_s=60, stdin=commands.encode())
    tree = tree_of(READER, image.read_bytes())
    assert content(tree, "etc/added") == b"added\n"
    assert tree.get("short") is None
    assert node_of(tree, "etc/motd").mode == 0o4755


def test_a_damaged_journal_is_told(mke2fs: Make) -> None:
    image = bytearray(mke2fs(["-t", "ext3", "-b", "1024"]))
    image[1024 + 96] |= 4  # the journal is to be played back ...
    image[1024 + 224] = 200  # ... but it is not where the superblock says
    found, why = until_damage(READER, bytes(image))
    assert "journal" in why
    assert "etc/motd" in {node.path for node in found}


def test_an_encrypted_file_is_not_read(mke2fs: Make) -> None:
    image = mke2fs(["-t", "ext4"], "sif short flags 0x80800")
    read = reading(tree_of(READER, image), "short")
    with pytest.raises(FormatError, match="encrypted"):
        read()


def test_a_folder_in_two_places_ends(mke2fs: Make) -> None:
    image = mke2fs(["-t", "ext4"], "link etc loop/etc", "link . loop/root")
    found, why = until_damage(READER, image)
    assert "two places" in why
    assert "etc/motd" in {node.path for node in found}
    assert len(found) < 2000


@pytest.mark.parametrize("size", [2**31, 2**40, 2**62])
def test_a_boastful_size_is_a_limit(mke2fs: Make, size: int) -> None:
    image = mke2fs(["-t", "ext4"], f"sif short size {size}")
    read = reading(tree_of(READER, image), "short")
    with pytest.raises(LimitError):
        read()


def test_extents_that_lead_to_themselves_end(mke2fs: Make, folder: Path) -> None:
    image = bytearray(mke2fs(["-t", "ext4", "-b", "1024"], "sif sparse size 300000000"))
    # The map of a file: every entry of a node leads to the next node, and all to the same blocks.
    at = image.index((folder / "bin/busybox").read_bytes()[:1024])
    block = at // 1024
    for level in range(5):
        entries = b"".join(
            struct.pack("<IIHH", each, block + level + 1, 0, 0) for each in range(84)
        )
        header = struct.pack("<HHHHI", 0xF30A, 84, 84, 4 - level, 0)
        image[at + level * 1024 : at + level * 1024 + 1020] = header + entries
    root = struct.pack("<HHHHI", 0xF30A, 1, 4, 5, 0) + struct.pack("<IIHH", 0, block, 0, 0)
    motd = image.index(struct.pack("<I", 300_000_000))
    image[motd - 4 + 40 : motd - 4 + 64] = root
    tree = tree_of(READER, bytes(image))
    assert node_of(tree, "sparse").size_bytes == 300_000_000
    with pytest.raises(FormatError, match="extents"):
        reading(tree, "sparse")()


def test_other_bytes_are_not_ext(mke2fs: Make) -> None:
    assert measure(Bytes(b"")) is None
    assert measure(Bytes(noise(100_000))) is None
    image = mke2fs(["-t", "ext4"])
    backup = image.index(b"\x53\xef", 1024 * 1024 * 8 - 1024) - 56 - 1024
    assert measure(Bytes(image[backup:])) is None  # a copy of the superblock starts nothing
    with pytest.raises(FormatError):
        list(nodes(Bytes(noise(5000)), budget()))
