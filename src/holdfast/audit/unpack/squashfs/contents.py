"""What is in the files of squashfs: whole blocks, and ends that share a fragment."""

import struct
from functools import lru_cache
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.source import Source, exactly
from holdfast.audit.unpack.squashfs.codecs import Decoder
from holdfast.audit.unpack.squashfs.inodes import (
    Inode,
    block_count,
    block_word_bytes,
)
from holdfast.audit.unpack.squashfs.layouts import FRAGMENTS
from holdfast.audit.unpack.squashfs.metadata import Cursor, Metadata
from holdfast.audit.unpack.squashfs.superblock import METADATA_BYTES, Superblock

CACHED_BYTES: Final = 16 * 1024**2  # of fragments
MOST_NOTICED: Final = 64
MOST_SAMPLES: Final = 4
_UNCOMPRESSED: Final = 1 << 24
_UNCOMPRESSED_1: Final = 1 << 15


class Contents:
    """Reads the files of one image."""

    def __init__(
        self,
        source: Source,
        budget: Budget,
        superblock: Superblock,
        metadata: Metadata,
        decoder: Decoder,
    ) -> None:
        self._source, self._budget, self._superblock = source, budget, superblock
        self._metadata, self._decoder = metadata, decoder
        self._samples: list[Inode] = []
        self._learned = False
        cached = max(2, CACHED_BYTES // superblock.block_size)
        self._fragment = lru_cache(cached)(self._read_fragment)

    def notice(self, inode: Inode) -> None:
        """Remember a file of known length, in case that it must tell about the compression."""
        if len(self._samples) < MOST_NOTICED and block_count(
            self._superblock, inode.size_bytes, inode.fragment
        ):
            self._samples.append(inode)

    def read(self, inode: Inode) -> bytes:
        """Give the content of a file.

        Raises:
            FormatError: A block is damaged.
            LimitError: The time is over.
        """
        one = self._superblock
        pieces: list[bytes] = []
        left, at = inode.size_bytes, inode.start
        for word in self._words(inode):
            self._budget.tick()
            expected = min(left, one.block_size)
            left -= expected
            stored, compressed = self._stored(word)
            if not stored:
                pieces.append(bytes(expected))
                continue
            block = exactly(self._source, at, stored)
            at += stored
            if compressed:
                block = self._unpack(block, expected, exact=True)
            elif stored != expected:
                raise FormatError("a block of a file has another length than it should")
            pieces.append(block)
        if left:
            fragment = self._fragment(inode.fragment)
            if fragment is None:
                raise FormatError("the fragment in which the file ends is damaged")
            end = fragment[inode.offset : inode.offset + left]
            if len(end) != left:
                raise FormatError("a fragment is shorter than the file that ends in it")
            pieces.append(end)
        return b"".join(pieces)

    def _unpack(self, block: bytes, most: int, *, exact: bool) -> bytes:
        try:
            return self._decoder.block(block, most, exact=exact)
        except FormatError:
            if self._decoder.proven or self._learned:
                raise
        # Files may be compressed in another way than tables.
        self._learned = True
        samples = [sample for each in self._samples if (sample := self._sample(each))]
        # The shorter a block, the more ways there are to decompress it to something.
        samples.sort(key=lambda sample: -len(sample[0]))
        if samples:
            self._decoder.learn(samples[:MOST_SAMPLES])
        return self._decoder.block(block, most, exact=exact)

    def _sample(self, inode: Inode) -> tuple[bytes, int] | None:
        """Read the first block of a file, if it is compressed."""
        expected = min(inode.size_bytes, self._superblock.block_size)
        try:
            stored, compressed = self._stored(self._words(inode)[0])
            if not stored or not compressed:
                return None
            return exactly(self._source, inode.start, stored), expected
        except FormatError:
            return None

    def _words(self, inode: Inode) -> tuple[int, ...]:
        one = self._superblock
        count = block_count(one, inode.size_bytes, inode.fragment)
        width = block_word_bytes(one)
        raw = Cursor(self._metadata, *inode.blocks).take(count * width)
        return struct.unpack(f"{'<>'[one.big]}{count}{'H' if width == 2 else 'I'}", raw)  # noqa: PLR2004

    def _stored(self, word: int) -> tuple[int, bool]:
        """Tell how many bytes a block takes, and whether they are compressed; 0 if all are zero."""
        if self._superblock.major == 1:
            return word & ~_UNCOMPRESSED_1 or _UNCOMPRESSED_1, not word & _UNCOMPRESSED_1
        stored = word & ~_UNCOMPRESSED
        if stored > self._superblock.block_size:
            raise FormatError("a block of a file is longer than it may be")
        return stored, not word & _UNCOMPRESSED

    def _read_fragment(self, number: int) -> bytes | None:
        """Read a fragment; None if it is damaged, so that it is not tried for every file."""
        try:
            at, word = self._place(number)
            stored, compressed = self._stored(word)
            self._budget.tick()
            block = exactly(self._source, at, stored)
            if compressed:
                return self._unpack(block, self._superblock.block_size, exact=False)
        except FormatError:
            return None
        return block

    def _place(self, number: int) -> tuple[int, int]:
        """Find where a fragment is, and its length with the mark whether it is compressed."""
        one = self._superblock
        if one.major not in FRAGMENTS or number >= one.fragments:
            raise FormatError("a file ends in a fragment that there is not")
        layout = FRAGMENTS[one.major]
        place, entry = divmod(number, METADATA_BYTES // layout.size_bytes)
        width = 4 if one.major == min(FRAGMENTS) else 8
        index = exactly(self._source, one.fragment_table + place * width, width)
        table = int.from_bytes(index, "big" if one.big else "little")
        cursor = Cursor(self._metadata, table, entry * layout.size_bytes)
        raw = layout.read(cursor.take(layout.size_bytes), big=one.big)
        return raw["start"], raw["size"]
