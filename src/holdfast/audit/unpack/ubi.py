"""Reader of UBI: erase blocks of flash in any order, each saying which block of a volume it is."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import label, text
from holdfast.audit.unpack.reader import Container, Magic, Measured, Part
from holdfast.audit.unpack.source import Source

ERASE_MAGIC: Final = b"UBI#"
VOLUME_MAGIC: Final = b"UBI!"
HEADER_BYTES: Final = 64
VERSION: Final = 1
STATIC: Final = 2
LAYOUT_VOLUME: Final = 0x7FFFEFFF
FIRST_INTERNAL: Final = 0x7FFFEFFF
TABLE_BLOCKS: Final = (0, 1)  # of the layout volume: two copies of the table
RECORD: Final = struct.Struct(">IIIBBH128s24xI")
MOST_VOLUMES: Final = 128

LEAST_UNIT: Final = 512
LEAST_BLOCK: Final = 4096
MOST_BLOCK: Final = 1 << 24
MOST_STRANGE: Final = 8  # erase blocks in a row that are neither blank nor UBI's
MOST_FOUND: Final = 16  # headers that tell the size of an erase block
WINDOW: Final = 1 << 20

_ERASE: Final = struct.Struct(">4sB11xIII32xI")
_VOLUME: Final = struct.Struct(">4sBBBxII4xIIII4xQ12xI")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Header of an erase block."""

    volume_at: int
    content_at: int
    image: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Header of a block of a volume, and where its content is."""

    at: int
    kind: int
    copied: bool
    number: int
    size_bytes: int
    blocks: int
    padding: int
    crc: int
    sequence: int


@dataclass(slots=True)
class Volume:
    """What is known of one volume."""

    name: str
    blocks: dict[int, Block] = field(default_factory=dict)


def _crc(content: bytes) -> int:
    return zlib.crc32(content) ^ 0xFFFFFFFF


def _erase(source: Source, at: int) -> Erase | None:
    raw = source.read_at(at, HEADER_BYTES)
    if len(raw) != HEADER_BYTES or not raw.startswith(ERASE_MAGIC):
        return None
    _, version, volume_at, content_at, image, crc = _ERASE.unpack(raw)
    if version != VERSION or _crc(raw[:-4]) != crc:
        return None
    if not HEADER_BYTES <= volume_at <= content_at - HEADER_BYTES <= MOST_BLOCK:
        return None
    return Erase(volume_at=volume_at, content_at=content_at, image=image)


def _block(source: Source, at: int, erase: Erase) -> tuple[int, Block] | None:
    """Give number of the volume and block that an erase block holds; None if it holds none."""
    raw = source.read_at(at + erase.volume_at, HEADER_BYTES)
    if len(raw) != HEADER_BYTES or not raw.startswith(VOLUME_MAGIC):
        return None
    _, version, kind, copied, volume, number, size, blocks, padding, crc, sequence, own_crc = (
        _VOLUME.unpack(raw)
    )
    if version != VERSION or _crc(raw[:-4]) != own_crc:
        return None
    return volume, Block(
        at=at + erase.content_at,
        kind=kind,
        copied=bool(copied),
        number=number,
        size_bytes=size,
        blocks=blocks,
        padding=padding,
        crc=crc,
        sequence=sequence,
    )


def _block_bytes(source: Source) -> int:
    """Find how long an erase block is: the least distance of two headers."""
    found = [0]
    at = LEAST_BLOCK
    while at < source.size_bytes and len(found) < MOST_FOUND and at - found[-1] <= MOST_BLOCK:
        window = source.read_at(at, WINDOW)
        found += [
            at + place
            for place in range(0, len(window), LEAST_UNIT)
            if window.startswith(ERASE_MAGIC, place) and _erase(source, at + place)
        ]
        at += WINDOW
    gaps = [after - before for before, after in pairwise(found)]
    return min(gaps, default=min(source.size_bytes, MOST_BLOCK))


def _erase_blocks(source: Source, size: int) -> Iterator[tuple[int, Erase]]:
    """Give the erase blocks of the image that starts at 0, over some that are blank or bad."""
    first = _erase(source, 0)
    strange = at = 0
    while first is not None and at < source.size_bytes and strange <= MOST_STRANGE:
        erase = _erase(source, at)
        if erase is not None:
            if erase.image and first.image and erase.image != first.image:
                return
            strange = 0
            yield at, erase
        elif source.read_at(at, HEADER_BYTES).strip(b"\xff"):
            strange += 1
        at += size


def measure(source: Source) -> Measured | None:
    """Walk over the erase blocks."""
    if _erase(source, 0) is None:
        return None
    size, end = _block_bytes(source), 0
    for at, _ in _erase_blocks(source, size):
        end = at + size
    return Measured(size_bytes=min(end, source.size_bytes), format="UBI")


class Blocks:
    """The content of one volume, put together from its blocks; what is not there is blank."""

    def __init__(self, source: Source, block_bytes: int, places: dict[int, int], size: int) -> None:
        self._source, self._block_bytes, self._places = source, block_bytes, places
        self.size_bytes = size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read; shorter at the end."""
        pieces = []
        rest = max(0, min(length, self.size_bytes - offset))
        while rest:
            number, inside = divmod(offset, self._block_bytes)
            some = min(rest, self._block_bytes - inside)
            place = self._places.get(number)
            piece = b"" if place is None else self._source.read_at(place + inside, some)
            pieces.append(piece + b"\xff" * (some - len(piece)))
            offset, rest = offset + some, rest - some
        return b"".join(pieces)


