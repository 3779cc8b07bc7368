"""Inputs that want to break the audit, made here: bombs, ways out, lies, and damage.

Each is a name and its bytes, the same at every run.
"""

import bz2
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache

import lz4.frame  # type: ignore[import-untyped] # lz4 has no types
import zstandard

from holdfast.audit.tree import Kind
from tests.audit.unpack.boxes import (
    SYSTEM,
    android_boot,
    chk,
    cpio,
    fit,
    kernel,
    lzma_alone,
    multi,
    noise,
    seama,
    sparse,
    squeezed,
    tar,
    tplink,
    trx,
    uimage,
    zimage,
)
from tests.audit.unpack.squashfs_maker import Item, Maker
from tests.audit.unpack.yaffs_writer import Writer

Input = tuple[str, bytes]

CANARY = "holdfast-canary"
UP = "../" * 30
MEGABYTE = 1 << 20


# --- bombs --------------------------------------------------------------------------------------
def zipped(files: Mapping[str, bytes]) -> bytes:
    """Make a zip archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def sparse_tar(size: int) -> bytes:
    """Make a tar archive with one file that is nothing but a hole (GNU's form)."""
    head = bytearray(tar({"hole": b""})[:512])
    head[156:157] = b"S"
    head[386:398] = b"%011o\0" % size if size < 8**11 else b"\x80" + size.to_bytes(11, "big")
    head[483:495] = b"\x80" + size.to_bytes(11, "big")
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + bytes(1024)


def sparse_of(size: int) -> bytes:
    """Make an Android sparse image of nothing but holes."""
    block, count = 1 << 20, size >> 20
    head = struct.pack("<IHHHHIIII", 0xED26FF3A, 1, 0, 28, 12, block, count, 1, 0)
    return head + struct.pack("<HHII", 0xCAC3, 0, count, 12)


@cache
def _zeros() -> bytes:
    return bytes(40 * MEGABYTE)


def _some() -> bytes:
    return _zeros()[: 20 * MEGABYTE]


@cache
def _gzip_of_zeros() -> bytes:
    one = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(one.compress(_zeros()) for _ in range(3)) + one.flush()


def _repeated(times: int, pack: Callable[[bytes], bytes], content: bytes) -> bytes:
    for _ in range(times):
        content = pack(content)
    return content


def _four_archives(content: bytes) -> bytes:
    return squeezed(tar({f"{number}.tar.gz": content for number in range(4)}))


def _in_system(path: str, content: bytes) -> bytes:
    return cpio({**SYSTEM, path: content})


def _squashfs_of(content: bytes) -> bytes:
    return Maker().make({"inner.sqsh": Item(kind=Kind.FILE, content=content)})


MAGICS = (b"hsqs", b"\x1f\x8b\x08\0", b"]\0\0\x80\0", b"PK\3\4", b"070701", b"UBI#", b"BZh9")
# Little that becomes much; each is for a child of its own.
BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": _gzip_of_zeros,
    "gzip in gzip": lambda: squeezed(_gzip_of_zeros()),
    "gzip members": lambda: squeezed(_zeros()[: 10 * MEGABYTE]) * 50,
    "xz": lambda: lzma.compress(_zeros(), preset=0),
    "xz streams": lambda: lzma.compress(_zeros()[: 10 * MEGABYTE], preset=0) * 50,
    "lzma": lambda: lzma_alone(_zeros()),
    "bzip2": lambda: bz2.compress(_zeros()),
    "zstd": lambda: zstandard.ZstdCompressor().compress(_zeros()) * 20,
    "lz4": lambda: bytes(lz4.frame.compress(_zeros())) * 3,
    "zip": lambda: zipped({f"{number}.bin": _some() for number in range(8)}),
    "tar in gzip": lambda: squeezed(tar({f"{n}.bin": _some() for n in range(8)})),
    "tar holes": lambda: sparse_tar(1 << 40),
    "sparse image": lambda: sparse_of(1 << 40),
    "cpio in gzip": lambda: squeezed(cpio({f"{n}": _some() for n in range(8)})),
    "tree of archives": lambda: _repeated(12, _four_archives, cpio({"x": bytes(MEGABYTE)})),
    "zip in zip": lambda: _repeated(60, lambda inner: zipped({"in.zip": inner}), b"x" * 5000),
    "gzip sixty times": lambda: _repeated(60, squeezed, cpio(SYSTEM)),
    "uImage sixty times": lambda: _repeated(60, uimage, cpio(SYSTEM)),
    "squashfs": lambda: Maker(block=MEGABYTE, fragments=False).make(
        {f"{n}": Item(kind=Kind.FILE, content=_some()) for n in range(6)}
    ),
    "squashfs in squashfs": lambda: _repeated(30, _squashfs_of, noise(9000)),
    "many names": lambda: squeezed(cpio({f"d/{number}": b"" for number in range(60_000)})),
    "many folders": lambda: squeezed(cpio({f"{number}/x": b"" for number in range(30_000)})),
    "many volumes": lambda: (cpio({"etc/x": b"1"}) + b"\xff" * 200) * 3000,
    "many roots": lambda: b"".join(
        _in_system("etc/number", b"%d" % number) + b"\xff" * 200 for number in range(60)
    ),
    "only magics": lambda: b"".join(MAGICS) * 200_000,
    "only jffs2": lambda: b"\x85\x19\x01\xe0\x0c\0\0\0" * 500_000,
    "only boot sectors": lambda: (bytes(510) + b"\x55\xaa") * 20_000,
    "only super blocks": lambda: (bytes(0x38) + b"\x53\xef" + bytes(6)) * 200_000,
    "kernels without end": lambda: (b"Linux version 4.4.4 (x@y) (gcc)\n" + b"070701" * 20) * 50_000,
    "settings without end": lambda: (b"IKCFG_ST" + squeezed(b"CONFIG_")[:18]) * 100_000,
    "passwords without end": lambda: _in_system(
        "etc/shadow", b"root:$1$aa$bbbbbbbbbbbbbbbbbbbbbb:0:0:9:7:::\n" * 30_000
    ),
    "scripts without end": lambda: _in_system(
        "etc/init.d/rcS", b"if [ a ]; then for x in *; do\n" * 40_000
    ),
    "a script that calls itself": lambda: _in_system(
        "etc/init.d/rcS", b"#!/bin/sh\n. /etc/init.d/rcS\n/etc/init.d/rcS &\n" * 2000
    ),
    "one long line": lambda: _in_system("etc/inittab", b"::respawn:" + b"$(" * 400_000),
    "certificates without end": lambda: _in_system(
        "etc/x.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n" * 60_000
    ),
    "strings of versions": lambda: _in_system(
        "bin/x", b"\x7fELF" + b"BusyBox v1.1.1 OpenSSL 1.0.1 dropbear_2012.55\0" * 60_000
    ),
}


