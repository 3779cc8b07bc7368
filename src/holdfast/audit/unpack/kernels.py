"""Recognises kernels: the wrappers in which they boot, and what they carry inside."""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.carving import Leaf
from holdfast.audit.unpack.reader import Magic, Measured
from holdfast.audit.unpack.source import Source

_CHUNK_BYTES: Final = 1 << 20
_OVERLAP_BYTES: Final = 512
_BANNER: Final = re.compile(rb"Linux version [0-9]{1,2}\.[0-9]{1,3}[^\0\n]{4,400}")
_CONFIG: Final = re.compile(rb"IKCFG_ST(?=\x1f\x8b\x08)")
_LONGEST_CONFIG: Final = 4 << 20


def chunks(source: Source, budget: Budget) -> Iterator[tuple[int, bytes]]:
    """Give a source in chunks that overlap, with the offset of each."""
    at = 0
    while at < source.size_bytes:
        budget.tick()
        yield at, source.read_at(at, _CHUNK_BYTES + _OVERLAP_BYTES)
        at += _CHUNK_BYTES


def is_kernel(source: Source, budget: Budget) -> bool:
    """Look for the banner of a Linux kernel."""
    return any(_BANNER.search(chunk) for _, chunk in chunks(source, budget))


def config(source: Source, budget: Budget) -> bytes | None:
    """Find the configuration that a kernel was built with, if it carries it."""
    for at, chunk in chunks(source, budget):
        for match in _CONFIG.finditer(chunk):
            packed = source.read_at(at + match.end(), _LONGEST_CONFIG)
            try:
                text = zlib.decompressobj(31).decompress(packed, _LONGEST_CONFIG)
            except zlib.error:
                continue
            if b"CONFIG_" in text:
                return text
    return None


def _zimage(source: Source) -> Measured | None:
    header = source.read_at(0, 0x30)
    for order, name in (("<", "little"), (">", "big")):
        if len(header) == 0x30:  # noqa: PLR2004
            magic, start, end = struct.unpack_from(f"{order}III", header, 0x24)
            if magic == 0x016F2818 and 4096 < end - start <= source.size_bytes:  # noqa: PLR2004
                return Measured(size_bytes=end - start, format=f"zImage ARM {name}-endian")
    return None


def _bzimage(source: Source) -> Measured | None:
    header = source.read_at(0, 0x260)
    if len(header) < 0x260 or header[0x1FE:0x200] != b"\x55\xaa":  # noqa: PLR2004
        return None
    sectors = header[0x1F1] or 4
    version, paragraphs = struct.unpack_from("<H", header, 0x206)[0], header[0x1F4:0x1F8]
    if not 0x200 <= version <= 0x400:  # noqa: PLR2004
        return None
    size = (sectors + 1) * 512 + int.from_bytes(paragraphs, "little") * 16
    return Measured(size_bytes=min(size, source.size_bytes), format="bzImage x86")


def _arm64(source: Source) -> Measured | None:
    header = source.read_at(0, 0x40)
    if len(header) < 0x40:  # noqa: PLR2004
        return None
    (size,) = struct.unpack_from("<Q", header, 0x10)
    if not 1 << 16 <= size <= 1 << 30 or any(header[0x20:0x38]):
        return None
    return Measured(size_bytes=min(size, source.size_bytes), format="Image arm64")


def _zboot(source: Source) -> Measured | None:
    header = source.read_at(0, 0x40)
    if len(header) < 0x40 or header[:2] != b"MZ":  # noqa: PLR2004
        return None
    offset, size = struct.unpack_from("<II", header, 8)
    if not len(header) <= offset < source.size_bytes or size > source.size_bytes - offset:
        return None
    return Measured(size_bytes=offset + size, format="EFI zboot")


WRAPPERS: Final = (
    Leaf(
        name="zimage",
        file="zImage",
        magics=(
            Magic(content=b"\x18\x28\x6f\x01", at=0x24),
            Magic(content=b"\x01\x6f\x28\x18", at=0x24),
        ),
        measure=_zimage,
        kernel=True,
    ),
    Leaf(
        name="bzimage",
        file="bzImage",
        magics=(Magic(content=b"HdrS", at=0x202),),
        measure=_bzimage,
        kernel=True,
    ),
    Leaf(
        name="arm64-image",
        file="Image",
        magics=(Magic(content=b"ARM\x64", at=0x38),),
        measure=_arm64,
        kernel=True,
    ),
    Leaf(
        name="efi-zboot",
        file="vmlinuz.efi",
        magics=(Magic(content=b"zimg", at=4),),
        measure=_zboot,
        kernel=True,
    ),
)
