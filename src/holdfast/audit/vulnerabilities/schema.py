"""The tables of the vulnerability database, and the seal at its end."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, Final

from holdfast.audit.vulnerabilities.errors import DatabaseError, SealError
from holdfast.core.files import CHUNK_BYTES

APPLICATION_ID: Final = 0x486F5644
VERSION: Final = 1

TABLES: Final = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE source (
    name TEXT PRIMARY KEY, entries INTEGER NOT NULL, published TEXT, imported TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE statement (
    product INTEGER NOT NULL, cve INTEGER NOT NULL, source INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX statement_product ON statement (product);
CREATE INDEX statement_record ON statement (source, cve);
CREATE TABLE cve (
    id INTEGER PRIMARY KEY, title TEXT NOT NULL, cvss REAL, vector TEXT NOT NULL,
    title_rank INTEGER NOT NULL, score_rank INTEGER NOT NULL
);
CREATE TABLE foreign_id (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE kev (
    cve INTEGER PRIMARY KEY, added TEXT NOT NULL, maker TEXT NOT NULL, vendor TEXT NOT NULL,
    product TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL
);
CREATE TABLE epss (cve INTEGER PRIMARY KEY, score INTEGER NOT NULL);
"""
"""Ids of CVE are numbers (`identifiers.number_of`); other catalogues' are negative."""

EPSS_UNIT: Final = 100_000

SOURCES: Final = ("nvd", "cve5", "osv", "alpine", "debian", "linux-streams", "kev", "epss")
"""Their places are the numbers in `statement.source`."""

_SEAL = b"\nholdfast-sha256:"
_SEAL_BYTES: Final = len(_SEAL) + 64


def seal(path: Path) -> str:
    """Append a digest, so that one file and one rename hold both; return it."""
    with path.open("rb+") as file:
        digest = hashlib.sha256()
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
        file.write(_SEAL + digest.hexdigest().encode())
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def unseal(path: Path) -> None:
    """Take the digest off, before the file is written to."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size > _SEAL_BYTES:
            file.seek(-_SEAL_BYTES, os.SEEK_END)
            if file.read(len(_SEAL)) == _SEAL:
                file.truncate(size - _SEAL_BYTES)


def verify(path: Path) -> str:
    """Check a database against its seal; done by the parent before a child reads it.

    Returns:
        The digest of what is sealed.

    Raises:
        DatabaseError: There is none, or it cannot be read.
        SealError: It was changed, or cut short.
    """
    try:
        with path.open("rb") as file:
            return _verify(path, file)
    except FileNotFoundError as error:
        raise DatabaseError(f"there is no vulnerability database {path}") from error
    except OSError as error:
        raise DatabaseError(f"{path} cannot be read: {error.strerror}") from error


def _verify(path: Path, file: BinaryIO) -> str:
    left = file.seek(0, os.SEEK_END) - _SEAL_BYTES
    if left <= 0:
        raise SealError(path)
    file.seek(0)
    digest = hashlib.sha256()
    while left:
        chunk = file.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise SealError(path)
        digest.update(chunk)
        left -= len(chunk)
    if file.read() != _SEAL + digest.hexdigest().encode():
        raise SealError(path)
    return digest.hexdigest()
