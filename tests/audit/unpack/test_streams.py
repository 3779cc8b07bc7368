"""Compressed streams come out whole, end where they end, and fail in one way only."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.block  # type: ignore[import-untyped] # lz4 has no types
import lz4.frame  # type: ignore[import-untyped] # lz4 has no types
import lzallright
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.limits import Limits
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.carving import Carver, Piece
from holdfast.audit.unpack.scratch import IN_MEMORY_BYTES, OpenFile, Scratch
from holdfast.audit.unpack.source import Bytes
from holdfast.audit.unpack.streams import Progress, streams
from tests.audit.unpack.boxes import code, lzma_alone, noise, squeezed


def lzop(content: bytes, *, block: int = 65536) -> bytes:
    name = b"content"
    header = struct.pack(">HHHBBIIIIB", 0x1030, 0x20A0, 0x0940, 3, 9, 1, 0o644, 0, 0, len(name))
    header += name
    out = b"\x89LZO\0\r\n\x1a\n" + header + struct.pack(">I", zlib.adler32(header))
    for at in range(0, len(content), block):
        piece = content[at : at + block]
        packed = bytes(lzallright.LZOCompressor().compress(piece))
        packed = piece if len(packed) >= len(piece) else packed
        out += struct.pack(">III", len(piece), len(packed), zlib.adler32(piece)) + packed
    return out + bytes(4)


def lz4_legacy(content: bytes) -> bytes:
    out = b"\x02\x21\x4c\x18"
    for at in range(0, len(content), 8 << 20):
        block = lz4.block.compress(content[at : at + (8 << 20)], store_size=False)
        out += struct.pack("<I", len(block)) + block
    return out


def half_unknown(content: bytes) -> bytes:
    whole = lzma_alone(content)
    return whole[:5] + b"\xff\xff\xff\xff\0\0\0\0" + whole[13:]


def lzma_of_known_length(content: bytes) -> bytes:
    whole = lzma_alone(content)
    return whole[:5] + struct.pack("<Q", len(content)) + whole[13:]


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": squeezed,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lzma_alone,
    "lzma of half unknown length": half_unknown,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "zstd without length": zstandard.ZstdCompressor(write_content_size=False).compress,
    "lz4": lz4.frame.compress,
    "lz4-legacy": lz4_legacy,
    "lzop": lzop,
}
CONTENT = code(300_000) + noise(100_000) + bytes(500_000)


def carve(image: bytes, **limits: int) -> tuple[list[Piece], Carver]:
    budget = Budget(Limits(**{"seconds": 30, **limits}))
    carver = Carver(streams(), budget, Scratch())
    return list(carver.pieces(Bytes(image))), carver


def text_of(piece: Piece) -> bytes:
    assert piece.content is not None
    return piece.content.read_at(0, piece.content.size_bytes)


@pytest.mark.parametrize("name", PACKERS)
def test_content_and_end_are_found(name: str) -> None:
    packed = PACKERS[name](CONTENT)
    (piece,), _ = carve(b"\x01" * 77 + packed + b"\xee" * 99)
    assert text_of(piece) == CONTENT
    assert piece.fault == ""
    assert piece.offset == 77
    # What follows LZ4's old form is known to belong to it or not only by what it is.
    assert piece.size_bytes == len(packed)
    assert piece.format == name.partition(" ")[0]


def test_lzma_of_known_length_without_marker_at_its_end() -> None:
    whole = lzma_of_known_length(CONTENT)
    (piece,), _ = carve(whole + b"\xee" * 999)
    assert text_of(piece) == CONTENT
    assert piece.fault == ""


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd", "lz4"])
def test_several_streams_in_a_row_are_one(name: str) -> None:
    packed = PACKERS[name](b"first" * 1000) + PACKERS[name](b"second" * 1000)
    (piece,), _ = carve(packed)
    assert text_of(piece) == b"first" * 1000 + b"second" * 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKERS)
def test_a_stream_that_is_cut_off_gives_what_it_has(name: str) -> None:
    packed = PACKERS[name](code(1_000_000) + noise(200_000))
    pieces, _ = carve(packed[: len(packed) * 3 // 4])
    for piece in pieces:
        assert code(1_000_000).startswith(text_of(piece)[:100_000])
        assert piece.fault or piece.size_bytes < len(packed)


@pytest.mark.parametrize("name", PACKERS)
def test_a_bomb_is_stopped(name: str) -> None:
    packed = PACKERS[name](bytes(9_000_000))
    pieces, carver = carve(packed, file_bytes=1_000_000)
    assert all(piece.content is None or piece.content.size_bytes <= 1_000_000 for piece in pieces)
    assert {error.limit for error, _ in carver.limits} == {"file_bytes"}


def test_all_bytes_together_are_counted() -> None:
    packed = squeezed(bytes(3_000_000)) + b"\xff" * 20
    with pytest.raises(LimitError, match="unpacked_bytes"):
        carve(packed * 10, unpacked_bytes=10_000_000)


def test_an_lzma_header_cannot_ask_for_all_memory() -> None:
    whole = bytearray(lzma_alone(CONTENT))
    whole[1:5] = struct.pack("<I", 0xFFFFFFFF)
    pieces, _ = carve(bytes(whole))
    assert pieces == []


@pytest.mark.slow
def test_a_source_of_nothing_but_magics_is_given_up() -> None:
    pieces, carver = carve(b"\x5d\0\0" * 1_000_000)
    assert pieces == []
    assert carver.misses == {"lzma"}


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(PACKERS)),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=6),
    cut=st.floats(0.1, 1),
)
def test_damage_raises_nothing_else(name: str, flips: list[tuple[float, int]], cut: float) -> None:
    packed = bytearray(PACKERS[name](b"some text " * 300 + noise(500)))
    for place, value in flips:
        packed[int(place * (len(packed) - 1))] ^= value
    content = bytes(packed[: int(len(packed) * cut)])
    for stream in streams():
        if stream.plausible(content[:64]):
            try:
                size = sum(map(len, stream.chunks(Bytes(content), Progress())))
            except FormatError:
                continue
            assert size < 100_000_000


def test_long_contents_go_to_the_disk(tmp_path: Path) -> None:
    content = noise(1 << 20) * (IN_MEMORY_BYTES // (1 << 20) + 2)
    source = Scratch(tmp_path).keep(iter([content[:5], content[5:]]), Budget(Limits()))
    assert isinstance(source, OpenFile)
    assert source.size_bytes == len(content)
    assert source.read_at(len(content) - 7, 100) == content[-7:]
    assert source.read_at(len(content), 1) == b""
    assert list(tmp_path.iterdir()) == []
