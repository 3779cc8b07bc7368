"""The whole database in one signed file, for places without a network.

    holdfast-vulnerabilities 1
    {"key": ..., "made": ..., "packed_bytes": ..., "sha256": ..., "sha256_unpacked": ..., ...}
    SIGNATURE, 128 hexadecimal digits, over the two lines above
    the database, compressed

Nothing of the database is unpacked before the signature and the digest hold.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.errors import (
    DatabaseError,
    DataError,
    OlderDataError,
    SignatureError,
)
from holdfast.audit.vulnerabilities.schema import seal, unseal, verify
from holdfast.audit.vulnerabilities.writing import alone
from holdfast.core.files import CHUNK_BYTES, full_disk_named, sync_folder
from holdfast.updates.keys import PublicKey, SigningKey

ROLE: Final = "vulnerability-data"
"""The role that the signing key is made for: `holdfast keys make --role vulnerability-data`."""

_MAGIC: Final = b"holdfast-vulnerabilities 1\n"
_MOST_HEAD_BYTES = 4096
_SIGNATURE_BYTES = 128
_MOST_BYTES = 8 << 30
_LEVEL = 12
_WINDOW_LOG = 27


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands in the second line.

    Attributes:
        key: Public key, 64 hexadecimal digits.
        made: When the database was last changed, aware.
        packed_bytes: Length of what follows.
        sha256: Digest of what follows.
        unpacked_bytes: Length of the database.
        sha256_unpacked: Digest of the database.
    """

    key: str
    made: datetime
    packed_bytes: int
    sha256: str
    unpacked_bytes: int
    sha256_unpacked: str


def is_export(path: Path) -> bool:
    """Tell whether a file begins like a signed export; it proves nothing."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def write_export(path: Path, out: Path, key: SigningKey) -> Head:
    """Write a database as a signed file.

    Args:
        path: The database.
        out: The file to write; it is exchanged whole.
        key: A key of the role `ROLE`.

    Raises:
        DatabaseError: There is no database, or it is damaged.
        SignatureError: The key is of another role.
        NoSpaceError: The disk is full.
    """
    if key.public.role != ROLE:
        error = SignatureError(f"this is a key of the role {key.public.role}, not of {ROLE}")
        error.hint = f"Make one with `holdfast keys make --role {ROLE}`."
        raise error
    verify(path)
    with Database(path) as database:
        made = datetime.fromisoformat(database.meta("made"))
    with full_disk_named(out), tempfile.TemporaryDirectory(dir=out.absolute().parent) as work:
        plain, packed = Path(work) / "plain", Path(work) / "packed"
        _compact(path, plain)
        whole, size = _digest(plain)
        compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
        with plain.open("rb") as source, packed.open("wb") as target:
            compressor.copy_stream(source, target, size=size)
        digest, packed_bytes = _digest(packed)
        head = Head(
            key=key.public.public,
            made=made,
            packed_bytes=packed_bytes,
            sha256=digest,
            unpacked_bytes=size,
            sha256_unpacked=whole,
        )
        signed = _MAGIC + _line(head)
        signature = key.signer.sign(signed).signature
        complete = Path(work) / "complete"
        with complete.open("wb") as file, packed.open("rb") as rest:
            file.write(signed + signature.encode() + b"\n")
            shutil.copyfileobj(rest, file, CHUNK_BYTES)
            file.flush()
            os.fsync(file.fileno())
        complete.replace(out)
        sync_folder(out.absolute().parent)
    return head


def _compact(path: Path, out: Path) -> None:
    copy = out.with_suffix(".copy")
    shutil.copyfile(path, copy)
    unseal(copy)
    link = sqlite3.connect(copy)
    try:
        link.execute("VACUUM INTO ?", (str(out),))
    except sqlite3.Error as error:
        raise DatabaseError(f"{path} is damaged: {error}") from error
    finally:
        link.close()
        copy.unlink()


def _line(head: Head) -> bytes:
    return json.dumps(msgspec.to_builtins(head), sort_keys=True).encode() + b"\n"


def _digest(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def take_export(path: Path, database: Path, key: PublicKey | str) -> Head:
    """Verify a signed file, and put what is in it in the place of the database.

    Args:
        path: The signed file.
        database: Where it goes.
        key: The key that must have signed it; whole, or its public part in hexadecimal.

    Raises:
        SignatureError: It is not signed by that key, or was altered.
        OlderDataError: It is older than what is there.
        DataError: It cannot be read, or is no signed export.
        BusyError: Another program is changing the database.
        NoSpaceError: The disk is full.
    """
    public = key.public if isinstance(key, PublicKey) else key
    try:
        with path.open("rb") as file:
            head = _verified(path, file, public)
            with alone(database):
                _must_be_newer(head, database)
                _put(path, file, head, database)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return head


def _verified(path: Path, file: BinaryIO, public: str) -> Head:
    """Check signature and digest; leaves the file where the compressed database begins."""
    if file.read(len(_MAGIC)) != _MAGIC:
        raise DataError(f"{path} is no signed export of Holdfast")
    line = file.readline(_MOST_HEAD_BYTES)
    signature = file.read(_SIGNATURE_BYTES + 1)
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(
            bytes.fromhex(signature.decode()), _MAGIC + line
        )
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(f"{path} is not signed by the key {public[:16]}…") from error
    try:
        head = msgspec.convert(json.loads(line), Head, strict=False)
    except (msgspec.MsgspecError, ValueError) as error:
        raise DataError(f"{path} was made by another version of Holdfast") from error
    start = file.tell()
    digest, left = hashlib.sha256(), head.packed_bytes
    while left > 0:
        chunk = file.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise SignatureError(f"{path} is cut short")
        digest.update(chunk)
        left -= len(chunk)
    if file.read(1) or digest.hexdigest() != head.sha256:
        raise SignatureError(f"{path} was altered after it was signed")
    file.seek(start)
    return head


def _must_be_newer(head: Head, path: Path) -> None:
    if not path.exists():
        return
    verify(path)
    with Database(path) as there:
        made = datetime.fromisoformat(there.meta("made"))
    if head.made < made:
        raise OlderDataError(
            f"the export is of {head.made:%Y-%m-%d %H:%M}, "
            f"and what is here of {made:%Y-%m-%d %H:%M}"
        )


def _put(path: Path, file: BinaryIO, head: Head, database: Path) -> None:
    fresh = database.with_name(f".{database.name}.{os.urandom(8).hex()}")
    with full_disk_named(database):
        try:
            _unpack(path, file, head, fresh)
            seal(fresh)
            with Database(fresh):
                pass
            fresh.replace(database)
        finally:
            with suppress(FileNotFoundError):
                fresh.unlink()
        sync_folder(database.parent)


def _unpack(path: Path, file: BinaryIO, head: Head, fresh: Path) -> None:
    if head.unpacked_bytes > _MOST_BYTES:
        raise DataError(f"{path} unpacks to more than {_MOST_BYTES} bytes")
    digest, size = hashlib.sha256(), 0
    unpacker = zstandard.ZstdDecompressor(max_window_size=1 << _WINDOW_LOG)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(handle, "wb") as out, unpacker.stream_reader(file) as source:
            while chunk := source.read(CHUNK_BYTES):
                size += len(chunk)
                if size > head.unpacked_bytes:
                    break
                digest.update(chunk)
                out.write(chunk)
    except zstandard.ZstdError as error:
        raise DataError(f"{path} cannot be unpacked: {error}") from error
    if size != head.unpacked_bytes or digest.hexdigest() != head.sha256_unpacked:
        raise SignatureError(f"{path} does not hold what its head says")
