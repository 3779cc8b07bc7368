"""Compressed streams of one content: gzip, xz, LZMA, bzip2, zstd, LZ4, LZO.

How long one is shows only while it is decompressed, so unlike other formats a stream is not
measured before it is opened.
"""

import bz2
import io
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO, Any, Final, NamedTuple, Protocol, cast

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.reader import Magic
from holdfast.audit.unpack.source import Region, Source, exactly

CHUNK_BYTES: Final = 1 << 18
_OUT_BYTES: Final = 1 << 20
_MEMORY_BYTES: Final = 256 << 20
_LONGEST_LZMA_BYTES: Final = 1 << 32
_HALF_UNKNOWN: Final = (1 << 32) - 1  # some write only half of "the length is unknown"


class Progress:
    """Where a stream ends, known when all its chunks were taken.

    Attributes:
        consumed: Bytes of the source that belong to it so far.
    """

    def __init__(self) -> None:
        self.consumed = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A format of compression.

    Attributes:
        name: Of the format.
        magics: Any of these leads to a call of `plausible`.
        plausible: Looks at the first bytes; cheap.
        chunks: Gives the content piece by piece, none longer than some MiB, and keeps `Progress`.
            Raises FormatError where the stream is damaged, no other error.
    """

    name: str
    magics: tuple[Magic, ...]
    plausible: Callable[[bytes], bool]
    chunks: Callable[[Source, Progress], Iterator[bytes]]


class _Decompressor(Protocol):
    """What the standard library's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Inflate:
    """Makes zlib's decompressor like the others."""

    def __init__(self) -> None:
        self._one = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._one.eof

    @property
    def needs_input(self) -> bool:
        return not self._one.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._one.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._one.decompress(self._one.unconsumed_tail + data, max_length)


def _lz4_frame() -> Any:  # noqa: ANN401 - lz4 has no types; the protocol says what is used
    # Few images need it, and it has no types.
    from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped] # noqa: PLC0415

    return LZ4FrameDecompressor()


# What the decompressors raise for damage; lz4 knows only RuntimeError.
_DAMAGE = (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, MemoryError)


def _steps(
    make: Callable[[], _Decompressor], again: bytes | None, source: Source, progress: Progress
) -> Iterator[bytes]:
    """Decompress one stream, and those that follow it directly if they begin with `again`."""
    offset = 0
    while True:
        try:
            one = make()
            while not one.eof:
                fresh = b""
                if wanted := one.needs_input:
                    fresh = source.read_at(offset, CHUNK_BYTES)
                    offset += len(fresh)
                    progress.consumed = offset
                content = one.decompress(fresh, _OUT_BYTES)
                if wanted and not fresh and not content and not one.eof:
                    raise FormatError("the compressed stream ends early")
                if content:
                    yield content
        except _DAMAGE as error:
            raise FormatError(f"the compressed stream is damaged: {error}") from None
        offset -= len(one.unused_data or b"")  # lz4 says None
        progress.consumed = offset
        if again is None or source.read_at(offset, len(again)) != again:
            return


def _incremental(
    make: Callable[[], _Decompressor], again: bytes | None = None
) -> Callable[[Source, Progress], Iterator[bytes]]:
    return lambda source, progress: _steps(make, again, source, progress)


# gzip: RFC 1952
_GZIP = b"\x1f\x8b\x08"


def _is_gzip(head: bytes) -> bool:
    return len(head) >= 18 and not head[3] & 0xE0 and head[8] in {0, 2, 4}  # noqa: PLR2004


# LZMA "alone": properties, dictionary size, length; the first byte of the range coder is 0
_LZMA_MAGICS: Final = tuple(
    Magic(content=bytes((lc_lp_pb, 0, 0))) for lc_lp_pb in (0x5D, 0x6D, 0x6E, 0x5E, 0x66, 0x2C)
)


class _LzmaHeader(NamedTuple):
    dictionary: int
    length: int
    first: int


def _lzma_header(head: bytes) -> _LzmaHeader | None:
    if len(head) < 18:  # noqa: PLR2004 - header and the first bytes of the range coder
        return None
    return _LzmaHeader(*struct.unpack_from("<xIQB", head))


def _is_lzma(head: bytes) -> bool:
    one = _lzma_header(head)
    if one is None or one.first != 0 or one.dictionary < 1 << 12 or one.dictionary > 1 << 28:
        return False
    if one.dictionary & (one.dictionary - 1) and (one.dictionary * 2 // 3).bit_count() != 1:
        return False
    return one.length == (1 << 64) - 1 or 0 < one.length < _LONGEST_LZMA_BYTES


def _lzma_alone() -> _Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MEMORY_BYTES)


