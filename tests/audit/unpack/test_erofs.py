"""erofs: what mkfs.erofs makes, what later ones make, and damage."""

import lzma
import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.block  # type: ignore[import-untyped] # lz4 has no types
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.limits import Limits
from holdfast.audit.tree import Kind, Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.erofs import MAGIC, READER
from holdfast.audit.unpack.source import Bytes
from holdfast.core import process
from tests.audit.unpack.sample import differences, make, same_file, tree_of

CHANCE = random.Random
BLOCK = 4096
STEP = 6000  # bytes of a file that are compressed together
TEXT = b"".join(b"%d lines of text\n" % number for number in range(3000))


@pytest.mark.servers
@pytest.mark.parametrize(
    "options",
    [
        "",
        "-Eforce-inode-extended",
        "-Enoinline_data",
        "-zlz4",
        "-zlz4hc,12 -C65536",
        "-zlz4hc -C16384 -Eztailpacking",
        "-zlz4 -Elegacy-compress",
        "-zlz4 -Elegacy-compress -Eforce-inode-extended",
        "--chunksize=4096",
        "--chunksize=16384 -Eforce-chunk-indexes",
    ],
)
def test_images_of_mkfs(options: str, tmp_path: Path, need: Callable[[str], str]) -> None:
    folder = make(tmp_path / "root", many=1500)
    if os.geteuid() == 0:
        os.mknod(folder / "console", 0o20600, os.makedev(5, 1))
        os.mknod(folder / "disk", 0o60660, os.makedev(259, 65537))
        os.chown(folder / "short", 100_000, 7)
    image = tmp_path / "image"
    process.run([need("mkfs.erofs"), *options.split(), image, folder], timeout_s=30)
    content = image.read_bytes()
    measured = READER.measure(Bytes(content + bytes(100)))
    assert measured is not None
    assert measured.size_bytes == len(content)
    tree = tree_of(READER, content)
    assert differences(tree, folder) == []
    assert same_file(tree, "bin/su", "bin/busybox")
    if os.geteuid() == 0:
        nodes = [tree.get(path) for path in ("console", "disk", "short")]
        assert [(node.kind, node.device, node.uid, node.gid) for node in nodes if node] == [
            (Kind.CHARACTER, (5, 1), 0, 0),
            (Kind.BLOCK, (259, 65537), 0, 0),
            (Kind.FILE, None, 100_000, 7),
        ]


@pytest.mark.servers
def test_owners_of_short_inodes(tmp_path: Path, need: Callable[[str], str]) -> None:
    folder = make(tmp_path / "root", many=5)
    image = tmp_path / "image"
    options = ["-Eforce-inode-compact", "--force-uid=33", "--force-gid=44", "-T1234567890"]
    process.run([need("mkfs.erofs"), *options, image, folder], timeout_s=30)
    tree = tree_of(READER, image.read_bytes())
    assert differences(tree, folder) == []
    assert {(node.uid, node.gid) for node in tree.walk()} == {(33, 44)}


def micro_lzma(content: bytes) -> bytes:
    """Make a stream whose first byte holds the properties, taken out of an LZMA2 chunk."""
    filters = [{"id": lzma.FILTER_LZMA2, "lc": 3, "lp": 0, "pb": 2}]
    chunk = lzma.compress(content, lzma.FORMAT_RAW, filters=filters)
    return bytes([~0x5D & 0xFF]) + chunk[7:-1]


def bare_deflate(content: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(content) + engine.flush()


def lz4_block(content: bytes) -> bytes:
    return bytes(lz4.block.compress(content, store_size=False))


ALGORITHMS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "lz4": (0, lz4_block),
    "lzma": (1, micro_lzma),
    "deflate": (2, bare_deflate),
    "zstd": (3, zstandard.ZstdCompressor().compress),
}


def inode(mode: int, size: int, first: int, *, layout: int = 2) -> bytes:
    head = struct.pack("<HHHHII", layout << 1, 0, mode, 1, size, 0)
    return head + struct.pack("<IIHHI", first, 1, 5, 6, 0)


