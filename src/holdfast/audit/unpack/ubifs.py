"""Reader of UBIFS: the index of the last commit, and the journal since then played over it.

Where the index is damaged all nodes are looked at instead; what was deleted then may show up again,
and the volume counts as damaged.
"""

import struct
import zlib
from collections.abc import Iterator
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
    seconds,
    text,
)
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source

MAGIC: Final = 0x06101831
HEADER_BYTES: Final = 24
ROOT_INODE: Final = 1
BLOCK: Final = 4096

INODE, DATA, ENTRY, TRUNCATION, PADDING = 0, 1, 2, 4, 5
SUPER, MASTER, REFERENCE, INDEX, COMMIT = 6, 7, 8, 9, 10
MASTER_BLOCKS: Final = (1, 2)
FIRST_LOG: Final = 3
SUPER_BYTES: Final = 4096
MASTER_BYTES: Final = 56
LEAST_ERASE: Final = 4096
MOST_ERASE: Final = 1 << 24
MOST_NODE: Final = 1 << 16  # bytes
MOST_BLOCKS: Final = 1 << 29  # of a file; above its bits, a key has its type
KEY_BYTES: Final = 8
ENCRYPTED: Final = 0x40  # flag of an inode

INODE_BYTES: Final = 160
ENTRY_BYTES: Final = 56
DATA_BYTES: Final = 48
INDEX_BYTES: Final = 28

_HEADER: Final = struct.Struct("<IIQIBB2x")
_INODE: Final = struct.Struct("<40xQQ8x8xQ12xIIIIII")
_NONE, _LZO, _ZLIB, _ZSTD = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Place:
    """A node that was found: where it is, what it is."""

    at: int
    size_bytes: int
    type: int
    sequence: int