class _Patched:
    """A source of which some bytes near the start are replaced."""

    def __init__(self, source: Source, at: int, content: bytes) -> None:
        self._source, self._at, self._content = source, at, content
        self.size_bytes = source.size_bytes

    def read_at(self, offset: int, length: int) -> bytes:
        content = bytearray(self._source.read_at(offset, length))
        for number, byte in enumerate(self._content):
            if 0 <= (place := self._at + number - offset) < len(content):
                content[place] = byte
        return bytes(content)


def _lzma(source: Source, progress: Progress) -> Iterator[bytes]:
    header = _lzma_header(source.read_at(0, 18))
    if header is None:
        raise FormatError("the LZMA header is cut off")
    left = header.length
    if left == _HALF_UNKNOWN:
        source = _Patched(source, 5, b"\xff" * 8)
    try:
        for chunk in _steps(_lzma_alone, None, source, progress):
            left -= len(chunk)
            yield chunk
    except FormatError:
        if left:  # else the marker at the end is missing or wrong, but nothing of the content
            raise


# bzip2
def _is_bzip2(head: bytes) -> bool:
    return head[3:4] in b"123456789" and head[4:10] == b"1AY&SY"


# zstd: RFC 8878; only the lengths are read here
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_ZSTD: Final = b"\x2a\x4d\x18"
_CHECKSUM, _SINGLE = 4, 0x20
_LONGEST_BLOCK = 1 << 17


def _zstd_frame(source: Source, offset: int) -> int:
    """Find the end of a frame by the lengths of its blocks."""
    descriptor = exactly(source, offset + 4, 1)[0]
    offset += 5 + (0 if descriptor & _SINGLE else 1) + (0, 1, 2, 4)[descriptor & 3]
    offset += (1 if descriptor & _SINGLE else 0, 2, 4, 8)[descriptor >> 6]
    last = 0
    while not last:
        header = int.from_bytes(exactly(source, offset, 3), "little")
        last, kind, length = header & 1, header >> 1 & 3, header >> 3
        if kind == 3 or length > _LONGEST_BLOCK:  # noqa: PLR2004 - the reserved kind of block
            raise FormatError("a zstd block has an impossible header")
        offset += 3 + (1 if kind == 1 else length)
    offset += 4 if descriptor & _CHECKSUM else 0
    if offset > source.size_bytes:
        raise FormatError("the zstd frame ends early")
    return offset


class _Reading(io.RawIOBase):
    """What a reader of the zstandard package wants of a file."""

    def __init__(self, source: Source) -> None:
        self._source, self._offset = source, 0

    def read(self, length: int = -1, /) -> bytes:
        content = self._source.read_at(self._offset, length if length >= 0 else CHUNK_BYTES)
        self._offset += len(content)
        return content


def _zstd(source: Source, progress: Progress) -> Iterator[bytes]:
    import zstandard  # noqa: PLC0415 - few images need it

    one = zstandard.ZstdDecompressor(max_window_size=_MEMORY_BYTES)
    while source.read_at(progress.consumed, 4) == _ZSTD:
        end = _zstd_frame(source, progress.consumed)
        frame = Region(source, progress.consumed, end - progress.consumed)
        try:
            with one.stream_reader(cast("IO[bytes]", _Reading(frame))) as reader:
                while content := reader.read(_OUT_BYTES):
                    yield content
        except (zstandard.ZstdError, MemoryError) as error:
            raise FormatError(f"the zstd frame is damaged: {error}") from None
        progress.consumed = end


def _is_zstd(head: bytes) -> bool:
    return len(head) > 8 and not head[4] & 0x08  # noqa: PLR2004 - the reserved bit


# LZ4, frames and the older form that kernels use
_LZ4_FRAME: Final = b"\x04\x22\x4d\x18"
_LZ4_LEGACY: Final = b"\x02\x21\x4c\x18"
_LEGACY_BLOCK = 8 << 20


def _is_lz4_frame(head: bytes) -> bool:
    return len(head) > 7 and head[4] >> 6 == 1 and not head[5] & 0x8F  # noqa: PLR2004


def _lz4_legacy(source: Source, progress: Progress) -> Iterator[bytes]:
    # Few images need it, and it has no types.
    from lz4.block import (  # type: ignore[import-untyped] # noqa: PLC0415
        LZ4BlockError,
        decompress,
    )

    progress.consumed = 4
    length = _LEGACY_BLOCK
    while length == _LEGACY_BLOCK:  # only the last block is shorter
        word = source.read_at(progress.consumed, 4)
        packed = int.from_bytes(word, "little")
        if len(word) < 4 or not 0 < packed <= _LEGACY_BLOCK + (_LEGACY_BLOCK >> 7):  # noqa: PLR2004
            break  # the length of the content follows, or something else
        block = exactly(source, progress.consumed + 4, packed)
        try:
            content = decompress(block, uncompressed_size=_LEGACY_BLOCK)
        except (LZ4BlockError, MemoryError) as error:
            raise FormatError(f"an LZ4 block is damaged: {error}") from None
        progress.consumed += 4 + packed
        length = len(content)
        yield content


