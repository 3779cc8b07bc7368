"""Builds containers and small systems in pure Python, for tests of the opening."""

import gzip
import io
import lzma
import random
import struct
import tarfile
import zlib
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from holdfast.audit.limits import Limits
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.opening import Result, open_image
from holdfast.audit.unpack.source import Bytes

Files = Mapping[str, bytes | str]

BANNER = b"Linux version 4.14.9 (builder@host) (gcc version 7.3.0) #1 SMP Mon Jan 1 2024\n\0"
SYSTEM: Files = {
    "bin/busybox": b"\x7fELF" + b"BusyBox v1.30.1 (2020-01-01 00:00:00 UTC)\0" * 20,
    "bin/sh": "->busybox",
    "sbin/init": "->../bin/busybox",
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
    "etc/inittab": b"::sysinit:/etc/init.d/rcS\n",
    "lib/libc.so.0": b"\x7fELF libc",
    "etc/init.d/rcS": b"#!/bin/sh\nhttpd\n",
}


def noise(size: int, seed: int = 1) -> bytes:
    """Give bytes that nobody can open."""
    return random.Random(seed).randbytes(size)  # noqa: S311 - the same each time


@cache
def code(size: int, seed: int = 1) -> bytes:
    """Give bytes with the entropy of machine code."""
    source = random.Random(seed)  # noqa: S311 - the same each time
    return b"".join(
        struct.pack(">HH", source.choice((0x2402, 0x8FBF, 0x0C10, 0xAFB0)), source.getrandbits(9))
        for _ in range(size // 4)
    )


def kernel(extra: bytes = b"", size: int = 300_000) -> bytes:
    """Make something that says it is a kernel."""
    return code(size) + BANNER + extra + code(4096, seed=2)


def cpio(files: Files) -> bytes:
    """Make a newc archive; a text that begins with `->` is a link."""
    out = bytearray()
    folders = sorted(
        {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, 9)}
        - set(files)
        - {""}
    )
    entries = [(folder, 0o040755, b"") for folder in folders]
    for path, content in files.items():
        if isinstance(content, str):
            entries.append((path, 0o120777, content.removeprefix("->").encode()))
        else:
            entries.append((path, 0o100644, content))
    for number, (path, mode, content) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        name = path.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        out += bytes(-len(out) % 4) + content
        out += bytes(-len(out) % 4)
    return bytes(out)


def tar(files: Files) -> bytes:
    """Make a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in files.items():
            about = tarfile.TarInfo(path)
            if isinstance(content, str):
                about.type, about.linkname = tarfile.SYMTYPE, content.removeprefix("->")
                archive.addfile(about)
            else:
                about.size, about.mode = len(content), 0o755
                archive.addfile(about, io.BytesIO(content))
    return out.getvalue()


def uimage(payload: bytes, *, kind: int = 2, name: bytes = b"Linux-4.14.9") -> bytes:
    """Make the old form of U-Boot's images."""
    rest = struct.pack(
        ">IIIIIBBBB32s",
        0,
        len(payload),
        0x80000000,
        0x80000000,
        zlib.crc32(payload),
        5,
        5,
        kind,
        0,
        name,
    )
    crc = zlib.crc32(b"\x27\x05\x19\x56" + bytes(4) + rest)
    return b"\x27\x05\x19\x56" + struct.pack(">I", crc) + rest + payload


def multi(*parts: bytes) -> bytes:
    """Make the payload of a uImage with several parts."""
    sizes = b"".join(struct.pack(">I", len(part)) for part in parts) + bytes(4)
    return sizes + b"".join(part + bytes(-len(part) % 4) for part in parts)


def fdt(tree: dict[str, object]) -> bytes:
    """Make a flattened device tree: folders are dictionaries, properties bytes."""
    strings = bytearray()
    structure = bytearray()

    def put(name: str, node: dict[str, object]) -> None:
        nonlocal structure
        structure += struct.pack(">I", 1) + name.encode() + b"\0"
        structure += bytes(-len(structure) % 4)
        for key, value in node.items():
            if isinstance(value, dict):
                put(key, value)
            else:
                assert isinstance(value, bytes)
                structure += struct.pack(">III", 3, len(value), len(strings)) + value
                structure += bytes(-len(structure) % 4)
                strings.extend(key.encode() + b"\0")
        structure += struct.pack(">I", 2)

    put("", tree)
    structure += struct.pack(">I", 9)
    start = 40 + 16
    total = start + len(structure) + len(strings)
    header = struct.pack(
        ">10I",
        0xD00DFEED,
        total,
        start,
        start + len(structure),
        40,
        17,
        16,
        0,
        len(strings),
        len(structure),
    )
    return header + bytes(16) + bytes(structure) + bytes(strings)


