"""Reader of zip archives: the standard library's, with the modes, links and owners of Unix."""

import io
import lzma
import struct
import zipfile
import zlib
from calendar import timegm
from collections.abc import Iterator
from functools import partial
from typing import Final

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import (
    MOST_PATH,
    PERMISSIONS,
    Content,
    Listing,
    kind_of,
    seconds,
    text,
)
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source

LOCAL: Final = b"PK\x03\x04"
CENTRAL: Final = b"PK\x01\x02"
END: Final = b"PK\x05\x06"
END_WIDE: Final = b"PK\x06\x06"
LOCAL_BYTES: Final = 30
CENTRAL_BYTES: Final = 46
NEWEST: Final = 63  # version of the specification that an entry may need
METHODS: Final = frozenset({0, 8, 9, 12, 14, 93, 95, 98, 99})
ENCRYPTED: Final = 0x1
UNIX: Final = frozenset({3, 19})  # and macOS
DOS: Final = 0
DOS_FOLDER: Final = 0x10
TIMES: Final = 0x5455  # extra fields
OWNERS: Final = 0x7875
LENGTH_FOLLOWS: Final = 0x8  # flag: the length stands behind the content
MOST_MEASURED: Final = 1_000_000  # entries
SEVERAL: Final = 3  # entries in a row that make it sure that this is, or was, an archive
WINDOW: Final = 1 << 20

_END: Final = struct.Struct("<4sHHHHIIH")
_END_WIDE: Final = struct.Struct("<4s36xQQ")
_LOCATOR_BYTES: Final = 20
_UNKNOWN: Final = 0xFFFFFFFF
# What the library raises for bytes that are no archive, or use what it does not know.
_DAMAGE: Final = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
    EOFError,
    OSError,
    IndexError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)


class _File(io.RawIOBase):
    """A source as the library wants it."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source, self._at = source, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def read(self, length: int | None = -1) -> bytes:
        """Read on."""
        rest = max(0, self._source.size_bytes - self._at)
        wanted = rest if length is None or length < 0 else min(length, rest)
        content = self._source.read_at(self._at, wanted)
        self._at += len(content)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go elsewhere."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("before the start")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Give the place."""
        return self._at


def _end_at(source: Source, at: int) -> tuple[int, int] | None:
    """Give end and start of the folder of the archive if its last record is at that place."""
    raw = source.read_at(at, _END.size)
    if len(raw) != _END.size:
        return None
    _, _, _, _, entries, size, offset, _ = _END.unpack(raw)
    end = at
    if _UNKNOWN in (size, offset):
        end = at - _LOCATOR_BYTES - 56
        wide = source.read_at(end, _END_WIDE.size) if end >= 0 else b""
        if not wide.startswith(END_WIDE) or len(wide) != _END_WIDE.size:
            return None
        _, size, offset = _END_WIDE.unpack(wide)
    start = end - size
    # Offsets may count from something that stood before the archive, never from inside it.
    if start < 0 or offset < start or (entries and source.read_at(start, 4) != CENTRAL):
        return None
    return end, start


def _last(source: Source, start: int = 0) -> tuple[int, int] | None:
    """Find the end of the archive that starts at 0, and the length of its folder."""
    at = start
    while at < source.size_bytes:
        window = source.read_at(at, WINDOW + len(END) - 1)
        place = window.find(END)
        while place >= 0:
            found = _end_at(source, at + place)
            if found is not None:
                comment = source.read_at(at + place + _END.size - 2, 2)
                end = at + place + _END.size + int.from_bytes(comment, "little")
                return min(end, source.size_bytes), found[0] - found[1]
            place = window.find(END, place + 1)
        at += WINDOW
    return None


def _local(source: Source, at: int) -> tuple[int, bool] | None:
    """Give where the content of an entry ends, and whether that is known; None if it is none."""
    raw = source.read_at(at, LOCAL_BYTES)
    if len(raw) != LOCAL_BYTES or not raw.startswith(LOCAL):
        return None
    version, flags, method = struct.unpack_from("<HHH", raw, 4)
    size, _, name, extra = struct.unpack_from("<IIHH", raw, 18)
    if version & 0xFF > NEWEST or method not in METHODS or not 0 < name <= MOST_PATH:
        return None
    known = not flags & LENGTH_FOLLOWS and size != _UNKNOWN
    return at + LOCAL_BYTES + name + extra + (size if known else 0), known