def _is_lz4_legacy(head: bytes) -> bool:
    return len(head) > 8 and 0 < int.from_bytes(head[4:8], "little") <= 2 * _LEGACY_BLOCK  # noqa: PLR2004


# LZO in the form of lzop
_LZOP: Final = b"\x89LZO\x00\r\n\x1a\n"
_LZOP_ADLER_D, _LZOP_ADLER_C, _LZOP_EXTRA = 1, 2, 0x40
_LZOP_CRC_D, _LZOP_CRC_C, _LZOP_FILTER = 0x100, 0x200, 0x800
_LZOP_BLOCK = 64 << 20
_LZOP_NEW = 0x940


def _lzop_header(source: Source) -> tuple[int, int]:
    """Read the header: flags, and where the blocks begin."""
    version, _, _ = struct.unpack(">HHH", exactly(source, 9, 6))
    offset = 15 + (2 if version >= _LZOP_NEW else 0)
    (flags,) = struct.unpack(">I", exactly(source, offset, 4))
    offset += 4 + (4 if flags & _LZOP_FILTER else 0) + 8 + (4 if version >= _LZOP_NEW else 0)
    offset += 1 + exactly(source, offset, 1)[0] + 4
    if flags & _LZOP_EXTRA:
        offset += 8 + int.from_bytes(exactly(source, offset, 4), "big")
    return flags, offset


def _lzop(source: Source, progress: Progress) -> Iterator[bytes]:
    import lzallright  # noqa: PLC0415 - few images need it

    flags, progress.consumed = _lzop_header(source)
    one = lzallright.LZOCompressor()
    while length := int.from_bytes(exactly(source, progress.consumed, 4), "big"):
        (packed,) = struct.unpack(">I", exactly(source, progress.consumed + 4, 4))
        if length > _LZOP_BLOCK or packed > length or not packed:
            raise FormatError("an LZO block has an impossible length")
        checks = bool(flags & _LZOP_ADLER_D) + bool(flags & _LZOP_CRC_D)
        if packed < length:  # else it is not compressed
            checks += bool(flags & _LZOP_ADLER_C) + bool(flags & _LZOP_CRC_C)
        start = progress.consumed + 8 + 4 * checks
        block = exactly(source, start, packed)
        if packed < length:
            try:
                block = one.decompress(block, output_size_hint=length)
            except (lzallright.LZOError, MemoryError, ValueError) as error:
                raise FormatError(f"an LZO block is damaged: {error}") from None
            if len(block) != length:
                raise FormatError("an LZO block has another length than it says")
        yield block
        progress.consumed = start + packed
    progress.consumed += 4


@cache
def streams() -> tuple[Stream, ...]:
    """List the formats of compression that are known."""
    xz = b"\xfd7zXZ\x00"
    return (
        Stream(
            name="gzip",
            magics=(Magic(content=_GZIP),),
            plausible=_is_gzip,
            chunks=_incremental(_Inflate, _GZIP),
        ),
        Stream(
            name="xz",
            magics=(Magic(content=xz),),
            plausible=lambda head: head[6:7] == b"\0" and len(head) > 16,  # noqa: PLR2004
            chunks=_incremental(
                lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_BYTES), xz
            ),
        ),
        Stream(name="lzma", magics=_LZMA_MAGICS, plausible=_is_lzma, chunks=_lzma),
        Stream(
            name="bzip2",
            magics=(Magic(content=b"BZh"),),
            plausible=_is_bzip2,
            chunks=_incremental(bz2.BZ2Decompressor, b"BZh"),
        ),
        Stream(name="zstd", magics=(Magic(content=_ZSTD),), plausible=_is_zstd, chunks=_zstd),
        Stream(
            name="lz4",
            magics=(Magic(content=_LZ4_FRAME),),
            plausible=_is_lz4_frame,
            chunks=_incremental(_lz4_frame, _LZ4_FRAME),
        ),
        Stream(
            name="lz4-legacy",
            magics=(Magic(content=_LZ4_LEGACY),),
            plausible=_is_lz4_legacy,
            chunks=_lz4_legacy,
        ),
        Stream(
            name="lzop",
            magics=(Magic(content=_LZOP),),
            plausible=lambda head: len(head) > 32,  # noqa: PLR2004
            chunks=_lzop,
        ),
    )
