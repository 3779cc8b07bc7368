"""Partition tables: MBR with logical partitions, and GPT.

Boot loaders often stand in front of the first partition, where no table names them: so what is not
blank between the partitions is a part too. The tables are none, or they would be met again.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack import fat
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import label
from holdfast.audit.unpack.reader import Container, Magic, Measured, Part
from holdfast.audit.unpack.source import Region, Source, exactly

SECTOR: Final = 512
SIGNATURE: Final = b"\x55\xaa"
SIGNATURE_AT: Final = 510
TABLE_AT: Final = 446
ENTRY: Final = 16
ACTIVE: Final = frozenset({0, 0x80})
EXTENDED: Final = frozenset({0x05, 0x0F, 0x85})
PROTECTIVE: Final = 0xEE
MOST_LOGICAL: Final = 128

GPT: Final = b"EFI PART"
GPT_SECTORS: Final = (512, 4096)
MOST_HEADER: Final = 512
MOST_GPT_ENTRIES: Final = 1024
GPT_ENTRY_BYTES: Final = (128, 4096)
UNUSED: Final = bytes(16)

WINDOW: Final = 1 << 20
_MBR_ENTRY: Final = struct.Struct("<B3xB3xII")
_GPT_HEADER: Final = struct.Struct("<8s4xII4xQQQQ16sQIII")
_GPT_ENTRY: Final = struct.Struct("<16s16sQQQ72s")


@dataclass(frozen=True, slots=True)
class Partition:
    """A named part of a disk, in bytes; without a name it is a table."""

    name: str
    at: int
    size_bytes: int


def _primary(source: Source) -> list[tuple[int, int, int]]:
    """Give type, first sector and count of the four entries; [] if it is no such table."""
    raw = source.read_at(0, SECTOR)
    if len(raw) != SECTOR or raw[SIGNATURE_AT:] != SIGNATURE:
        return []
    entries = []
    for at in range(TABLE_AT, SIGNATURE_AT, ENTRY):
        active, kind, first, count = _MBR_ENTRY.unpack_from(raw, at)
        used = kind and first and count and active in ACTIVE
        if not used and any(raw[at : at + ENTRY]):
            return []
        entries.append((kind, first, count))
    return entries


def _mbr(source: Source) -> list[Partition]:
    """Give the partitions of the four entries; [] if this is no such table."""
    entries = _primary(source)
    found = [
        Partition(f"partition{number}", first * SECTOR, count * SECTOR)
        for number, (kind, first, count) in enumerate(entries, start=1)
        if kind
    ]
    end = 0
    for each in sorted(found, key=lambda partition: partition.at):
        if each.at < end:
            return []
        end = each.at + each.size_bytes
    plausible = (
        found
        and min(each.at for each in found) < source.size_bytes
        and all(kind != PROTECTIVE for kind, _, _ in entries)
        and fat.measure(source) is None
    )
    return found if plausible else []


def _logical(source: Source, budget: Budget, start: int, end: int) -> Iterator[Partition]:
    """Follow the chain of tables in an extended partition."""
    at = start
    for number in range(5, 5 + MOST_LOGICAL):
        budget.tick()
        raw = exactly(source, at, SECTOR)
        if raw[SIGNATURE_AT:] != SIGNATURE:
            raise FormatError("a table of logical partitions is damaged")
        yield Partition("", at, SECTOR)
        _, kind, first, count = _MBR_ENTRY.unpack_from(raw, TABLE_AT)
        _, following, offset, _ = _MBR_ENTRY.unpack_from(raw, TABLE_AT + ENTRY)
        if kind and count:
            yield Partition(f"partition{number}", at + first * SECTOR, count * SECTOR)
        if following not in EXTENDED or not offset:
            return
        if not at < start + offset * SECTOR < end:
            break
        at = start + offset * SECTOR
    raise FormatError("the tables of logical partitions lead in a circle")


def _measure_mbr(source: Source) -> Measured | None:
    """Look at the four entries."""
    found = _mbr(source)
    if not found:
        return None
    end = max(each.at + each.size_bytes for each in found)
    return Measured(size_bytes=min(end, source.size_bytes), format="MBR partition table")


def _mbr_parts(source: Source, budget: Budget) -> Iterator[Part]:
    found = _mbr(source)
    if not found:
        raise FormatError("this is no partition table")
    kinds = [kind for kind, _, _ in _primary(source) if kind]
    whole: list[Partition] = []
    trouble = ""
    for kind, each in zip(kinds, found, strict=True):
        if kind not in EXTENDED:
            whole.append(each)
            continue
        try:
            for logical in _logical(source, budget, each.at, each.at + each.size_bytes):
                whole.append(logical)  # noqa: PERF402 - those before the damage are kept
        except FormatError as error:
            trouble = str(error)
    yield from _parts(source, budget, whole, SECTOR, source.size_bytes)
    if trouble:
        raise FormatError(trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header of a GPT."""

    sector: int
    last: int
    entries_at: int
    entries: int
    entry_bytes: int
    entries_crc: int