# --- ways out -----------------------------------------------------------------------------------
TEMPORARY = "/tmp"  # noqa: S108 - where an escape would be seen
TARGETS = (f"{UP}tmp/{CANARY}", f"{TEMPORARY}/{CANARY}", f"{UP}{CANARY}",
           f"x/../../../../{CANARY}", f"./../{CANARY}", f"..\\..\\{CANARY}",
           f"/{TEMPORARY}//{CANARY}", f"C:\\{CANARY}")  # fmt: skip


def ways_out() -> Iterator[Input]:
    """Give archives whose names and links lead elsewhere."""
    for number, path in enumerate(TARGETS):
        yield f"tar {number}", tar({path: b"hostile", "etc/x": b"1"})
        yield f"cpio {number}", cpio({path: b"hostile", "etc/x": b"1"})
        yield f"zip {number}", zipped({path: b"hostile", "etc/x": b"1"})
        yield f"gzip name {number}", _named_gzip(path)
        yield f"ar {number}", _ar({path: b"hostile"})
    places = (("abs", f"{TEMPORARY}/{CANARY}"), ("up", f"{UP}tmp/{CANARY}"), ("etc", "/etc"))
    for name, target in places:
        for kind in ("link", "hard"):
            yield f"tar {kind} {name}", _link_then_write(target, kind)
        yield f"cpio link {name}", cpio({"x": f"->{target}", "x/file": b"hostile"})
        yield f"cpio folder {name}", cpio({"x": f"->{target}", "x": b"hostile"})  # noqa: F601
        yield f"zip link {name}", _zip_link(target)
        yield (
            f"squashfs link {name}",
            Maker().make(
                {"etc": Item(kind=Kind.LINK, target=target.encode()), "bin": Item(kind=Kind.FOLDER)}
            ),
        )
    yield (
        "links in circles",
        cpio({"a": "->b", "b": "->a", "etc": "->etc/etc", "bin": "->/bin", "lib": "->lib/../lib"}),
    )
    yield "a long chain of links", cpio({f"{n}": f"->{n + 1}" for n in range(3000)})
    yield "links to everything", cpio(
        {**SYSTEM, "etc/shadow": "->/etc/shadow", "etc/passwd": "->/proc/self/environ",
         "etc/inittab": "->/dev/zero", "root": f"->{UP}root", "www": "->/"}
    )  # fmt: skip
    yield "names of volumes", cpio({**SYSTEM, ":kernel@0x0/vmlinux": b"x", ":": b"y", ":/": b"z"})


