"""squashfs: every version, both orders, every compression; damage is never taken for content."""

import lzma
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
from holdfast.audit.tree import Kind, Node, Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.source import Bytes, Region
from holdfast.audit.unpack.squashfs import READER
from holdfast.audit.unpack.squashfs.superblock import MAGICS
from holdfast.core import process
from tests.audit.unpack.sample import differences, make, same_file, tree_of
from tests.audit.unpack.squashfs_maker import FORMATS, Item, Maker

CHANCE = random.Random
NOISE = CHANCE(7).randbytes(50_000)
TEXT = b"".join(b"line %d of a text that is long enough\n" % number for number in range(4000))


Squeeze = Callable[[bytes], bytes]


def lzma_stream(lc: int, lp: int, pb: int, *, end_mark: bool = False) -> Squeeze:
    """Make bare LZMA streams; Python makes those without a mark at the end only inside LZMA2."""
    filters = {"dict_size": 1 << 16, "lc": lc, "lp": lp, "pb": pb}

    def squeeze(content: bytes) -> bytes:
        if end_mark:
            return lzma.compress(
                content, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, **filters}]
            )
        chunk = lzma.compress(
            content, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, **filters}]
        )
        control, _, length = struct.unpack_from(">BHH", chunk)
        # Not compressed at all, or in more than one chunk: then the maker stores it as it is.
        if control < 0xE0 or len(chunk) != 6 + length + 1 + 1:
            return content + b"!"
        return chunk[6:-1]

    return squeeze


def lzma_alone(content: bytes) -> bytes:
    return b"\x5d" + struct.pack("<IQ", 1 << 16, len(content)) + lzma_stream(3, 0, 2)(content)


# What vendors put before the stream, by lc, lp, pb.
VENDORS: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "nothing": (b"", (3, 0, 2)),
    "nothing, end mark": (b"", (3, 0, 2)),
    "nothing, lc 0": (b"", (0, 0, 2)),
    "nothing, lc 2 lp 1 pb 0": (b"", (2, 1, 0)),
    "properties and dictionary": (b"\x6d\0\0\x01\0", (1, 2, 2)),
    "7zip and properties": (b"7zip\x5d\0\0\x80\0", (3, 0, 2)),
    "pb, lc, lp, something": (b"\x02\x03\x00\x17", (3, 0, 2)),
    "four bytes of junk": (b"\xde\xad\xbe\xef", (3, 0, 2)),
}


def vendor(name: str) -> Squeeze:
    prefix, properties = VENDORS[name]
    squeeze = lzma_stream(*properties, end_mark="end mark" in name)
    return lambda content: prefix + squeeze(content)


def items(*, many: int = 400, owners: int = 8) -> dict[str, Item]:
    """Everything that is hard, with more than one block of inodes."""
    made = {
        "bin": Item(kind=Kind.FOLDER, mode=0o755),
        "bin/su": Item(kind=Kind.FILE, mode=0o4755, content=TEXT[:90_000]),
        "bin/link": Item(kind=Kind.FILE, same="bin/su"),
        "bin/sh": Item(kind=Kind.LINK, mode=0o777, target=b"/bin/busybox"),
        "empty": Item(kind=Kind.FILE, mode=0o600),
        "noise": Item(kind=Kind.FILE, content=NOISE, uid=3, gid=4),
        "holes": Item(kind=Kind.FILE, content=b"a" + bytes(200_000) + b"b"),
        "exact": Item(kind=Kind.FILE, content=TEXT[:65_536]),
        "loop": Item(kind=Kind.LINK, mode=0o777, target=b"loop"),
        "caf\udce9": Item(kind=Kind.FILE, content=b"x"),
        "dev": Item(kind=Kind.FOLDER, mode=0o1777, uid=1, gid=2),
        "dev/console": Item(kind=Kind.CHARACTER, mode=0o600, device=(5, 1)),
        "dev/sda": Item(kind=Kind.BLOCK, mode=0o660, device=(8, 240)),
        "dev/pipe": Item(kind=Kind.PIPE, mode=0o640, uid=2, gid=2),
        "dev/log": Item(kind=Kind.SOCKET, mode=0o755),
        "many": Item(kind=Kind.FOLDER, mode=0o2755),
        "none": Item(kind=Kind.FOLDER, mode=0o700),
    }
    for number in range(many):
        content = b"%d\n" % number * (number % 50)
        made[f"many/a-file-with-a-name-{number:05}"] = Item(
            kind=Kind.FILE, content=content, uid=number % owners, gid=number % 5
        )
    return made


