"""Reader of jffs2 in both byte orders: a log of nodes, in which the latest version counts."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack import decompression
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import (
    MOST_PATH,
    PERMISSIONS,
    Content,
    below,
    kind_of,
    new_device,
    old_device,
    text,
)
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source, exactly

MAGIC: Final = 0x1985
ACCURATE: Final = 0x2000  # taken back on the flash when a node is obsolete
DIRENT: Final = 0xE001
INODE: Final = 0xE002
CLEAN_MARKER: Final = 0x2003
TYPES: Final = (DIRENT, INODE, CLEAN_MARKER, 0x2004, 0x2006, 0xE008, 0xE009)
ROOT_INODE: Final = 1

HEADER_BYTES: Final = 12
DIRENT_BYTES: Final = 40
INODE_BYTES: Final = 68
MOST_PIECE: Final = 1 << 20  # bytes of a file in one node; Linux takes no more than a page
MOST_MEASURED: Final = 1_000_000  # nodes
SHORTEST_WINDOW: Final = 256
LONGEST_WINDOW: Final = 1 << 16
MOST_GARBAGE: Final = 1 << 20  # bytes between two nodes that are neither blank nor nodes
MOST_FALSE: Final = 100_000  # magics that were none, before measuring gives up
MOST_CLASHES: Final = 4  # nodes of one number and version in a row that another file system makes
START_UNIT: Final = 4096  # a file system starts at a multiple of this, seen from another one

_NONE, _ZERO, _RTIME, _ZLIB, _LZO, _LZMA = 0, 1, 2, 6, 7, 8
_ZLIB_HEADER: Final = 2
OLD_DEVICE: Final = 2  # bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node is, what it is and how long."""

    at: int
    type: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a file; a later version covers an earlier one."""

    version: int
    offset: int
    stored_bytes: int
    size_bytes: int
    compression: int
    at: int


@dataclass(slots=True)
class Inode:
    """What the nodes of one inode say; its attributes are from the latest version."""

    version: int = -1
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size_bytes: int = 0
    mtime: int = 0
    pieces: list[Piece] = field(default_factory=list)
    content: Content | None = None


def _crc(content: bytes) -> int:
    """Give the sum that Linux keeps: it neither starts nor ends with inverted bits."""
    return zlib.crc32(content, 0xFFFFFFFF) ^ 0xFFFFFFFF


def _order(source: Source) -> str:
    """Give the byte order for `struct`; "" if this does not start with a node."""
    raw = source.read_at(0, HEADER_BYTES)
    for order in "<>":
        if len(raw) == HEADER_BYTES and _header(raw, order):
            return order
    return ""


def _header(raw: bytes, order: str) -> tuple[int, int] | None:
    """Give type and length of a node; None if this is no header."""
    magic, kind, length, crc = struct.unpack(order + "HHII", raw)
    if magic != MAGIC or length < HEADER_BYTES or kind | ACCURATE not in TYPES:
        return None
    if _crc(struct.pack(order + "HHI", magic, kind | ACCURATE, length)) != crc:
        return None
    return kind, length


class _Log:
    """Goes over the nodes.

    Attributes:
        end: Where the last node ends.
        start_of_run: Where the nodes started that stand one behind the other up to the last one.
        end_before_run: Where the node before those ends.
        short: Whether the last node is cut off.
    """

    def __init__(self, source: Source, order: str, tick: Callable[[], None] | None = None) -> None:
        self._source, self._order, self._tick = source, order, tick
        self._magic = struct.pack(order + "H", MAGIC)
        self._false = 0
        self.end = self.start_of_run = self.end_before_run = 0
        self.short = False

    def __iter__(self) -> Iterator[Place]:
        """Give every node that is not obsolete."""
        at: int | None = 0
        while at is not None:
            if self._tick:
                self._tick()
            raw = self._source.read_at(at, HEADER_BYTES)
            found = _header(raw, self._order) if len(raw) == HEADER_BYTES else None
            if found is None:
                self._false += 1
                at = self._next(at + 4)
                continue
            kind, length = found
            if at + length > self._source.size_bytes:
                self.end, self.short = self._source.size_bytes, True
                return
            if self.end != at or (kind == CLEAN_MARKER and not at % START_UNIT):
                self.start_of_run, self.end_before_run = at, self.end
            self.end = min(at + (length + 3 & ~3), self._source.size_bytes)
            if kind & ACCURATE:
                yield Place(at, kind, length)
            at = self.end

    def _next(self, at: int) -> int | None:
        """Find the next magic, over what is blank and not too much of what is not."""
        garbage, width = 0, SHORTEST_WINDOW
        while self._tick is not None or self._false < MOST_FALSE:
            if self._tick:
                self._tick()
            window = self._source.read_at(at, width)
            if not window or garbage > MOST_GARBAGE:
                return None
            place = window.find(self._magic)
            while place % 4 and place >= 0:
                place = window.find(self._magic, place + 1)
            if place >= 0:
                return at + place
            garbage += len(window) if window.strip(b"\xff") else 0
            at += len(window)
            width = min(2 * width, LONGEST_WINDOW)
        return None


def measure(source: Source) -> Measured | None:
    """Walk over the nodes, up to where another file system starts to use the same numbers."""
    order = _order(source)
    if not order:
        return None
    log, seen = _Log(source, order), dict[tuple[int, int, int], bytes]()
    clashes = clashed_run = 0
    for count, place in enumerate(log):
        if count > MOST_MEASURED:
            log.end = source.size_bytes
            break
        if place.type in {DIRENT, INODE}:
            raw = source.read_at(place.at, INODE_BYTES)
            if len(raw) < INODE_BYTES:
                break
            first, version = struct.unpack_from(order + "II", raw, HEADER_BYTES)
            mark = raw[32:36] if place.type == DIRENT else raw[64:68]
            if seen.setdefault((place.type, first, version), mark) != mark:
                # One or two may be left from writing that was cut off.
                clashes = 1 if clashed_run != log.start_of_run else clashes + 1
                clashed_run = log.start_of_run
            if clashes >= MOST_CLASHES and clashed_run and not clashed_run % START_UNIT:
                log.end = log.end_before_run
                break
    word = "little" if order == "<" else "big"
    return Measured(size_bytes=log.end, format=f"jffs2 {word}-endian")


class _Volume:
    """One opened file system."""

    def __init__(self, source: Source, budget: Budget, order: str) -> None:
        self._source, self._budget, self._order = source, budget, order
        self._inodes: dict[int, Inode] = {}
        self._names: dict[tuple[int, bytes], tuple[int, int]] = {}
        self._trouble = ""

    def _dirent(self, place: Place) -> None:
        raw = exactly(self._source, place.at, min(place.size_bytes, DIRENT_BYTES + 255))
        if len(raw) < DIRENT_BYTES:
            raise FormatError("a node is too short")
        parent, version, inode = struct.unpack_from(self._order + "III", raw, 12)
        node_crc, name_crc = struct.unpack_from(self._order + "II", raw, 32)
        name = raw[DIRENT_BYTES : DIRENT_BYTES + raw[28]]
        if len(name) != raw[28] or _crc(raw[:32]) != node_crc or _crc(name) != name_crc:
            raise FormatError("the check sum of a name is wrong")
        key = parent, name
        if key not in self._names:
            self._budget.take_file()
        if version >= self._names.get(key, (0, 0))[0]:
            self._names[key] = version, inode

    def _inode(self, place: Place) -> None:
        if not INODE_BYTES <= place.size_bytes <= INODE_BYTES + MOST_PIECE:
            raise FormatError("a node has an impossible length")
        raw = exactly(self._source, place.at, place.size_bytes)
        number, version, mode, uid, gid, size, _, mtime, _, offset, stored, length = (
            struct.unpack_from(self._order + "IIIHHIIIIIII", raw, 12)
        )
        compression = raw[56]
        data_crc, node_crc = struct.unpack_from(self._order + "II", raw, 60)
        if _crc(raw[:60]) != node_crc or INODE_BYTES + stored > len(raw):
            raise FormatError("the check sum of a node is wrong")
        if _crc(raw[INODE_BYTES : INODE_BYTES + stored]) != data_crc:
            return  # cut off while it was written: an earlier one counts, or there is a hole
        inode = self._inodes.setdefault(number, Inode())
        if version > inode.version:
            inode.version, inode.mode, inode.size_bytes = version, mode, size
            inode.uid, inode.gid, inode.mtime = uid, gid, mtime
        if length:
            at = place.at + INODE_BYTES
            inode.pieces.append(Piece(version, offset, stored, length, compression, at))

    def scan(self) -> None:
        """Read the whole log."""
        log = _Log(self._source, self._order, self._budget.tick)
        for place in log:
            try:
                if place.type == DIRENT:
                    self._dirent(place)
                elif place.type == INODE:
                    self._inode(place)
            except FormatError as error:
                self._trouble = str(error)
        if log.short:
            self._trouble = "it ends early, in the middle of a node"

    def _piece(self, piece: Piece) -> bytes:
        """Read and decompress one piece."""
        raw = exactly(self._source, piece.at, piece.stored_bytes)
        if piece.size_bytes > MOST_PIECE:
            if piece.compression == _ZERO:
                return bytes(piece.size_bytes)
            raise FormatError("a piece of a file has an impossible length")
        try:
            content = _decompressed(raw, piece)
        except LimitError:
            raise FormatError("a piece of a file is longer than it says") from None
        if len(content) != piece.size_bytes:
            raise FormatError("a piece of a file has another length than it says")
        return content

    def _read(self, inode: Inode) -> bytes:
        """Lay the pieces over each other in the order of their versions."""
        whole = inode.size_bytes
        _must_cover(inode)
        content = bytearray(whole)
        for piece in sorted(inode.pieces, key=lambda each: each.version):
            self._budget.tick()
            end = min(piece.offset + piece.size_bytes, whole)
            if piece.offset < end:
                content[piece.offset : end] = self._piece(piece)[: end - piece.offset]
        return bytes(content)

    def nodes(self) -> Iterator[Node]:
        """Give every name."""
        self.scan()
        folders: dict[int, list[tuple[bytes, int]]] = {}
        for (parent, name), (_, number) in self._names.items():
            if number:
                folders.setdefault(parent, []).append((name, number))
        root = self._inodes.get(ROOT_INODE, Inode(mode=0o40755))
        self._budget.take_file()
        yield self._node("", root)
        todo = [("", ROOT_INODE)]
        while todo:
            self._budget.tick()
            folder, parent = todo.pop()
            for name, number in sorted(folders.pop(parent, ())):
                try:
                    node = self._child(folder, name, number)
                except FormatError as error:
                    self._trouble = str(error)
                    continue
                if node.kind is Kind.FOLDER:
                    todo.append((node.path, number))
                yield node
        if folders:
            self._trouble = "there are names that no folder leads to"
        if self._trouble:
            raise FormatError(self._trouble)

    def _child(self, folder: str, name: bytes, number: int) -> Node:
        inode = self._inodes.get(number)
        if inode is None:
            raise FormatError("a name leads to an inode that is not there")
        return self._node(below(folder, name), inode)

    def _node(self, path: str, inode: Inode) -> Node:
        kind = kind_of(inode.mode)
        if kind is None:
            raise FormatError("an inode is of no kind")
        if kind is Kind.FILE and inode.content is None:
            inode.content = Content(self._budget, inode.size_bytes, partial(self._read, inode))
        target = b""
        if kind is Kind.LINK:
            if inode.size_bytes > MOST_PATH:
                raise FormatError("a link is too long")
            target = self._read(inode)
        return Node(
            path=path,
            kind=kind,
            mode=inode.mode & PERMISSIONS,
            uid=inode.uid,
            gid=inode.gid,
            size_bytes=inode.size_bytes if kind is Kind.FILE else 0,
            target=text(target),
            device=self._device(inode) if kind in {Kind.CHARACTER, Kind.BLOCK} else None,
            mtime=inode.mtime,
            read=inode.content if kind is Kind.FILE else None,
        )

    def _device(self, inode: Inode) -> tuple[int, int]:
        if not inode.pieces:
            raise FormatError("a device has no number")
        raw = self._piece(max(inode.pieces, key=lambda each: each.version))
        number = int.from_bytes(raw[:4], "little" if self._order == "<" else "big")
        return old_device(number) if len(raw) == OLD_DEVICE else new_device(number)


def _must_cover(inode: Inode) -> None:
    """Refuse a hole: those that belong there are written as nodes of zeros."""
    done = 0
    for piece in sorted(inode.pieces, key=lambda each: each.offset):
        if piece.offset > done:
            break
        done = max(done, piece.offset + piece.size_bytes)
    if done < inode.size_bytes:
        raise FormatError("a piece of a file is missing")


def _decompressed(raw: bytes, piece: Piece) -> bytes:
    kind, length = piece.compression, piece.size_bytes
    if kind == _NONE:
        return raw
    if kind == _ZERO:
        return bytes(length)
    if kind == _RTIME:
        return _unrtime(raw, length)
    if kind == _ZLIB:
        return decompression.inflate_raw(raw[_ZLIB_HEADER:], length)
    if kind == _LZO:
        return decompression.unlzo(raw, length)
    if kind == _LZMA:  # with lc, lp and pb 0, as a widely used patch has it
        return decompression.unlzma_exactly(raw, length, 0)
    raise FormatError(f"a piece of a file is compressed in a way that is not known: {kind}")


def _unrtime(raw: bytes, length: int) -> bytes:
    """Decompress pairs of a byte and of how much to repeat of what followed it the last time."""
    content, last = bytearray(), [0] * 256
    for at in range(0, len(raw) - 1, 2):
        value, repeat = raw[at], raw[at + 1]
        content.append(value)
        start, last[value] = last[value], len(content)
        while repeat > 0:  # what is repeated may be what it makes
            some = content[start : start + repeat]
            content += some
            start, repeat = start + len(some), repeat - len(some)
        if len(content) >= length:
            break
    return bytes(content[:length])


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name."""
    order = _order(source)
    if not order:
        raise FormatError("this is no jffs2")
    yield from _Volume(source, budget, order).nodes()


READER: Final = FileSystem(
    name="jffs2",
    magics=tuple(
        Magic(content=struct.pack(order + "HH", MAGIC, kind)) for order in "<>" for kind in TYPES
    ),
    measure=measure,
    nodes=nodes,
)