def _named_gzip(name: str) -> bytes:
    plain = squeezed(cpio({"etc/x": b"1"}))
    return plain[:3] + b"\x08" + plain[4:10] + name.encode() + b"\0" + plain[10:]


def _ar(files: Mapping[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for path, content in files.items():
        out += f"{path[:15]:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        out += content + b"\n" * (len(content) % 2)
    return out


def _link_then_write(target: str, kind: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, sort in (("x", kind), ("x/file", ""), ("x", ""), ("etc/x", "")):
            about = tarfile.TarInfo(name)
            if sort:
                about.type = tarfile.SYMTYPE if sort == "link" else tarfile.LNKTYPE
                about.linkname = target
                archive.addfile(about)
            else:
                about.size = 7
                archive.addfile(about, io.BytesIO(b"hostile"))
    return out.getvalue()


def _zip_link(target: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        about = zipfile.ZipInfo("x")
        about.external_attr = 0o120777 << 16
        archive.writestr(about, target)
        archive.writestr("x/file", b"hostile")
    return out.getvalue()


# --- strange things -----------------------------------------------------------------------------
def strange() -> Iterator[Input]:
    """Give names, nodes and numbers that nobody expects."""
    names = ("new\nline", "\x1b[2J\x1b[31mred", "\r\0hidden", "nbsp\u00a0", "\u202egnp.exe", "-rf",
             "'; touch x; '", "$(touch x)", "%s%n", "a" * 255, "\udcff\udcfe", "con", " ",
             "é" * 200, ".", "...", "~", "*", "x\\y", "<script>alert(1)</script>")  # fmt: skip
    for number, name in enumerate(names):
        clean = name.replace("\0", "")
        yield f"tar name {number}", _tar_name(clean)
        if not any("\ud800" <= letter <= "\udfff" for letter in name):
            yield f"zip name {number}", zipped({f"etc/{clean}": b"x", clean: cpio({"a": b"b"})})
            yield f"cpio name {number}", cpio({f"etc/{clean}": b"x" * 99, "etc/passwd": b"x"})
    yield "tar long name", _tar_name("/".join("d" * 200 for _ in range(2000)))
    yield "cpio deep", cpio({"/".join("d" for _ in range(1500)): b"x"})
    yield "tar deep", tar({"/".join(f"{n}" for n in range(1000)): b"x", "etc/x": b""})
    for size in (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000):
        yield f"cpio size {size:x}", cpio({"x": b"y"}).replace(b"00000001" * 2, b"%08X" % size * 2)
        yield f"uImage size {size:x}", _with(uimage(b"x" * 500), ((12, size),), crc=True)
        yield f"TRX size {size:x}", _with(trx(b"x" * 500, b"y"), ((4, size), (16, size)))
        yield f"SEAMA size {size:x}", _with(seama(b"x" * 500), ((0x2C, size),))
        yield f"CHK size {size:x}", _with(chk(b"x" * 500, b"y"), ((24, size), (28, size)))
        yield f"FIT size {size:x}", _with(fit({"k": b"x" * 500}), ((4, size),))
        yield (
            f"FIT inside {size:x}",
            fit({"k": b"x" * 500}, outside=True).replace(
                struct.pack(">I", 500), struct.pack(">I", size)
            ),
        )
        yield f"sparse size {size:x}", _with(sparse(noise(8192)), ((12, size), (16, size)), "<")
        yield f"Android size {size:x}", _with(android_boot(b"k" * 99, b"r"), ((8, size),), "<")
        yield f"squashfs size {size:x}", _with(_squashfs(), ((40, size),), "<")
        yield f"squashfs inodes {size:x}", _with(_squashfs(), ((4, size),), "<")
        yield f"squashfs block {size:x}", _with(_squashfs(), ((12, size),), "<")
        yield (
            f"squashfs tables {size:x}",
            _with(_squashfs(), tuple((at, size) for at in (48, 56, 64, 72, 80, 88)), "<"),
        )
        yield f"zip size {size:x}", _with(zipped({"x": b"y" * 99}), ((18, size), (22, size)), "<")
    nodes = Maker().make({
        "dev": Item(kind=Kind.FOLDER),
        "dev/mem": Item(kind=Kind.CHARACTER, device=(1, 1), mode=0o666),
        "dev/sda": Item(kind=Kind.BLOCK, device=(8, 0), mode=0o666),
        "dev/pipe": Item(kind=Kind.PIPE), "dev/socket": Item(kind=Kind.SOCKET),
        "bin": Item(kind=Kind.FOLDER), "bin/su": Item(kind=Kind.FILE, mode=0o4755, content=b"x"),
    })  # fmt: skip
    yield "device nodes", nodes
    yield "empty", b"\0"
    yield "one byte", b"x"
    yield "text", b"hello\n" * 1000
    yield "noise", noise(300_000)


def _tar_name(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT,
                      errors="surrogateescape") as archive:  # fmt: skip
        about = tarfile.TarInfo(f"etc/{name}")
        about.size = 1
        archive.addfile(about, io.BytesIO(b"x"))
    return out.getvalue()


def _squashfs() -> bytes:
    return Maker().make({
        "etc": Item(kind=Kind.FOLDER),
        "etc/passwd": Item(kind=Kind.FILE, content=b"root::0:0::/:/bin/sh\n"),
        "bin": Item(kind=Kind.FOLDER),
        "bin/sh": Item(kind=Kind.FILE, content=noise(70_000), mode=0o755),
    })  # fmt: skip


def _with(
    image: bytes, numbers: tuple[tuple[int, int], ...], order: str = ">", *, crc: bool = False
) -> bytes:
    changed = bytearray(image)
    for at, value in numbers:
        changed[at : at + 4] = struct.pack(f"{order}I", value)
    if crc:
        changed[4:8] = bytes(4)
        changed[4:8] = struct.pack(">I", zlib.crc32(changed[:64]))
    return bytes(changed)


# --- damage -------------------------------------------------------------------------------------
def sound() -> dict[str, bytes]:
    """Give a sound image of every format that can be made without a program."""
    root = cpio(SYSTEM)
    return {
        "squashfs 4": _squashfs(),
        "squashfs 3": Maker(version=(3, 1), big=True).make(
            {"x": Item(kind=Kind.FILE, content=root)}
        ),
        "squashfs 2": Maker(version=(2, 1)).make({"x": Item(kind=Kind.FILE, content=root)}),
        "cpio": root,
        "tar": tar(SYSTEM),
        "zip": zipped({"etc/passwd": b"x" * 999, "rootfs.cpio": root}),
        "ar": _ar({"debian-binary": b"2.0\n", "data.tar.gz": squeezed(tar(SYSTEM))}),
        "gzip": squeezed(root),
        "xz": lzma.compress(root),
        "lzma": lzma_alone(root),
        "bzip2": bz2.compress(root),
        "zstd": zstandard.ZstdCompressor().compress(root),
        "lz4": lz4.frame.compress(root),
        "uImage": uimage(multi(squeezed(kernel()), root), kind=4),
        "FIT": fit({"kernel": squeezed(kernel()), "ramdisk": squeezed(root)}),
        "TRX": trx(lzma_alone(kernel()), root),
        "SEAMA": seama(lzma_alone(kernel()) + root),
        "TP-Link": tplink(lzma_alone(kernel()) + root),
        "CHK": chk(squeezed(kernel()), root),
        "Android": android_boot(squeezed(kernel()), squeezed(root)),
        "sparse": sparse(root + bytes(9000)),
        "zImage": uimage(zimage(lzma.compress(kernel(root)))),
        "yaffs": _yaffs(),
        "MBR": _mbr(root),
    }  # fmt: skip


def _yaffs() -> bytes:
    writer = Writer()
    writer.header(3, 1, b"", thing=1, mode=0o40755)
    folder = writer.header(3, 1, b"etc", mode=0o40755)
    for number in range(9):
        writer.content(writer.header(1, folder, b"%d" % number, size=5000), b"y" * 5000)
    return writer.image()


def _mbr(content: bytes) -> bytes:
    sectors = -(-len(content) // 512)
    entries = ((0x80, 0x83, 8, sectors), (0, 5, 8 + sectors, 40))
    table = b"".join(struct.pack("<B3xB3xII", *each) for each in entries).ljust(64, b"\0")
    head = (bytes(446) + table + b"\x55\xaa").ljust(8 * 512, b"\0")
    return (head + content).ljust((8 + sectors + 40) * 512, b"\0")


def damaged(image: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Give variants of an image: cut off, or with bits and whole numbers changed."""
    source = random.Random(seed)  # noqa: S311 - the same each time
    for number in range(count):
        if number % 4 == 0:
            yield image[: source.randrange(1, len(image))]
            continue
        changed = bytearray(image)
        early = source.random() < 0.6  # headers are worth most
        for _ in range(source.choice((1, 3, 10, 40))):
            at = source.randrange(min(len(image), 600) if early else len(image))
            if source.random() < 0.5:
                changed[at] ^= 1 << source.randrange(8)
            else:
                value = source.choice((0, 0xFF, 0x7F, 0x80, source.randrange(256)))
                length = source.choice((1, 2, 4))
                changed[at : at + length] = bytes([value]) * len(changed[at : at + length])
        yield bytes(changed)