def _gpt(source: Source) -> Header | None:
    for sector in GPT_SECTORS:
        raw = source.read_at(sector, MOST_HEADER)
        if not raw.startswith(GPT) or len(raw) != MOST_HEADER:
            continue
        head = _GPT_HEADER.unpack_from(raw)
        _, length, crc, here, other, _, _, _, entries_at, entries, entry_bytes, entries_crc = head
        if not _GPT_HEADER.size <= length <= MOST_HEADER or here != 1:
            continue
        if zlib.crc32(raw[:16] + bytes(4) + raw[20:length]) != crc:
            continue
        if entries > MOST_GPT_ENTRIES or entry_bytes not in range(*GPT_ENTRY_BYTES):
            continue
        return Header(
            sector=sector,
            last=other,
            entries_at=entries_at * sector,
            entries=entries,
            entry_bytes=entry_bytes,
            entries_crc=entries_crc,
        )
    return None


def _measure_gpt(source: Source) -> Measured | None:
    """Look at the header; the copy of it is the last sector."""
    header = _gpt(source)
    if header is None:
        return None
    size = (header.last + 1) * header.sector
    return Measured(size_bytes=min(size, source.size_bytes), format="GPT partition table")


def _gpt_parts(source: Source, budget: Budget) -> Iterator[Part]:
    header = _gpt(source)
    if header is None:
        raise FormatError("this is no partition table")
    length = header.entries * header.entry_bytes
    table = exactly(source, header.entries_at, length)
    if zlib.crc32(table) != header.entries_crc:
        raise FormatError("the check sum of the partition table is wrong")
    found = []
    for number in range(header.entries):
        entry = _GPT_ENTRY.unpack_from(table, number * header.entry_bytes)
        kind, _, first, last, _, wide = entry
        if kind == UNUSED:
            continue
        name = wide.decode("utf-16-le", "replace").partition("\0")[0]
        clean = label(name)
        count = max(0, last + 1 - first)
        title = f"partition{number + 1}" + (f"-{clean}" if clean else "")
        found.append(Partition(title, first * header.sector, count * header.sector))
    # The copies of table and header at the end are no content either.
    start, end = header.entries_at + length, header.last * header.sector - length
    yield from _parts(source, budget, found, start, end)


def _parts(
    source: Source, budget: Budget, found: list[Partition], start: int, end: int
) -> Iterator[Part]:
    """Give the partitions, and what is not blank between them."""
    missing, done = "", start
    for each in sorted(found, key=lambda partition: partition.at):
        budget.take_file()
        yield from _between(source, budget, done, each.at)
        if each.at + each.size_bytes > source.size_bytes:
            missing = f"{each.name} is not all there"
        if each.name and each.at < source.size_bytes:
            region = Region(source, each.at, each.size_bytes)
            yield Part(name=each.name, offset=each.at, source=region)
        done = max(done, each.at + each.size_bytes)
    yield from _between(source, budget, done, end)
    if missing:
        raise FormatError(missing)


def _between(source: Source, budget: Budget, start: int, end: int) -> Iterator[Part]:
    end = min(end, source.size_bytes)
    for at in range(start, end, WINDOW):
        budget.tick()
        window = source.read_at(at, min(WINDOW, end - at))
        if window.strip(b"\0").strip(b"\xff"):
            yield Part(name="between", offset=start, source=Region(source, start, end - start))
            return


MBR_READER: Final = Container(
    name="mbr",
    magics=(Magic(content=SIGNATURE, at=SIGNATURE_AT),),
    measure=_measure_mbr,
    parts=_mbr_parts,
)
GPT_READER: Final = Container(
    name="gpt",
    magics=tuple(Magic(content=GPT, at=sector) for sector in GPT_SECTORS),
    measure=_measure_gpt,
    parts=_gpt_parts,
)
