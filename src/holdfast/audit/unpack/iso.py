"""Reader of ISO 9660 with Rock Ridge; without it with the names of Joliet, or plain ones."""

import struct
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import (
    MOST_PATH,
    PERMISSIONS,
    Content,
    below,
    kind_of,
    old_device,
    seconds,
    text,
)
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source, exactly

SECTOR: Final = 2048
FIRST_DESCRIPTOR: Final = 16 * SECTOR
MAGIC: Final = b"CD001"
PRIMARY, JOLIET, LAST = 1, 2, 255
JOLIET_FORMS: Final = (b"%/@", b"%/C", b"%/E")
MOST_DESCRIPTORS: Final = 64
BLOCKS: Final = frozenset({512, 1024, 2048})

FOLDER_MODE: Final = 0o755  # without Rock Ridge
FILE_MODE: Final = 0o644
RECORD: Final = 33  # bytes before the name
IS_FOLDER: Final = 0x02
GOES_ON: Final = 0x80
MOST_AREAS: Final = 64  # of one record, each leading to the next
NAME_GOES_ON: Final = 0x01  # also of a part of a target
HERE, ABOVE, TOP = 0x02, 0x04, 0x08
ENTRY, PX_BYTES, PN_BYTES, CL_BYTES, CE_BYTES = 4, 32, 12, 4, 24
LEAST_WHOLE: Final = 0xFF
TIME_CREATED, TIME_CHANGED, LONG_TIMES = 0x01, 0x02, 0x80

