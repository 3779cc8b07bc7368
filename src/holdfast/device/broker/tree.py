"""Digest, removal and flushing of an unpacked root file system. Standard library only.

`python -I -m holdfast.device.broker.tree FOLDER` prints the digest.
"""

import ctypes
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from holdfast.hardening.confine import Capability, Walls, start

_CHUNK_BYTES = 256 << 10
_DIGEST_CHARS = 64


def _entries(root: int, prefix: str) -> Iterator[tuple[str, int, os.DirEntry[str]]]:
    with os.scandir(root) as found:
        ordered = sorted(found, key=lambda entry: entry.name)
    for entry in ordered:
        yield f"{prefix}{entry.name}", root, entry
        if entry.is_dir(follow_symlinks=False):
            child = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
            try:
                yield from _entries(child, f"{prefix}{entry.name}/")
            finally:
                os.close(child)


def digest(folder: Path) -> str:
    """Hash names, kinds, permissions and contents of a tree; times and owners do not count.

    Owners are left out since a device that was not started as root cannot keep them.

    Raises:
        OSError: Something in it cannot be read.
    """
    import hashlib  # noqa: PLC0415 - loads libcrypto, 4 MB that the broker must not carry

    whole = hashlib.sha256()
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for path, parent, entry in _entries(root, ""):
            facts = entry.stat(follow_symlinks=False)
            mode = facts.st_mode
            whole.update(os.fsencode(f"{path}\0{mode:o}\0"))
            if stat.S_ISREG(mode):
                whole.update(f"{facts.st_size}\0".encode())
                _read_content(whole.update, entry.name, parent)
            elif stat.S_ISLNK(mode):
                whole.update(os.fsencode(os.readlink(entry.name, dir_fd=parent)) + b"\0")
            else:
                whole.update(f"{facts.st_rdev}\0".encode())
    finally:
        os.close(root)
    return whole.hexdigest()


def digest_apart(folder: Path) -> str:
    """Hash a tree as `digest` does, in a child that may only read it and takes its memory along.

    Raises:
        OSError: Something in it cannot be read.
    """
    command = (sys.executable, "-I", "-m", "holdfast.device.broker.tree", str(folder))
    walls = Walls(
        capabilities=frozenset({Capability.DAC_OVERRIDE}), own_network=False, read=(folder,)
    )
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    try:
        child = start(command, walls, fds={1: write_end})
    finally:
        os.close(write_end)
    with os.fdopen(read_end, "rb") as answer:
        found = answer.read(_DIGEST_CHARS)
    _, status = os.waitpid(child.pid, 0)
    if status or len(found) != _DIGEST_CHARS:
        raise OSError(f"{folder} cannot be read")
    return found.decode("ascii")


def _read_content(take: Callable[[bytes], None], name: str, parent: int) -> None:
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    try:
        while chunk := os.read(handle, _CHUNK_BYTES):
            take(chunk)
    finally:
        os.close(handle)


def remove(name: str, parent: int) -> None:
    """Remove a tree below an open folder, following no link; what is missing is fine."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        pass
    else:
        return
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        if os.fstat(folder).st_uid == os.geteuid():
            os.fchmod(folder, 0o700)  # a read-only folder of the image, where nobody is root
        with os.scandir(folder) as found:
            names = [entry.name for entry in found]
        for child in names:
            remove(child, folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)


def empty(folder: Path) -> None:
    """Remove everything in a folder, but not the folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with os.scandir(handle) as found:
            names = [entry.name for entry in found]
        for name in names:
            remove(name, handle)
        os.fsync(handle)
    finally:
        os.close(handle)


def flush(folder: Path) -> None:
    """Write everything on the folder's file system to the disk before going on.

    Raises:
        OSError: The disk failed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if libc.syncfs(handle) != 0:
            raise OSError(ctypes.get_errno(), "syncfs failed", str(folder))
    finally:
        os.close(handle)


if __name__ == "__main__":
    sys.stdout.write(digest(Path(sys.argv[1])))
