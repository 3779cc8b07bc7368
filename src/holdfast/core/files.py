"""Files that are whole or absent, whatever happens to the power. Standard library only."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from holdfast.core.errors import NoSpaceError

CHUNK_BYTES = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT}
# The group's bit counts as well: of a folder open to others only, the members of its group are
# kept out, and a program that gave up root's user id may still have root's group.
_ANYBODY_MAY_PASS = 0o011


def closed_above(path: Path) -> Path | None:
    """Find the topmost folder above a path that not every user may pass; None if all are open."""
    for above in reversed(path.resolve().parents):
        if above.stat().st_mode & _ANYBODY_MAY_PASS != _ANYBODY_MAY_PASS:
            return above
    return None


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Turn the system's "no space" into ours, naming the place.

    Raises:
        NoSpaceError: The file system of `path` is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceError(f"no space left while writing {path}") from error
        raise


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file at once: readers see the old or the new content, never a part.

    Raises:
        NoSpaceError: The disk is full; the old file is untouched.
    """
    with full_disk_named(path):
        # Not by tempfile, which would cost a resident process of the device more than 1 MB.
        name = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(name, flags, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            name.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                name.unlink()
            raise
        sync_folder(path.parent)


def sha256_of(file: BinaryIO) -> str:
    """Hash what is left of an open file; lower-case hexadecimal."""
    # Loads libcrypto, 4 MB that resident processes of the device need not carry.
    import hashlib  # noqa: PLC0415

    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()