def image_of(index: bytes, *, size: int, blocks: list[bytes], layout: int = 1, **odd: int) -> bytes:
    """Make an image by hand: block 1 holds the inodes, blocks 2 and up the content of one file."""
    features, packed = odd.get("features", 0x23), odd.get("packed", 0)
    names = b"".join((b".", b"..", b"file"))
    entries = ((4, 36, 2), (4, 37, 2), (12, 39, 1))
    listing = b"".join(struct.pack("<QHBB", number, at, kind, 0) for number, at, kind in entries)
    listing += names
    block = bytearray(BLOCK)
    file = inode(0o104755, size, 2, layout=layout) + index
    hidden = inode(0o100600, odd.get("hidden", 0), 2, layout=0)
    for slot, record in ((0, hidden), (4, inode(0o40755, len(listing), 0) + listing), (12, file)):
        block[slot * 32 : slot * 32 + len(record)] = record
    head = MAGIC + bytes(8) + struct.pack("<BBHQQIII", 12, 0, 4, 3, 1_234_567_890, 0, 0, 0)
    whole = bytearray(bytes(1024) + head.ljust(128, b"\0")).ljust(BLOCK, b"\0") + block
    for each in blocks:
        whole += each
    struct.pack_into("<III", whole, 1024 + 36, len(whole) // BLOCK, 1, 0)
    struct.pack_into("<I", whole, 1024 + 80, features)
    struct.pack_into("<Q", whole, 1024 + 96, packed)
    return bytes(whole)


def compressed(name: str, *, partial: bool = False, padded: bool = True) -> bytes:
    """Make an image with one file, in extents that start anywhere in the clusters of the index."""
    algorithm, squeeze = ALGORITHMS[name]
    blocks, starts = [], list(range(0, len(TEXT), STEP))
    for start in starts:
        more = 500 if partial else 0
        small = squeeze(TEXT[start : start + STEP + more])
        assert len(small) <= BLOCK
        blocks.append(small.rjust(BLOCK, b"\0") if padded else small.ljust(BLOCK, b"\0"))
    index = struct.pack("<IHBB", 0, 0, algorithm, 0) + bytes(8)
    for cluster in range(-(-len(TEXT) // BLOCK)):
        inside = [start for start in starts if start // BLOCK == cluster]
        if inside:
            kind = 1 | (partial << 15)
            index += struct.pack("<HHI", kind, inside[0] % BLOCK, 2 + inside[0] // STEP)
        else:
            index += struct.pack("<HHHH", 2, 0, 1, 1)
    features = 0x23 if padded else 0x22
    return image_of(index, size=len(TEXT), blocks=blocks, features=features)


def tree(image: bytes, **limits: int) -> Tree:
    small = Limits(**{"seconds": 10, "file_bytes": 2_000_000, **limits})
    return Tree(READER.nodes(Bytes(image), Budget(small)))


@pytest.mark.parametrize("partial", [False, True], ids=["whole", "partial"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm(name: str, *, partial: bool) -> None:
    found = tree(compressed(name, partial=partial))
    file = found.get("file")
    assert file is not None
    assert (file.mode, file.uid, file.gid, file.mtime) == (0o4755, 5, 6, 1_234_567_890)
    assert found.read("file") == TEXT


def test_lz4_that_stands_at_the_start_of_its_block() -> None:
    assert tree(compressed("lz4", padded=False)).read("file") == TEXT


def stored(advice: int) -> bytes:
    """Make an image with a file whose end did not get shorter, 904 bytes into a cluster."""
    first, second = lz4_block(TEXT[:5000]).rjust(BLOCK, b"\0"), TEXT[5000:9000]
    if advice:  # turned round, so that each byte stands where it would in a block of the file
        second = second[-808:].ljust(904, b"-") + second[:-808]
    index = struct.pack("<IHBB", 0, advice, 0, 0) + bytes(8)
    for kind, offset, block in ((1, 0, 2), (0, 904, 3), (2, 0, 1)):
        index += struct.pack("<HHI", kind, offset, block)
    return image_of(index, size=9000, blocks=[first, second.ljust(BLOCK, b"-")])


@pytest.mark.parametrize("advice", [0, 0x10])
def test_cluster_that_did_not_get_shorter(advice: int) -> None:
    assert tree(stored(advice)).read("file") == TEXT[:9000]


def test_file_that_is_in_the_packed_inode_altogether() -> None:
    header = struct.pack("<Q", 1 << 63 | 700)
    image = image_of(header, size=900, blocks=[TEXT[:BLOCK]], packed=0, hidden=4000)
    assert tree(image).read("file") == TEXT[700:1600]
    short = image_of(header, size=900, blocks=[TEXT[:BLOCK]], packed=0, hidden=1000)
    with pytest.raises(FormatError):
        tree(short).read("file")


def test_packed_inode_inside_itself_is_an_error() -> None:
    header = struct.pack("<Q", 1 << 63 | 700)
    image = image_of(header, size=900, blocks=[TEXT[:BLOCK]], packed=12)
    with pytest.raises(FormatError, match="not where it should be"):
        tree(image).read("file")


@pytest.mark.parametrize(
    ("index", "size", "layout", "reason"),
    [
        (struct.pack("<IHBB", 0, 0x40, 0, 0) + bytes(16), 100, 1, "index 0x40"),
        (
            struct.pack("<IHBB", 0, 0, 9, 0) + bytes(8) + b"\1\0\0\0\2\0\0\0",
            100,
            1,
            "compression 9",
        ),
        (struct.pack("<IHBB", 0, 0, 0, 0) + bytes(8) + b"\2\0\0\0\1\0\1\0", 100, 1, "begin"),
        (struct.pack("<IHBB", 0, 0, 0, 0) + bytes(8) + b"\1\0\xff\0\1\0\1\0", 100, 1, "begin"),
        (b"", 100, 5, "layout 5"),
        (b"", 2**31, 1, "file_bytes"),
        (b"", 2**31, 0, "file_bytes"),
    ],
)
def test_what_is_not_supported_or_nonsense_is_named(
    index: bytes, size: int, layout: int, reason: str
) -> None:
    image = image_of(index, size=size, blocks=[TEXT[:BLOCK]], layout=layout)
    with pytest.raises((FormatError, LimitError), match=reason):
        [node.read() for node in tree(image).files() if node.read]


def test_unknown_features_are_named() -> None:
    image = image_of(b"", size=0, blocks=[], features=0x180)
    assert READER.measure(Bytes(image)) is not None
    with pytest.raises(FormatError, match="0x180"):
        tree(image)


def test_flipped_bit_of_a_content_is_an_error_or_shows() -> None:
    for name in ("lzma", "zstd"):
        image = bytearray(compressed(name))
        end = image.rindex(ALGORITHMS[name][1](TEXT[:STEP])[-20:])
        chance = CHANCE(4)
        errors = 0
        for _ in range(30):
            place = chance.randrange(end - 300, end)
            image[place] ^= 4
            try:
                tree(bytes(image)).read("file")
            except FormatError:
                errors += 1
            image[place] ^= 4
        assert errors > (25 if name == "lzma" else 5)  # Zstandard has a check sum only if asked


IMAGES = [
    *(compressed(name, partial=partial) for name in ALGORITHMS for partial in (False, True)),
    stored(0),
    image_of(b"", size=BLOCK + 5, blocks=[TEXT[:BLOCK], TEXT[:BLOCK]], layout=0),
]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_never_raises_another_error(data: st.DataObject) -> None:
    image = bytearray(data.draw(st.sampled_from(IMAGES)))
    interesting = st.one_of(
        st.integers(1024, 1151), st.integers(BLOCK, 2 * BLOCK - 1), st.integers(0, len(image) - 1)
    )
    for _ in range(data.draw(st.integers(1, 8))):
        image[data.draw(interesting)] = data.draw(st.integers(0, 255))
    cut = bytes(image[: data.draw(st.integers(0, 2 * len(image)))])
    READER.measure(Bytes(cut))
    try:
        for node in tree(cut, files=2000).files():
            assert node.read is not None
            node.read()
    except (FormatError, LimitError):
        return


def test_noise_is_hardly_ever_an_erofs() -> None:
    chance = CHANCE(5)
    for _ in range(500):
        noise = bytes(1024) + MAGIC + chance.randbytes(8000)
        assert READER.measure(Bytes(noise)) is None
