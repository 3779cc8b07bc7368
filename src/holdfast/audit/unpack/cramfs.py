"""cramfs, read only, in both byte orders.

Source:
    `Documentation/filesystems/cramfs.rst` and `cramfs_fs.h` of the Linux kernel.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.decompression import inflate
from holdfast.audit.unpack.inodes import (
    MOST_PATH,
    PERMISSIONS,
    Content,
    below,
    kind_of,
    old_device,
    text,
)
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source, exactly

MAGIC: Final = 0x28CD3D45
SIGNATURE: Final = b"Compressed ROMFS"
BLOCK_BYTES: Final = 4096  # the page of the machine; all that use cramfs have this one
SUPER_BYTES: Final = 76
BOOT_BYTES: Final = 512  # may stand free before the superblock, for a boot sector
INODE_BYTES: Final = 12

_VERSION_2: Final = 1
_BLOCK_POINTERS: Final = 0x800  # pointers tell more than where a block ends
_KNOWN_FLAGS: Final = 0xFFF
_POINTER_UNCOMPRESSED: Final = 1 << 31
_POINTER_DIRECT: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inode:
    mode: int
    uid: int
    gid: int
    size: int
    name_bytes: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Super:
    big: bool
    size: int
    flags: int
    root: _Inode

    @property
    def order(self) -> str:
        return ">" if self.big else "<"


def _inode(raw: bytes, *, big: bool) -> _Inode:
    """Read the bit fields of an inode."""
    mode, uid, second, third = struct.unpack(f"{'<>'[big]}HHII", raw)
    if big:
        size, gid = second >> 8, second & 0xFF
        name_words, offset_words = third >> 26, third & 0x3FFFFFF
    else:
        size, gid = second & 0xFFFFFF, second >> 24
        name_words, offset_words = third & 0x3F, third >> 6
    return _Inode(
        mode=mode,
        uid=uid,
        gid=gid,
        size=size,
        name_bytes=4 * name_words,
        offset=4 * offset_words,
    )


def _super(source: Source) -> _Super | None:
    """Find the superblock, at the start or after a boot sector."""
    for at in (0, BOOT_BYTES):
        raw = source.read_at(at, SUPER_BYTES)
        if len(raw) < SUPER_BYTES or raw[16:32] != SIGNATURE:
            continue
        for big in (False, True):
            magic, size, flags = struct.unpack_from(f"{'<>'[big]}III", raw)
            root = _inode(raw[64:], big=big)
            if magic != MAGIC or flags & ~_KNOWN_FLAGS or kind_of(root.mode) is not Kind.FOLDER:
                continue
            # An empty root has no place; otherwise it follows the superblock.
            if root.offset not in {0, at + SUPER_BYTES}:
                continue
            if not flags & _VERSION_2:
                size = source.size_bytes  # version 1 holds no true length
            if size > at + SUPER_BYTES or not root.offset:
                return _Super(big=big, size=size, flags=flags, root=root)
    return None


class _Volume:
    """One image, while its tree is read."""

    def __init__(self, source: Source, budget: Budget, one: _Super) -> None:
        self._source, self._budget, self._super = source, budget, one
        self._reads: dict[tuple[int, int], Content] = {}

    def nodes(self) -> Iterator[Node]:
        root = self._super.root
        yield self._node("", root)
        seen, waiting = {root.offset}, [("", root)]
        while waiting:
            path, folder = waiting.pop()
            for name, inode in self._names(folder):
                self._budget.take_file()
                whole = below(path, name)
                if kind_of(inode.mode) is Kind.FOLDER and inode.size:
                    if inode.offset in seen:
                        raise FormatError("a folder is inside itself, or in two places")
                    seen.add(inode.offset)
                    waiting.append((whole, inode))
                yield self._node(whole, inode)

    def _names(self, folder: _Inode) -> Iterator[tuple[bytes, _Inode]]:
        at, end = folder.offset, folder.offset + folder.size
        while 0 < at < end:
            inode = _inode(exactly(self._source, at, INODE_BYTES), big=self._super.big)
            at += INODE_BYTES
            name = exactly(self._source, at, inode.name_bytes).rstrip(b"\0")
            at += inode.name_bytes
            yield name, inode
        if at != end:
            raise FormatError("a folder is shorter than its names")

    def _node(self, path: str, inode: _Inode) -> Node:
        kind = kind_of(inode.mode)
        if kind is None:
            raise FormatError("an inode is of an unknown type")
        target = b""
        if kind is Kind.LINK:
            if inode.size > MOST_PATH:
                raise FormatError("a link is too long")
            target = self._content(inode)
        return Node(
            path=path,
            kind=kind,
            mode=inode.mode & PERMISSIONS,
            uid=inode.uid,
            gid=inode.gid,
            size_bytes=inode.size if kind is Kind.FILE else 0,
            target=text(target),
            device=old_device(inode.size) if kind in {Kind.CHARACTER, Kind.BLOCK} else None,
            read=self._read(inode) if kind is Kind.FILE else None,
        )

    def _read(self, inode: _Inode) -> Content:
        # Equal contents are stored once, which is all that is left of a hard link.
        key = (inode.offset, inode.size)
        content = self._reads.get(key) if inode.size else None
        if content is None:
            content = Content(self._budget, inode.size, partial(self._content, inode))
            self._reads[key] = content
        return content

    def _content(self, inode: _Inode) -> bytes:
        """Decompress block by block; a list says where each one ends."""
        count = -(-inode.size // BLOCK_BYTES)
        ends = struct.unpack(
            f"{self._super.order}{count}I", exactly(self._source, inode.offset, 4 * count)
        )
        pieces: list[bytes] = []
        at, left = inode.offset + 4 * count, inode.size
        for end in ends:
            self._budget.tick()
            expected = min(left, BLOCK_BYTES)
            left -= expected
            piece, at = self._block(at, end, expected)
            pieces.append(piece)
        return b"".join(pieces)

    def _block(self, at: int, end: int, expected: int) -> tuple[bytes, int]:
        """Read a block, and tell where it ended."""
        plain = direct = False
        if self._super.flags & _BLOCK_POINTERS:
            plain, direct = bool(end & _POINTER_UNCOMPRESSED), bool(end & _POINTER_DIRECT)
            end &= ~(_POINTER_UNCOMPRESSED | _POINTER_DIRECT)
        if direct:
            at = 4 * end  # where it starts, in words
            length = expected
            if not plain:
                length = int.from_bytes(
                    exactly(self._source, at, 2), "big" if self._super.big else "little"
                )
                at += 2
            end = at + length
        # What does not compress becomes a little longer than it was.
        if not 0 <= end - at <= 2 * BLOCK_BYTES:
            raise FormatError("a block of a file has an impossible length")
        if end == at:
            return bytes(expected), end
        stored = exactly(self._source, at, end - at)
        if plain:
            content = stored[:expected]
        else:
            try:
                content = inflate(stored, expected)
            except LimitError:
                raise FormatError("a block of a file is longer than it should be") from None
        if len(content) != expected:
            raise FormatError("a block of a file is shorter than it should be")
        return content, end


def measure(source: Source) -> Measured | None:
    """Look at the superblock and the root."""
    one = _super(source)
    if one is None:
        return None
    version = 2 if one.flags & _VERSION_2 else 1
    order = "big-endian" if one.big else "little-endian"
    size = min(one.size, source.size_bytes)
    return Measured(size_bytes=size, format=f"cramfs {version} {order}")


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name.

    Raises:
        FormatError: The image is damaged.
        LimitError: It is too much.
    """
    one = _super(source)
    if one is None:
        raise FormatError("this is no cramfs")
    yield from _Volume(source, budget, one).nodes()


READER: Final = FileSystem(
    name="cramfs",
    magics=tuple(
        Magic(content=MAGIC.to_bytes(4, order), at=at)
        for at in (0, BOOT_BYTES)
        for order in ("little", "big")
    ),
    measure=measure,
    nodes=nodes,
)
