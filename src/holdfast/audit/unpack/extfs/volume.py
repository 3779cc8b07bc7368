"""The files of an ext2, ext3 or ext4."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.extfs.journal import Journal, Replayed
from holdfast.audit.unpack.extfs.superblock import (
    OLD_INODE,
    RECOVER,
    ROOT_INODE,
    Super,
)
from holdfast.audit.unpack.extfs.superblock import number as number_at
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
from holdfast.audit.unpack.source import Source, exactly

WIDE_DESCRIPTOR: Final = 64
DIRECT: Final = 12  # pointers in the inode before the indirect ones
WHOLE_BLOCK: Final = (0, 65535)  # lengths of an entry that fills a block of 64 KiB

COMPRESSED: Final = 0x4  # flags of an inode
ENCRYPTED: Final = 0x800
EXTENTS: Final = 0x80000
INLINE: Final = 0x10000000

EXTENT_MAGIC: Final = 0xF30A
DEEPEST_EXTENTS: Final = 5
MOST_WRITTEN: Final = 0x8000  # a longer extent is only set aside, and reads as zeros
ATTRIBUTE_MAGIC: Final = 0xEA020000
SYSTEM_ATTRIBUTE: Final = 7
INODE_BLOCK: Final = 60  # bytes in the inode that hold a map, a short target or short data
EXTRA_WITH_MTIME: Final = 12

_INODE: Final = struct.Struct("<HHIIIIIHHII4x60sIII")
_OWNERS_ABOVE: Final = struct.Struct("<HH")
_EXTENT_HEADER: Final = struct.Struct("<HHHHI")
_EXTENT: Final = struct.Struct("<IHHI")
_EXTENT_INDEX: Final = struct.Struct("<IIHH")
_ENTRY: Final = struct.Struct("<IHBB")
_ATTRIBUTE: Final = struct.Struct("<BBHIII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inode:
    """One inode; `block` holds its map, `body` what stands behind the first 128 bytes."""

    mode: int
    uid: int
    gid: int
    size_bytes: int
    mtime: int
    links: int
    flags: int
    block: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """Blocks of a file that stand one behind the other."""

    first: int
    at: int
    count: int


def _extents(raw: bytes, depth: int) -> Iterator[tuple[int, int, int, int]]:
    """Give first block of the file, length, block of the disk and level of each entry of a node."""
    magic, count, _, level, _ = _EXTENT_HEADER.unpack_from(raw)
    if magic != EXTENT_MAGIC or level > DEEPEST_EXTENTS or depth not in {-1, level}:
        raise FormatError("a file's map of extents is damaged")
    if _EXTENT.size * (count + 1) > len(raw):
        raise FormatError("a file's map of extents is damaged")
    for at in range(_EXTENT.size, _EXTENT.size * (count + 1), _EXTENT.size):
        if level:
            first, block, above, _ = _EXTENT_INDEX.unpack_from(raw, at)
            yield first, 1, block | above << 32, level
        else:
            first, length, above, block = _EXTENT.unpack_from(raw, at)
            yield first, length, block | above << 32, level


class Volume:
    """One opened file system."""

    def __init__(self, source: Source, budget: Budget, sup: Super) -> None:
        self._source, self._budget, self._super = source, budget, sup
        self._contents: dict[int, Content] = {}
        self._trouble = ""

    def _block(self, number: int) -> bytes:
        size = self._super.block_bytes
        return exactly(self._source, number * size, size)

    def inode(self, number: int) -> Inode:
        """Read an inode.

        Raises:
            FormatError: There is none of that number.
        """
        sup = self._super
        if not 0 < number <= sup.inodes:
            raise FormatError("a folder names an inode that is not there")
        group, place = divmod(number - 1, sup.inodes_per_group)
        descriptor = exactly(self._source, sup.descriptor_at(group), sup.descriptor_bytes)
        table = number_at(descriptor, 8, 4)
        if sup.descriptor_bytes >= WIDE_DESCRIPTOR:
            table |= number_at(descriptor, 40, 4) << 32
        at = table * sup.block_bytes + place * sup.inode_bytes
        raw = exactly(self._source, at, sup.inode_bytes)
        mode, uid, size, _, _, mtime, _, gid, links, _, flags, block, _, _, above = (
            _INODE.unpack_from(raw)
        )
        if kind_of(mode) is not Kind.FILE:
            above = 0  # of a folder, old versions kept something else here
        body = raw[OLD_INODE:]
        uid_above, gid_above = _OWNERS_ABOVE.unpack_from(raw, 120)
        seconds = mtime - (mtime >> 31 << 32)
        if number_at(body, 0, 2) >= EXTRA_WITH_MTIME:
            seconds += (number_at(body, 8, 4) & 3) << 32
        return Inode(
            mode=mode,
            uid=uid | uid_above << 16,
            gid=gid | gid_above << 16,
            size_bytes=size | above << 32,
            mtime=seconds,
            links=links,
            flags=flags,
            block=block,
            body=body,
        )

    def _extent_runs(self, inode: Inode, blocks: int) -> Iterator[Run]:
        """Walk the tree of extents; every range lies in that of its parent, so it ends."""
        todo: list[tuple[bytes | int, int, int, int]] = [(inode.block, -1, 0, blocks)]
        while todo:
            self._budget.tick()
            node, depth, low, high = todo.pop()
            raw = self._block(node) if isinstance(node, int) else node
            inner: list[tuple[bytes | int, int, int, int]] = []
            for first, length, block, level in _extents(raw, depth):
                if first >= high:
                    break
                if first < low:
                    raise FormatError("a file's map of extents is out of order")
                low = first + length
                if level:
                    if inner:
                        inner[-1] = (*inner[-1][:3], first)
                    inner.append((block, level - 1, first, high))
                elif length <= MOST_WRITTEN:
                    yield Run(first, block, min(length, high - first))
            todo += reversed(inner)

    def _mapped_runs(self, inode: Inode, blocks: int) -> Iterator[Run]:
        pointers = struct.unpack("<15I", inode.block)
        for first, pointer in enumerate(pointers[:DIRECT]):
            yield from self._pointed(pointer, 0, first, blocks)
        first = DIRECT
        for level, pointer in enumerate(pointers[DIRECT:], start=1):
            yield from self._pointed(pointer, level, first, blocks)
            first += (self._super.block_bytes // 4) ** level

    def _pointed(self, pointer: int, level: int, first: int, blocks: int) -> Iterator[Run]:
        """Follow a pointer through at most three levels of indirection."""
        if not pointer or first >= blocks:
            return
        if not level:
            yield Run(first, pointer, 1)
            return
        self._budget.tick()
        span = (self._super.block_bytes // 4) ** (level - 1)
        for place, (each,) in enumerate(struct.iter_unpack("<I", self._block(pointer))):
            if each:
                yield from self._pointed(each, level - 1, first + place * span, blocks)

    def _runs(self, inode: Inode) -> Iterator[Run]:
        """Give the runs of a file, those that touch each other joined."""
        blocks = -(-inode.size_bytes // self._super.block_bytes)
        walk = self._extent_runs if inode.flags & EXTENTS else self._mapped_runs
        last: Run | None = None
        for run in walk(inode, blocks):
            if last is None:
                last = run
            elif (last.first + last.count, last.at + last.count) == (run.first, run.at):
                last = Run(last.first, last.at, last.count + run.count)
            else:
                yield last
                last = run
        if last is not None:
            yield last

    def content(self, inode: Inode) -> bytes:
        """Read all of a file; the caller has asked the budget for its size."""
        if inode.flags & INLINE:
            return (inode.block + self._inline(inode))[: inode.size_bytes]
        pieces, done, unit = [], 0, self._super.block_bytes
        for run in self._runs(inode):
            start = run.first * unit
            end = min(start + run.count * unit, inode.size_bytes)
            if start > done:
                pieces.append(bytes(start - done))
            pieces.append(exactly(self._source, run.at * unit, end - start))
            done = end
        if done < inode.size_bytes:
            pieces.append(bytes(inode.size_bytes - done))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @staticmethod
    def _inline(inode: Inode) -> bytes:
        """Find the attribute that holds what of short data does not fit into the map."""
        start = number_at(inode.body, 0, 2)
        if number_at(inode.body, start, 4) != ATTRIBUTE_MAGIC:
            return b""
        at = first = start + 4
        while at + _ATTRIBUTE.size <= len(inode.body):
            length, index, value, _, size, _ = _ATTRIBUTE.unpack_from(inode.body, at)
            name = inode.body[at + _ATTRIBUTE.size : at + _ATTRIBUTE.size + length]
            if not length and not index and not value:
                break
            if index == SYSTEM_ATTRIBUTE and name == b"data":
                return inode.body[first + value : first + value + size]
            at += _ATTRIBUTE.size + (length + 3 & ~3)
        return b""

    def _entries(self, inode: Inode) -> Iterator[tuple[bytes, int]]:
        if inode.flags & INLINE:
            yield from self._block_entries(inode.block[4:])
            yield from self._block_entries(self._inline(inode))
            return
        if inode.size_bytes > self._source.size_bytes:
            raise FormatError("a folder is longer than all there is")
        self._budget.take_bytes(inode.size_bytes)
        content, unit = self.content(inode), self._super.block_bytes
        for at in range(0, len(content), unit):
            self._budget.tick()
            yield from self._block_entries(content[at : at + unit])

    def _block_entries(self, block: bytes) -> Iterator[tuple[bytes, int]]:
        at = 0
        while at + _ENTRY.size <= len(block):
            number, length, name_length, _ = _ENTRY.unpack_from(block, at)
            if length in WHOLE_BLOCK and len(block) > max(WHOLE_BLOCK):
                length = len(block)
            if length < _ENTRY.size or length % 4 or at + length > len(block):
                self._trouble = "a folder is damaged"
                return
            name = block[at + _ENTRY.size : at + _ENTRY.size + name_length]
            if number and name not in {b".", b".."}:
                yield name, number
            at += length

    def replay(self) -> None:
        """Let the journal count, if it was not played back when the image was taken."""
        unit = self._super.block_bytes
        try:
            inode = self.inode(self._super.journal)
            self._budget.must_fit(inode.size_bytes)
            runs = list(self._runs(inode))
            places = [run.at * unit + at for run in runs for at in range(0, run.count * unit, unit)]
            journal = Journal(self._source, self._budget, unit, places)
            copies = journal.copies()
        except FormatError as error:
            self._trouble = f"the journal was not played back: {error}"
            return
        if journal.fast:
            self._trouble = "short records of the journal were not played back"
        if copies:
            self._source = Replayed(self._source, unit, copies)

    def nodes(self) -> Iterator[Node]:
        """Give every name."""
        if self._super.incompatible & RECOVER:
            self.replay()
        root = self.inode(ROOT_INODE)
        if kind_of(root.mode) is not Kind.FOLDER:
            raise FormatError("the root is no folder")
        self._budget.take_file()
        yield self._node("", ROOT_INODE, root)
        todo, seen = [("", root)], {ROOT_INODE}
        while todo:
            folder, inode = todo.pop()
            try:
                for name, number in self._entries(inode):
                    self._budget.take_file()
                    child = self._child(folder, name, number)
                    if child is None:
                        continue
                    node, found = child
                    if node.kind is Kind.FOLDER:
                        if number in seen:
                            self._trouble = "a folder stands in two places"
                            continue
                        seen.add(number)
                        todo.append((node.path, found))
                    yield node
            except FormatError as error:
                self._trouble = str(error)
        if self._trouble:
            raise FormatError(self._trouble)

    def _child(self, folder: str, name: bytes, number: int) -> tuple[Node, Inode] | None:
        """Make the node of an entry; None, with the trouble noted, if it is damaged."""
        try:
            inode = self.inode(number)
            return self._node(below(folder, name), number, inode), inode
        except FormatError as error:
            self._trouble = str(error)
            return None

    def _node(self, path: str, number: int, inode: Inode) -> Node:
        kind = kind_of(inode.mode)
        if kind is None or not inode.links:
            raise FormatError("a folder names an inode that is not in use")
        content = self._contents.get(number)
        if kind is Kind.FILE and content is None:
            content = Content(self._budget, inode.size_bytes, lambda: self._file(inode))
            if inode.links > 1:
                self._contents[number] = content
        device = None
        if kind in {Kind.CHARACTER, Kind.BLOCK}:
            old, new = struct.unpack_from("<II", inode.block)
            device = old_device(old) if old else new_device(new)
        return Node(
            path=path,
            kind=kind,
            mode=inode.mode & PERMISSIONS,
            uid=inode.uid,
            gid=inode.gid,
            size_bytes=inode.size_bytes if kind is Kind.FILE else 0,
            target=text(self._target(inode)) if kind is Kind.LINK else "",
            device=device,
            mtime=inode.mtime,
            read=content,
        )

    def _file(self, inode: Inode) -> bytes:
        if inode.flags & (ENCRYPTED | COMPRESSED):
            raise FormatError("the file is encrypted or compressed by the file system")
        return self.content(inode)

    def _target(self, inode: Inode) -> bytes:
        if inode.size_bytes > MOST_PATH:
            raise FormatError("a link is too long")
        if inode.flags & ENCRYPTED:
            raise FormatError("a link is encrypted")
        if inode.size_bytes < INODE_BLOCK and not inode.flags & (EXTENTS | INLINE):
            return inode.block[: inode.size_bytes]
        return self.content(inode)
