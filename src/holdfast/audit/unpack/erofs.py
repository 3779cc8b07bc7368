"""erofs, read only: plain, inline, in chunks, and compressed.

Not supported, and said so: contents on further devices, and the forms with 48-bit addresses.

Source:
    `Documentation/filesystems/erofs.rst` and `fs/erofs/erofs_fs.h` of the Linux kernel.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.limits import Limits
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.erofs_extents import Shape, extents, unpack
from holdfast.audit.unpack.inodes import (
    MOST_PATH,
    PERMISSIONS,
    Content,
    below,
    kind_of,
    new_device,
    text,
)
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source, exactly

MAGIC: Final = b"\xe2\xe1\xf5\xe0"
SUPER_AT: Final = 1024
SUPER_BYTES: Final = 128
SLOT_BYTES: Final = 32  # inodes are counted in these
ENTRY_BYTES: Final = 12
MOST_FOLDER_BYTES: Final = 64 * 1024**2
NO_BLOCK: Final = 2**32 - 1

_SMALLEST_BLOCK, _LARGEST_BLOCK = 9, 16  # powers of two
_PADDED, _FRAGMENTS, _HEADED = 1, 0x20, 0x2 | 0x10 | 0x20
_KNOWN_FEATURES: Final = 0x7F
_PLAIN, _COMPRESSED, _INLINE, _COMPRESSED_PACKED, _CHUNKS = range(5)
_CHUNK_BITS, _CHUNK_INDEXES = 31, 32
_KNOWN_CHUNKS: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class _Super:
    block_bits: int
    folder_bits: int
    root: int
    made: int
    blocks: int
    metadata: int
    features: int
    packed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inode:
    """What an inode says.

    Attributes:
        mode: With the kind.
        uid: Owner.
        gid: Group.
        mtime: Seconds since 1970.
        size_bytes: Of the content.
        layout: How the content is stored.
        first: Block of the content, number of a device, or form of the chunks.
        end: Where inode and attributes end in the image.
    """

    mode: int
    uid: int
    gid: int
    mtime: int
    size_bytes: int
    layout: int
    first: int
    end: int


def _super(source: Source) -> _Super | None:
    raw = source.read_at(SUPER_AT, SUPER_BYTES)
    if raw[:4] != MAGIC or len(raw) < SUPER_BYTES:
        return None
    bits, _, root, inodes, made, _, blocks, metadata = struct.unpack_from("<BBHQQIII", raw, 12)
    (features,) = struct.unpack_from("<I", raw, 80)
    (packed,) = struct.unpack_from("<Q", raw, 96)
    # The blocks of the image must hold the superblock and what it points to.
    if not _SMALLEST_BLOCK <= bits <= _LARGEST_BLOCK or not inodes or made >= 1 << 40:
        return None
    if blocks << bits < SUPER_AT + SUPER_BYTES or metadata >= blocks:
        return None
    return _Super(
        block_bits=bits,
        folder_bits=bits + raw[90],
        root=root,
        made=made,
        blocks=blocks,
        metadata=metadata,
        features=features,
        packed=packed,
    )


class _Volume:
    """One image, while its tree is read."""

    def __init__(self, source: Source, budget: Budget, one: _Super) -> None:
        self._source, self._budget, self._super = source, budget, one
        self._reads: dict[int, Content] = {}

    def nodes(self) -> Iterator[Node]:
        if self._super.features & ~_KNOWN_FEATURES or self._super.folder_bits > _LARGEST_BLOCK:
            features = f"{self._super.features:#x}"
            raise FormatError(f"erofs with the features {features} is not supported")
        root = self.inode(self._super.root)
        if kind_of(root.mode) is not Kind.FOLDER:
            raise FormatError("the root is no folder")
        yield self._node("", self._super.root, root)
        seen, waiting = {self._super.root}, [("", root)]
        while waiting:
            path, folder = waiting.pop()
            for name, number in self._names(folder):
                if name in {b".", b".."}:
                    continue
                self._budget.take_file()
                inode, whole = self.inode(number), below(path, name)
                if kind_of(inode.mode) is Kind.FOLDER:
                    if number in seen:
                        raise FormatError("a folder is inside itself, or in two places")
                    seen.add(number)
                    waiting.append((whole, inode))
                yield self._node(whole, number, inode)

    def inode(self, number: int) -> _Inode:
        """Read an inode of either length.

        Raises:
            FormatError: There is none.
        """
        at = (self._super.metadata << self._super.block_bits) + number * SLOT_BYTES
        head = exactly(self._source, at, SLOT_BYTES)
        form, attributes, mode = struct.unpack_from("<HHH", head)
        if form & 1:
            raw = head + exactly(self._source, at + SLOT_BYTES, SLOT_BYTES)
            size, first, _, uid, gid, mtime = struct.unpack_from("<QIIIIQ", raw, 8)
        else:
            raw, mtime = head, self._super.made
            size, _, first, _, uid, gid = struct.unpack_from("<IIIIHH", raw, 8)
        layout = form >> 1 & 7
        if layout > _CHUNKS:
            raise FormatError(f"erofs with the layout {layout} is not supported")
        end = at + len(raw) + (4 * (attributes - 1) + 12 if attributes else 0)
        return _Inode(
            mode=mode,
            uid=uid,
            gid=gid,
            mtime=mtime,
            size_bytes=size,
            layout=layout,
            first=first,
            end=end,
        )

    def _names(self, folder: _Inode) -> Iterator[tuple[bytes, int]]:
        """Give the names in a folder; each of its blocks is sorted by itself."""
        if folder.size_bytes > MOST_FOLDER_BYTES:
            raise FormatError("a folder is too long")
        whole, step = self._content(folder), 1 << self._super.folder_bits
        for start in range(0, len(whole), step):
            block = whole[start : start + step]
            if len(block) < ENTRY_BYTES:
                raise FormatError("a folder ends early")
            first = int.from_bytes(block[8:10], "little")
            if first % ENTRY_BYTES or not ENTRY_BYTES <= first <= len(block):
                raise FormatError("a folder does not begin as one")
            entries = list(struct.iter_unpack("<QHBB", block[:first]))
            ends = [each[1] for each in entries[1:]] + [len(block)]
            for (number, at, _, _), end in zip(entries, ends, strict=True):
                yield block[at:end].rstrip(b"\0"), number

    def _node(self, path: str, number: int, inode: _Inode) -> Node:
        kind = kind_of(inode.mode)
        if kind is None:
            raise FormatError("an inode is of an unknown type")
        target = b""
        if kind is Kind.LINK:
            if inode.size_bytes > MOST_PATH:
                raise FormatError("a link is too long")
            target = self._content(inode)
        return Node(
            path=path,
            kind=kind,
            mode=inode.mode & PERMISSIONS,
            uid=inode.uid,
            gid=inode.gid,
            size_bytes=inode.size_bytes if kind is Kind.FILE else 0,
            target=text(target),
            device=new_device(inode.first) if kind in {Kind.CHARACTER, Kind.BLOCK} else None,
            mtime=inode.mtime,
            read=self._read(number, inode) if kind is Kind.FILE else None,
        )

    def _read(self, number: int, inode: _Inode) -> Content:
        content = self._reads.get(number)
        if content is None:
            make = partial(self._content, inode)
            content = Content(self._budget, inode.size_bytes, make)
            self._reads[number] = content
        return content

    def _content(self, inode: _Inode) -> bytes:
        self._budget.must_fit(inode.size_bytes)
        if not inode.size_bytes:
            return b""
        if inode.layout in {_COMPRESSED, _COMPRESSED_PACKED}:
            return self._compressed(inode)
        if inode.layout == _CHUNKS:
            return self._chunks(inode)
        block = 1 << self._super.block_bits
        whole = inode.size_bytes
        if inode.layout == _INLINE:
            whole = (inode.size_bytes - 1) // block * block
        content = exactly(self._source, inode.first * block, whole)
        return content + exactly(self._source, inode.end, inode.size_bytes - whole)

    def _chunks(self, inode: _Inode) -> bytes:
        """Read a file whose chunks may be anywhere, or be holes."""
        if inode.first & ~_KNOWN_CHUNKS:
            raise FormatError(f"erofs with chunks of the form {inode.first:#x} is not supported")
        step = 1 << self._super.block_bits + (inode.first & _CHUNK_BITS)
        count = -(-inode.size_bytes // step)
        width = 8 if inode.first & _CHUNK_INDEXES else 4
        raw = exactly(self._source, -(-inode.end // width) * width, count * width)
        pieces: list[bytes] = []
        left = inode.size_bytes
        for place in range(0, len(raw), width):
            self._budget.tick()
            device = int.from_bytes(raw[place + 2 : place + 4], "little") if width > 4 else 0  # noqa: PLR2004
            block = int.from_bytes(raw[place + width - 4 : place + width], "little")
            length = min(left, step)
            left -= length
            if block == NO_BLOCK:
                pieces.append(bytes(length))
                continue
            if device:
                raise FormatError("the content is on another device, which is not here")
            pieces.append(exactly(self._source, block << self._super.block_bits, length))
        return b"".join(pieces)

    def _compressed(self, inode: _Inode) -> bytes:
        one = self._super
        shape = Shape(
            at=-(-inode.end // 8) * 8,
            size_bytes=inode.size_bytes,
            block_bits=one.block_bits,
            packed=inode.layout == _COMPRESSED_PACKED,
            headed=bool(one.features & _HEADED),
            padded=bool(one.features & _PADDED),
        )
        pieces: list[bytes] = []
        for extent in extents(self._source, shape):
            self._budget.tick()
            if extent.fragment:
                pieces.append(self._fragment(extent.at, extent.size_bytes))
                continue
            stored = exactly(self._source, extent.at, extent.stored_bytes)
            pieces.append(unpack(extent, stored, shape))
        return b"".join(pieces)

    def _fragment(self, at: int, length: int) -> bytes:
        piece = (self._packed or b"")[at : at + length]
        if len(piece) != length:
            raise FormatError("the end of a file is not where it should be")
        return piece

    @cached_property
    def _packed(self) -> bytes | None:
        """The content of the hidden file that holds the ends of others; None if it is damaged."""
        if not self._super.features & _FRAGMENTS:
            return None
        self._packed = None  # for while it is read, since its own end cannot be in itself
        try:
            return self._content(self.inode(self._super.packed))
        except FormatError:
            return None


def measure(source: Source) -> Measured | None:
    """Look at the superblock, and whether there is a root."""
    one = _super(source)
    if one is None:
        return None
    try:
        root = _Volume(source, Budget(Limits()), one).inode(one.root)
    except FormatError:
        return None
    if kind_of(root.mode) is not Kind.FOLDER:
        return None
    size = min(one.blocks << one.block_bits, source.size_bytes)
    return Measured(size_bytes=size, format="erofs")


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name.

    Raises:
        FormatError: The image is damaged, or of a form that is not supported.
        LimitError: It is too much.
    """
    one = _super(source)
    if one is None:
        raise FormatError("this is no erofs")
    yield from _Volume(source, budget, one).nodes()


READER: Final = FileSystem(
    name="erofs",
    magics=(Magic(content=MAGIC, at=SUPER_AT),),
    measure=measure,
    nodes=nodes,
)