def read(image: bytes, **limits: int) -> list[Node]:
    small = {"seconds": 20, "file_bytes": 8_000_000, "files": 20_000, **limits}
    return list(READER.nodes(Bytes(image), Budget(Limits(**small))))


def wrong(image: bytes, wanted: dict[str, Item], version: int = 4) -> list[str]:
    """Compare an image with what was put in."""
    found = {node.path: node for node in read(image)}
    faults = [f"names {sorted(set(found) ^ {'', *wanted})}"] if set(found) != {"", *wanted} else []
    for path, item in wanted.items():
        real = wanted[item.same] if item.same else item
        node = found[path]
        timed = version > 2 or (real.kind in {Kind.FILE, Kind.FOLDER})
        facts = {
            "kind": (node.kind, real.kind),
            "mode": (node.mode, real.mode),
            "owner": ((node.uid, node.gid), (real.uid, real.gid)),
            "time": (node.mtime, real.mtime if timed else 1_222_222_222),
            "target": (node.target, real.target.decode()),
            "device": (node.device or (0, 0), real.device),
            "content": (node.read() if node.read else b"", real.content),
        }
        faults += [f"{path}: {key}" for key, (a, b) in facts.items() if a != b]
    return faults


@pytest.mark.parametrize("version", FORMATS, ids=str)
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
def test_every_version_and_order(version: tuple[int, int], *, big: bool) -> None:
    wanted = items(many=300, owners=40 if version[0] == 1 else 200)
    image = Maker(version=version, big=big).make(wanted)
    measured = READER.measure(Bytes(image + bytes(500)))
    assert measured is not None
    assert measured.size_bytes == len(image)
    assert f"{version[0]}.{version[1]}" in measured.format
    assert ("big" if big else "little") in measured.format
    assert wrong(image, wanted, version[0]) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize(
    ("version", "big"), [((4, 0), False), ((3, 0), False), ((2, 0), True), ((1, 0), True)]
)
def test_lzma_of_vendors_under_the_number_of_zlib(
    name: str, version: tuple[int, int], *, big: bool
) -> None:
    wanted = items(many=150)
    image = Maker(version=version, big=big, compress=vendor(name)).make(wanted)
    assert wrong(image, wanted, version[0]) == []


@pytest.mark.parametrize("name", VENDORS)
def test_image_so_small_that_no_block_of_metadata_is_full(name: str) -> None:
    wanted = items(many=40)
    image = Maker(version=(2, 0), big=True, compress=vendor(name)).make(wanted)
    assert wrong(image, wanted, 2) == []


@pytest.mark.slow
@pytest.mark.parametrize("compression", [1, 2, 4, 6, 77])
@pytest.mark.parametrize("squeeze", [zlib.compress, lzma_alone, lzma.compress])
def test_number_of_the_compression_may_lie(compression: int, squeeze: Squeeze) -> None:
    wanted = items(many=30)
    image = Maker(compression=compression, compress=squeeze).make(wanted)
    assert wrong(image, wanted) == []


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("fragments", [False, True])
def test_contents_may_be_compressed_in_another_way_than_tables(
    name: str, *, fragments: bool
) -> None:
    wanted = items(many=30)
    image = Maker(compress_content=vendor(name), fragments=fragments).make(wanted)
    assert wrong(image, wanted) == []


@pytest.mark.parametrize("tables", [False, True])
def test_streams_that_do_not_come_out_even(*, tables: bool) -> None:
    even = lzma_stream(3, 0, 2)

    def uneven(content: bytes) -> bytes:
        return even(content + b"\xf1\x0f\x37")

    wanted = items(many=300)
    compress = uneven if tables else zlib.compress
    image = Maker(compress=compress, compress_content=uneven).make(wanted)
    assert wrong(image, wanted) == []


def test_zlib_and_lzma_may_stand_side_by_side() -> None:
    turns = iter(range(10_000))
    wanted = items(many=30)

    def squeeze(content: bytes) -> bytes:
        return zlib.compress(content) if next(turns) % 2 else lzma_alone(content)

    image = Maker(compress=squeeze).make(wanted)
    assert wrong(image, wanted) == []


@pytest.mark.parametrize("magic", MAGICS, ids=bytes.decode)
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
def test_letters_of_the_magic_do_not_decide_the_order(magic: bytes, *, big: bool) -> None:
    wanted = items(many=5)
    assert wrong(Maker(magic=magic, big=big).make(wanted), wanted) == []


def test_nothing_compressed_and_markers_before_blocks() -> None:
    wanted = items(many=100)
    assert wrong(Maker(compress=lambda content: content + b"!").make(wanted), wanted) == []
    for version in ((3, 0), (2, 1)):
        assert wrong(Maker(version=version, marked=True).make(wanted), wanted, version[0]) == []


