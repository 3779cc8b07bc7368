"""Reader of FAT12, FAT16 and FAT32 with long names.

FAT keeps neither owners nor modes: everything belongs to root, with the modes that Linux gives.
"""

import struct
from calendar import timegm
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import Content, below
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source, exactly

BOOT_BYTES: Final = 512
SIGNATURE: Final = b"\x55\xaa"
SIGNATURE_AT: Final = 510
SECTORS: Final = frozenset({512, 1024, 2048, 4096})
MOST_TABLES: Final = 4
FIRST_MEDIA: Final = 0xF0
FAT12, FAT16, FAT32 = 12, 16, 32
MOST_OF_12: Final = 4085  # clusters
MOST_FOLDER_BYTES: Final = 65536 * 32  # as the format says

FIRST_CLUSTER: Final = 2

ENTRY: Final = 32
END_OF_FOLDER: Final = 0
DELETED: Final = 0xE5
KANJI: Final = 0x05  # stands for the byte that means deleted
READ_ONLY: Final = 0x01
LABEL: Final = 0x08
FOLDER: Final = 0x10
LONG: Final = 0x0F
LAST_LONG: Final = 0x40
LONG_CHARACTERS: Final = 13
MOST_LONG: Final = 20  # entries of one long name
LOWER_BASE: Final = 0x08
LOWER_SUFFIX: Final = 0x10

_BOOT: Final = struct.Struct("<11xHBHBHHBHHHII")
_WIDE: Final = struct.Struct("<I4xI")
_SHORT: Final = struct.Struct("<11sBB7xHHHHI")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the boot sector says; all places in bytes."""

    bits: int
    cluster_bytes: int
    clusters: int
    table_at: int
    table_bytes: int
    root_at: int
    root_bytes: int
    root_cluster: int
    clusters_at: int
    size_bytes: int


def _layout(source: Source) -> Layout | None:
    raw = source.read_at(0, BOOT_BYTES)
    if len(raw) != BOOT_BYTES or raw[SIGNATURE_AT:] != SIGNATURE or raw[0] not in {0xEB, 0xE9}:
        return None
    boot = _BOOT.unpack_from(raw)
    sector, per_cluster, reserved, tables, root_entries, short, media, table, *_, long = boot
    table_long, root_cluster = _WIDE.unpack_from(raw, 36)
    wide = not table
    table = table or table_long
    sectors = short or long
    if (
        sector not in SECTORS
        or per_cluster.bit_count() != 1
        or not reserved
        or not 0 < tables <= MOST_TABLES
        or media < FIRST_MEDIA
        or not table
        or wide != (not root_entries)
        or source.read_at(reserved * sector, 1) != bytes([media])
    ):
        return None
    root_at = (reserved + tables * table) * sector
    root_bytes = -(-root_entries * ENTRY // sector) * sector
    cluster_bytes = per_cluster * sector
    clusters = (sectors * sector - root_at - root_bytes) // cluster_bytes
    bits = FAT32 if wide else FAT12 if clusters < MOST_OF_12 else FAT16
    if clusters <= 0 or clusters * bits > table * sector * 8:
        return None
    return Layout(
        bits=bits,
        cluster_bytes=cluster_bytes,
        clusters=clusters,
        table_at=reserved * sector,
        table_bytes=table * sector,
        root_at=root_at,
        root_bytes=root_bytes,
        root_cluster=root_cluster if wide else 0,
        clusters_at=root_at + root_bytes,
        size_bytes=sectors * sector,
    )


def _checksum(short: bytes) -> int:
    total = 0
    for byte in short:
        total = ((total & 1) << 7 | total >> 1) + byte & 0xFF
    return total


def _short_name(raw: bytes, case: int) -> str:
    start = bytes([DELETED]) if raw[0] == KANJI else raw[:1]
    base = (start + raw[1:8]).rstrip(b" ").decode("cp437")
    suffix = raw[8:11].rstrip(b" ").decode("cp437")
    base = base.lower() if case & LOWER_BASE else base
    suffix = suffix.lower() if case & LOWER_SUFFIX else suffix
    return f"{base}.{suffix}" if suffix else base


def _mtime(date: int, time: int) -> int:
    day = (1980 + (date >> 9), date >> 5 & 15, date & 31)
    try:
        return timegm((*day, time >> 11, time >> 5 & 63, (time & 31) * 2, 0, 0, 0))
    except ValueError:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or folder."""

    name: str
    attributes: int
    cluster: int
    size_bytes: int
    mtime: int


