"""Makes block lists from lists of passwords."""

import gzip
import lzma
import re
import unicodedata
import zlib
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from holdfast.accounts.blocklist import layout
from holdfast.accounts.blocklist.layout import (
    FEWEST_CHARS,
    FEWEST_TOP_CHARS,
    LONG_CHARS,
    LONGEST_CHARS,
    Header,
    Section,
)
from holdfast.accounts.errors import BlockListError, ListFileError
from holdfast.accounts.normal import bare, folded, normalised, without_separators

TOP_ENTRIES = 20_000
"""So many entries at the beginning of a list count as the most common ones, unless told."""
MOST_ENTRIES = 5_000_000
"""Building takes about 170 bytes of memory for each."""
MOST_FILE_BYTES = 2 << 30

_NAME = re.compile(rf"[A-Za-z0-9]([A-Za-z0-9 ._-]{{0,{layout.NAME_BYTES - 2}}}[A-Za-z0-9])?")
_LICENCE = re.compile(
    rf"[A-Za-z0-9(]([A-Za-z0-9 .:+()-]{{0,{layout.LICENCE_BYTES - 2}}}[A-Za-z0-9+)])?"
)
_LINE_BYTES = 4096
_MOST_IN_BUCKET = 255
_WIDE_ENTRIES = 250_000
_WIDE_BITS = 16
_NARROW_BITS = 17
_CONTROL = "Cc"


class Tally(NamedTuple):
    """What became of the lines that were read.

    Attributes:
        read: Lines with something in them.
        kept: Different entries in the file; what has separators is in it without them, too.
        top: Those among them whose variants are refused too.
        defaults: Those among them that devices are delivered with.
        too_short: Lines below eight characters, which are refused anyway.
        left_out: Lines above 256 characters, or with control characters.
    """

    read: int
    kept: int
    top: int
    defaults: int
    too_short: int
    left_out: int


class Built(NamedTuple):
    """A block list that nobody has signed.

    Attributes:
        content: The whole file, with zeros in place of key and signature.
        tally: What became of the lines.
    """

    content: bytes
    tally: Tally


class Builder:
    """Takes entries in, then writes the file."""

    def __init__(self) -> None:
        self._sections = [array("Q") for _ in range(layout.SECTIONS)]
        self._longest = [0] * layout.SECTIONS
        self._read = self._too_short = self._left_out = 0

    def add(self, lines: Iterable[str], *, top: int = TOP_ENTRIES) -> None:
        """Take in passwords, the most frequent first.

        Args:
            lines: One password each; blanks around it are dropped.
            top: How many of them count as most common.

        Raises:
            ListFileError: There are more than can be kept.
        """
        for number, line in enumerate(lines):
            self._take(line, common=number < top, default=False)

    def add_defaults(self, lines: Iterable[str]) -> None:
        """Take in passwords that devices are delivered with."""
        for line in lines:
            self._take(line, common=True, default=True)

    def build(self, *, name: str, licence: str) -> Built:
        """Write the file.

        Args:
            name: What it is called, see `must_be_called`.
            licence: Under which it may be passed on.

        Raises:
            ListFileError: Nothing was taken in, or a name does not fit.
        """
        must_be_called(name, licence)
        found = [set(section) for section in self._sections]
        for section in (layout.SHORT, layout.LONG):
            found[section] -= found[layout.TOP]
        keys = [sorted(section) for section in found]
        if not any(keys):
            raise ListFileError("There is no password in the lists that could be kept.")
        sections = [
            Section(len(one), longest, *_size(len(one))) if one else Section()
            for one, longest in zip(keys, self._longest, strict=True)
        ]
        body = b"".join(
            _section(one, described) for one, described in zip(keys, sections, strict=True)
        )
        digest = layout.digesting()
        digest.update(body)
        sealed = layout.packed(Header(tuple(sections), name, licence, digest.digest()))
        unsigned = bytes(layout.KEY_BYTES + layout.SIGNATURE_BYTES)
        different = set[int]().union(*keys)
        tally = Tally(
            read=self._read,
            kept=len(different),
            top=len(keys[layout.TOP]),
            defaults=len(keys[layout.DEFAULTS]),
            too_short=self._too_short,
            left_out=self._left_out,
        )
        return Built(sealed + unsigned + body, tally)

    def _take(self, line: str, *, common: bool, default: bool) -> None:
        text = line.strip()
        if not text:
            return
        self._read += 1
        if self._read > MOST_ENTRIES:
            raise ListFileError(f"The lists have more than {MOST_ENTRIES} entries.")
        if len(text) > LONGEST_CHARS or not _can_be_typed(text):
            self._left_out += 1
            return
        form = folded(text)
        key = layout.hash_of(form)
        length = len(form)
        long_enough = max(length, len(normalised(text))) >= FEWEST_CHARS
        if not long_enough:
            self._too_short += 1
        if default:
            self._keep(layout.DEFAULTS, key, length)
        self._keep_as_known(key, length, common=common, long_enough=long_enough)
        joined = without_separators(bare(form))
        if joined:  # whoever types it need not know where its blanks were
            length = len(joined)
            self._keep_as_known(
                layout.hash_of(joined), length, common=common, long_enough=length >= FEWEST_CHARS
            )

    def _keep_as_known(self, key: int, length: int, *, common: bool, long_enough: bool) -> None:
        if common and length >= FEWEST_TOP_CHARS:
            self._keep(layout.TOP, key, length)
        if long_enough:
            self._keep(layout.SHORT if length < LONG_CHARS else layout.LONG, key, length)

    def _keep(self, section: int, key: int, length: int) -> None:
        self._sections[section].append(key)
        # A form may be longer than what was typed; who is longer still is not looked up.
        self._longest[section] = max(self._longest[section], min(length, LONGEST_CHARS))