@pytest.mark.parametrize("name", VENDORS)
def test_maker_compresses_as_vendors_do(name: str) -> None:
    assert len(vendor(name)(TEXT[:8192])) < 2000


def test_hard_links_share_their_content() -> None:
    tree = Tree(read(Maker().make(items(many=1))))
    assert same_file(tree, "bin/su", "bin/link")
    assert not same_file(tree, "bin/su", "exact")


@pytest.mark.slow
@pytest.mark.parametrize("squeeze", [zlib.compress, lzma.compress, lzma_alone, vendor("nothing")])
def test_flipped_bit_of_a_content_is_an_error_and_not_an_empty_or_wrong_file(
    squeeze: Squeeze,
) -> None:
    file = Item(kind=Kind.FILE, content=TEXT)
    maker = Maker(compress=squeeze, fragments=False)
    image = bytearray(maker.make({"file": file}))
    end = image.index(squeeze(TEXT[-(len(TEXT) % maker.block) :]))
    chance, errors = CHANCE(3), 0
    for _ in range(40):
        place, bit = chance.randrange(96, end), 1 << chance.randrange(8)
        image[place] ^= bit
        node = read(bytes(image))[1]
        assert node.read is not None
        try:
            assert node.read() == TEXT  # the length of the dictionary does not matter
        except FormatError:
            errors += 1
        image[place] ^= bit
    assert errors >= 36


def test_unknown_compression_is_an_error_at_once() -> None:
    image = Maker(compress=lambda c: bytes(b ^ 0x5A for b in zlib.compress(c))).make(items())
    assert READER.measure(Bytes(image)) is not None
    with pytest.raises(FormatError, match="metadata"):
        read(image)


def test_unknown_compression_of_contents_is_an_error_for_each() -> None:
    def hidden(content: bytes) -> bytes:
        return bytes(b ^ 0x5A for b in zlib.compress(content))

    nodes = read(Maker(compress_content=hidden).make(items(many=20)))
    for node in nodes:
        if node.read and node.size_bytes and node.path not in {"noise", "caf\udce9"}:
            with pytest.raises(FormatError):
                node.read()


def test_folder_inside_itself_is_an_error() -> None:
    image = Maker(compress=lambda content: content + b"!").make(
        {"a": Item(kind=Kind.FOLDER), "a/b": Item(kind=Kind.FOLDER)}
    )
    # Three folders stand one after the other, b first; the entry of b is made to lead to a.
    entry = image.index(struct.pack("<HhHH", 0, 0, 1, 0) + b"b")
    looped = bytearray(image)
    looped[entry : entry + 2] = struct.pack("<H", 32)
    with pytest.raises(FormatError, match="inside itself"):
        read(bytes(looped))


def test_limits_hold() -> None:
    image = Maker().make(items(many=500))
    with pytest.raises(LimitError, match="files"):
        read(image, files=400)
    tree = Tree(read(image, file_bytes=100_000, unpacked_bytes=150_000))
    holes, exact, noise = tree.get("holes"), tree.get("exact"), tree.get("noise")
    assert holes is not None and holes.read is not None  # noqa: PT018 - for mypy
    assert exact is not None and exact.read is not None  # noqa: PT018
    assert noise is not None and noise.read is not None  # noqa: PT018
    with pytest.raises(LimitError, match="file_bytes"):
        holes.read()
    exact.read()
    exact.read()  # counts once
    noise.read()
    with pytest.raises(LimitError, match="unpacked_bytes"):
        tree.read("bin/su")


def _read_all(image: bytes) -> None:
    for node in read(image):
        if node.read:
            node.read()


def _survive(image: bytes) -> None:
    """Read all; nothing but our own errors may come out."""
    READER.measure(Bytes(image))
    try:
        for node in read(image, seconds=10, file_bytes=1_000_000):
            if node.read:
                try:
                    node.read()
                except (FormatError, LimitError):
                    continue
    except (FormatError, LimitError):
        return


FUZZED = [
    Maker(version=version, big=big, compress=squeeze).make(items(many=40))
    for version, big, squeeze in (
        ((4, 0), False, zlib.compress),
        ((4, 0), False, lambda content: content + b"!"),
        ((4, 0), True, vendor("nothing")),
        ((3, 1), True, lambda content: content + b"!"),
        ((2, 0), False, vendor("properties and dictionary")),
        ((2, 1), True, lambda content: content + b"!"),
        ((1, 0), False, lambda content: content + b"!"),
    )
]


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_never_raises_another_error(data: st.DataObject) -> None:
    image = bytearray(data.draw(st.sampled_from(FUZZED)))
    tables = st.integers(len(image) - 6000, len(image) - 1)
    places = st.lists(st.one_of(st.integers(0, 119), tables, st.integers(0, len(image) - 1)))
    for place in data.draw(places.filter(lambda each: len(each) < 12)):
        image[place] = data.draw(st.integers(0, 255))
    _survive(bytes(image[: data.draw(st.integers(0, len(image) * 2))]))