def _entries(content: bytes, bits: int) -> Iterator[Entry]:
    """Give what a folder holds; a long name counts only with the sum of the short one."""
    long: dict[int, bytes] = {}
    total = 0
    for at in range(0, len(content) - ENTRY + 1, ENTRY):
        raw = content[at : at + ENTRY]
        if raw[0] == END_OF_FOLDER:
            return
        if raw[0] == DELETED:
            long = {}
            continue
        if raw[11] & 0x3F == LONG:
            number = raw[0] & 0x3F
            if raw[0] & LAST_LONG or raw[13] != total:
                long, total = {}, raw[13]
            if 0 < number <= MOST_LONG:
                long[number] = raw[1:11] + raw[14:26] + raw[28:32]
            continue
        short, attributes, case, high, time, date, low, size = _SHORT.unpack(raw)
        name = _short_name(short, case)
        if long and _checksum(short) == total and set(long) == set(range(1, len(long) + 1)):
            wide = b"".join(long[number] for number in sorted(long))
            name = wide.decode("utf-16-le", "replace").partition("\0")[0]
        long = {}
        if not attributes & LABEL and name not in {".", ".."}:
            yield Entry(
                name=name,
                attributes=attributes,
                cluster=(high << 16 if bits == FAT32 else 0) | low,
                size_bytes=size,
                mtime=_mtime(date, time),
            )


class _Volume:
    """One opened file system."""

    def __init__(self, source: Source, budget: Budget, layout: Layout) -> None:
        self._source, self._budget, self._layout = source, budget, layout
        bits = (layout.clusters + FIRST_CLUSTER) * layout.bits
        budget.must_fit(bits // 8)
        self._table = source.read_at(layout.table_at, min(layout.table_bytes, bits // 8 + 2))

    def _next(self, cluster: int) -> int:
        bits = self._layout.bits
        at = cluster * bits // 8
        raw = self._table[at : at + (4 if bits == FAT32 else 2)]
        number = int.from_bytes(raw, "little")
        if bits == FAT12:
            return number >> 4 if cluster & 1 else number & 0xFFF
        return number & 0x0FFFFFFF

    def _runs(self, cluster: int, most: int) -> Iterator[tuple[int, int]]:
        """Give first cluster and count of clusters that stand one behind the other."""
        start, count = cluster, 0
        while most and FIRST_CLUSTER <= cluster < self._layout.clusters + FIRST_CLUSTER:
            if cluster != start + count:
                yield start, count
                start, count = cluster, 0
                self._budget.tick()
            count, most = count + 1, most - 1
            cluster = self._next(cluster)
        if count:
            yield start, count

    def _content(self, cluster: int, size: int) -> bytes:
        unit, rest = self._layout.cluster_bytes, size
        pieces = []
        for start, count in self._runs(cluster, -(-size // unit)):
            length = min(count * unit, rest)
            at = self._layout.clusters_at + (start - FIRST_CLUSTER) * unit
            pieces.append(exactly(self._source, at, length))
            rest -= length
        if rest:
            raise FormatError("the chain of a file's clusters ends early")
        return b"".join(pieces)

    def _folder(self, cluster: int) -> bytes:
        if not cluster:  # the root of the older ones has a place of its own
            return exactly(self._source, self._layout.root_at, self._layout.root_bytes)
        unit = self._layout.cluster_bytes
        pieces, length = [], 0
        for start, count in self._runs(cluster, MOST_FOLDER_BYTES // unit + 1):
            at = self._layout.clusters_at + (start - FIRST_CLUSTER) * unit
            pieces.append(exactly(self._source, at, count * unit))
            length += count * unit
        self._budget.take_bytes(length)
        return b"".join(pieces)

    def nodes(self) -> Iterator[Node]:
        """Give every name."""
        layout, trouble = self._layout, ""
        self._budget.take_file()
        yield Node(path="", kind=Kind.FOLDER, mode=0o755)
        todo, seen = [("", layout.root_cluster)], {layout.root_cluster, 0}
        while todo:
            folder, cluster = todo.pop()
            try:
                for entry in _entries(self._folder(cluster), layout.bits):
                    self._budget.take_file()
                    node = self._node(folder, entry)
                    if node.kind is Kind.FOLDER:
                        if entry.cluster in seen:
                            trouble = "a folder stands in two places"
                            continue
                        seen.add(entry.cluster)
                        todo.append((node.path, entry.cluster))
                    yield node
            except FormatError as error:
                trouble = str(error)
        if trouble:
            raise FormatError(trouble)

    def _node(self, folder: str, entry: Entry) -> Node:
        path = below(folder, entry.name.encode(errors="replace"))
        writable = 0 if entry.attributes & READ_ONLY else 0o200
        if entry.attributes & FOLDER:
            return Node(path=path, kind=Kind.FOLDER, mode=0o555 | writable, mtime=entry.mtime)
        read = Content(
            self._budget, entry.size_bytes, lambda: self._content(entry.cluster, entry.size_bytes)
        )
        return Node(
            path=path,
            kind=Kind.FILE,
            mode=0o555 | writable,
            size_bytes=entry.size_bytes,
            mtime=entry.mtime,
            read=read,
        )


def measure(source: Source) -> Measured | None:
    """Look at the boot sector and the start of the table."""
    layout = _layout(source)
    if layout is None:
        return None
    return Measured(
        size_bytes=min(layout.size_bytes, source.size_bytes), format=f"FAT{layout.bits}"
    )


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name."""
    layout = _layout(source)
    if layout is None:
        raise FormatError("this is no FAT")
    yield from _Volume(source, budget, layout).nodes()


READER: Final = FileSystem(
    name="fat",
    magics=(Magic(content=SIGNATURE, at=SIGNATURE_AT),),
    measure=measure,
    nodes=nodes,
    owners=False,
)
