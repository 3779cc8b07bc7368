"""Bounded decompression of blocks: none of these gives more bytes than it was allowed to.

Every function raises `FormatError` where the content is not of its kind, is damaged or ends early,
and `LimitError` where more than `most_bytes` would come out. What follows the end of a stream is
ignored, since firmware pads what it stores.
"""

import lzma
import zlib
from collections.abc import Callable
from typing import Final, Protocol

import lz4.block  # type: ignore[import-untyped] # lz4 has no types
import zstandard
from lzallright import LZOCompressor, LZOError

from holdfast.audit.errors import FormatError, LimitError

MOST_DICTIONARY_BYTES: Final = 256 * 1024**2  # far above what any boot loader can hold
FEED_BYTES: Final = 64 * 1024
MOST_MEMBERS: Final = 4096

ALONE_HEADER_BYTES: Final = 13
UNKNOWN_LENGTH: Final = 2**64 - 1

# What the decompressors raise for damage, and where memory is short.
_DAMAGE: Final = (
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    MemoryError,
)


class _Engine(Protocol):
    """What the standard library's incremental decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, content: bytes, most: int, /) -> bytes: ...


def _pump(
    new: Callable[[], _Engine], content: bytes, most_bytes: int, *, again: bytes = b""
) -> bytes:
    """Feed one stream, or several that start with `again`, piece by piece."""
    pieces: list[bytes] = []
    room, at, members = most_bytes, 0, 1
    engine = new()
    while not engine.eof:
        piece = content[at : at + FEED_BYTES]
        if not piece:
            raise FormatError("the compressed stream ends early")
        at += len(piece)
        try:
            # One byte more than there is room for tells an end from an overflow.
            out = engine.decompress(piece, room + 1)
        except _DAMAGE as error:
            raise FormatError(f"the compressed stream is damaged: {error}") from None
        room -= len(out)
        if room < 0:
            raise LimitError(limit="file_bytes", most=most_bytes)
        pieces.append(out)
        if engine.eof:
            at -= len(engine.unused_data)
            if again and content[at : at + len(again)] == again and members < MOST_MEMBERS:
                engine, members = new(), members + 1
    return b"".join(pieces)


def inflate(content: bytes, most_bytes: int) -> bytes:
    """Decompress a zlib stream."""
    return _pump(zlib.decompressobj, content, most_bytes)


def inflate_raw(content: bytes, most_bytes: int) -> bytes:
    """Decompress a deflate stream without any header."""
    return _pump(lambda: zlib.decompressobj(-zlib.MAX_WBITS), content, most_bytes)


def gunzip(content: bytes, most_bytes: int) -> bytes:
    """Decompress a gzip file of one or several members."""

    def new() -> _Engine:
        return zlib.decompressobj(zlib.MAX_WBITS | 16)

    return _pump(new, content, most_bytes, again=b"\x1f\x8b")


def unxz(content: bytes, most_bytes: int) -> bytes:
    """Decompress an xz stream with whatever filters it names."""

    def new() -> _Engine:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_DICTIONARY_BYTES)

    return _pump(new, content, most_bytes)


def unlzma(content: bytes, most_bytes: int) -> bytes:
    """Decompress an LZMA file: 13 bytes of header, then the stream."""
    if len(content) < ALONE_HEADER_BYTES:
        raise FormatError("the LZMA header ends early")
    length = int.from_bytes(content[5:13], "little")
    if length == 2**32 - 1:  # some write only half of "unknown"
        length = UNKNOWN_LENGTH
    if length != UNKNOWN_LENGTH and length > most_bytes:
        raise LimitError(limit="file_bytes", most=most_bytes)
    # No distance is longer than what comes out, so a boastful header costs no memory.
    named = int.from_bytes(content[1:5], "little")
    header = _alone_header(content[0], min(named, dictionary_for(most_bytes)), length)
    return _alone(header + content[ALONE_HEADER_BYTES:], most_bytes)


def unlzma_exactly(content: bytes, size_bytes: int, properties: int) -> bytes:
    """Decompress a bare LZMA stream of known length.

    The range coder must come out even at that length, so wrong properties and damage are noticed
    although such a stream has no check sum.

    Args:
        content: The stream alone, starting with the zero byte of the range coder.
        size_bytes: How many bytes come out.
        properties: lc, lp and pb as (pb * 5 + lp) * 9 + lc.
    """
    header = _alone_header(properties, dictionary_for(size_bytes), size_bytes)
    return _alone(header + content, size_bytes)


def unlzma_openly(content: bytes, most_bytes: int, properties: int) -> bytes:
    """Decompress a bare LZMA stream of unknown length, as far as its bytes go.

    Up to a few bytes too many may come out: only the one who knows the length can tell.

    Args:
        content: The stream alone, starting with the zero byte of the range coder.
        most_bytes: Where it stops.
        properties: lc, lp and pb as (pb * 5 + lp) * 9 + lc.
    """
    rest, lc = divmod(properties, 9)
    pb, lp = divmod(rest, 5)
    try:
        engine = lzma.LZMADecompressor(
            lzma.FORMAT_RAW,
            filters=[
                {
                    "id": lzma.FILTER_LZMA1,
                    "dict_size": dictionary_for(most_bytes),
                    "lc": lc,
                    "lp": lp,
                    "pb": pb,
                }
            ],
        )
        return engine.decompress(content, most_bytes)
    except _DAMAGE as error:
        raise FormatError(f"the LZMA stream is damaged: {error}") from None


def dictionary_for(size_bytes: int) -> int:
    """Give a dictionary that is large enough for that many bytes, a power of two."""
    return min(MOST_DICTIONARY_BYTES, max(4096, 1 << max(0, size_bytes - 1).bit_length()))


def _alone_header(properties: int, dictionary: int, length: int) -> bytes:
    whole = dictionary.to_bytes(4, "little") + length.to_bytes(8, "little")
    return bytes([properties & 0xFF]) + whole


def _alone(content: bytes, most_bytes: int) -> bytes:
    def new() -> _Engine:
        return lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=2 * MOST_DICTIONARY_BYTES)

    return _pump(new, content, most_bytes)


def unlzo(content: bytes, most_bytes: int) -> bytes:
    """Decompress an LZO1X block."""
    # LZO makes nothing much longer than it was; so the library cannot be made to grow for ever.
    if len(content) > most_bytes + most_bytes // 16 + 67:
        raise LimitError(limit="file_bytes", most=most_bytes)
    try:
        out: bytes = LZOCompressor.decompress(content, output_size_hint=max(1, most_bytes))
    except (*_DAMAGE, LZOError) as error:
        raise FormatError(f"the LZO block is damaged: {error.args[:1]}") from None
    if len(out) > most_bytes:
        raise LimitError(limit="file_bytes", most=most_bytes)
    return out


def unlz4(content: bytes, most_bytes: int) -> bytes:
    """Decompress an LZ4 block; one that is too long counts as damaged."""
    try:
        out: bytes = lz4.block.decompress(content, uncompressed_size=most_bytes)
    except (*_DAMAGE, lz4.block.LZ4BlockError) as error:
        raise FormatError(f"the LZ4 block is damaged: {error}") from None
    return out


def unlz4_partly(content: bytes, size_bytes: int) -> bytes:
    """Decompress the first bytes of an LZ4 block that may give more, or be followed by others.

    The library refuses such a block, so this is done here; it is slow.
    """
    out, at = bytearray(), 0
    try:
        while len(out) < size_bytes:
            token = content[at]
            count, at = _lz4_length(content, at + 1, token >> 4)
            out += content[at : at + count]
            at += count
            if len(out) >= size_bytes:
                break
            distance = content[at] | content[at + 1] << 8
            count, at = _lz4_length(content, at + 2, token & 15)
            if not 0 < distance <= len(out):
                raise FormatError("the LZ4 block is damaged")
            count = min(count + 4, size_bytes - len(out))
            pattern = out[len(out) - distance :]
            out += (pattern * (count // distance + 1))[:count]
    except IndexError:
        raise FormatError("the LZ4 block ends early") from None
    return bytes(out[:size_bytes])


def _lz4_length(content: bytes, at: int, length: int) -> tuple[int, int]:
    """Read the rest of a length of 15 or more, and tell where it ended."""
    more = 255 if length == 15 else 0  # noqa: PLR2004 - all four bits
    while more == 255:  # noqa: PLR2004 - all eight bits
        more = content[at]
        at += 1
        length += more
    return length, at


def unzstd(content: bytes, most_bytes: int) -> bytes:
    """Decompress a Zstandard frame."""
    try:
        length = zstandard.get_frame_parameters(content).content_size
        if length < UNKNOWN_LENGTH - 1 and length > most_bytes:
            raise LimitError(limit="file_bytes", most=most_bytes)
        return zstandard.ZstdDecompressor().decompress(content, max_output_size=most_bytes)
    except (*_DAMAGE, zstandard.ZstdError) as error:
        raise FormatError(f"the Zstandard frame is damaged: {error}") from None


def unzstd_partly(content: bytes, size_bytes: int) -> bytes:
    """Decompress the first bytes of a Zstandard frame that may give more."""
    try:
        with zstandard.ZstdDecompressor(max_window_size=MOST_DICTIONARY_BYTES).stream_reader(
            content
        ) as reader:
            return reader.read(size_bytes)
    except (*_DAMAGE, zstandard.ZstdError) as error:
        raise FormatError(f"the Zstandard frame is damaged: {error}") from None


def inflate_raw_partly(content: bytes, size_bytes: int) -> bytes:
    """Decompress the first bytes of a bare deflate stream that may give more."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, max(1, size_bytes))
    except _DAMAGE as error:
        raise FormatError(f"the compressed stream is damaged: {error}") from None
