"""Containers that vendors of routers put around kernel and root file system.

Sources:
    The tools that make them in OpenWrt's `firmware-utils` describe each of these headers.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.reader import Container, Magic, Measured, Part
from holdfast.audit.unpack.source import Region, Source, exactly

_MOST_PARTS: Final = 16

# --- TRX: Broadcom ------------------------------------------------------------------------------
_TRX: Final = b"HDR0"
_TRX_OFFSETS: Final = {1: 3, 2: 4}


def _trx(source: Source) -> Measured | None:
    header = source.read_at(0, 32)
    if len(header) < 32:  # noqa: PLR2004
        return None
    length, _, _, version = struct.unpack_from("<IIHH", header, 4)
    count = _TRX_OFFSETS.get(version)
    if count is None or length < 28 or length > source.size_bytes + (1 << 16):  # noqa: PLR2004
        return None
    offsets = struct.unpack_from(f"<{count}I", header, 16)
    if offsets[0] < 16 + 4 * count or any(each >= length for each in offsets):
        return None
    return Measured(size_bytes=min(length, source.size_bytes), format=f"TRX v{version}")


def _trx_parts(source: Source, _: Budget) -> Iterator[Part]:
    (version,) = struct.unpack("<H", exactly(source, 14, 2))
    count = _TRX_OFFSETS.get(version)
    if count is None:
        raise FormatError(f"the TRX has an unknown version {version}")
    listed = struct.unpack(f"<{count}I", exactly(source, 16, 4 * count))
    # A signed image may end in a part whose offset is not the last one listed.
    offsets = sorted({each for each in listed if 0 < each < source.size_bytes})
    if not offsets:
        raise FormatError("the TRX names no part")
    ends = [*offsets[1:], source.size_bytes]
    for number, (start, end) in enumerate(zip(offsets, ends, strict=True)):
        yield Part(name=f"part-{number}", offset=start, source=Region(source, start, end - start))


# --- SEAMA: D-Link and others by Alpha Networks -------------------------------------------------
_SEAMA: Final = b"\x5e\xa3\xa4\x17"
_SEAMA_LONGEST_META: Final = 4096


def _seama_header(source: Source, at: int) -> tuple[int, int] | None:
    """Read where the payload of one entity starts, and how long it is."""
    header = source.read_at(at, 12)
    if len(header) < 12 or header[:4] != _SEAMA:  # noqa: PLR2004
        return None
    meta, size = struct.unpack_from(">HI", header, 6)
    if not 0 < meta <= _SEAMA_LONGEST_META or b"=" not in source.read_at(at + 12, meta + 16):
        return None
    return at + 12 + (16 if size else 0) + meta, size


def _entities(source: Source) -> Iterator[tuple[int, int]]:
    at = 0
    for _ in range(_MOST_PARTS):
        entity = _seama_header(source, at)
        if entity is None:
            return
        start, size = entity
        yield start, size
        at = start + size


def _seama(source: Source) -> Measured | None:
    entities = list(_entities(source))
    if not entities or not any(size for _, size in entities):
        return None
    end = max(start + size for start, size in entities)
    return Measured(size_bytes=min(end, source.size_bytes), format="SEAMA")


def _seama_parts(source: Source, _: Budget) -> Iterator[Part]:
    for number, (start, size) in enumerate(entity for entity in _entities(source) if entity[1]):
        yield Part(name=f"image-{number}", offset=start, source=Region(source, start, size))


# --- TP-Link ------------------------------------------------------------------------------------
_TPLINK_BYTES: Final = 0x200
_TPLINK_V1, _TPLINK_V2, _TPLINK_V3 = b"\x01\0\0\0", b"\x02\0\0\0", b"\x03\0\0\0"
_TPLINK_NAMES: Final = (b"ver. ", b"TP-LINK Technologies", b"OpenWrt\0")


def _tplink(source: Source) -> Measured | None:
    """Know the header by its sparse form: names, then mostly filler, and a length that fits."""
    header = source.read_at(0, _TPLINK_BYTES)
    if len(header) < _TPLINK_BYTES or not any(name in header[4:0x40] for name in _TPLINK_NAMES):
        return None
    at = 0x7C if header[:4] == _TPLINK_V1 else 0x70
    (length,) = struct.unpack_from(">I", header, at)
    if not _TPLINK_BYTES <= length <= 1 << 28:
        return None
    if header[0x100:].translate(None, b"\0\xff"):
        return None
    version = 1 if header[:4] == _TPLINK_V1 else 2
    # The offsets in it are those of the flash, not of the file; what follows is found by itself.
    return Measured(size_bytes=_TPLINK_BYTES, format=f"TP-Link header v{version}")


def _nothing(_: Source, __: Budget) -> Iterator[Part]:
    return iter(())


# --- CHK: Netgear -------------------------------------------------------------------------------
_CHK: Final = b"*#$^"


def _chk(source: Source) -> Measured | None:
    header = source.read_at(0, 40)
    if len(header) < 40:  # noqa: PLR2004
        return None
    length, kernel, rootfs = (struct.unpack_from(">I", header, at)[0] for at in (4, 24, 28))
    if not 40 <= length <= 256 or not kernel:  # noqa: PLR2004 - with the board's name
        return None
    size = length + kernel + rootfs
    if size > source.size_bytes:
        return None
    return Measured(size_bytes=size, format="Netgear CHK")


def _chk_parts(source: Source, _: Budget) -> Iterator[Part]:
    header = exactly(source, 0, 40)
    at, kernel, rootfs = (struct.unpack_from(">I", header, where)[0] for where in (4, 24, 28))
    for name, size in (("kernel", kernel), ("rootfs", rootfs)):
        if size:
            yield Part(name=name, offset=at, source=Region(source, at, size))
        at += size


# --- Edimax -------------------------------------------------------------------------------------
_EDIMAX: Final = (b"CSYS", b"WEBP", b"RSIP")


def _edimax(source: Source) -> Measured | None:
    header = source.read_at(0, 16)
    if len(header) < 16:  # noqa: PLR2004
        return None
    start, burn, size = struct.unpack_from(">III", header, 4)
    if start < 1 << 31 or start & 0xFFF or burn & 0xFFF:  # where MIPS has its memory
        return None
    if not 256 <= size <= source.size_bytes - 16:  # noqa: PLR2004
        return None
    return Measured(size_bytes=16 + size, format=f"Edimax {header[:4].decode('ascii')}")


def _edimax_parts(source: Source, _: Budget) -> Iterator[Part]:
    yield Part(name="payload", offset=16, source=Region(source, 16, source.size_bytes - 16))


# --- Ubiquiti -----------------------------------------------------------------------------------
_UBNT: Final = (b"UBNT", b"OPEN")
_UBNT_HEADER, _UBNT_PART, _UBNT_TAIL = 268, 56, 8


def _ubnt_layout(source: Source) -> tuple[list[tuple[str, int, int]], int]:
    header = exactly(source, 0, _UBNT_HEADER)
    (crc,) = struct.unpack_from(">I", header, 260)
    if zlib.crc32(header[:260]) != crc:
        raise FormatError("the header of the UBNT image is damaged")
    parts, at = [], _UBNT_HEADER
    for _ in range(_MOST_PARTS):
        head = source.read_at(at, _UBNT_PART)
        if head[:4] != b"PART" or len(head) < _UBNT_PART:
            break
        (size,) = struct.unpack_from(">I", head, 48)
        name = head[4:20].rstrip(b"\0").decode("ascii", "replace")
        parts.append((name, at + _UBNT_PART, size))
        at += _UBNT_PART + size + _UBNT_TAIL
    if not parts:
        raise FormatError("the UBNT image has no part")
    return parts, at


def _ubnt(source: Source) -> Measured | None:
    try:
        _, end = _ubnt_layout(source)
    except FormatError:
        return None
    return Measured(size_bytes=min(end, source.size_bytes), format="Ubiquiti")


def _ubnt_parts(source: Source, _: Budget) -> Iterator[Part]:
    for name, offset, size in _ubnt_layout(source)[0]:
        yield Part(name=name, offset=offset, source=Region(source, offset, size))


CONTAINERS: Final = (
    Container(name="trx", magics=(Magic(content=_TRX),), measure=_trx, parts=_trx_parts),
    Container(name="seama", magics=(Magic(content=_SEAMA),), measure=_seama, parts=_seama_parts),
    Container(
        name="tplink",
        magics=(
            Magic(content=_TPLINK_V1 + b"TP-LINK"),
            Magic(content=_TPLINK_V1 + b"OpenWrt"),
            Magic(content=_TPLINK_V2 + b"ver. "),
            Magic(content=_TPLINK_V3 + b"ver. "),
        ),
        measure=_tplink,
        parts=_nothing,
    ),
    Container(name="chk", magics=(Magic(content=_CHK),), measure=_chk, parts=_chk_parts),
    Container(
        name="edimax",
        magics=tuple(Magic(content=each) for each in _EDIMAX),
        measure=_edimax,
        parts=_edimax_parts,
    ),
    Container(
        name="ubnt",
        magics=tuple(Magic(content=each) for each in _UBNT),
        measure=_ubnt,
        parts=_ubnt_parts,
    ),
)
