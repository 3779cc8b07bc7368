"""Reader of cpio archives: newc, crc, odc and the old binary form in both byte orders.

Archives that follow each other, with zeros between them, are one, as the kernel takes an initramfs.
"""

import struct
import zlib
from binascii import Error as HexError
from binascii import unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import (
    MOST_PATH,
    PERMISSIONS,
    Content,
    Listing,
    kind_of,
    old_device,
    text,
)
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source, exactly

NEW: Final = b"070701"
NEW_WITH_SUM: Final = b"070702"
OLD_TEXT: Final = b"070707"
LITTLE: Final = b"\xc7\x71"
BIG: Final = b"\x71\xc7"
TRAILER: Final = b"TRAILER!!!"

MOST_BETWEEN: Final = 1 << 20  # zeros between two archives
SHORTEST_WINDOW: Final = 512
MOST_ENTRIES: Final = 600_000  # twice the files that an audit takes
ADLER_BASE: Final = 65521
MAGIC_BYTES: Final = 6
NEW_BYTES: Final = 110
OLD_TEXT_BYTES: Final = 76
BINARY_BYTES: Final = 26
_NAMES: Final = {NEW: "newc", NEW_WITH_SUM: "crc", OLD_TEXT: "odc"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One header with its name, and where its content and the next header are."""

    form: str
    name: bytes
    mode: int
    uid: int
    gid: int
    links: int
    mtime: int
    inode: tuple[int, ...]
    device: tuple[int, int]
    size_bytes: int
    at: int
    end: int
    sum: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The numbers of a header; `inode` says with the device which file it is."""

    form: str
    inode: tuple[int, ...]
    mode: int
    uid: int
    gid: int
    links: int
    device: tuple[int, int]
    mtime: int
    name_bytes: int
    size_bytes: int
    length: int
    unit: int
    sum: int | None = None


def _new(raw: bytes) -> _Head | None:
    if len(raw) < NEW_BYTES:
        return None
    try:
        fields = struct.unpack(">13I", unhexlify(raw[MAGIC_BYTES:NEW_BYTES]))
    except HexError:
        return None
    inode, mode, uid, gid, links, mtime, size, major, minor, *device, name, check = fields
    return _Head(
        form=_NAMES[raw[:MAGIC_BYTES]],
        inode=(major, minor, inode),
        mode=mode,
        uid=uid,
        gid=gid,
        links=links,
        device=(device[0], device[1]),
        mtime=mtime,
        name_bytes=name,
        size_bytes=size,
        length=NEW_BYTES,
        unit=4,
        sum=check if raw.startswith(NEW_WITH_SUM) else None,
    )


def _old_text(raw: bytes) -> _Head | None:
    digits = raw[MAGIC_BYTES:OLD_TEXT_BYTES]
    if len(digits) != OLD_TEXT_BYTES - MAGIC_BYTES or digits.strip(b"01234567"):
        return None
    places = struct.unpack("6s6s6s6s6s6s6s11s6s11s", digits)
    numbers = [int(place, 8) for place in places]
    dev, inode, mode, uid, gid, links, device, mtime, name, size = numbers
    return _Head(
        form="odc",
        inode=(dev, inode),
        mode=mode,
        uid=uid,
        gid=gid,
        links=links,
        device=old_device(device),
        mtime=mtime,
        name_bytes=name,
        size_bytes=size,
        length=OLD_TEXT_BYTES,
        unit=1,
    )


def _binary(raw: bytes) -> _Head | None:
    if len(raw) < BINARY_BYTES:
        return None
    order, word = ("<", "little-endian") if raw.startswith(LITTLE) else (">", "big-endian")
    numbers = struct.unpack_from(order + "13H", raw)
    _, dev, inode, mode, uid, gid, links, device, high, low, name, size_high, size_low = numbers
    return _Head(
        form=f"binary {word}",
        inode=(dev, inode),
        mode=mode,
        uid=uid,
        gid=gid,
        links=links,
        device=old_device(device),
        mtime=high << 16 | low,
        name_bytes=name,
        size_bytes=size_high << 16 | size_low,
        length=BINARY_BYTES,
        unit=2,
    )


def _entry(source: Source, base: int, at: int) -> Entry | None:
    """Read the header at a place; `base` is where the archive starts, for the alignment."""
    raw = source.read_at(at, NEW_BYTES)
    if raw.startswith((NEW, NEW_WITH_SUM)):
        head = _new(raw)
    elif raw.startswith(OLD_TEXT):
        head = _old_text(raw)
    elif raw.startswith((LITTLE, BIG)):
        head = _binary(raw)
    else:
        return None
    if head is None or not 1 < head.name_bytes <= MOST_PATH + 1:
        return None
    name = source.read_at(at + head.length, head.name_bytes)
    if len(name) != head.name_bytes or name[-1] or not name[0]:
        return None
    name = name.partition(b"\0")[0]
    trailer = name == TRAILER
    if not trailer and kind_of(head.mode) is None:
        return None

    def aligned(place: int) -> int:
        return base + (place - base + head.unit - 1) // head.unit * head.unit

    content_at = aligned(at + head.length + head.name_bytes)
    return Entry(
        form=head.form,
        name=name,
        mode=head.mode,
        uid=head.uid,
        gid=head.gid,
        links=head.links,
        mtime=head.mtime,
        inode=(base, *head.inode),
        device=head.device,
        size_bytes=0 if trailer else head.size_bytes,
        at=content_at,
        end=aligned(content_at + (0 if trailer else head.size_bytes)),
        sum=head.sum,
    )


def _following(source: Source, at: int) -> int | None:
    """Find an archive that follows another one, after zeros."""
    start, width = at, SHORTEST_WINDOW
    while start - at < MOST_BETWEEN:
        window = source.read_at(start, width)
        rest = len(window.lstrip(b"\0"))
        if rest or not window:
            return start + len(window) - rest if rest else None
        start, width = start + len(window), 2 * width
    return None


class _Walk:
    """Goes over all entries of the archives that follow each other.

    Attributes:
        end: Where the last whole entry ends.
        trouble: Why it stopped, if not at a trailer.
    """

    def __init__(self, source: Source, tick: Callable[[], None] = lambda: None) -> None:
        self._source, self._tick = source, tick
        self.end = 0
        self.trouble = ""

    def __iter__(self) -> Iterator[Entry]:
        """Give every entry but the trailers."""
        base = at = 0
        for _ in range(MOST_ENTRIES):
            self._tick()
            entry = _entry(self._source, base, at)
            if entry is None:
                if at != base or base == 0:
                    self.trouble = "the archive ends without its trailer"
                return
            if entry.at + entry.size_bytes > self._source.size_bytes:
                self.trouble, self.end = "the archive ends early", self._source.size_bytes
                return
            at = self.end = min(entry.end, self._source.size_bytes)
            if entry.name != TRAILER:
                yield entry
                continue
            following = _following(self._source, at)
            if following is None:
                return
            base = at = following
        self.trouble, self.end = "the archive has too many entries", self._source.size_bytes


def measure(source: Source) -> Measured | None:
    """Walk over the headers."""
    first = _entry(source, 0, 0)
    if first is None:
        return None
    if first.form.startswith("binary") and (
        first.name == TRAILER or _entry(source, 0, first.end) is None
    ):
        return None  # two bytes alone are met everywhere
    walk = _Walk(source)
    for _ in walk:
        pass
    return Measured(size_bytes=walk.end or source.size_bytes, format=f"cpio {first.form}")


def _make_sure(content: bytes, check: int) -> None:
    """Compare with the sum of all bytes modulo 2^32; Adler's sum has the same modulo 65521."""
    low = zlib.adler32(content) & 0xFFFF
    most = len(content) * 255 >> 32
    if all((check + (turns << 32) + 1) % ADLER_BASE != low for turns in range(most + 1)):
        raise FormatError("the sum of a file's bytes is wrong")


def _read(source: Source, entry: Entry) -> bytes:
    content = exactly(source, entry.at, entry.size_bytes)
    if entry.sum is not None:
        _make_sure(content, entry.sum)
    return content


def _content(source: Source, budget: Budget, entry: Entry) -> Content:
    return Content(budget, entry.size_bytes, lambda: _read(source, entry))


def _node(source: Source, path: str, entry: Entry, content: Content | None) -> Node:
    kind = kind_of(entry.mode) or Kind.FILE
    target = b""
    if kind is Kind.LINK:
        if entry.size_bytes > MOST_PATH:
            raise FormatError("a link is too long")
        target = exactly(source, entry.at, entry.size_bytes).rstrip(b"\0")
    return Node(
        path=path,
        kind=kind,
        mode=entry.mode & PERMISSIONS,
        uid=entry.uid,
        gid=entry.gid,
        size_bytes=content.size_bytes if content else 0,
        target=text(target),
        device=entry.device if kind in {Kind.CHARACTER, Kind.BLOCK} else None,
        mtime=entry.mtime,
        read=content,
    )


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name; what is readable of a damaged archive first, then the error."""
    listing, walk = Listing(budget), _Walk(source, budget.tick)
    found: list[tuple[str, Entry]] = []
    linked: dict[tuple[int, ...], Content] = {}
    for entry in walk:
        found.append((listing.path_of(entry.name), entry))
        linkable = entry.links > 1 and entry.inode[-1] and kind_of(entry.mode) is Kind.FILE
        # Of the names of one file, newc gives the content to the last one only.
        if linkable and (entry.size_bytes or entry.inode not in linked):
            linked[entry.inode] = _content(source, budget, entry)
    trouble = walk.trouble
    for path, entry in found:
        content = None
        if kind_of(entry.mode) is Kind.FILE:
            content = linked.get(entry.inode) if entry.links > 1 else None
            content = content or _content(source, budget, entry)
        try:
            listing.add(_node(source, path, entry, content))
        except FormatError as error:
            trouble = str(error)
    yield from listing
    if trouble:
        raise FormatError(trouble)


READER: Final = FileSystem(
    name="cpio",
    magics=tuple(Magic(content=magic) for magic in (NEW, NEW_WITH_SUM, OLD_TEXT, LITTLE, BIG)),
    measure=measure,
    nodes=nodes,
)
