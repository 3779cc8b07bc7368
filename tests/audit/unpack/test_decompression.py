"""Bounded decompression: right, never longer than allowed, and only errors of our own."""

import gzip
import lzma
import struct
import zlib
from collections.abc import Callable

import lz4.block  # type: ignore[import-untyped] # lz4 has no types
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from lzallright import LZOCompressor

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.unpack import decompression

TEXT = b"all work and no play makes a dull image\n" * 500
RAW = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 3, "lp": 0, "pb": 2}]

Pair = tuple[Callable[[bytes, int], bytes], Callable[[bytes], bytes]]


def bare_deflate(content: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(content) + engine.flush()


PAIRS: dict[str, Pair] = {
    "zlib": (decompression.inflate, zlib.compress),
    "deflate": (decompression.inflate_raw, bare_deflate),
    "gzip": (decompression.gunzip, gzip.compress),
    "xz": (decompression.unxz, lzma.compress),
    "lzma": (
        decompression.unlzma,
        lambda content: lzma.compress(content, lzma.FORMAT_ALONE, filters=RAW),
    ),
    "lzo": (decompression.unlzo, LZOCompressor().compress),
    "lz4": (
        decompression.unlz4,
        lambda content: bytes(lz4.block.compress(content, store_size=False)),
    ),
    "zstd": (decompression.unzstd, zstandard.ZstdCompressor().compress),
}
ALL = pytest.mark.parametrize(("unpack", "pack"), PAIRS.values(), ids=PAIRS)


@ALL
def test_what_was_compressed_comes_out(
    unpack: Callable[[bytes, int], bytes], pack: Callable[[bytes], bytes]
) -> None:
    assert unpack(pack(TEXT), len(TEXT)) == TEXT
    assert unpack(pack(TEXT), 10 * len(TEXT)) == TEXT
    assert unpack(pack(b"x"), 5) == b"x"


@pytest.mark.slow
@ALL
def test_no_more_than_allowed_comes_out(
    unpack: Callable[[bytes, int], bytes], pack: Callable[[bytes], bytes]
) -> None:
    with pytest.raises((LimitError, FormatError)):
        unpack(pack(TEXT), len(TEXT) - 1)
    with pytest.raises((LimitError, FormatError)):
        unpack(pack(bytes(20_000_000)), 1000)


@ALL
def test_cut_off_or_nothing_is_damage(
    unpack: Callable[[bytes, int], bytes], pack: Callable[[bytes], bytes]
) -> None:
    small = pack(TEXT)
    for cut in (0, 1, 5, len(small) // 2, len(small) - 1):
        with pytest.raises((FormatError, LimitError)):
            unpack(small[:cut], len(TEXT))


@pytest.mark.slow
@ALL
@given(junk=st.binary(max_size=400), keep=st.integers(0, 40))
def test_junk_raises_no_other_error(
    unpack: Callable[[bytes, int], bytes],
    pack: Callable[[bytes], bytes],
    junk: bytes,
    keep: int,
) -> None:
    for content in (junk, pack(TEXT)[:keep] + junk):
        try:
            assert len(unpack(content, 5000)) <= 5000
        except (FormatError, LimitError):
            continue


@pytest.mark.parametrize("junk", [b"", b"\0" * 30, b"\0" + b"\xff" * 60, TEXT])
@pytest.mark.parametrize("properties", [0, 0x5D, 8, 224, 225, 255])
def test_bare_lzma_of_junk_raises_no_other_error(junk: bytes, properties: int) -> None:
    for unpack in (decompression.unlzma_openly, decompression.unlzma_exactly):
        try:
            assert len(unpack(junk, 5000, properties)) <= 5000
        except FormatError:
            continue


def test_bare_lzma_of_known_length() -> None:
    stream = lzma.compress(TEXT, lzma.FORMAT_RAW, filters=RAW)
    assert decompression.unlzma_exactly(stream, len(TEXT), 0x5D) == TEXT
    assert decompression.unlzma_openly(stream, 10 * len(TEXT), 0x5D) == TEXT
    for size, properties in ((len(TEXT) + 1, 0x5D), (len(TEXT), 0x5A), (len(TEXT), 0x66)):
        with pytest.raises(FormatError):
            decompression.unlzma_exactly(stream, size, properties)


def test_boastful_headers_take_no_memory() -> None:
    stream = lzma.compress(b"x" * 100, lzma.FORMAT_RAW, filters=RAW)
    header = b"\x5d" + struct.pack("<IQ", 2**32 - 1, 100)
    assert decompression.unlzma(header + stream, 100) == b"x" * 100
    frame = bytearray(zstandard.ZstdCompressor().compress(b"x" * 70_000))
    frame[5:9] = struct.pack("<I", 2**31)
    with pytest.raises((LimitError, FormatError)):
        decompression.unzstd(bytes(frame), 1 << 20)


def test_gzip_of_several_members() -> None:
    members = gzip.compress(b"one ") + gzip.compress(b"two")
    assert decompression.gunzip(members + bytes(64), 100) == b"one two"
    with pytest.raises(LimitError):
        decompression.gunzip(members, 6)


@given(st.binary(max_size=2000), st.integers(1, 40))
def test_first_bytes_of_an_lz4_block(content: bytes, times: int) -> None:
    whole = content * times
    block = bytes(lz4.block.compress(whole, store_size=False))
    for size in {0, len(whole) // 3, len(whole)}:
        assert decompression.unlz4_partly(block + bytes(9), size) == whole[:size]


@given(st.binary(max_size=300))
def test_first_bytes_of_junk_raise_no_other_error(junk: bytes) -> None:
    for unpack in (
        decompression.unlz4_partly,
        decompression.unzstd_partly,
        decompression.inflate_raw_partly,
    ):
        try:
            assert len(unpack(junk, 3000)) <= 3000
        except FormatError:
            continue


def test_first_bytes_of_others() -> None:
    assert decompression.inflate_raw_partly(bare_deflate(TEXT), 99) == TEXT[:99]
    packed = zstandard.ZstdCompressor().compress(TEXT)
    assert decompression.unzstd_partly(packed, 99) == TEXT[:99]
