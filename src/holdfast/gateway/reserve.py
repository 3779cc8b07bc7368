"""A file that takes the last words of devices when the database cannot.

Its space is taken from the disk at start, so that it can be written when the disk is full. One
gateway holds one such file by a lock; gateways beside each other take files of other numbers, and
what a dead one left is read by the next that starts.
"""

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from holdfast.gateway.store import EventRow

SIZE_BYTES = 1 << 20
_MOST_FILES = 64
_NAME = re.compile(r"gateway-reserve-(\d{1,2})\.bin")


class Reserve:
    """Lines of JSON at the start of a file of fixed size, zeros after them."""

    def __init__(self, handle: int, size_bytes: int) -> None:
        self._handle = handle
        self._size_bytes = size_bytes
        self._used = len(_lines(handle, size_bytes))

    def add(self, events: Sequence[EventRow]) -> bool:
        """Keep events through a power cut; False if there is no room or the disk fails."""
        lines = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
        if self._used + len(lines) > self._size_bytes:
            return False
        try:
            os.pwrite(self._handle, lines, self._used)
            os.fdatasync(self._handle)
        except OSError:
            return False
        self._used += len(lines)
        return True

    def read(self) -> list[EventRow]:
        """Give what was kept; a line torn by a power cut was never confirmed and is left out."""
        return list(_events(_lines(self._handle, self._size_bytes)))

    @property
    def empty(self) -> bool:
        """Whether nothing waits in it."""
        return self._used == 0

    def clear(self) -> None:
        """Forget everything, once it is in the database. The space stays taken."""
        os.pwrite(self._handle, bytes(self._used), 0)
        os.fdatasync(self._handle)
        self._used = 0

    def close(self) -> None:
        """Give the file free for another gateway."""
        os.close(self._handle)


def take(folder: Path, *, size_bytes: int = SIZE_BYTES) -> Reserve | None:
    """Hold the first file that no other gateway holds; None if the disk is full or read-only."""
    for number in range(_MOST_FILES):
        handle = _locked(folder / f"gateway-reserve-{number}.bin", os.O_CREAT)
        if handle is None:
            continue
        try:
            os.posix_fallocate(handle, 0, size_bytes)
        except OSError:
            os.close(handle)
            return None
        return Reserve(handle, size_bytes)
    return None


def left_by_others(folder: Path) -> Iterator[Reserve]:
    """Hold one after the other the files of gateways that ended without emptying them."""
    for path in sorted(folder.glob("gateway-reserve-*.bin")):
        handle = _locked(path, 0) if _NAME.fullmatch(path.name) else None
        if handle is None:
            continue
        left = Reserve(handle, os.fstat(handle).st_size)
        try:
            yield left
        finally:
            left.close()


def _locked(path: Path, flags: int) -> int | None:
    handle = None
    with suppress(OSError):
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return handle
    if handle is not None:
        os.close(handle)
    return None


def _lines(handle: int, size_bytes: int) -> bytes:
    content = os.pread(handle, size_bytes, 0)
    return content[: content.rfind(b"\n", 0, (content + b"\0").index(b"\0")) + 1]


def _events(lines: bytes) -> Iterator[EventRow]:
    for line in lines.splitlines():
        with suppress(msgspec.DecodeError):
            yield msgspec.json.decode(line, type=EventRow)
