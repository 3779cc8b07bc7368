"""cramfs: both orders, holes, boot sector, stored blocks; damage is never taken for content."""

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.limits import Limits
from holdfast.audit.tree import Kind, Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.cramfs import READER
from holdfast.audit.unpack.source import Bytes
from holdfast.core import process
from tests.audit.unpack.sample import differences, make, tree_of

CHANCE = random.Random
CONTENT = b"a line of text\n" * 600


@pytest.mark.servers
@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("options", [[], ["-p"], ["-z"]], ids=str)
def test_images_of_mkfs(
    order: str, options: list[str], tmp_path: Path, need: Callable[[str], str]
) -> None:
    folder = make(tmp_path / "root", many=1500)
    image = tmp_path / "image"
    process.run([need("mkfs.cramfs"), "-N", order, *options, folder, image], timeout_s=30)
    measured = READER.measure(Bytes(image.read_bytes() + bytes(100)))
    assert measured is not None
    assert measured.format == f"cramfs 2 {order}-endian"
    assert measured.size_bytes == image.stat().st_size
    # cramfs keeps no times.
    assert differences(tree_of(READER, image.read_bytes()), folder, but=("mtime",)) == []


def inode(mode: int, size: int, name: bytes, offset: int, *, owner: tuple[int, int]) -> bytes:
    name += bytes(-len(name) % 4)
    fields = (mode, owner[0], size | owner[1] << 24, len(name) // 4 | offset // 4 << 6)
    return struct.pack("<HHII", *fields) + name


def image_of(*, flags: int, body: bytes, entries: list[tuple[int, int, bytes, int]]) -> bytes:
    """Make a little-endian image by hand: a root, then what the entries point to."""
    names = b"".join(
        inode(mode, size, name, offset, owner=(7, 8)) for mode, size, name, offset in entries
    )
    head = struct.pack("<IIII", 0x28CD3D45, 76 + len(names) + len(body), flags, 0)
    head += b"Compressed ROMFS" + bytes(16) + b"made by hand".ljust(16, b"\0")
    return head + inode(0o40755, len(names), b"", 76, owner=(1, 2)) + names + body


def plain(*, flags: int = 1) -> bytes:
    packed = [zlib.compress(CONTENT[at : at + 4096]) for at in (0, 4096, 8192)]
    at = 76 + 3 * 16
    ends = [at + 12 + len(b"".join(packed[: count + 1])) for count in range(3)]
    body = struct.pack("<III", *ends) + b"".join(packed)
    entries = [
        (0o104755, len(CONTENT), b"file", at),
        (0o20600, 5 << 8 | 1, b"cons", 0),
        (0o60660, 8 << 8 | 3, b"disk", 0),
    ]
    return image_of(flags=flags, body=body, entries=entries)


def pointed() -> bytes:
    """Pointers with flags: stored, compressed elsewhere with its length, and compressed."""
    at = 76 + 16
    packed = [zlib.compress(CONTENT[at : at + 4096]) for at in (4096, 8192)]
    stored_at = at + 12
    first_end = stored_at + 4096
    far = first_end + len(packed[0]) + len(packed[1]) + 8
    far += -far % 4
    body = struct.pack(
        "<III",
        first_end | 1 << 31,
        far // 4 | 1 << 30,
        far + 2 + len(packed[0]) + len(packed[1]),
    )
    body += CONTENT[:4096]
    body = body.ljust(far - at, b"\xee") + struct.pack("<H", len(packed[0])) + b"".join(packed)
    return image_of(flags=0x801, body=body, entries=[(0o100644, len(CONTENT), b"file", at)])


def tree(image: bytes) -> Tree:
    return Tree(READER.nodes(Bytes(image), Budget(Limits(seconds=10, file_bytes=20_000_000))))


@pytest.mark.parametrize("flags", [0, 1])
def test_owners_devices_and_both_versions(flags: int) -> None:
    found = tree(plain(flags=flags))
    assert [
        (node.path, node.kind, node.mode, node.uid, node.gid, node.device) for node in found.walk()
    ] == [
        ("", Kind.FOLDER, 0o755, 1, 2, None),
        ("cons", Kind.CHARACTER, 0o600, 7, 8, (5, 1)),
        ("disk", Kind.BLOCK, 0o660, 7, 8, (8, 3)),
        ("file", Kind.FILE, 0o4755, 7, 8, None),
    ]
    assert found.read("file") == CONTENT


def test_pointers_with_flags() -> None:
    assert tree(pointed()).read("file") == CONTENT


def test_flipped_bit_of_a_content_is_an_error() -> None:
    image = bytearray(plain())
    for place in range(76 + 48 + 12, len(image), 3):
        image[place] ^= 0x10
        with pytest.raises(FormatError):
            tree(bytes(image)).read("file")
        image[place] ^= 0x10


def test_folder_inside_itself_is_an_error() -> None:
    entries = [(0o40755, 16, b"self", 76)]
    with pytest.raises(FormatError, match="inside itself"):
        tree(image_of(flags=1, body=b"", entries=[*entries, (0o40755, 16, b"more", 76)]))


def test_huge_size_costs_nothing() -> None:
    node = tree(image_of(flags=1, body=b"", entries=[(0o100644, 0xFFFFFF, b"file", 92)])).get(
        "file"
    )
    assert node is not None and node.read is not None  # noqa: PT018 - for mypy
    with pytest.raises(FormatError):
        node.read()


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_never_raises_another_error(data: st.DataObject) -> None:
    image = bytearray(data.draw(st.sampled_from([plain(), pointed()])))
    for _ in range(data.draw(st.integers(1, 8))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(image[: data.draw(st.integers(0, 2 * len(image)))])
    READER.measure(Bytes(cut))
    try:
        for node in tree(cut).files():
            assert node.read is not None
            node.read()
    except (FormatError, LimitError):
        return


def test_noise_is_no_cramfs() -> None:
    chance = CHANCE(5)
    for magic in READER.magics:
        for _ in range(200):
            noise = chance.randbytes(magic.at) + magic.content + chance.randbytes(400)
            assert READER.measure(Bytes(noise)) is None
