"""The compressed contents of erofs: which bytes of a file come from which blocks.

A file is cut into logical clusters of a block each. An index tells for each of them whether an
extent starts in it and where that is stored, or that it only goes on. The index is either one of
eight bytes for each cluster, or packed into four or two bytes for each.

Source:
    `fs/erofs/erofs_fs.h` of the Linux kernel.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.unpack import decompression
from holdfast.audit.unpack.source import Source, exactly

# Types of a logical cluster.
PLAIN, HEAD_1, CONTINUED, HEAD_2 = range(4)
LZ4, LZMA, DEFLATE, ZSTD = range(4)

_PACKED_BY_TWO: Final = 1
_BIG_1, _BIG_2 = 2, 4
_INLINE: Final = 8
_INTERLACED: Final = 0x10
_FRAGMENT: Final = 0x20
_KNOWN_ADVICE: Final = 0x3F
_WHOLE_FRAGMENT: Final = 1 << 63  # of the header, if the file is in the packed inode altogether
_PARTIAL: Final = 1 << 15
_BLOCK_COUNT: Final = 1 << 11  # marks a count of blocks in place of a distance
_HEADER_BYTES: Final = 8
_INDEX_BYTES: Final = 8
_MOST_CLUSTER_BITS: Final = 12  # beyond those a packed index has another form
_LOW_BITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What decides how a file's index is to be read.

    Attributes:
        at: Where the index is, a multiple of 8.
        size_bytes: Length of the file.
        block_bits: Length of a block, as a power of two.
        packed: Whether it is the packed index.
        headed: Whether the header is there although the index is not packed.
        padded: Whether what is compressed stands at the end of its blocks.
    """

    at: int
    size_bytes: int
    block_bits: int
    packed: bool
    headed: bool
    padded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A stretch of a file that is stored together.

    Attributes:
        start: Where it begins in the file.
        size_bytes: Length in the file.
        at: Where it is stored; in the packed inode if `fragment`.
        stored_bytes: Length there.
        algorithm: How it is compressed; None if it is not.
        interlaced: Whether what is not compressed is turned round within its block.
        partial: Whether only the first bytes of what is stored belong to it.
        fragment: Whether it is in the packed inode.
    """

    start: int
    size_bytes: int
    at: int
    stored_bytes: int
    algorithm: int | None
    interlaced: bool = False
    partial: bool = False
    fragment: bool = False


class _Cluster(NamedTuple):
    kind: int
    offset: int  # of the start of an extent in it
    block: int  # where that is stored
    blocks: int  # of the extent that goes on here; 0 if they are not told
    partial: bool


class _Header(NamedTuple):
    fragment_at: int
    inline_bytes: int
    advice: int
    algorithms: int
    cluster_bits: int


def _header(source: Source, shape: Shape) -> _Header:
    if not shape.packed and not shape.headed:
        return _Header(0, 0, 0, LZ4, shape.block_bits)
    raw = exactly(source, shape.at, _HEADER_BYTES)
    whole = int.from_bytes(raw, "little")
    if whole & _WHOLE_FRAGMENT:
        return _Header(whole ^ _WHOLE_FRAGMENT, 0, _FRAGMENT, LZ4, 0)
    fragment_at, advice, algorithms, bits = struct.unpack("<IHBB", raw)
    if advice & ~_KNOWN_ADVICE or (advice & _PACKED_BY_TWO and not shape.packed):
        raise FormatError(f"erofs with the unknown index {advice:#x} is not supported")
    return _Header(
        fragment_at, fragment_at >> 16, advice, algorithms, shape.block_bits + (bits & 7)
    )


def extents(source: Source, shape: Shape) -> Iterator[Extent]:
    """Give the extents of a file in order, without gaps.

    Raises:
        FormatError: The index is damaged, or of a form that is not known.
    """
    header = _header(source, shape)
    if not header.cluster_bits:
        yield Extent(
            start=0,
            size_bytes=shape.size_bytes,
            at=header.fragment_at,
            stored_bytes=shape.size_bytes,
            algorithm=None,
            fragment=True,
        )
        return
    count = -(-shape.size_bytes >> header.cluster_bits)
    if shape.packed:
        clusters, end = _packed(source, shape, header, count)
    else:
        clusters, end = _plain(source, shape, count)
    heads = [place for place, each in enumerate(clusters) if each.kind != CONTINUED]
    starts = [(place << header.cluster_bits) + clusters[place].offset for place in heads]
    if starts and starts[-1] == shape.size_bytes:  # marks the end of the file
        del heads[-1], starts[-1]
    if not starts or starts[0] != 0:
        raise FormatError("the index of a file does not begin with its start")
    ends = [*starts[1:], shape.size_bytes]
    for place, start, stop in zip(heads, starts, ends, strict=True):
        if start >= stop:
            raise FormatError("the index of a file goes backwards")
        yield _extent(shape, header, clusters, place, (start, stop, end))


def _extent(
    shape: Shape,
    header: _Header,
    clusters: list[_Cluster],
    place: int,
    stretch: tuple[int, int, int],
) -> Extent:
    one, (start, stop, end) = clusters[place], stretch
    last = stop == shape.size_bytes
    at, blocks = one.block << shape.block_bits, 1
    if place + 1 < len(clusters) and clusters[place + 1].kind == CONTINUED:
        blocks = clusters[place + 1].blocks or 1
    stored = blocks << shape.block_bits
    fragment = last and bool(header.advice & _FRAGMENT)
    if fragment:
        at, stored = header.fragment_at, stop - start
    elif last and header.advice & _INLINE:
        at, stored = end, header.inline_bytes
    algorithm: int | None = None
    if not fragment and one.kind != PLAIN:
        algorithm = header.algorithms >> 4 if one.kind == HEAD_2 else header.algorithms & 15
    return Extent(
        start=start,
        size_bytes=stop - start,
        at=at,
        stored_bytes=stored,
        algorithm=algorithm,
        interlaced=bool(header.advice & _INTERLACED) and not fragment,
        partial=one.partial,
        fragment=fragment,
    )


def _plain(source: Source, shape: Shape, count: int) -> tuple[list[_Cluster], int]:
    """Read the index of eight bytes for each cluster, and tell where it ends."""
    at = shape.at + 2 * _HEADER_BYTES
    raw = exactly(source, at, count * _INDEX_BYTES)
    clusters = []
    for advice, offset, block in struct.iter_unpack("<HHI", raw):
        kind, told = advice & 3, 0
        if kind == CONTINUED and block & _BLOCK_COUNT:  # the lower half of it is a distance
            told = block & (_BLOCK_COUNT - 1)
        clusters.append(_Cluster(kind, offset, block, told, bool(advice & _PARTIAL)))
    return clusters, at + len(raw)


def _packed(
    source: Source, shape: Shape, header: _Header, count: int
) -> tuple[list[_Cluster], int]:
    """Read the packed index: fours up to a multiple of 32 bytes, then perhaps twos, then fours."""
    if header.cluster_bits > _MOST_CLUSTER_BITS + 2 * (not header.advice & _PACKED_BY_TWO):
        raise FormatError("erofs with such large clusters is not supported")
    at = shape.at + _HEADER_BYTES
    first = (32 - at % 32) // 4 % 8
    twos = 0
    if header.advice & _PACKED_BY_TWO and first < count:
        twos = (count - first) // 16 * 16
    clusters: list[_Cluster] = []
    big = bool(header.advice & (_BIG_1 | _BIG_2))
    bits = max(header.cluster_bits, _LOW_BITS)
    for wanted, size, each in (
        (min(first, count), 8, 2),
        (twos, 32, 16),
        (max(0, count - first - twos), 8, 2),
    ):
        packs = -(-wanted // each)
        raw = exactly(source, at, packs * size)
        for place in range(0, len(raw), size):
            clusters += _pack(raw[place : place + size], each, bits, big=big)
        at += len(raw)
        del clusters[len(clusters) - (packs * each - wanted) :]
    return clusters, at


def _pack(raw: bytes, each: int, bits: int, *, big: bool) -> Iterator[_Cluster]:
    """Read one pack: its clusters, and at its end the block that they count from."""
    width = (len(raw) - 4) * 8 // each
    base = int.from_bytes(raw[-4:], "little")
    whole = int.from_bytes(raw[:-4], "little")
    # Without big clusters every extent takes one block, and the base is the one before.
    block = base if big else (base + 1) % (1 << 32)
    for place in range(each):
        field = whole >> place * width & (1 << width) - 1
        low, kind = field & (1 << bits) - 1, field >> bits & 3
        told = 0
        if kind != CONTINUED:
            yield _Cluster(kind, low, block, 0, partial=False)
            block += 1
            continue
        if big and low & _BLOCK_COUNT:
            told = low & (_BLOCK_COUNT - 1)
            # It belongs to the extent just before, which was counted as one block.
            block += told - (1 if place else 0)
        yield _Cluster(kind, 0, 0, told, partial=False)


def unpack(extent: Extent, stored: bytes, shape: Shape) -> bytes:
    """Decompress what is stored for an extent.

    Raises:
        FormatError: It is damaged, or compressed in an unknown way.
    """
    size = extent.size_bytes
    try:
        content = _content(extent, stored, shape)
    except LimitError:
        content = b""
    if len(content) != size:
        raise FormatError("a cluster of a file has another length than it should")
    return content


def _content(extent: Extent, stored: bytes, shape: Shape) -> bytes:
    size = extent.size_bytes
    if extent.algorithm is None:
        if not extent.interlaced:
            return stored[:size]
        turn = extent.start % (1 << shape.block_bits)
        first = stored[turn : turn + size]
        return first + stored[: size - len(first)]
    if extent.algorithm == LZ4 and not shape.padded:
        return decompression.unlz4_partly(stored, size)
    stored = stored.lstrip(b"\0")
    if extent.algorithm == LZ4:
        unpack_one = decompression.unlz4_partly if extent.partial else decompression.unlz4
    elif extent.algorithm == LZMA:
        # The first byte of the stream is always zero; here the properties stand there, inverted.
        properties, stream = ~stored[0] & 0xFF if stored else 255, b"\0" + stored[1:]
        if extent.partial:
            return decompression.unlzma_openly(stream, size, properties)
        return decompression.unlzma_exactly(stream, size, properties)
    elif extent.algorithm == DEFLATE:
        partly = decompression.inflate_raw_partly
        unpack_one = partly if extent.partial else decompression.inflate_raw
    elif extent.algorithm == ZSTD:
        unpack_one = decompression.unzstd_partly if extent.partial else decompression.unzstd
    else:
        raise FormatError(f"erofs with compression {extent.algorithm} is not supported")
    return unpack_one(stored, size)