def fit(images: dict[str, bytes], *, outside: bool = False) -> bytes:
    """Make a FIT with its images inside the tree, or behind it."""
    if not outside:
        return fdt({"images": {name: {"data": content} for name, content in images.items()}})
    listed: dict[str, object] = {}
    behind = b""
    for name, content in images.items():
        listed[name] = {
            "data-size": struct.pack(">I", len(content)),
            "data-offset": struct.pack(">I", len(behind)),
        }
        behind += content + bytes(-len(content) % 4)
    head = fdt({"images": listed})
    return head + bytes(-len(head) % 4) + behind


def trx(*parts: bytes) -> bytes:
    """Make a TRX of version 1."""
    at, offsets, body = 28, [], b""
    for part in parts:
        offsets.append(at + len(body))
        body += part
    offsets += [0] * (3 - len(offsets))
    rest = struct.pack("<HH3I", 0, 1, *offsets) + body
    return b"HDR0" + struct.pack("<II", 12 + len(rest), ~zlib.crc32(rest) & 0xFFFFFFFF) + rest


def seama(payload: bytes) -> bytes:
    """Make a sealed SEAMA image."""

    def entity(meta: bytes, image: bytes) -> bytes:
        head = b"\x5e\xa3\xa4\x17" + struct.pack(">HHI", 0, len(meta), len(image))
        return head + (bytes(16) if image else b"") + meta + image

    return entity(b"signature=test_router\0\0\0", b"") + entity(b"dev=/dev/mtdblock/2\0", payload)


def tplink(payload: bytes) -> bytes:
    """Put TP-Link's second header in front."""
    header = bytearray(b"\x03\0\0\0ver. 2.0\0" + b"\xff" * 0x200)[:0x200]
    header[0x70:0x74] = struct.pack(">I", 0x200 + len(payload))
    header[0xD0:0x1D0] = bytes(0x100)
    return bytes(header) + payload


def chk(kernel_part: bytes, rootfs: bytes) -> bytes:
    """Make a Netgear CHK image."""
    board = b"U12H000T00_NETGEAR\0\0"
    numbers = (0, 0, len(kernel_part), len(rootfs), 0, 0)
    head = b"*#$^" + struct.pack(">I", 40 + len(board)) + bytes(8)
    return head + struct.pack(">6I", *numbers) + board + kernel_part + rootfs


def android_boot(kernel_part: bytes, ramdisk: bytes) -> bytes:
    """Make an Android boot image of version 0."""
    page = 2048
    head = b"ANDROID!" + struct.pack(
        "<10I", len(kernel_part), 0, len(ramdisk), 0, 0, 0, 0, page, 0, 0
    )
    out = head.ljust(1632, b"\0")
    for part in (out, kernel_part, ramdisk):
        if part is out:
            out = out.ljust(page, b"\0")
        else:
            out += part + bytes(-len(part) % page)
    return out


def sparse(content: bytes, *, block: int = 4096) -> bytes:
    """Make an Android sparse image: blocks of one word are filled, zeros skipped."""
    chunks = []
    for at in range(0, len(content), block):
        piece = content[at : at + block].ljust(block, b"\0")
        if not any(piece):
            chunks.append(struct.pack("<HHII", 0xCAC3, 0, 1, 12))
        elif piece == piece[:4] * (block // 4):
            chunks.append(struct.pack("<HHII", 0xCAC2, 0, 1, 16) + piece[:4])
        else:
            chunks.append(struct.pack("<HHII", 0xCAC1, 0, 1, 12 + block) + piece)
    head = struct.pack("<IHHHHIIII", 0xED26FF3A, 1, 0, 28, 12, block, len(chunks), len(chunks), 0)
    return head + b"".join(chunks)


def zimage(packed: bytes) -> bytes:
    """Make an ARM zImage around a compressed kernel."""
    stub = code(8192)
    size = len(stub) + len(packed) + 64
    head = stub[:0x24] + struct.pack("<III", 0x016F2818, 0, size) + stub[0x30:]
    return head + packed + bytes(64)


def lzma_alone(content: bytes) -> bytes:
    """Compress as boot loaders like it."""
    return lzma.compress(
        content, lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, "preset": 0}]
    )


def squeezed(content: bytes) -> bytes:
    """Compress with gzip, always to the same bytes."""
    return gzip.compress(content, mtime=0)


def opened(
    image: bytes, *, name: str = "image.bin", limits: Mapping[str, int] = MappingProxyType({})
) -> Result:
    """Open an image in this process, without unblob."""
    return open_image(Bytes(image), name, Budget(Limits(**{"seconds": 60, **limits})))


def formats(result: Result) -> list[str]:
    """List what was opened."""
    return [volume.format for volume in result.opened.volumes]
