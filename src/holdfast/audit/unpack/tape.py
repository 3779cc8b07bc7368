"""Reader of tar archives: POSIX with pax records, GNU with long names, and sparse files of both.

Not the standard library's: that one takes records and maps of any length into memory, and the
releases that we support search them with expressions that can be made to take hours.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node, plain
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import (
    MOST_PATH,
    OWNERS,
    PERMISSIONS,
    Content,
    Listing,
    seconds,
    text,
)
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source, exactly

BLOCK: Final = 512
MAGIC: Final = b"ustar"
MOST_RECORDS_BYTES: Final = 1 << 20  # of one pax header or one long name
MOST_HEADERS: Final = 600_000  # twice the files that an audit takes
MOST_MAP_BYTES: Final = 1 << 22  # of one sparse file
MANY_BITS: Final = 0x80  # of the first byte of a number: it is binary
NEGATIVE: Final = 0x40

_KINDS: Final = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"S": Kind.FILE,
    b"1": Kind.FILE,
    b"2": Kind.LINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.FOLDER,
    b"D": Kind.FOLDER,
    b"6": Kind.PIPE,
}
HARD_LINK: Final = b"1"
LONG_NAME: Final = b"L"
LONG_TARGET: Final = b"K"
SPARSE: Final = b"S"
RECORDS: Final = frozenset({b"x", b"X"})
RECORDS_FOR_ALL: Final = b"g"
WITHOUT_CONTENT: Final = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})

_SPARSE_IN_HEADER: Final = range(386, 386 + 4 * 24, 24)
_SPARSE_MORE: Final = range(0, 21 * 24, 24)
_WHOLE: Final = re.compile(rb"(-?[0-9]{1,19})(?:\.[0-9]*)?")
_RECORD: Final = re.compile(rb"([0-9]{1,7}) ")


@dataclass(slots=True, kw_only=True)
class Entry:
    """One header, with what the headers before it said about it.

    Attributes:
        at: Where its content starts.
        stored_bytes: How much of the archive the content takes.
        size_bytes: How long the file is.
        pieces: Start and length of what is stored of a sparse file; None if it is not sparse.
    """

    kind: bytes
    name: bytes
    target: bytes
    mode: int
    uid: int
    gid: int
    mtime: int
    device: tuple[int, int]
    at: int
    stored_bytes: int
    size_bytes: int
    pieces: list[tuple[int, int]] | None = None


@dataclass(slots=True)
class _Said:
    """What headers said about those that follow."""

    for_all: dict[bytes, bytes] = field(default_factory=dict)
    for_next: dict[bytes, bytes] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    def take_in(self, kind: bytes, content: bytes) -> None:
        """Keep what a header says.

        Raises:
            FormatError: It is damaged.
        """
        if kind in {LONG_NAME, LONG_TARGET}:
            key = b"path" if kind == LONG_NAME else b"linkpath"
            self.for_next[key] = content.partition(b"\0")[0]
            return
        kept = self.for_all if kind == RECORDS_FOR_ALL else self.for_next
        for key, value in _records(content):
            kept[key] = value
            if key in {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}:
                self.pieces.append(value)  # the one key that may come several times

    def about_next(self) -> dict[bytes, bytes]:
        """Give what was said of the entry that comes now, and forget what was said of it alone."""
        said = self.for_all | self.for_next
        if self.pieces:
            said[b"GNU.sparse.map"] = b",".join(self.pieces)
        self.for_next, self.pieces = {}, []
        return said


def _number(raw: bytes) -> int:
    """Read a number in octal, or in the binary form of GNU.

    Raises:
        FormatError: It is neither.
    """
    if raw[0] & MANY_BITS:
        number = int.from_bytes(raw, "big", signed=True)
        if not raw[0] & NEGATIVE:
            number = int.from_bytes(bytes([raw[0] & 0x7F]) + raw[1:], "big")
        return number
    digits = raw.partition(b"\0")[0].strip()
    if digits.strip(b"01234567"):
        raise FormatError("a header of the archive holds no number where one belongs")
    return int(digits or b"0", 8)


def _decimal(value: bytes) -> int:
    found = _WHOLE.fullmatch(value)
    if found is None:
        raise FormatError("a record of the archive holds no number where one belongs")
    return int(found[1])


def _is_header(raw: bytes) -> bool:
    """Compare the sum of the header, which old programs counted with signs."""
    if len(raw) != BLOCK or raw[257:262] != MAGIC:
        return False
    try:
        wanted = _number(raw[148:156])
    except FormatError:
        return False
    rest = raw[:148] + b" " * 8 + raw[156:]
    return wanted in {sum(rest), sum(memoryview(rest).cast("b"))}


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the keys and values of a pax header."""
    at = 0
    while at < len(content) and content[at]:
        found = _RECORD.match(content, at)
        length = int(found[1]) if found else 0
        if found is None or found.end() > at + length or at + length > len(content):
            raise FormatError("a pax header of the archive is damaged")
        key, _, value = content[found.end() : at + length - 1].partition(b"=")
        yield key, value
        at += length


