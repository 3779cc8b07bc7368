"""Reader of ar archives, in which Debian packages and old ipk packages come."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import MOST_PATH, text
from holdfast.audit.unpack.reader import Container, Magic, Measured, Part
from holdfast.audit.unpack.source import Region, Source

MAGIC: Final = b"!<arch>\n"
HEADER_BYTES: Final = 60
MOST_MEASURED: Final = 1_000_000  # members
MOST_NAMES_BYTES: Final = 1 << 24
_HEADER: Final = re.compile(
    rb"(?P<name>.{16})[0-9 ]{12}[0-9 ]{6}[0-9 ]{6}[0-7 ]{8}(?P<size>[0-9]{1,10}) *`\n", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive; its name still as the header has it."""

    name: bytes
    at: int
    size_bytes: int


class _Archive:
    """Goes over the members.

    Attributes:
        end: Where the last whole member ends.
        whole: Whether nothing but the end stopped it.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.end, self.whole = len(MAGIC), True

    def __iter__(self) -> Iterator[Member]:
        """Give every member."""
        while found := _HEADER.fullmatch(self._source.read_at(self.end, HEADER_BYTES)):
            at, size = self.end + HEADER_BYTES, int(found["size"])
            if at + size > self._source.size_bytes:
                self.end, self.whole = self._source.size_bytes, False
                return
            self.end = min(at + size + size % 2, self._source.size_bytes)
            yield Member(found["name"].rstrip(b" "), at, size)
        self.whole = self.end == self._source.size_bytes


def measure(source: Source) -> Measured | None:
    """Walk over the headers."""
    if source.read_at(0, len(MAGIC)) != MAGIC:
        return None
    archive, first = _Archive(source), b""
    for count, member in enumerate(archive):
        first = first or member.name
        if count > MOST_MEASURED:
            return Measured(size_bytes=source.size_bytes, format="ar")
    if not first:
        return None
    form = "deb" if first.rstrip(b"/") == b"debian-binary" else "ar"
    return Measured(size_bytes=archive.end, format=form)


def parts(source: Source, budget: Budget) -> Iterator[Part]:
    """Give every member under its name."""
    archive, names = _Archive(source), b""
    for member in archive:
        budget.take_file()
        if member.name in {b"/", b"/SYM64/"} or member.name.startswith(b"__.SYMDEF"):
            continue  # an index for linkers
        if member.name == b"//":
            names = source.read_at(member.at, min(member.size_bytes, MOST_NAMES_BYTES))
            continue
        name, skip = _name(source, member, names)
        size = member.size_bytes - skip
        at = member.at + skip
        yield Part(name=name, offset=at, source=Region(source, at, size))
    if not archive.whole:
        raise FormatError("the archive is damaged or ends early")


def _name(source: Source, member: Member, names: bytes) -> tuple[str, int]:
    """Give the name, and how many bytes of the content it takes: BSD puts long ones there."""
    name, skip = member.name, 0
    if name.startswith(b"#1/") and name[3:].isdigit():
        skip = int(name[3:])
        if skip > min(member.size_bytes, MOST_PATH):
            raise FormatError("the archive holds a name that is too long")
        name = source.read_at(member.at, skip).rstrip(b"\0")
    elif name.startswith(b"/") and name[1:].isdigit():
        place = int(name[1:])
        name = names[place : place + MOST_PATH].partition(b"\n")[0]
    clean = text(name.rstrip(b"/")).replace("/", "-").replace("\0", "")
    return clean or "member", skip


READER: Final = Container(name="ar", magics=(Magic(content=MAGIC),), measure=measure, parts=parts)