def _entries(source: Source) -> tuple[int, int]:
    """Go from entry to entry while their lengths are known; give where that ends, and how many."""
    at = count = 0
    known = True
    while known and count < MOST_MEASURED:
        found = _local(source, at)
        if found is None or found[0] > source.size_bytes:
            break
        at, known = found
        count += 1
    return at, count


def measure(source: Source) -> Measured | None:
    """Look at the headers up to the end; without an end, several of them are a damaged archive."""
    if _local(source, 0) is None:
        return None
    at, count = _entries(source)
    last = _last(source, at)
    if last is not None:
        return Measured(size_bytes=last[0], format="zip")
    return Measured(size_bytes=source.size_bytes, format="zip") if count >= SEVERAL else None


def _extras(extra: bytes) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        fields[kind] = extra[at + 4 : at + 4 + length]
        at += 4 + length
    return fields


def _owners(field: bytes) -> tuple[int, int]:
    """Read the field with lengths before numbers; root if there is none."""
    if len(field) < 2 or field[0] != 1 or len(field) < 3 + field[1]:  # noqa: PLR2004
        return 0, 0
    uid, rest = field[2 : 2 + field[1]], field[2 + field[1] :]
    gid = rest[1 : 1 + rest[0]]
    return int.from_bytes(uid[:4], "little"), int.from_bytes(gid[:4], "little")


def _mtime(info: zipfile.ZipInfo, times: bytes) -> int:
    if len(times) >= 5 and times[0] & 1:  # noqa: PLR2004
        return int.from_bytes(times[1:5], "little", signed=True)
    try:
        return seconds(timegm((*info.date_time, 0, 0, 0)))
    except ValueError:
        return 0


def _kind(info: zipfile.ZipInfo, mode: int) -> Kind:
    if info.filename.endswith("/"):
        return Kind.FOLDER
    if info.create_system in UNIX and (kind := kind_of(mode)) is not None:
        return kind
    return Kind.FOLDER if info.external_attr & DOS_FOLDER else Kind.FILE


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.flag_bits & ENCRYPTED:
        raise FormatError("the entry of the archive is encrypted")
    try:
        with archive.open(info) as entry:
            # One byte more than there should be makes the library look at the check sum.
            return entry.read(info.file_size + 1)
    except _DAMAGE as error:
        raise FormatError(f"the entry of the archive is damaged: {type(error).__name__}") from None


def _node(path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: Budget) -> Node:
    mode = info.external_attr >> 16
    kind, extras = _kind(info, mode), _extras(info.extra)
    read, target = None, b""
    if kind is Kind.FILE:
        read = Content(budget, info.file_size, partial(_read, archive, info))
    elif kind is Kind.LINK:
        if info.file_size > MOST_PATH:
            raise FormatError("a link is too long")
        target = _read(archive, info)
    uid, gid = _owners(extras.get(OWNERS, b""))
    return Node(
        path=path,
        kind=kind,
        mode=mode & PERMISSIONS or (0o755 if kind is Kind.FOLDER else 0o644),
        uid=uid,
        gid=gid,
        size_bytes=info.file_size if read else 0,
        target=text(target),
        mtime=_mtime(info, extras.get(TIMES, b"")),
        read=read,
    )


def _name(info: zipfile.ZipInfo) -> bytes:
    # The library was told Latin-1 for names that are not UTF-8: so their bytes survive.
    utf8 = info.flag_bits & 0x800
    name = info.filename.encode("utf-8" if utf8 else "latin-1")
    return name.replace(b"\\", b"/") if info.create_system == DOS else name


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name."""
    last = _last(source)
    if last is None:
        raise FormatError("the archive has no end")
    if last[1] // CENTRAL_BYTES > budget.limits.files:  # the library would take them all in
        raise LimitError(limit="files", most=budget.limits.files)
    try:
        archive = zipfile.ZipFile(_File(source), metadata_encoding="latin-1")
    except _DAMAGE as error:
        raise FormatError(f"the folder of the archive is damaged: {error}") from None
    listing, trouble = Listing(budget), ""
    for info in archive.infolist():
        try:
            path = listing.path_of(_name(info))
            listing.add(_node(path, archive, info, budget))
        except FormatError as error:
            trouble = str(error)
    yield from listing
    if trouble:
        raise FormatError(trouble)


READER: Final = FileSystem(name="zip", magics=(Magic(content=LOCAL),), measure=measure, nodes=nodes)
