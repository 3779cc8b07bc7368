"""Headers of installed packages in an rpm database, kept by SQLite or as `ndb`."""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Final, NamedTuple

MOST_HEADERS: Final = 20_000
_MOST_HEADER: Final = 16 * 1024 * 1024
_MOST_ENTRIES: Final = 1000
_MOST_TEXT: Final = 4096
_MOST_PATHS: Final = 100_000
_STEPS_AT_ONCE: Final = 10_000
_MOST_STEPS: Final = 50_000_000
_SQLITE: Final = b"SQLite format 3\0"
_NDB: Final = b"RpmP"
_NDB_SLOT: Final = b"Slot"
_NDB_BLOCK: Final = 16
_NAME, _VERSION, _RELEASE, _LICENCE, _SOURCE = 1000, 1001, 1002, 1014, 1044
_FOLDER_OF, _BASENAMES, _FOLDERS = 1116, 1117, 1118
_INT32, _STRING, _STRINGS, _TEXT = 4, 6, 8, 9


class Header(NamedTuple):
    """What matters of one package."""

    name: str
    version: str
    release: str
    licence: str
    source: str
    files: tuple[str, ...]


def rpm_headers(content: bytes) -> Iterator[Header]:
    """Read the headers in a database; damaged ones are left out."""
    if content.startswith(_SQLITE):
        blobs = _sqlite(content)
    elif content.startswith(_NDB):
        blobs = _ndb(content)
    else:
        return
    for number, blob in enumerate(blobs):
        if number >= MOST_HEADERS:
            return
        header = _header(blob)
        if header is not None:
            yield header


class _Steps:
    """Ends a query that never would."""

    def __init__(self) -> None:
        self._taken = 0

    def one_more(self) -> bool:
        """Tell SQLite to stop after too many steps."""
        self._taken += _STEPS_AT_ONCE
        return self._taken > _MOST_STEPS


def _sqlite(content: bytes) -> Iterator[bytes]:
    """The database is read from memory; it is a file of the image and may be hostile."""
    try:
        with closing(sqlite3.connect(":memory:")) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2 * _MOST_HEADER)
            database.set_progress_handler(_Steps().one_more, _STEPS_AT_ONCE)
            database.deserialize(content)
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            kind = database.execute(
                "SELECT type FROM sqlite_master WHERE name = 'Packages'"
            ).fetchone()
            if kind != ("table",):
                return
            for (blob,) in database.execute("SELECT blob FROM Packages"):
                if isinstance(blob, bytes):
                    yield blob
    except sqlite3.Error:
        return


def _ndb(content: bytes) -> Iterator[bytes]:
    """Slots of 16 bytes say where blobs start, counted in blocks of 16 bytes."""
    if len(content) < 32:  # noqa: PLR2004 - length of its own header
        return
    (pages,) = struct.unpack_from("<I", content, 12)
    for at in range(32, min(pages * 4096, len(content) - 15), 16):
        magic, index, block, count = struct.unpack_from("<4sIII", content, at)
        if magic != _NDB_SLOT or not index or not count:
            continue
        start = block * _NDB_BLOCK
        if start + 16 > len(content):
            continue
        (size,) = struct.unpack_from("<I", content, start + 12)
        if size <= _MOST_HEADER:
            yield content[start + 16 : start + 16 + size]


def _header(blob: bytes) -> Header | None:
    """Index entries of 16 bytes (tag, type, offset, count), then a store that they point into."""
    if not 8 <= len(blob) <= _MOST_HEADER:  # noqa: PLR2004 - two counts
        return None
    entries, size = struct.unpack_from(">II", blob)
    if entries > _MOST_ENTRIES or 8 + 16 * entries + size > len(blob):
        return None
    store = blob[8 + 16 * entries :][:size]
    tags: dict[int, tuple[int, int, int]] = {}
    for number in range(entries):
        tag, kind, offset, count = struct.unpack_from(">IIII", blob, 8 + 16 * number)
        tags.setdefault(tag, (kind, offset, count))
    name, version = _text(store, tags.get(_NAME)), _text(store, tags.get(_VERSION))
    if not name or not version:
        return None
    return Header(
        name=name,
        version=version,
        release=_text(store, tags.get(_RELEASE)),
        licence=_text(store, tags.get(_LICENCE)),
        source=_text(store, tags.get(_SOURCE)),
        files=_files(store, tags),
    )


def _text(store: bytes, entry: tuple[int, int, int] | None) -> str:
    if entry is None or entry[0] not in {_STRING, _STRINGS, _TEXT}:
        return ""
    part = store[entry[1] : entry[1] + _MOST_TEXT]
    return part.split(b"\0", 1)[0].decode(errors="replace")


def _files(store: bytes, tags: dict[int, tuple[int, int, int]]) -> tuple[str, ...]:
    names, folders = _texts(store, tags.get(_BASENAMES)), _texts(store, tags.get(_FOLDERS))
    kind, offset, count = tags.get(_FOLDER_OF, (0, 0, 0))
    if kind != _INT32 or count > _MOST_PATHS or offset + 4 * count > len(store):
        return ()
    indices = struct.unpack_from(f">{count}I", store, offset)
    return tuple(
        (folders[index] + name).lstrip("/")
        for index, name in zip(indices, names, strict=False)
        if index < len(folders)
    )


def _texts(store: bytes, entry: tuple[int, int, int] | None) -> list[str]:
    if entry is None or entry[0] != _STRINGS or entry[2] > _MOST_PATHS:
        return []
    parts = store[entry[1] :].split(b"\0", entry[2])[: entry[2]]
    return [part[:_MOST_TEXT].decode(errors="replace") for part in parts]