@pytest.mark.parametrize("number", range(len(FUZZED)))
def test_cut_off_image_is_an_error(number: int) -> None:
    image = FUZZED[number]
    for size in (97, 130, 1000, len(image) // 2, len(image) - 40, len(image) - 1):
        with pytest.raises(FormatError):
            _read_all(image[:size])


@given(st.binary(max_size=300), st.sampled_from(MAGICS))
def test_random_bytes_are_no_squashfs(content: bytes, magic: bytes) -> None:
    assert READER.measure(Bytes(magic + content)) is None


def test_noise_is_hardly_ever_a_squashfs() -> None:
    chance = CHANCE(11)
    assert not any(
        READER.measure(Bytes(MAGICS[number % 8] + chance.randbytes(200))) for number in range(5000)
    )


@pytest.mark.servers
@pytest.mark.parametrize(
    "options",
    [
        "-comp gzip",
        "-comp gzip -b 4K -no-fragments",
        "-comp xz",
        "-comp xz -Xbcj x86,arm,armthumb,powerpc,sparc,ia64 -Xdict-size 8K -b 64K",
        "-comp lzo",
        "-comp lz4",
        "-comp lz4 -Xhc -always-use-fragments",
        "-comp zstd -b 1M",
        "-comp lzma",
        "-comp xz -noI -noD -noF",
        "-comp gzip -noI -no-exports -no-xattrs",
    ],
)
def test_images_of_mksquashfs(options: str, tmp_path: Path, need: Callable[[str], str]) -> None:
    folder = make(tmp_path / "root", many=1500)  # a folder of more than 64 KiB
    image = tmp_path / "image"
    devices = [
        *("-p", "dev d 1755 0 0", "-p", "dev/console c 600 7 8 5 1"),
        *("-p", "dev/disk b 660 100000 6 259 65537", "-p", "dev/pipe i 644 9 9 f"),
    ]
    process.run(
        [
            *(need("mksquashfs"), str(folder), str(image), "-noappend", "-no-progress", "-quiet"),
            *options.split(),
            *devices,
        ],
        timeout_s=60,
    )
    tree = tree_of(READER, image.read_bytes())
    added = ["dev", "dev/console", "dev/disk", "dev/pipe"]
    assert differences(tree, folder) == [f"{path} should not be there" for path in added]
    nodes = [tree.get(path) for path in added]
    assert [(n.kind, n.mode, n.uid, n.gid, n.device) for n in nodes if n] == [
        (Kind.FOLDER, 0o1755, 0, 0, None),
        (Kind.CHARACTER, 0o600, 7, 8, (5, 1)),
        (Kind.BLOCK, 0o660, 100000, 6, (259, 65537)),
        (Kind.PIPE, 0o644, 9, 9, None),
    ]
    assert same_file(tree, "bin/su", "bin/busybox")


REAL = [
    ("dlink-dir300b5-2.15.bin", 1169, "etc/init0.d/S80telnetd.sh", b"telnetd"),
    ("tplink-wr841nv14-eu.bin", 361, "etc/passwd.bak", b"admin:"),
    ("openwrt-r47364-wrt350nv2-sysupgrade.img", 737, "etc/openwrt_release", b"r47364"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "files", "path", "line"), REAL)
def test_real_image_is_read_whole(name: str, files: int, path: str, line: bytes) -> None:
    file = Path(__file__).parents[4] / "shared/data/firmware" / name
    if not file.exists():
        pytest.skip(f"{name} is not beside the project")
    image = Bytes(file.read_bytes())
    found = 0
    while READER.measure(Region(image, found, image.size_bytes)) is None:
        found = bytes(image.read_at(0, image.size_bytes)).index(b"hsqs", found + 1)
    tree = Tree(READER.nodes(Region(image, found, image.size_bytes), Budget(Limits())))
    contents = [node.read() for node in tree.files() if node.read]
    assert len(contents) == files
    assert [len(each) for each in contents] == [node.size_bytes for node in tree.files()]
    assert line in (tree.read(path) or b"")
    assert any(each.startswith(b"\x7fELF") for each in contents)