class _Archive:
    """Goes over the entries of one archive.

    Attributes:
        end: Where the archive ends as far as is known.
        trouble: Why it stopped, if not at its end.
    """

    def __init__(self, source: Source, tick: Callable[[], None] = lambda: None) -> None:
        self._source, self._tick = source, tick
        self._said = _Said()
        self.end = 0
        self.trouble = ""

    def __iter__(self) -> Iterator[Entry]:
        """Give every entry; headers that only say something about the next one are taken in."""
        for _ in range(MOST_HEADERS):
            self._tick()
            raw = self._source.read_at(self.end, BLOCK)
            if not raw.strip(b"\0"):
                self._finish(raw)
                return
            try:
                entry = self._entry(raw)
            except FormatError as error:
                self.trouble = str(error)
                return
            if entry is not None:
                yield entry
        self.end, self.trouble = self._source.size_bytes, "the archive has too many headers"

    def _finish(self, raw: bytes) -> None:
        if len(raw) != BLOCK:
            self.trouble = "the archive ends without its last blocks"
            self.end = self._source.size_bytes
            return
        following = self._source.read_at(self.end + BLOCK, BLOCK)
        self.end += BLOCK + (0 if following.strip(b"\0") else len(following))

    def _entry(self, raw: bytes) -> Entry | None:
        if not _is_header(raw):
            raise FormatError("a header of the archive is damaged")
        kind, stored = raw[156:157], _number(raw[124:136])
        at = self.end + BLOCK
        if kind in {LONG_NAME, LONG_TARGET, RECORDS_FOR_ALL, *RECORDS}:
            if not 0 <= stored <= MOST_RECORDS_BYTES:
                raise FormatError("what the archive says about an entry is too long")
            self._said.take_in(kind, exactly(self._source, at, stored))
            self.end = at + _rounded(stored)
            return None
        said = self._said.about_next()
        stored = 0 if kind in WITHOUT_CONTENT else _decimal(said.get(b"size", b"%d" % stored))
        name = raw[:100].partition(b"\0")[0]
        prefix = raw[345:500].partition(b"\0")[0] if raw[257:263] == MAGIC + b"\0" else b""
        entry = Entry(
            kind=kind,
            name=said.get(b"path", prefix + b"/" + name if prefix else name),
            target=said.get(b"linkpath", raw[157:257].partition(b"\0")[0]),
            mode=_number(raw[100:108]),
            uid=_decimal(said.get(b"uid", b"%d" % _number(raw[108:116]))),
            gid=_decimal(said.get(b"gid", b"%d" % _number(raw[116:124]))),
            mtime=_decimal(said.get(b"mtime", b"%d" % _number(raw[136:148]))),
            device=(0, 0),
            at=at,
            stored_bytes=stored,
            size_bytes=stored,
        )
        if _KINDS.get(kind) in {Kind.CHARACTER, Kind.BLOCK}:
            major, minor = _number(raw[329:337]), _number(raw[337:345])
            entry.device = major & OWNERS, minor & OWNERS
        if kind == SPARSE:
            self._sparse_by_header(entry, raw)
        if stored < 0 or entry.at + stored > self._source.size_bytes:
            self.end = self._source.size_bytes
            raise FormatError("the archive ends early")
        self.end = entry.at + _rounded(stored)
        self._sparse_by_records(entry, said)
        return entry

    def _sparse_by_header(self, entry: Entry, raw: bytes) -> None:
        """Read the map that old GNU programs write, which goes on in blocks of its own."""
        entry.size_bytes = _number(raw[483:495])
        pieces = [_piece(raw, at) for at in _SPARSE_IN_HEADER]
        more = raw[482]
        while more:
            raw = exactly(self._source, entry.at, BLOCK)
            entry.at += BLOCK
            pieces += [_piece(raw, at) for at in _SPARSE_MORE]
            more = raw[504]
        entry.pieces = [piece for piece in pieces if piece != (0, 0)]

    def _sparse_by_records(self, entry: Entry, said: dict[bytes, bytes]) -> None:
        """Read the maps of the three forms that GNU programs write with pax headers."""
        entry.name = said.get(b"GNU.sparse.name", entry.name)
        if said.get(b"GNU.sparse.major") == b"1":
            entry.size_bytes = _decimal(said.get(b"GNU.sparse.realsize", b""))
            start = self._source.read_at(entry.at, min(entry.stored_bytes, MOST_MAP_BYTES))
            count = _decimal(start.partition(b"\n")[0])
            lines = start.split(b"\n", 2 * count + 1) if 0 <= count <= len(start) else []
            if len(lines) != 2 * count + 2:
                raise FormatError("the map of a sparse file is damaged")
            length = _rounded(len(start) - len(lines[-1]))
            entry.at, entry.stored_bytes = entry.at + length, entry.stored_bytes - length
            numbers = [_decimal(line) for line in lines[1:-1]]
        elif b"GNU.sparse.map" in said:
            entry.size_bytes = _decimal(said.get(b"GNU.sparse.size", b""))
            numbers = [_decimal(each) for each in said[b"GNU.sparse.map"].split(b",")]
        else:
            return
        entry.pieces = list(zip(numbers[::2], numbers[1::2], strict=False))