@dataclass(slots=True)
class Found:
    """What leads to the files: places of inodes and of blocks, and names."""

    inodes: dict[int, Place] = field(default_factory=dict)
    blocks: dict[int, dict[int, Place]] = field(default_factory=dict)
    names: dict[tuple[int, bytes], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Super:
    """What the superblock says."""

    erase_bytes: int
    erase_blocks: int
    log_blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inode:
    """One inode; `body` is the target of a link or the number of a device."""

    size_bytes: int
    mtime: int
    links: int
    uid: int
    gid: int
    mode: int
    flags: int
    body: bytes


def _u32(raw: bytes, at: int) -> int:
    return int.from_bytes(raw[at : at + 4], "little")


def _node(source: Source, at: int) -> tuple[Place, bytes] | None:
    """Read the node at a place; None if there is no whole one."""
    head = source.read_at(at, HEADER_BYTES)
    if len(head) != HEADER_BYTES:
        return None
    magic, crc, sequence, length, kind, _ = _HEADER.unpack(head)
    if magic != MAGIC or not HEADER_BYTES <= length <= MOST_NODE:
        return None
    raw = head + source.read_at(at + HEADER_BYTES, length - HEADER_BYTES)
    if len(raw) != length or zlib.crc32(raw[8:]) ^ 0xFFFFFFFF != crc:
        return None
    return Place(at, length, kind, sequence), raw


def _super(source: Source) -> Super | None:
    found = _node(source, 0)
    if found is None or found[0].type != SUPER or found[0].size_bytes != SUPER_BYTES:
        return None
    raw = found[1]
    one = Super(erase_bytes=_u32(raw, 36), erase_blocks=_u32(raw, 40), log_blocks=_u32(raw, 56))
    if not LEAST_ERASE <= one.erase_bytes <= MOST_ERASE or one.erase_bytes % 8:
        return None
    return one if FIRST_LOG + one.log_blocks < one.erase_blocks else None


def measure(source: Source) -> Measured | None:
    """Look at the superblock."""
    one = _super(source)
    if one is None:
        return None
    size = min(one.erase_blocks * one.erase_bytes, source.size_bytes)
    return Measured(size_bytes=size, format="ubifs")


class _Volume:
    """One opened file system."""

    def __init__(self, source: Source, budget: Budget, one: Super) -> None:
        self._source, self._budget, self._super = source, budget, one
        self._found = Found()
        self._trouble = ""
        self._contents: dict[int, Content] = {}

    # --- what leads to the files ----------------------------------------------------------------

    def _at(self, block: int, offset: int) -> int:
        if block >= self._super.erase_blocks or offset >= self._super.erase_bytes:
            raise FormatError("something leads out of the file system")
        return block * self._super.erase_bytes + offset

    def _expect(self, at: int, kind: int) -> tuple[Place, bytes]:
        found = _node(self._source, at)
        if found is None or found[0].type != kind:
            raise FormatError("a node is damaged or not there")
        return found

    def _scan(self, block: int, offset: int = 0) -> Iterator[tuple[Place, bytes]]:
        """Give the nodes of an erase block from some place on, up to what is blank or damaged."""
        at = self._at(block, offset)
        end = self._at(block, 0) + self._super.erase_bytes
        while at < end:
            self._budget.tick()
            found = _node(self._source, at)
            if found is None:
                if self._source.read_at(at, HEADER_BYTES).strip(b"\xff"):
                    self._trouble = "a node is damaged"
                return
            yield found
            at += found[0].size_bytes
            if found[0].type == PADDING:
                at += _u32(found[1], HEADER_BYTES)
            at += -at % 8

    def _take(self, place: Place, raw: bytes) -> None:
        """Let a node change what is known; later ones must come later."""
        found = self._found
        first, second = struct.unpack_from("<II", raw, HEADER_BYTES)
        if place.type == INODE and len(raw) >= INODE_BYTES:
            found.inodes[first] = place
            if not _INODE.unpack_from(raw)[3]:
                found.inodes.pop(first)
                found.blocks.pop(first, None)
        elif place.type == DATA:
            found.blocks.setdefault(first, {})[second % MOST_BLOCKS] = place
        elif place.type == TRUNCATION and len(raw) >= ENTRY_BYTES:
            left = -(-int.from_bytes(raw[48:56], "little") // BLOCK)
            kept = found.blocks.get(first, {})
            found.blocks[first] = {key: kept[key] for key in kept if key < left}
        elif place.type == ENTRY and len(raw) >= ENTRY_BYTES:
            length = int.from_bytes(raw[50:52], "little")
            name = raw[ENTRY_BYTES : ENTRY_BYTES + length]
            number = int.from_bytes(raw[40:48], "little")
            if (first, name) not in found.names:
                self._budget.take_file()
            found.names[first, name] = number

    def _index(self, block: int, offset: int) -> None:
        """Walk the index from its root."""
        todo, seen = [self._at(block, offset)], set[int]()
        while todo:
            self._budget.tick()
            at = todo.pop()
            if at in seen:
                raise FormatError("the index leads in a circle")
            seen.add(at)
            _, raw = self._expect(at, INDEX)
            count, level = struct.unpack_from("<HH", raw, HEADER_BYTES)
            size = (len(raw) - INDEX_BYTES) // count if count else 0
            if count and size < 12 + KEY_BYTES:
                raise FormatError("a node of the index is damaged")
            for place in range(INDEX_BYTES, INDEX_BYTES + count * size, size or 1):
                child, child_offset, length, number, key = struct.unpack_from("<5I", raw, place)
                at = self._at(child, child_offset)
                if level:
                    todo.append(at)
                else:
                    self._leaf(at, length, number, key)

    def _leaf(self, at: int, length: int, number: int, key: int) -> None:
        kind = key // MOST_BLOCKS
        place = Place(at, length, kind, 0)
        if kind == INODE:
            self._found.inodes[number] = place
        elif kind == DATA:
            self._found.blocks.setdefault(number, {})[key % MOST_BLOCKS] = place
        elif kind == ENTRY:
            self._take(*self._expect(at, ENTRY))

    def _log(self, block: int, commit: int) -> tuple[int, list[tuple[int, int]]]:
        """Give the sequence number of the last commit, and where was written since then."""
        since = -1
        buds: list[tuple[int, int]] = []
        for step in range(self._super.log_blocks):
            turn = (block - FIRST_LOG + step) % self._super.log_blocks
            blank = True
            for place, raw in self._scan(FIRST_LOG + turn):
                if place.type == PADDING:
                    continue  # it has no number
                if since < 0:
                    if place.type != COMMIT or int.from_bytes(raw[24:32], "little") != commit:
                        raise FormatError("the journal does not go on from the last commit")
                    since = place.sequence
                if place.sequence < since:
                    return since, buds  # left over from an earlier turn
                blank = False
                if place.type == REFERENCE:
                    buds.append((_u32(raw, 24), _u32(raw, 28)))
            if blank:
                break
        return since, buds

    def _journal(self, block: int, commit: int) -> None:
        """Play what was written since the last commit, in the order in which it was."""
        since, buds = self._log(block, commit)
        self._play(
            (place.sequence, place.at)
            for bud in buds
            for place, _ in self._scan(*bud)
            if place.sequence > since
        )

    def _play(self, places: Iterator[tuple[int, int]]) -> None:
        for _, at in sorted(places):
            self._budget.tick()
            found = _node(self._source, at)
            if found is not None:
                self._take(*found)

    def _master(self) -> bytes:
        """Find the latest master node."""
        latest: tuple[int, bytes] = (-1, b"")
        for block in MASTER_BLOCKS:
            for place, raw in self._scan(block):
                if place.type == MASTER and place.sequence > latest[0]:
                    latest = place.sequence, raw
        if len(latest[1]) < MASTER_BYTES:
            raise FormatError("there is no master node")
        return latest[1]

    def load(self) -> None:
        """Find out what leads to the files."""
        try:
            master = self._master()
            self._index(_u32(master, 48), _u32(master, 52))
        except FormatError as error:
            self._trouble, self._found = str(error), Found()
            blocks = min(
                self._super.erase_blocks, self._source.size_bytes // self._super.erase_bytes
            )
            self._play(
                (place.sequence, place.at)
                for block in range(FIRST_LOG + self._super.log_blocks, blocks)
                for place, _ in self._scan(block)
                if place.type in {INODE, DATA, ENTRY, TRUNCATION}
            )
            return
        try:
            self._journal(_u32(master, 44), int.from_bytes(master[32:40], "little"))
        except FormatError as error:
            self._trouble = str(error)

    # --- the files ------------------------------------------------------------------------------

    def _inode(self, number: int) -> Inode:
        place = self._found.inodes.get(number)
        if place is None:
            raise FormatError("a name leads to an inode that is not there")
        _, raw = self._expect(place.at, INODE)
        if len(raw) < INODE_BYTES:
            raise FormatError("an inode is too short")
        _, size, mtime, links, uid, gid, mode, flags, length = _INODE.unpack_from(raw)
        return Inode(
            size_bytes=size,
            mtime=seconds(mtime),
            links=links,
            uid=uid,
            gid=gid,
            mode=mode,
            flags=flags,
            body=raw[INODE_BYTES : INODE_BYTES + min(length, MOST_PATH)],
        )

    def _read(self, number: int, inode: Inode) -> bytes:
        if inode.flags & ENCRYPTED:
            raise FormatError("the file is encrypted by the file system")
        content = bytearray(inode.size_bytes)
        for block, place in self._found.blocks.get(number, {}).items():
            self._budget.tick()
            start = block * BLOCK
            if start < inode.size_bytes:
                piece = self._piece(place)[: inode.size_bytes - start]
                content[start : start + len(piece)] = piece
        return bytes(content)

    def _piece(self, place: Place) -> bytes:
        _, raw = self._expect(place.at, DATA)
        if len(raw) < DATA_BYTES:
            raise FormatError("a node is too short")
        length, kind = struct.unpack_from("<IH", raw, 40)
        if length > BLOCK:
            raise FormatError("a block of a file is too long")
        try:
            return _decompressed(raw[DATA_BYTES:], length, kind)
        except LimitError:
            raise FormatError("a block of a file is longer than it says") from None

    def nodes(self) -> Iterator[Node]:
        """Give every name."""
        self.load()
        folders: dict[int, list[tuple[bytes, int]]] = {}
        for (parent, name), number in self._found.names.items():
            if number:
                folders.setdefault(parent, []).append((name, number))
        self._budget.take_file()
        yield self._make("", ROOT_INODE)
        todo = [("", ROOT_INODE)]
        while todo:
            self._budget.tick()
            folder, parent = todo.pop()
            for name, number in sorted(folders.pop(parent, ())):
                try:
                    node = self._make(below(folder, name), number)
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

    def _make(self, path: str, number: int) -> Node:
        inode = self._inode(number)
        kind = kind_of(inode.mode)
        if kind is None:
            raise FormatError("an inode is of no kind")
        content = self._contents.get(number)
        if kind is Kind.FILE and content is None:
            content = Content(self._budget, inode.size_bytes, partial(self._read, number, inode))
            if inode.links > 1:
                self._contents[number] = content
        if kind is Kind.LINK and inode.flags & ENCRYPTED:
            raise FormatError("a link is encrypted by the file system")
        device = None
        if kind in {Kind.CHARACTER, Kind.BLOCK}:
            device = new_device(_u32(inode.body, 0))
        return Node(
            path=path,
            kind=kind,
            mode=inode.mode & PERMISSIONS,
            uid=inode.uid,
            gid=inode.gid,
            size_bytes=inode.size_bytes if kind is Kind.FILE else 0,
            target=text(inode.body) if kind is Kind.LINK else "",
            device=device,
            mtime=inode.mtime,
            read=content if kind is Kind.FILE else None,
        )


def _decompressed(raw: bytes, length: int, kind: int) -> bytes:
    if kind == _NONE:
        content = raw
    elif kind == _LZO:
        content = decompression.unlzo(raw, length)
    elif kind == _ZLIB:
        content = decompression.inflate_raw(raw, length)
    elif kind == _ZSTD:
        content = decompression.unzstd(raw, length)
    else:
        raise FormatError(f"a block is compressed in a way that is not known: {kind}")
    if len(content) != length:
        raise FormatError("a block of a file has another length than it says")
    return content


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name."""
    one = _super(source)
    if one is None:
        raise FormatError("this is no ubifs")
    yield from _Volume(source, budget, one).nodes()


READER: Final = FileSystem(
    name="ubifs",
    # Length, type and padding in the header of the superblock: the magic itself is everywhere.
    magics=(Magic(content=struct.pack("<IBB2x", SUPER_BYTES, SUPER, 0), at=16),),
    measure=measure,
    nodes=nodes,
)
