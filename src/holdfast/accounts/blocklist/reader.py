"""Looks into block lists: mapped into memory, so that a page is read when it is asked for."""

import mmap
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from holdfast.accounts.blocklist import layout
from holdfast.accounts.blocklist.layout import (
    DEFAULTS,
    FEWEST_CHARS,
    GROUP_BITS,
    HEADER_BYTES,
    LONG,
    LONG_CHARS,
    SEALED_BYTES,
    SHORT,
    TOP,
    Header,
)
from holdfast.accounts.errors import BlockListError

NOT_LISTED: Final = 0
LISTED: Final = 1
MOST_COMMON: Final = 2
DELIVERED: Final = 3

_CHUNK_BYTES = 64 * 1024


class _Place(NamedTuple):
    """Where a section lies in its file, in bytes from the beginning."""

    entries: int
    longest: int
    bits: int
    width: int
    groups: int
    counts: int
    kept: int


class BlockList:
    """One file, checked whole when opened.

    Attributes:
        header: What it says of itself.
    """

    def __init__(self, path: Path, *, seal: str) -> None:
        """Open a file that somebody has vouched for.

        Args:
            path: The file.
            seal: What `signature.seal_of_signed` found, or a seal that stands in our own code.

        Raises:
            BlockListError: It is missing, not the one that was vouched for, or damaged.
        """
        self._where = path
        self._file = -1
        try:
            # A pipe in its place must not hold us up.
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            self._seen = self._state()
            self.header = self._checked(seal)
            self._view = mmap.mmap(self._file, self.header.size_bytes, prot=mmap.PROT_READ)
            self.must_be_unchanged()
        except OSError as error:
            self.close()
            raise BlockListError(path, error.strerror or "it cannot be read") from error
        except ValueError as error:  # a NUL in the path, or shorter than a moment ago
            self.close()
            raise BlockListError(repr(path), "it cannot be read") from error
        except BaseException:
            self.close()
            raise
        self._places = _places(self.header)

    def __del__(self) -> None:
        """Leave no open file behind."""
        self.close()

    def close(self) -> None:
        """Close the file; the list cannot be asked any more."""
        if getattr(self, "_file", -1) >= 0:
            os.close(self._file)
            self._file = -1
        with suppress(AttributeError):
            self._view.close()

    def must_be_unchanged(self) -> None:
        """Refuse to go on with a file that somebody writes into.

        Raises:
            BlockListError: It was closed, or is not what was checked any more.
        """
        if self._file < 0:
            raise BlockListError(self._where, "it was closed")
        if self._state() != self._seen:
            raise BlockListError(self._where, "it was changed while in use")

    def holds(self, section: int, key: int, length: int) -> bool:
        """Tell whether a hash is in a section.

        Args:
            section: `layout.DEFAULTS` to `layout.LONG`.
            key: The hash.
            length: Code points of what was hashed; none is looked up that is too long to be there.
        """
        # Taken apart at once: a check asks a hundred times, and each name would be looked up.
        entries, longest, bits, width, groups, counts, kept_at = self._places[section]
        if length > longest:
            return False
        view = self._view
        bucket = key >> (64 - bits)
        group = bucket >> GROUP_BITS
        at = groups + 4 * group
        before = int.from_bytes(view[at : at + 4], "big")
        before += sum(view[counts + (group << GROUP_BITS) : counts + bucket])
        inside = view[counts + bucket]
        if before + inside > entries:
            raise BlockListError(self._where, "it contradicts itself")
        first = kept_at + before * width
        kept = view[first : first + inside * width]
        suffix = layout.suffix_of(key, bits, width)
        at = kept.find(suffix)
        while at % width and at >= 0:  # it begins inside another one
            at = kept.find(suffix, at + 1)
        return at >= 0

    def let_go(self) -> None:
        """Give the pages back that were read: they stay in the cache of the system, not in us."""
        if self._file >= 0:
            self._view.madvise(mmap.MADV_DONTNEED)

    def _state(self) -> tuple[int, int]:
        now = os.fstat(self._file)
        if not stat.S_ISREG(now.st_mode):
            raise BlockListError(self._where, "it is not a plain file")
        return now.st_size, now.st_mtime_ns

    def _checked(self, seal: str) -> Header:
        where = self._where
        content = os.read(self._file, HEADER_BYTES)
        if len(content) < HEADER_BYTES:
            raise BlockListError(where, "it is too short to be one")
        sealed = content[:SEALED_BYTES]
        header = layout.unpacked(sealed, where)
        # No secret: who can change the file can read it.
        if layout.seal_of(sealed) != seal:
            raise BlockListError(where, "it is not the one that was vouched for")
        if self._seen[0] != header.size_bytes:
            raise BlockListError(
                where, f"it has {self._seen[0]} bytes instead of {header.size_bytes}"
            )
        digest = layout.digesting()
        while chunk := os.read(self._file, _CHUNK_BYTES):
            digest.update(chunk)
        if digest.digest() != header.digest:
            raise BlockListError(where, "it is damaged")
        return header


class Lists:
    """All block lists that hold here; at least one.

    Args:
        first: Usually the one that comes with Holdfast; see `builtin.opened`.
        more: Of others, or of the operator.
    """

    __slots__ = ("_lists", "longest")

    def __init__(self, first: BlockList, *more: BlockList) -> None:
        self._lists = (first, *more)
        self.longest = max(
            section.longest for one in self._lists for section in one.header.sections
        )

    @property
    def headers(self) -> tuple[Header, ...]:
        """Tell what each list says of itself."""
        return tuple(one.header for one in self._lists)

    def must_be_unchanged(self) -> None:
        """Refuse to go on with lists that somebody writes into.

        Raises:
            BlockListError: One of them is not what was checked any more.
        """
        for one in self._lists:
            one.must_be_unchanged()

    def let_go(self) -> None:
        """Give back the memory that looking took; for processes that stay and rarely look."""
        for one in self._lists:
            one.let_go()

    def rank(self, form: str) -> int:
        """Tell how well known a folded password is.

        Returns:
            `DELIVERED` if devices are delivered with it, else `MOST_COMMON`, `LISTED` or
            `NOT_LISTED`, which are in this order.
        """
        length = len(form)
        if length > self.longest:
            return NOT_LISTED
        key = layout.hash_of(form)
        for section, rank in ((DEFAULTS, DELIVERED), (TOP, MOST_COMMON), (_bulk(length), LISTED)):
            for one in self._lists:
                if one.holds(section, key, length):
                    return rank
        return NOT_LISTED

    def is_core(self, form: str) -> bool:
        """Tell whether a folded password is so well known that its variants are refused too."""
        length = len(form)
        if length > self.longest or length < layout.FEWEST_TOP_CHARS:
            return False
        key = layout.hash_of(form)
        bulk = _bulk(length)
        for one in self._lists:
            if one.holds(TOP, key, length):
                return True
            if length >= FEWEST_CHARS and one.holds(bulk, key, length):
                return True
        return False

    def close(self) -> None:
        """Close every file."""
        for one in self._lists:
            one.close()


def _bulk(length: int) -> int:
    return SHORT if length < LONG_CHARS else LONG


def _places(header: Header) -> tuple[_Place, ...]:
    places, at = [], HEADER_BYTES
    for section in header.sections:
        counts = at + (4 << section.bits >> GROUP_BITS)
        kept = counts + (1 << section.bits)
        # In an empty section nothing is short enough to be there.
        longest = section.longest if section.entries else -1
        places.append(
            _Place(section.entries, longest, section.bits, section.width, at, counts, kept)
        )
        at += section.size_bytes
    return tuple(places)
