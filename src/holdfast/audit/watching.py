"""Watches a confined child from outside: what it writes, what memory it takes; and ends it."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from holdfast.audit.unpack.usage import usage_of

_BLOCK_BYTES: Final = 512
_DELETED: Final = " (deleted)"
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Taken(NamedTuple):
    """What a child and all that it started take.

    Attributes:
        size_bytes: In the scratch folder, files without names among them.
        files: Names in the scratch folder.
        memory_bytes: In memory, what is shared counted for each.
        processes: How many.
    """

    size_bytes: int
    files: int
    memory_bytes: int
    processes: int


def taken(group: int, scratch: Path, *, most_bytes: int, most_files: int) -> Taken:
    """Measure a process group and its scratch folder, and stop as soon as it is too much."""
    size, files = usage_of(scratch, most_bytes=most_bytes, most_files=most_files)
    memory = processes = 0
    seen: set[tuple[int, int]] = set()
    for pid in members(group):
        processes += 1
        with suppress(OSError, ValueError, IndexError):
            memory += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
        for about in _deleted(pid, scratch):
            if (about.st_dev, about.st_ino) not in seen:
                seen.add((about.st_dev, about.st_ino))
                size += about.st_blocks * _BLOCK_BYTES
    return Taken(size, files, memory, processes)


def members(group: int) -> Iterator[int]:
    """Find the processes of a group."""
    for place in Path("/proc").iterdir():
        if not place.name.isdecimal():
            continue
        with suppress(OSError, ValueError):
            if os.getpgid(int(place.name)) == group:
                yield int(place.name)


def _deleted(pid: int, scratch: Path) -> Iterator[os.stat_result]:
    """Give the open files of a process that have no name any more."""
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.endswith(_DELETED) and target.startswith(f"{scratch}/"):
                    yield link.stat()


def end(pid: int) -> None:
    """Kill a child with its group, and take its leave."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def remove(folder: Path) -> None:
    """Remove a folder, however deep, closed or crowded hostile hands made it.

    Folders in folders are first moved to the top, so that no path ever gets long.

    Raises:
        OSError: Something in it belongs to somebody else.
    """
    number = 0
    while inner := _emptied(folder):
        for path in inner:
            for deeper in _emptied(path):
                while os.path.lexists(moved := folder / f"{number}"):
                    number += 1
                _open_up(deeper)  # a folder is moved by those who may write to it
                deeper.rename(moved)
            path.rmdir()
    folder.rmdir()


def _emptied(folder: Path) -> list[Path]:
    """Remove the files of a folder, and list its folders."""
    _open_up(folder)
    inner: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                inner.append(folder / entry.name)
            else:
                (folder / entry.name).unlink()
    return inner


def _open_up(folder: Path) -> None:
    """Let the owner enter a folder, and only a folder: a link in its place is not followed."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        Path(f"/proc/self/fd/{handle}").chmod(0o700)
    finally:
        os.close(handle)
