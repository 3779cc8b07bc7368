"""The tables of squashfs: blocks of up to 8 KiB, each compressed by itself, cached while few."""

from functools import lru_cache
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.source import Source, exactly
from holdfast.audit.unpack.squashfs.codecs import Decoder
from holdfast.audit.unpack.squashfs.superblock import METADATA_BYTES, Superblock

CACHED_BLOCKS: Final = 1024  # 8 MiB
_UNCOMPRESSED: Final = 0x8000


class Metadata:
    """Gives blocks of metadata by their place in the image."""

    def __init__(
        self, source: Source, budget: Budget, superblock: Superblock, decoder: Decoder
    ) -> None:
        self._source, self._budget, self._decoder = source, budget, decoder
        self._order = superblock
        self._header_bytes = 3 if superblock.marked else 2
        self.block = lru_cache(CACHED_BLOCKS)(self._block)

    def raw(self, at: int) -> tuple[bytes, bool, int]:
        """Read a block as it stands, whether it is compressed, and where the next one is.

        Raises:
            FormatError: There is none.
        """
        header = exactly(self._source, at, 2)
        word = int.from_bytes(header, "big" if self._order.big else "little")
        length = word & ~_UNCOMPRESSED
        # Nobody stores a block that compression made longer.
        if not 0 < length <= METADATA_BYTES:
            raise FormatError("a block of metadata has an impossible length")
        at += self._header_bytes
        return exactly(self._source, at, length), not word & _UNCOMPRESSED, at + length

    def _block(self, at: int) -> tuple[bytes, int]:
        self._budget.tick()
        content, compressed, following = self.raw(at)
        if compressed:
            one = self._order
            # Inodes end where folders begin, so only the last block before that may be short.
            full = one.inode_table <= at and following < one.folder_table
            content = self._decoder.table(content, full=full)
        return content, following


class Cursor:
    """Reads on through blocks of metadata that follow each other."""

    def __init__(self, metadata: Metadata, at: int, offset: int) -> None:
        self._metadata = metadata
        self._at, self._offset = at, offset
        self._content, self._following = metadata.block(at)
        if offset > len(self._content):
            raise FormatError("a table is shorter than what points into it")

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands: the block, and the offset in it."""
        return self._at, self._offset

    def take(self, count: int) -> bytes:
        """Read the next bytes.

        Raises:
            FormatError: There are fewer.
        """
        piece = self._content[self._offset : self._offset + count]
        self._offset += len(piece)
        if len(piece) == count:
            return piece
        pieces, left = [piece], count - len(piece)
        while left:
            # A short block is the last one of its table.
            if len(self._content) != METADATA_BYTES:
                raise FormatError("a table ends early")
            self._at = self._following
            self._content, self._following = self._metadata.block(self._at)
            pieces.append(self._content[:left])
            self._offset = len(pieces[-1])
            left -= self._offset
        return b"".join(pieces)
