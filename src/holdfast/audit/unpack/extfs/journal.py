"""Plays back the journal of ext3 and ext4, in memory, for images of systems that were running.

Source:
    The description of jbd2 in the documentation of the Linux kernel.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.source import Source, exactly

MAGIC: Final = 0xC03B3998
DESCRIPTOR, COMMIT, REVOKE = 1, 2, 5
SUPERS: Final = frozenset({3, 4})

WIDE: Final = 0x2  # features of the journal
SUMS_2: Final = 0x8
SUMS_3: Final = 0x10
FAST: Final = 0x20

ESCAPED: Final = 0x1  # flags of a tag
SAME_UUID: Final = 0x2
LAST: Final = 0x8
UUID_BYTES: Final = 16
HEADER_BYTES: Final = 12

_HEADER: Final = struct.Struct(">III")


@dataclass(frozen=True, slots=True)
class Copy:
    """Where the journal has a block of the file system; the magic at its start may be left out."""

    at: int
    escaped: bool


class Replayed:
    """A source with some of its blocks replaced by those of the journal."""

    def __init__(self, source: Source, block_bytes: int, copies: dict[int, Copy]) -> None:
        self._source, self._block_bytes, self._copies = source, block_bytes, copies
        self.size_bytes = source.size_bytes

    def read_at(self, offset: int, length: int) -> bytes:
        """Read; shorter at the end."""
        raw = self._source.read_at(offset, length)
        blocks = range(offset // self._block_bytes, -(-(offset + len(raw)) // self._block_bytes))
        if len(blocks) > len(self._copies):
            touched = [block for block in self._copies if block in blocks]
        else:
            touched = [block for block in blocks if block in self._copies]
        if not touched:
            return raw
        content = bytearray(raw)
        for block in touched:
            start = block * self._block_bytes
            low, high = max(start, offset), min(start + self._block_bytes, offset + len(raw))
            content[low - offset : high - offset] = self._block(block)[low - start : high - start]
        return bytes(content)

    def _block(self, block: int) -> bytes:
        copy = self._copies[block]
        raw = self._source.read_at(copy.at, self._block_bytes)
        if copy.escaped:
            raw = MAGIC.to_bytes(4, "big") + raw[4:]
        return raw.ljust(self._block_bytes, b"\0")


class Journal:
    """One journal.

    Attributes:
        fast: Whether it may hold short records too, which are not played back here.
    """

    def __init__(self, source: Source, budget: Budget, block_bytes: int, places: list[int]) -> None:
        """Read its superblock.

        Args:
            source: The file system.
            budget: Asked for time.
            block_bytes: Length of its blocks.
            places: Where the blocks of the journal are, in bytes.
        """
        self._source, self._budget = source, budget
        self._block_bytes, self._places = block_bytes, places
        raw = self._block(0)
        magic, kind, _ = _HEADER.unpack_from(raw)
        block, length, first, sequence, start = struct.unpack_from(">IIIII", raw, HEADER_BYTES)
        if magic != MAGIC or kind not in SUPERS or block != block_bytes:
            raise FormatError("the journal is damaged")
        features = struct.unpack_from(">I", raw, 40)[0] if kind == max(SUPERS) else 0
        if not 0 < first < length <= len(places) or start >= length:
            raise FormatError("the journal is damaged")
        self._first, self._length = first, length
        self._start, self._sequence, self._features = start, sequence, features
        self.fast = bool(features & FAST)

    def _block(self, number: int) -> bytes:
        if number >= len(self._places):
            raise FormatError("the journal is damaged")
        return exactly(self._source, self._places[number], self._block_bytes)

    def _following(self, number: int) -> int:
        return self._first if number + 1 >= self._length else number + 1

    def copies(self) -> dict[int, Copy]:
        """Find the last committed copy of every block that is in the journal."""
        found: dict[int, tuple[int, Copy]] = {}
        revoked: dict[int, int] = {}
        for sequence, copies, gone in self._transactions():
            for block in gone:
                revoked[block] = sequence
            for block, copy in copies.items():
                found[block] = sequence, copy
        return {
            block: copy
            for block, (sequence, copy) in found.items()
            if revoked.get(block, -1) < sequence
        }

    def _transactions(self) -> Iterator[tuple[int, dict[int, Copy], list[int]]]:
        """Give the committed transactions: number, blocks, blocks not to be played back."""
        number, sequence = self._start, self._sequence
        copies: dict[int, Copy] = {}
        gone: list[int] = []
        left = self._length if number else 0  # never more than once around
        while left > 0:
            self._budget.tick()
            left -= 1
            raw = self._block(number)
            magic, kind, of = _HEADER.unpack_from(raw)
            if magic != MAGIC or of != sequence:
                return
            number = self._following(number)
            if kind == DESCRIPTOR:
                for block, escaped in self._tags(raw):
                    if number >= len(self._places):
                        raise FormatError("the journal is damaged")
                    copies[block] = Copy(self._places[number], escaped)
                    number, left = self._following(number), left - 1
            elif kind == REVOKE:
                gone += self._revoked(raw)
            elif kind == COMMIT:
                yield sequence, copies, gone
                copies, gone, sequence = {}, [], sequence + 1 & 0xFFFFFFFF
            else:
                return

    def _tags(self, raw: bytes) -> Iterator[tuple[int, bool]]:
        wide = self._features & WIDE
        if self._features & SUMS_3:
            size = 16
        else:
            size = (12 if wide else 8) + (2 if self._features & SUMS_2 else 0)
        at, end = HEADER_BYTES, len(raw) - (4 if self._features & (SUMS_2 | SUMS_3) else 0)
        while at + size <= end:
            block, flags = struct.unpack_from(">II", raw, at)
            if wide:
                block |= struct.unpack_from(">I", raw, at + 8)[0] << 32
            yield block, bool(flags & ESCAPED)
            at += size + (0 if flags & SAME_UUID else UUID_BYTES)
            if flags & LAST:
                return

    def _revoked(self, raw: bytes) -> list[int]:
        (used,) = struct.unpack_from(">I", raw, HEADER_BYTES)
        kind = ">Q" if self._features & WIDE else ">I"
        size = struct.calcsize(kind)
        start = HEADER_BYTES + 4
        length = max(0, min(used, len(raw)) - start) // size * size
        return [block for (block,) in struct.iter_unpack(kind, raw[start : start + length])]
