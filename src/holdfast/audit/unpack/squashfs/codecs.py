"""How the blocks of an image are compressed, found out where the superblock does not say it truly.

Vendors write LZMA under the number of zlib, LZMA without its header, with five bytes of it, with
four bytes of their own, and so on. A bare LZMA stream has no check sum, so whether the guess was
right must show otherwise: by the range coder coming out even at a known length, and by inodes that
make sense.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.unpack import decompression
from holdfast.audit.unpack.squashfs.superblock import METADATA_BYTES, Superblock

MOST_GUESSED_BYTES: Final = 256 * 1024**2  # of all guesses together
# Where the range coder does not come out even, the stream must at least end near the block's end.
_LATE_BYTES: Final = 16
_TELLING_BYTES: Final = 256
# Bytes of a vendor's own that were seen, or may be, before a bare LZMA stream.
_LONGEST_PREFIX: Final = 16
_PROPERTIES_END: Final = 225  # (4 * 5 + 4) * 9 + 9
_NO_PROPERTIES: Final = 255
_MOST_LITERAL_BITS: Final = 4  # lc + lp, of liblzma
_PLAIN_PROPERTIES: Final = (0x5D, 0x5A, 0x6D, 0x6C, 0x66)  # lc, lp, pb = 3 0 2, 0 0 2, 1 2 2 ...


class _Unpack(Protocol):
    def __call__(self, block: bytes, most: int, *, exact: bool) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """A way to decompress a block.

    Attributes:
        name: For people.
        unpack: Takes a block, the most bytes it may give, and whether it must give just these.
        certain: Whether a wrong block is always noticed, because there is a check sum.
    """

    name: str
    unpack: _Unpack
    certain: bool = False


def _standard(name: str, unpack: Callable[[bytes, int], bytes], *, certain: bool = False) -> Codec:
    def whole(block: bytes, most: int, *, exact: bool) -> bytes:
        content = unpack(block, most)
        if exact and len(content) != most:
            raise FormatError("a block has another length than it should")
        return content

    return Codec(name=name, unpack=whole, certain=certain)


def _bare(name: str, prefix: int, properties: Callable[[bytes], int], *, lenient: bool) -> Codec:
    def stream(block: bytes, most: int, *, exact: bool) -> bytes:
        number = properties(block)
        if exact and not lenient:
            return decompression.unlzma_exactly(block[prefix:], most, number)
        content = decompression.unlzma_openly(block[prefix:], most, number)
        if not content or (exact and len(content) != most):
            raise FormatError("a block has another length than it should")
        return content

    return Codec(name=name, unpack=stream)


STANDARD: Final = {
    1: _standard("gzip", decompression.inflate, certain=True),
    2: _standard("lzma", decompression.unlzma),
    3: _standard("lzo", decompression.unlzo),
    4: _standard("xz", decompression.unxz, certain=True),
    5: _standard("lz4", decompression.unlz4),
    6: _standard("zstd", decompression.unzstd),
}
# These show by themselves what they are, so some images mix them.
_TOLD_APART: Final = (STANDARD[1], STANDARD[4], STANDARD[6], STANDARD[2])
_WEAK: Final = (STANDARD[3], STANDARD[5], _standard("deflate", decompression.inflate_raw))


def _possible(properties: int) -> bool:
    rest, lc = divmod(properties, 9)
    return properties < _PROPERTIES_END and lc + rest % 5 <= _MOST_LITERAL_BITS


_ALL_PROPERTIES: Final = tuple(
    dict.fromkeys((*_PLAIN_PROPERTIES, *filter(_possible, range(_PROPERTIES_END))))
)


def _byte_at(place: int, block: bytes) -> int:
    return block[place] if place < len(block) else _NO_PROPERTIES


def _always(properties: int, _block: bytes) -> int:
    return properties


def _three_bytes(block: bytes) -> int:
    """Put together pb, lc and lp, of which each has a byte of its own."""
    each = block[:3]
    if len(each) != 3 or max(each) > _MOST_LITERAL_BITS:  # noqa: PLR2004 - three of them
        return _NO_PROPERTIES
    return (each[0] * 5 + each[2]) * 9 + each[1]


def _bare_forms(block: bytes) -> Iterator[tuple[str, int, Callable[[bytes], int]]]:
    """Give what may stand before a bare stream, whose own first byte is always zero."""
    for prefix, place in ((5, 0), (9, 4), (1, 0)):
        if _possible(_byte_at(place, block)) and _byte_at(prefix, block) == 0:
            yield f"lzma, properties in byte {place}", prefix, partial(_byte_at, place)
    if _possible(_three_bytes(block)) and _byte_at(4, block) == 0:
        yield "lzma, properties in three bytes", 4, _three_bytes
    for properties in _ALL_PROPERTIES:
        for prefix in range(_LONGEST_PREFIX + 1):
            if _byte_at(prefix, block) == 0:
                name = f"lzma, properties {properties:#04x}, {prefix} bytes before"
                yield name, prefix, partial(_always, properties)


def _guesses(block: bytes, *, lenient: bool) -> Iterator[Codec]:
    yield from _TOLD_APART
    yield from _WEAK
    for name, prefix, properties in _bare_forms(block):
        yield _bare(name, prefix, properties, lenient=lenient)


def _attempt(codec: Codec, block: bytes, most: int, *, exact: bool) -> bytes | None:
    try:
        return codec.unpack(block, most, exact=exact)
    except (FormatError, LimitError):
        return None


def _ends_late(codec: Codec, block: bytes, most: int) -> bool:
    """Tell whether just the last bytes of a block complete its content."""
    if len(block) < _TELLING_BYTES:
        return False
    early = _attempt(codec, block[:-_LATE_BYTES], most, exact=False)
    return early is not None and len(early) < most


class Decoder:
    """Decompresses the blocks of one image.

    Attributes:
        metadata: How tables are compressed; None until that is known.
        content: How files are compressed; None until that is known.
        proven: Whether a block of a file of known length was decompressed that way.
    """

    def __init__(self, superblock: Superblock) -> None:
        self.metadata = self.content = STANDARD.get(superblock.compression)
        self.proven = False
        self._left = MOST_GUESSED_BYTES

    def _guess(self, codec: Codec, block: bytes, most: int, *, exact: bool) -> bytes | None:
        """Make an attempt that counts, since what an image makes us try must end."""
        self._left -= most
        return _attempt(codec, block, most, exact=exact) if self._left >= 0 else None

    def settle(self, block: bytes, proof: Callable[[bytes], bool], *, full: bool) -> None:
        """Find out by a block of inodes how the image is compressed.

        Args:
            block: A compressed block of metadata.
            proof: Tells whether what comes out can be inodes.
            full: Whether it must hold 8 KiB, since others follow.

        Raises:
            FormatError: Nothing that is known makes inodes of it.
        """
        declared = (self.metadata,) if self.metadata else ()
        for lenient in (False, True) if full else (False,):
            for codec in (*declared, *_guesses(block, lenient=lenient)):
                content = self._guess(codec, block, METADATA_BYTES, exact=full)
                if content is not None and (codec.certain or proof(content)):
                    self.metadata = self.content = codec
                    return
        raise FormatError("its metadata is damaged, or compressed in an unknown way")

    def learn(self, samples: list[tuple[bytes, int]]) -> None:
        """Find out by blocks of known length how files are compressed, if not as the tables are.

        Args:
            samples: Blocks, and how many bytes each must hold.
        """
        for lenient in (False, True):
            found, most_good = None, 0
            for codec in _guesses(samples[0][0], lenient=lenient):
                good = sum(
                    self._guess(codec, *each, exact=True) is not None
                    and (not lenient or _ends_late(codec, *each))
                    for each in samples
                )
                if good > most_good:
                    found, most_good = codec, good
                if good == len(samples):  # else one may be damaged
                    break
            # Without a check one block proves nothing.
            if found and most_good > lenient and 2 * most_good >= len(samples):
                self.content = found
                return

    def table(self, block: bytes, *, full: bool) -> bytes:
        """Decompress a block of metadata.

        Args:
            block: Its bytes.
            full: Whether it must hold 8 KiB.

        Raises:
            FormatError: It is damaged.
        """
        for codec in (self.metadata, *_TOLD_APART):
            if codec is not None:
                content = _attempt(codec, block, METADATA_BYTES, exact=full)
                if content is not None:
                    return content
        raise FormatError("a block of metadata is damaged")

    def block(self, block: bytes, most: int, *, exact: bool) -> bytes:
        """Decompress a block of content.

        Args:
            block: Its bytes.
            most: The most bytes that it may hold.
            exact: Whether it must hold just that many.

        Raises:
            FormatError: It is damaged.
        """
        for codec in (self.content, *_TOLD_APART):
            if codec is not None:
                content = _attempt(codec, block, most, exact=exact)
                if content is not None:
                    self.proven = self.proven or (exact and codec is self.content)
                    return content
        raise FormatError("a block of a file is damaged, or compressed in an unknown way")
