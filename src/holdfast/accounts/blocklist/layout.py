"""Where what lies in a block-list file.

A header of 256 bytes: 160 bytes that are sealed, then the maker's public key and signature (zeros
where none signed). Then four sections; a section has `2 ** bits` buckets. The first bits of the
hash of an entry are the number of its bucket, the next three or four bytes are kept:

    one 4-byte number for each 64 buckets: entries before them
    one byte for each bucket: entries in it
    three or four bytes for each entry, in the order of the buckets

Each entry is in one of the last three sections; those of the first are in one of these as well.
"""

import struct
from typing import NamedTuple

from holdfast.accounts.errors import BlockListError

try:
    # Not by hashlib, which would load libcrypto into a resident process: 4 MB.
    from _blake2 import blake2b
except ImportError:  # another interpreter than CPython
    from hashlib import blake2b

MAGIC = b"HFBLOCK\n"
VERSION = 1
HEADER_BYTES = 256
SEALED_BYTES = 160
KEY_BYTES = 32
SIGNATURE_BYTES = 64
NAME_BYTES = 32
LICENCE_BYTES = 48
WIDTHS = (3, 4)
GROUP_BITS = 6
FEWEST_BITS, MOST_BITS = GROUP_BITS, 20
MOST_BYTES = 256 << 20
SECTIONS = 4
DEFAULTS, TOP, SHORT, LONG = range(SECTIONS)
"""Passwords of delivered devices; the most common ones; all others below `LONG_CHARS`; the rest.

Long ones lie apart because few lists hold any: a random password of 15 characters then meets a
thousand hashes and not a million, and is never refused by chance.
"""
LONG_CHARS = 15
FEWEST_CHARS = 8
"""Shorter ones are refused for their length, whatever lists say."""
FEWEST_TOP_CHARS = 4
LONGEST_CHARS = 256

_HASH_BYTES = 8
_DIGEST_BYTES = 32
_PERSON = b"holdfast list 1"
_HASHING = blake2b(digest_size=_HASH_BYTES, person=_PERSON)
_FIXED = struct.Struct(">8sHH")
_SECTION = struct.Struct(">IHBB")
_TEXTS = struct.Struct(f">{NAME_BYTES}s{LICENCE_BYTES}s{_DIGEST_BYTES}s4x")

_PRINTABLE = frozenset(range(0x20, 0x7F))


class Section(NamedTuple):
    """What the header says of a section.

    Attributes:
        entries: How many are in it.
        longest: Code points of its longest entry; longer ones need not be looked up.
        bits: Binary logarithm of the number of its buckets; 0 in an empty section.
        width: Bytes that are kept of an entry; 0 in an empty section.
    """

    entries: int = 0
    longest: int = 0
    bits: int = 0
    width: int = 0

    @property
    def size_bytes(self) -> int:
        """Give what it takes in the file."""
        if not self.entries:
            return 0
        buckets = 1 << self.bits
        return (buckets >> GROUP_BITS) * 4 + buckets + self.entries * self.width


class Header(NamedTuple):
    """What is sealed.

    Attributes:
        sections: In the order of the file.
        name: What the list is called, printable ASCII.
        licence: Under which it may be passed on, as SPDX writes it.
        digest: BLAKE2b of everything behind the header.
    """

    sections: tuple[Section, ...]
    name: str
    licence: str
    digest: bytes

    @property
    def size_bytes(self) -> int:
        """Give what the whole file takes."""
        return HEADER_BYTES + sum(section.size_bytes for section in self.sections)


def packed(header: Header) -> bytes:
    """Write the sealed part of a header."""
    parts = [_FIXED.pack(MAGIC, VERSION, 0)]
    parts += [_SECTION.pack(*one) for one in header.sections]
    parts.append(_TEXTS.pack(header.name.encode(), header.licence.encode(), header.digest))
    return b"".join(parts)


def unpacked(sealed: bytes, where: object) -> Header:
    """Read the sealed part of a header.

    Raises:
        BlockListError: It is none, or contradicts itself.
    """
    if len(sealed) != SEALED_BYTES or not sealed.startswith(MAGIC):
        raise BlockListError(where, "it is not a block list")
    _, version, _ = _FIXED.unpack_from(sealed)
    if version != VERSION:
        raise BlockListError(where, f"its format is {version}, and this program knows {VERSION}")
    sections = []
    for number in range(SECTIONS):
        section = Section(*_SECTION.unpack_from(sealed, _FIXED.size + number * _SECTION.size))
        if not _fits(section):
            raise BlockListError(where, "its header contradicts itself")
        sections.append(section)
    name, licence, digest = _TEXTS.unpack_from(sealed, _FIXED.size + SECTIONS * _SECTION.size)
    header = Header(tuple(sections), _text(name, where), _text(licence, where), digest)
    # Every bit has one meaning: what is packed again is the same.
    if packed(header) != sealed or header.size_bytes > MOST_BYTES:
        raise BlockListError(where, "its header contradicts itself")
    return header


def seal_of(sealed: bytes) -> str:
    """Name a file by its sealed header, which in turn names everything behind it."""
    return blake2b(sealed, digest_size=_DIGEST_BYTES).hexdigest()


def digesting() -> blake2b:
    """Begin the digest of everything behind the header."""
    return blake2b(digest_size=_DIGEST_BYTES)


def hash_of(form: str) -> int:
    """Hash a folded password to 64 bits; the file keeps 38 to 48 of them."""
    content = form.encode(errors="surrogatepass")
    digest = _HASHING.copy()  # a third faster than beginning anew; one check makes a hundred
    digest.update(content)
    return int.from_bytes(digest.digest(), "big")


def suffix_of(key: int, bits: int, width: int) -> bytes:
    """Give what is kept of a hash: the bytes behind the number of its bucket."""
    rest = 64 - bits - 8 * width
    return (key >> rest & (1 << 8 * width) - 1).to_bytes(width, "big")


def _fits(section: Section) -> bool:
    if not section.entries:
        return section == Section()
    return (
        section.longest <= LONGEST_CHARS
        and FEWEST_BITS <= section.bits <= MOST_BITS
        and section.width in WIDTHS
    )


def _text(field: bytes, where: object) -> str:
    text = field.rstrip(b"\0")
    if not _PRINTABLE.issuperset(text):
        raise BlockListError(where, "its header holds more than printable text")
    return text.decode("ascii")
