"""Containers of boot loaders and kernels: uImage, FIT, Android boot and sparse images, zImage."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.devicetree import Property, properties, total_size
from holdfast.audit.unpack.reader import Container, Magic, Measured, Part
from holdfast.audit.unpack.source import Region, Source, exactly

# --- uImage, the old form of U-Boot -------------------------------------------------------------
_UIMAGE: Final = b"\x27\x05\x19\x56"
_UIMAGE_BYTES: Final = 64
_UIMAGE_TYPES: Final = {
    1: "standalone",
    2: "kernel",
    3: "ramdisk",
    4: "multi",
    5: "firmware",
    6: "script",
    7: "filesystem",
    8: "devicetree",
}
_MULTI, _SCRIPT = 4, 6
_MOST_PARTS: Final = 64


def _uimage(source: Source) -> Measured | None:
    header = source.read_at(0, _UIMAGE_BYTES)
    if len(header) < _UIMAGE_BYTES:
        return None
    (crc,) = struct.unpack_from(">I", header, 4)
    if zlib.crc32(header[:4] + bytes(4) + header[8:]) != crc:
        return None
    (size,) = struct.unpack_from(">I", header, 12)
    kind = _UIMAGE_TYPES.get(header[30], f"type {header[30]}")
    return Measured(
        size_bytes=min(_UIMAGE_BYTES + size, source.size_bytes), format=f"uImage {kind}"
    )


def _uimage_parts(source: Source, budget: Budget) -> Iterator[Part]:
    header = exactly(source, 0, _UIMAGE_BYTES)
    name = header[32:64].rstrip(b"\0").decode("ascii", "replace")
    kind = header[30]
    if kind not in {_MULTI, _SCRIPT}:
        rest = source.size_bytes - _UIMAGE_BYTES
        known = _UIMAGE_TYPES.get(kind, "payload")
        yield Part(
            name=known if known != "firmware" else name or known,
            offset=_UIMAGE_BYTES,
            source=Region(source, _UIMAGE_BYTES, rest),
        )
        return
    sizes: list[int] = []
    at = _UIMAGE_BYTES
    while size := int.from_bytes(exactly(source, at, 4), "big"):
        budget.tick()
        sizes.append(size)
        at += 4
        if len(sizes) > _MOST_PARTS:
            raise FormatError("the uImage lists too many parts")
    at += 4
    for number, size in enumerate(sizes):
        if at + size > source.size_bytes:
            raise FormatError(f"part {number} of the uImage leads out of it")
        name = "script" if kind == _SCRIPT else ("kernel", "ramdisk", "devicetree")[min(number, 2)]
        yield Part(name=name, offset=at, source=Region(source, at, size))
        at += size + -size % 4


# --- FIT: a device tree with images in it -------------------------------------------------------
_FDT: Final = b"\xd0\x0d\xfe\xed"


class _Image(NamedTuple):
    name: str
    offset: int
    size: int


def _fit(source: Source) -> Measured | None:
    total = total_size(source)
    if total is None or total > source.size_bytes:
        return None
    try:
        images = _images(source)
    except FormatError:
        return None
    if not images:
        return None
    end = max([total, *(each.offset + each.size for each in images)])
    return Measured(size_bytes=min(end, source.size_bytes), format="FIT")


def _images(source: Source) -> list[_Image]:
    """Find the images of a FIT, inside the tree or behind it.

    Raises:
        FormatError: The tree is damaged.
    """
    total = total_size(source) or 0
    found: dict[str, dict[str, Property]] = {}
    for each in properties(source):
        parts = each.node.split("/")
        if len(parts) == 3 and parts[1] == "images":  # noqa: PLR2004 - "", "images", name
            found.setdefault(parts[2], {})[each.name] = each
    images: list[_Image] = []
    for name, known in found.items():
        if (content := known.get("data")) is not None:
            images.append(_Image(name, content.offset, content.size))
        elif (size := known.get("data-size")) is not None:
            position, offset = known.get("data-position"), known.get("data-offset")
            if position is not None:
                start = _cell(source, position)
            elif offset is not None:
                start = total + -total % 4 + _cell(source, offset)
            else:
                continue
            images.append(_Image(name, start, _cell(source, size)))
    return images


def _cell(source: Source, one: Property) -> int:
    return int.from_bytes(exactly(source, one.offset, min(one.size, 8)), "big")


def _fit_parts(source: Source, budget: Budget) -> Iterator[Part]:
    for name, offset, size in _images(source):
        budget.tick()
        if offset + size > source.size_bytes:
            raise FormatError(f"the image {name!r} of the FIT leads out of it")
        if size:
            yield Part(name=name, offset=offset, source=Region(source, offset, size))


# --- Android boot image, versions 0 to 4 --------------------------------------------------------
_ANDROID: Final = b"ANDROID!"
_SECOND_LAYOUT: Final = 3  # from this version on
_PAGE: Final = 4096


def _android_layout(source: Source) -> list[tuple[str, int, int]]:
    header = source.read_at(0, 1660)
    if len(header) < 1580:  # noqa: PLR2004 - the shortest header
        return []
    (version,) = struct.unpack_from("<I", header, 40)
    if _SECOND_LAYOUT <= version <= _SECOND_LAYOUT + 1:
        kernel, ramdisk = struct.unpack_from("<II", header, 8)
        sizes, page = [("kernel", kernel), ("ramdisk", ramdisk)], _PAGE
    else:
        kernel, ramdisk, second, page = (
            struct.unpack_from("<I", header, at)[0] for at in (8, 16, 24, 36)
        )
        sizes = [("kernel", kernel), ("ramdisk", ramdisk), ("second", second)]
    if page & (page - 1) or not 1 << 9 <= page <= 1 << 16 or not kernel:
        return []
    layout, at = [], page
    for name, size in sizes:
        if at + size > source.size_bytes:
            return []
        if size:
            layout.append((name, at, size))
        at += size + -size % page
    return layout


def _android(source: Source) -> Measured | None:
    layout = _android_layout(source)
    if not layout:
        return None
    _, at, size = layout[-1]
    end = at + size
    return Measured(size_bytes=min(end + -end % _PAGE, source.size_bytes), format="Android boot")


def _android_parts(source: Source, _: Budget) -> Iterator[Part]:
    for name, offset, size in _android_layout(source):
        yield Part(name=name, offset=offset, source=Region(source, offset, size))


# --- Android sparse image -----------------------------------------------------------------------
_SPARSE: Final = b"\x3a\xff\x26\xed"
_RAW, _FILL, _SKIP, _CRC = 0xCAC1, 0xCAC2, 0xCAC3, 0xCAC4
_MOST_CHUNKS: Final = 1 << 20


class _Chunk(NamedTuple):
    kind: int
    start: int  # in what it becomes
    length: int
    offset: int  # of its content in the source


def _chunks(source: Source, budget: Budget | None = None) -> Iterator[_Chunk]:
    header = exactly(source, 0, 28)
    head_size, chunk_head, block, _, count = struct.unpack_from("<HHIII", header, 8)
    if count > _MOST_CHUNKS or head_size < 28 or chunk_head < 12 or block % 4 or not block:  # noqa: PLR2004
        raise FormatError("the header of the sparse image makes no sense")
    at, start = head_size, 0
    for _number in range(count):
        if budget is not None:
            budget.tick()
        kind, blocks, total = struct.unpack("<HxxII", exactly(source, at, 12))
        body = total - chunk_head
        length = 0 if kind == _CRC else blocks * block
        wanted = {_RAW: length, _FILL: 4, _SKIP: 0, _CRC: 4}.get(kind)
        if wanted is None or body != wanted:
            raise FormatError("a chunk of the sparse image makes no sense")
        yield _Chunk(kind, start, length, at + chunk_head)
        start += length
        at += total
    yield _Chunk(0, start, 0, at)


def _sparse(source: Source) -> Measured | None:
    if source.read_at(4, 2) != b"\x01\x00":
        return None
    try:
        end = 0
        for each in _chunks(source):
            end = each.offset
    except FormatError:
        return None
    if end > source.size_bytes:
        return None
    return Measured(size_bytes=end, format="Android sparse")


class _Sparse:
    """What a sparse image stands for, without making it."""

    def __init__(self, source: Source, chunks: list[_Chunk]) -> None:
        self._source = source
        self._chunks = [each for each in chunks if each.length]
        self.size_bytes = chunks[-1].start

    def read_at(self, offset: int, length: int) -> bytes:
        from bisect import bisect_right  # noqa: PLC0415 - few images need it

        end = min(offset + max(length, 0), self.size_bytes)
        number = bisect_right(self._chunks, offset, key=lambda each: each.start) - 1
        out = bytearray()
        while offset < end:
            each = self._chunks[number]
            inside = offset - each.start
            size = min(each.length - inside, end - offset)
            if each.kind == _RAW:
                out += exactly(self._source, each.offset + inside, size)
            elif each.kind == _FILL:
                word = exactly(self._source, each.offset, 4)
                shift = inside % 4
                out += (word * (size // 4 + 2))[shift : shift + size]
            else:
                out += bytes(size)
            offset += size
            number += 1
        return bytes(out)


def _sparse_parts(source: Source, budget: Budget) -> Iterator[Part]:
    chunks = list(_chunks(source, budget))
    budget.must_fit(chunks[-1].start)
    yield Part(name="content", offset=0, source=_Sparse(source, chunks))


CONTAINERS: Final = (
    Container(
        name="uimage", magics=(Magic(content=_UIMAGE),), measure=_uimage, parts=_uimage_parts
    ),
    Container(name="fit", magics=(Magic(content=_FDT),), measure=_fit, parts=_fit_parts),
    Container(
        name="android-boot",
        magics=(Magic(content=_ANDROID),),
        measure=_android,
        parts=_android_parts,
    ),
    Container(
        name="android-sparse",
        magics=(Magic(content=_SPARSE),),
        measure=_sparse,
        parts=_sparse_parts,
    ),
)
