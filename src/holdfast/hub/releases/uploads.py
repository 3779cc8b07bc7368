"""Files that wait for the release that names them, kept under their digest."""

import hashlib
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from holdfast.core.errors import NoSpaceError
from holdfast.core.files import CHUNK_BYTES, full_disk_named, sync_folder
from holdfast.hub.errors import TooLargeError, UploadError
from holdfast.updates.release import is_sha256

PART = ".part"
# What must stay free for the database and the signed lists.
RESERVE_BYTES = 64 << 20
KEPT_S = 24 * 3600
# Together the files that wait may be so many times as long as the largest: an image, what belongs
# to it, and a second try. One token cannot fill the disk.
WAITING_MOST = 3
_ROOM = Lock()


class Uploads:
    """A folder of uploaded files.

    Attributes:
        folder: Where they lie; a file is called by its SHA-256.
        limit_bytes: Largest file that is taken.
    """

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes

    def path(self, sha256: str) -> Path:
        """Return where the file with this digest lies, or would lie.

        Raises:
            UploadError: It is no digest.
        """
        if not is_sha256(sha256):
            raise UploadError("the address of an upload is its SHA-256 in lower-case hexadecimal")
        return self.folder / sha256

    def has(self, sha256: str) -> bool:
        """Tell whether a file is here."""
        return self.path(sha256).is_file()

    def take(self, stream: BinaryIO, *, sha256: str, size_bytes: int) -> None:
        """Keep what a stream gives, if it is what its address says; else keep nothing.

        Args:
            stream: Where it is read from; more than `size_bytes` is never read.
            sha256: Its digest.
            size_bytes: Its length.

        Raises:
            TooLargeError: It is larger than the hub takes.
            UploadError: It ended early, or has another digest.
            NoSpaceError: There is no room for it.
        """
        place = self.path(sha256)
        handle, part = self._reserved(size_bytes)
        try:
            with full_disk_named(place), os.fdopen(handle, "wb") as file:
                found, length = _copy(stream, file, size_bytes)
                os.fsync(file.fileno())
            _must_be_whole(length, size_bytes)
            _must_be_same(found, sha256)
            part.replace(place)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(self.folder)

    def _reserved(self, size_bytes: int) -> tuple[int, Path]:
        """Take the room for a file at once, so that files which come together do not share it."""
        with _ROOM:
            self.sweep()
            self._must_fit(size_bytes)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=PART)
            try:
                if size_bytes:
                    with full_disk_named(self.folder):
                        os.posix_fallocate(handle, 0, size_bytes)
            except BaseException:
                os.close(handle)
                Path(name).unlink()
                raise
        return handle, Path(name)

    def _must_fit(self, size_bytes: int) -> None:
        if size_bytes > self.limit_bytes:
            error = TooLargeError(f"files up to {self.limit_bytes} bytes are taken here")
            error.hint = "Make the file smaller, or raise `upload_limit_bytes` in hub.toml."
            raise error
        waiting = sum(_size_of(path) for path in self.folder.iterdir())
        if waiting + size_bytes > WAITING_MOST * self.limit_bytes:
            crowded = NoSpaceError(f"files of {waiting} bytes wait for a release already")
            crowded.hint = "Publish what they belong to; what nobody publishes goes after a day."
            raise crowded
        if shutil.disk_usage(self.folder).free < size_bytes + RESERVE_BYTES:
            raise NoSpaceError(f"the hub's disk has no room for {size_bytes} bytes")

    def drop(self, digests: set[str]) -> None:
        """Forget files that a release has taken over."""
        for sha256 in digests:
            self.path(sha256).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Forget files for which no release came within a day, and what was cut off."""
        oldest = time.time() - KEPT_S
        for path in self.folder.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _must_be_whole(length: int, size_bytes: int) -> None:
    if length != size_bytes:
        raise UploadError(f"the upload ended after {length} of {size_bytes} bytes")


def _must_be_same(found: str, sha256: str) -> None:
    if found != sha256:
        raise UploadError("the upload has another digest than its address says")


def _copy(stream: BinaryIO, file: BinaryIO, size_bytes: int) -> tuple[str, int]:
    digest, length = hashlib.sha256(), 0
    while length < size_bytes:
        try:
            chunk = stream.read(min(CHUNK_BYTES, size_bytes - length))
        except OSError:
            # The other side went away.
            break
        if not chunk:
            break
        digest.update(chunk)
        file.write(chunk)
        length += len(chunk)
    file.flush()
    return digest.hexdigest(), length