def must_be_called(name: str, licence: str) -> None:
    """Refuse what is no name of a list, or no licence; both are shown wherever the list is.

    Args:
        name: 1 to 32 letters and digits of ASCII, with blanks, dots, hyphens, underscores between.
        licence: An SPDX expression of up to 48 characters.

    Raises:
        ListFileError: One of them has another shape.
    """
    if _NAME.fullmatch(name) is None:
        error = ListFileError(f"{name[:60]!a} is no name of a block list.")
        error.hint = (
            f"Take 1 to {layout.NAME_BYTES} letters and digits; blanks, dots, hyphens and "
            "underscores may stand between."
        )
        raise error
    if _LICENCE.fullmatch(licence) is None:
        error = ListFileError(f"{licence[:60]!a} is no licence.")
        error.hint = (
            f"Take an SPDX expression of at most {layout.LICENCE_BYTES} characters, such as "
            "CC-BY-SA-4.0 or LicenseRef-internal."
        )
        raise error


def lines_of(path: Path) -> Iterator[str]:
    """Read a list file line by line, plain, .xz or .gz; what is not UTF-8 is read as Latin-1.

    Raises:
        ListFileError: It cannot be read, is damaged, or unpacks to more than two gigabytes.
    """
    size = 0
    with _opened(path) as file:
        while line := file.readline(_LINE_BYTES):
            size += len(line)
            if size > MOST_FILE_BYTES:
                raise ListFileError(f"{path} holds more than {MOST_FILE_BYTES >> 20} MiB.")
            try:
                yield line.decode()
            except UnicodeDecodeError:
                yield line.decode("latin-1")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        if not path.is_file():
            raise ListFileError(f"{path} is not a file.")
        with path.open("rb") as file:
            yield _unpacked(file, path.suffix)
    except (lzma.LZMAError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ListFileError(f"{path} is damaged: {error}.") from error
    except OSError as error:
        raise ListFileError(f"{path} cannot be read: {error.strerror}.") from error


def _unpacked(file: BinaryIO, suffix: str) -> BinaryIO:
    if suffix == ".xz":
        return cast("BinaryIO", lzma.LZMAFile(file))
    return cast("BinaryIO", gzip.GzipFile(fileobj=file)) if suffix == ".gz" else file


def _can_be_typed(text: str) -> bool:
    if text.isascii():
        return text.isprintable()
    return all(unicodedata.category(mark) != _CONTROL for mark in text)


def _size(count: int) -> tuple[int, int]:
    """Choose bits and width: 1 in 10 ** 9 is found by chance, or 1 in 10 ** 7 in a large section.

    A random password is looked up some twenty times, so none of a million is refused by chance.
    """
    if count <= _WIDE_ENTRIES:
        return max(layout.FEWEST_BITS, min(_WIDE_BITS, count.bit_length() - 2)), 4
    return max(_NARROW_BITS, min(layout.MOST_BITS, count.bit_length() - 2)), 3


def _section(keys: list[int], section: Section) -> bytes:
    if not keys:
        return b""
    buckets = 1 << section.bits
    counts = bytearray(buckets)
    suffixes = bytearray()
    for key in keys:
        bucket = key >> (64 - section.bits)
        if counts[bucket] == _MOST_IN_BUCKET:
            raise BlockListError("under construction", "a bucket is full")
        counts[bucket] += 1
        suffixes += layout.suffix_of(key, section.bits, section.width)
    groups = bytearray()
    before = 0
    for start in range(0, buckets, 1 << layout.GROUP_BITS):
        groups += before.to_bytes(4, "big")
        before += sum(counts[start : start + (1 << layout.GROUP_BITS)])
    return bytes(groups + counts + suffixes)