def _rounded(length: int) -> int:
    return -(-length // BLOCK) * BLOCK


def _piece(raw: bytes, at: int) -> tuple[int, int]:
    return _number(raw[at : at + 12]), _number(raw[at + 12 : at + 24])


def measure(source: Source) -> Measured | None:
    """Walk over the headers."""
    raw = source.read_at(0, BLOCK)
    if not _is_header(raw):
        return None
    form = "tar GNU" if raw[257:265] == b"ustar  \0" else "tar POSIX"
    archive = _Archive(source)
    for _ in archive:
        pass
    return Measured(size_bytes=archive.end or source.size_bytes, format=form)


def _read(source: Source, entry: Entry) -> bytes:
    if entry.pieces is None:
        return exactly(source, entry.at, entry.stored_bytes)
    pieces, at, done = [], entry.at, 0
    for start, length in entry.pieces:
        if start < done or length < 0 or start + length > entry.size_bytes:
            raise FormatError("the map of a sparse file is damaged")
        pieces += [bytes(start - done), exactly(source, at, length)]
        at, done = at + length, start + length
    if at > entry.at + entry.stored_bytes:
        raise FormatError("the map of a sparse file is damaged")
    return b"".join((*pieces, bytes(entry.size_bytes - done)))


def _node(path: str, entry: Entry, kind: Kind, read: Content | None) -> Node:
    if len(entry.target) > MOST_PATH:
        raise FormatError("a link is too long")
    if kind is Kind.FILE and entry.name.endswith(b"/"):
        kind, read = Kind.FOLDER, None  # as the oldest programs write it
    return Node(
        path=path,
        kind=kind,
        mode=entry.mode & PERMISSIONS,
        uid=entry.uid & OWNERS,
        gid=entry.gid & OWNERS,
        size_bytes=read.size_bytes if read else 0,
        target=text(entry.target) if kind is Kind.LINK else "",
        device=entry.device if kind in {Kind.CHARACTER, Kind.BLOCK} else None,
        mtime=seconds(entry.mtime),
        read=read,
    )


def _hard_link(listing: Listing, path: str, entry: Entry) -> Node:
    """Give a name the file that an earlier name has."""
    other = listing.get(plain(text(entry.target)))
    if other is None:
        raise FormatError("a hard link of the archive leads nowhere")
    return replace(other, path=path)


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name; what is readable of a damaged archive first, then the error."""
    listing, archive, trouble = Listing(budget), _Archive(source, budget.tick), ""
    for entry in archive:
        kind = _KINDS.get(entry.kind)
        if kind is None:
            continue  # names of volumes and the like
        try:
            path = listing.path_of(entry.name)
            if entry.kind == HARD_LINK:
                listing.add(_hard_link(listing, path, entry))
                continue
            content = None
            if kind is Kind.FILE:
                content = Content(budget, entry.size_bytes, partial(_read, source, entry))
            listing.add(_node(path, entry, kind, content))
        except FormatError as error:
            trouble = str(error)
    yield from listing
    if trouble or archive.trouble:
        raise FormatError(trouble or archive.trouble)


READER: Final = FileSystem(
    name="tar", magics=(Magic(content=MAGIC, at=257),), measure=measure, nodes=nodes
)
