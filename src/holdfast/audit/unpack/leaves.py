"""Formats with nothing inside that could be opened, but which are known for what they are."""

import struct
import zlib
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.carving import Leaf
from holdfast.audit.unpack.devicetree import properties, total_size
from holdfast.audit.unpack.reader import Magic, Measured
from holdfast.audit.unpack.source import Source


def _devicetree(source: Source) -> Measured | None:
    total = total_size(source)
    if total is None or total > source.size_bytes:
        return None
    try:
        count = sum(1 for _ in properties(source))
    except FormatError:
        return None
    return Measured(size_bytes=total, format="device tree") if count else None


_ENVIRONMENTS: Final = tuple(1 << shift for shift in range(11, 19))  # 2 KiB to 256 KiB


def _environment(source: Source) -> Measured | None:
    """Know the saved settings of U-Boot: a CRC over all of a block, with or without a flag."""
    for size in _ENVIRONMENTS:
        block = source.read_at(0, size)
        if len(block) < size:
            return None
        (crc,) = struct.unpack_from("<I", block)
        for head in (4, 5):
            if crc in {zlib.crc32(block[head:]), _swapped(zlib.crc32(block[head:]))}:
                return Measured(size_bytes=size, format="U-Boot environment")
    return None


def _swapped(number: int) -> int:
    return int.from_bytes(number.to_bytes(4, "little"), "big")


LEAVES: Final = (
    Leaf(
        name="devicetree",
        file="devicetree.dtb",
        magics=(Magic(content=b"\xd0\x0d\xfe\xed"),),
        measure=_devicetree,
    ),
    Leaf(
        name="environment",
        file="environment",
        magics=(
            *(Magic(content=b"bootcmd=", at=at) for at in (4, 5)),
            *(Magic(content=b"bootargs=", at=at) for at in (4, 5)),
            *(Magic(content=b"bootdelay=", at=at) for at in (4, 5)),
            *(Magic(content=b"baudrate=", at=at) for at in (4, 5)),
            *(Magic(content=b"arch=", at=at) for at in (4, 5)),
        ),
        measure=_environment,
    ),
)