def _volumes(source: Source, budget: Budget, size: int) -> dict[int, Volume]:
    """Collect the blocks of all volumes; of two copies of a block the later whole one counts."""
    volumes: dict[int, Volume] = {}
    count = 0
    for at, erase in _erase_blocks(source, size):
        budget.tick()
        count += 1
        found = _block(source, at, erase)
        if found is None:
            continue
        number, block = found
        volume = volumes.setdefault(number, Volume(f"volume{number}"))
        other = volume.blocks.get(block.number)
        if other is None or _is_newer(source, block, other):
            volume.blocks[block.number] = block
    most = 8 * count + HEADER_BYTES  # more than that is no volume but a trap
    for volume in volumes.values():
        volume.blocks = {each: block for each, block in volume.blocks.items() if each < most}
    return volumes


def _is_newer(source: Source, block: Block, other: Block) -> bool:
    newer, older = (block, other) if block.sequence > other.sequence else (other, block)
    if newer.copied and newer.size_bytes <= MOST_BLOCK:
        content = source.read_at(newer.at, newer.size_bytes)
        if _crc(content) != newer.crc:  # the copy was not finished
            newer = older
    return newer is block


def _name(source: Source, layout: Volume, block_bytes: int, volumes: dict[int, Volume]) -> None:
    """Give the volumes their names from the volume table."""
    for copy in TABLE_BLOCKS:
        block = layout.blocks.get(copy)
        if block is None:
            continue
        raw = source.read_at(block.at, min(block_bytes, MOST_VOLUMES * RECORD.size))
        for number in range(len(raw) // RECORD.size):
            record = raw[number * RECORD.size : (number + 1) * RECORD.size]
            *_, length, name, crc = RECORD.unpack(record)
            if _crc(record[:-4]) == crc and number in volumes and 0 < length <= len(name):
                volumes[number].name = label(text(name[:length])) or volumes[number].name


def parts(source: Source, budget: Budget) -> Iterator[Part]:
    """Give every volume under its name."""
    first = _erase(source, 0)
    if first is None:
        raise FormatError("this is no UBI")
    size, trouble = _block_bytes(source), ""
    volumes = _volumes(source, budget, size)
    _name(source, volumes.get(LAYOUT_VOLUME, Volume("")), size - first.content_at, volumes)
    for number, volume in sorted(volumes.items()):
        if number >= FIRST_INTERNAL or not volume.blocks:
            continue
        budget.take_file()
        start = min(volume.blocks.items())[1]
        unit = size - first.content_at - start.padding
        if unit < 1:
            raise FormatError("the blocks of a volume have no content")
        length = (max(volume.blocks) + 1) * unit
        if start.kind == STATIC:
            last = max(volume.blocks.items())[1]
            length -= unit - min(last.size_bytes, unit)
            if sum(each < start.blocks for each in volume.blocks) < start.blocks:
                trouble = f"blocks of the volume {volume.name} are missing"
        places = {each: block.at for each, block in volume.blocks.items()}
        yield Part(name=volume.name, offset=start.at, source=Blocks(source, unit, places, length))
    if trouble:
        raise FormatError(trouble)


READER: Final = Container(
    name="ubi", magics=(Magic(content=ERASE_MAGIC + b"\x01"),), measure=measure, parts=parts
)