_RECORD: Final = struct.Struct("<BBI4xI4x7sBBB4xB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What a volume descriptor says."""

    block_bytes: int
    blocks: int
    root: bytes
    joliet: bool


@dataclass(slots=True, kw_only=True)
class Record:
    """One entry of a folder, with what Rock Ridge says about it."""

    folder: bool
    extents: list[tuple[int, int]]
    name: bytes
    mtime: int
    goes_on: bool
    area: bytes
    mode: int = 0
    links: int = 1
    uid: int = 0
    gid: int = 0
    target: bytes = b""
    device: tuple[int, int] = (0, 0)
    moved_to: int = 0
    moved_from: bool = False
    squeezed: bool = False

    @property
    def size_bytes(self) -> int:
        """Length of the content."""
        return sum(length for _, length in self.extents)


def _descriptors(source: Source) -> dict[bool, Descriptor]:
    """Give the primary descriptor under False, that of Joliet under True."""
    found: dict[bool, Descriptor] = {}
    for number in range(MOST_DESCRIPTORS):
        raw = source.read_at(FIRST_DESCRIPTOR + number * SECTOR, SECTOR)
        if len(raw) != SECTOR or raw[1:6] != MAGIC or raw[0] == LAST:
            break
        joliet = raw[0] == JOLIET and raw[88:91] in JOLIET_FORMS
        if raw[0] != PRIMARY and not joliet:
            continue
        (block,) = struct.unpack_from("<H", raw, 128)
        blocks, other = struct.unpack_from("<I", raw, 80)[0], struct.unpack_from(">I", raw, 84)[0]
        if block in BLOCKS and blocks == other and blocks:
            found.setdefault(
                joliet,
                Descriptor(block_bytes=block, blocks=blocks, root=raw[156:190], joliet=joliet),
            )
    return found


def measure(source: Source) -> Measured | None:
    """Look at the primary descriptor and at the root folder."""
    primary = _descriptors(source).get(False)
    if primary is None:
        return None
    root = _record(primary.root, primary)
    if root is None or not root.folder:
        return None
    size = min(primary.blocks * primary.block_bytes, source.size_bytes)
    return Measured(size_bytes=size, format="ISO 9660")


def _time(raw: bytes) -> int:
    """Read the seven bytes of a time."""
    year, month, day, hour, minute, second = raw[:6]
    zone = raw[6] - (raw[6] >> 7 << 8)
    try:
        local = timegm((1900 + year, month, day, hour, minute, second, 0, 0, 0))
    except ValueError:
        return 0
    return seconds(local - zone * 15 * 60)


def _record(raw: bytes, descriptor: Descriptor) -> Record | None:
    """Read one entry; None if it is damaged."""
    if len(raw) < RECORD + 1:
        return None
    _, attributes, block, size, time, flags, _, _, length = _RECORD.unpack_from(raw)
    if RECORD + length > len(raw):
        return None
    name = raw[RECORD : RECORD + length]
    at = (block + attributes) * descriptor.block_bytes
    return Record(
        folder=bool(flags & IS_FOLDER),
        extents=[(at, size)],
        name=name if len(name) == 1 and name < b"\2" else _plain_name(name, descriptor),
        mtime=_time(time),
        goes_on=bool(flags & GOES_ON),
        area=raw[RECORD + length + (1 - length % 2) :],
    )


def _plain_name(name: bytes, descriptor: Descriptor) -> bytes:
    if descriptor.joliet:
        return name.decode("utf-16-be", "replace").partition(";")[0].encode()
    return name.partition(b";")[0].rstrip(b".").lower()  # as Linux shows them


@dataclass(slots=True)
class _Ridge:
    """What the entries of Rock Ridge have said so far."""

    name: bytes = b""
    parts: list[bytes] = field(default_factory=list)
    part_goes_on: bool = False

    def link(self, raw: bytes) -> None:
        """Take in some parts of the target of a link."""
        at = 0
        while at + 2 <= len(raw):
            flags, length = raw[at], raw[at + 1]
            part = raw[at + 2 : at + 2 + length]
            part = b"." if flags & HERE else b".." if flags & ABOVE else part
            if flags & TOP:
                part = b""
            if self.part_goes_on and self.parts:
                self.parts[-1] += part
            else:
                self.parts.append(part)
            self.part_goes_on = bool(flags & NAME_GOES_ON)
            at += 2 + length

    def target(self) -> bytes:
        """Give the whole target."""
        return b"/" if self.parts == [b""] else b"/".join(self.parts)


class _Volume:
    """One opened file system."""

    def __init__(self, source: Source, budget: Budget) -> None:
        self._source, self._budget = source, budget
        self._trouble = ""
        self._skip = 0
        self._contents: dict[int, Content] = {}
        found = _descriptors(source)
        if False not in found:
            raise FormatError("this is no ISO 9660")
        self._descriptor = found[False]
        self._root = self._first()
        if not self._root.mode and True in found:
            self._descriptor = found[True]
            self._root = self._first()

    def _first(self) -> Record:
        """Read the root folder, and whether Rock Ridge is in use."""
        root = _record(self._descriptor.root, self._descriptor)
        if root is None or not root.folder:
            raise FormatError("there is no root folder")
        raw = exactly(self._source, root.extents[0][0], 1)
        raw = self._source.read_at(root.extents[0][0], raw[0])
        here = _record(raw, self._descriptor)
        if here is not None and here.area[:2] == b"SP" and here.area[4:6] == b"\xbe\xef":
            self._skip = here.area[6]
            here.area = here.area[7:]
            self._about(here)
            root.mode, root.uid, root.gid = here.mode, here.uid, here.gid
            root.mtime = here.mtime
        return root

    def _areas(self, record: Record) -> Iterator[tuple[bytes, bytes]]:
        """Give signature and content of the entries behind a name, wherever they go on."""
        area, seen = record.area, 0
        while area and seen < MOST_AREAS:
            seen += 1
            at, following = 0, b""
            while at + ENTRY <= len(area) and area[at + 2] >= ENTRY:
                kind, length = area[at : at + 2], area[at + 2]
                content = area[at + ENTRY : at + length]
                if kind == b"ST":
                    break
                if kind == b"CE" and len(content) >= CE_BYTES:
                    block, offset, size = struct.unpack("<I4xI4xI4x", content[:CE_BYTES])
                    place = block * self._descriptor.block_bytes + offset
                    following = exactly(self._source, place, min(size, SECTOR))
                yield kind, content
                at += length
            area = following

    def _about(self, record: Record) -> None:
        """Take in what Rock Ridge says."""
        ridge = _Ridge()
        for kind, raw in self._areas(record):
            if kind == b"NM" and raw and not raw[0] & (HERE | ABOVE):
                ridge.name += raw[1:]
            elif kind == b"SL" and raw and len(ridge.parts) < MOST_PATH:
                ridge.link(raw[1:])
            elif kind == b"RE":
                record.moved_from = True
            elif kind == b"ZF":
                record.squeezed = True
            else:
                _take_numbers(record, kind, raw)
        record.name = ridge.name or record.name
        record.target = ridge.target()

    def _records(self, folder: Record) -> Iterator[Record]:
        at, size = folder.extents[0]
        if size > self._source.size_bytes:
            raise FormatError("a folder is longer than all there is")
        self._budget.take_bytes(size)
        raw = exactly(self._source, at, size)
        place, before = 0, None
        while place < len(raw):
            length = raw[place]
            if not length:  # the rest of the block is empty
                place += SECTOR - place % SECTOR
                continue
            record = _record(raw[place : place + length], self._descriptor)
            if record is None:
                raise FormatError("a folder is damaged")
            place += length
            if record.name in {b"\0", b"\1"}:
                continue
            record.area = record.area[self._skip :]
            if before is not None:
                before.extents += record.extents
                record, goes_on = before, record.goes_on
            else:
                goes_on = record.goes_on
                if self._root.mode:
                    self._about(record)
            before = record if goes_on else None
            if not goes_on:
                yield record

    def nodes(self) -> Iterator[Node]:
        """Give every name."""
        self._budget.take_file()
        mode = self._root.mode & PERMISSIONS if self._root.mode else FOLDER_MODE
        yield Node(
            path="",
            kind=Kind.FOLDER,
            mode=mode,
            uid=self._root.uid,
            gid=self._root.gid,
            mtime=self._root.mtime,
        )
        todo, seen = [("", self._root)], {self._root.extents[0][0]}
        while todo:
            path, folder = todo.pop()
            try:
                for record in self._records(folder):
                    self._budget.take_file()
                    node = self._child(path, record)
                    if node is None:
                        continue
                    if node.kind is Kind.FOLDER:
                        if record.extents[0][0] in seen:
                            self._trouble = "a folder stands in two places"
                            continue
                        seen.add(record.extents[0][0])
                        todo.append((node.path, record))
                    yield node
            except FormatError as error:
                self._trouble = str(error)
        if self._trouble:
            raise FormatError(self._trouble)

    def _child(self, folder: str, record: Record) -> Node | None:
        """Make a node; None, with the trouble noted, if it is damaged or stands elsewhere."""
        if record.moved_from:
            return None
        try:
            if record.moved_to:
                self._come_back(record)
            return self._node(below(folder, record.name), record)
        except FormatError as error:
            self._trouble = str(error)
            return None

    def _come_back(self, record: Record) -> None:
        """Take the folder that stands elsewhere because it would be too deep here."""
        at = record.moved_to * self._descriptor.block_bytes
        raw = exactly(self._source, at, exactly(self._source, at, 1)[0])
        here = _record(raw, self._descriptor)
        if here is None or not here.folder:
            raise FormatError("a folder that was moved is not there")
        here.area = here.area[self._skip :]
        self._about(here)
        record.folder, record.extents = True, here.extents
        record.mode, record.uid, record.gid = here.mode, here.uid, here.gid

    def _node(self, path: str, record: Record) -> Node:
        kind = kind_of(record.mode) if record.mode else None
        if kind is None or (kind is Kind.FOLDER) != record.folder:
            kind = Kind.FOLDER if record.folder else Kind.FILE
        mode = record.mode & PERMISSIONS
        if not record.mode:
            mode = FOLDER_MODE if record.folder else FILE_MODE
        content = None
        if kind is Kind.FILE:
            place = record.extents[0][0]
            content = self._contents.get(place) if record.links > 1 else None
            if content is None or content.size_bytes != record.size_bytes:
                read = partial(self._read, record)
                content = Content(self._budget, record.size_bytes, read)
            if record.links > 1 and record.size_bytes:
                self._contents[place] = content
        if len(record.target) > MOST_PATH:
            raise FormatError("a link is too long")
        return Node(
            path=path,
            kind=kind,
            mode=mode,
            uid=record.uid,
            gid=record.gid,
            size_bytes=record.size_bytes if content else 0,
            target=text(record.target) if kind is Kind.LINK else "",
            device=record.device if kind in {Kind.CHARACTER, Kind.BLOCK} else None,
            mtime=record.mtime,
            read=content,
        )

    def _read(self, record: Record) -> bytes:
        if record.squeezed:
            raise FormatError("the file is compressed by the file system")
        return b"".join(exactly(self._source, at, length) for at, length in record.extents)


def _take_numbers(record: Record, kind: bytes, raw: bytes) -> None:
    """Take in owner, mode, device, time or another place."""
    if kind == b"PX" and len(raw) >= PX_BYTES:
        record.mode, record.links, record.uid, record.gid = struct.unpack_from("<I4xI4xI4xI4x", raw)
    elif kind == b"PN" and len(raw) >= PN_BYTES:
        high, low = struct.unpack_from("<I4xI", raw)
        # Some write major and minor, some a whole number in the lower half.
        record.device = (high, low) if high or low <= LEAST_WHOLE else old_device(low)
    elif kind == b"CL" and len(raw) >= CL_BYTES:
        (record.moved_to,) = struct.unpack_from("<I", raw)
    elif kind == b"TF" and raw and raw[0] & TIME_CHANGED and not raw[0] & LONG_TIMES:
        at = 8 if raw[0] & TIME_CREATED else 1
        if len(raw) >= at + 7:
            record.mtime = _time(raw[at : at + 7])


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name."""
    yield from _Volume(source, budget).nodes()


READER: Final = FileSystem(
    name="iso",
    magics=(Magic(content=bytes([PRIMARY]) + MAGIC + b"\1", at=FIRST_DESCRIPTOR),),
    measure=measure,
    nodes=nodes,
)
