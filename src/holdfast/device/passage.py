"""Lets the device's processes pass closed folders above what they need, and see nothing else there.

A checkout below `/root`, or a temporary folder that only its owner may enter, is closed to the
ids under which the device's processes run. Opening such a folder to everybody is not ours to do.
Instead the launcher takes a view of the files of its own (a mount namespace): in it the closed
folder is replaced by an empty one through which everybody may pass, and which holds nothing but
what the device needs, at the same path as before. Other programs notice nothing.

Standard library only.
"""

import ctypes
import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.core.files import closed_above

_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV = 2, 4
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_MNT_DETACH = 2


def open_up(needed: Iterable[Path]) -> list[str]:
    """Make paths reachable for every id, in a view of the files that only this process has.

    Needs root. It must come before any other thread and any child is started.

    Args:
        needed: Folders that the device's processes use; those that do not exist are left out.

    Returns:
        What could not be done, in words; empty if everything is reachable.
    """
    by_closed: dict[Path, list[Path]] = {}
    for path in sorted({each.resolve() for each in needed if each.exists()}):
        closed = closed_above(path)
        if closed is not None:
            by_closed.setdefault(closed, []).append(path)
    if not by_closed:
        return []
    try:
        with _witness() as others:
            if not _own_view():
                for closed in by_closed:
                    _must_be_unseen(closed, others)
        for closed, paths in by_closed.items():
            _replace(closed, paths)
    except OSError as error:
        names = ", ".join(str(closed) for closed in by_closed)
        return [f"{names} is closed to other users, and no way round it: {error.strerror}"]
    return []


def _replace(closed: Path, needed: list[Path]) -> None:
    """Put an open, otherwise empty folder in place of a closed one."""
    handles = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in needed}
    try:
        _mount("tmpfs", closed, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0711,size=64k")
        for path, handle in handles.items():
            if path.exists():  # it lies in one that is there already
                continue
            _make_passable(path, below=closed)
            _mount(f"/proc/self/fd/{handle}", path, None, _MS_BIND | _MS_REC, None)
    finally:
        for handle in handles.values():
            os.close(handle)


def _make_passable(path: Path, *, below: Path) -> None:
    """Make the folders of a path, for everybody to pass whatever the umask is."""
    for above in reversed([path, *path.parents]):
        if below in above.parents and not above.exists():
            above.mkdir()
            above.chmod(0o711)


@contextmanager
def _witness() -> Iterator[Path]:
    """Keep a process in the view that this one has now; give what the kernel says it sees."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_end)
        os.read(read_end, 1)  # until the other end is closed
        os._exit(0)
    os.close(read_end)
    try:
        yield Path(f"/proc/{pid}/mountinfo")
    finally:
        os.close(write_end)
        os.waitpid(pid, 0)


def _must_be_unseen(closed: Path, others: Path) -> None:
    """Try with a fresh folder, which nobody misses, whether others see what is mounted there.

    Raises:
        OSError: They do, or it could not be tried.
    """
    probe = closed / f".holdfast-{os.urandom(8).hex()}"
    probe.mkdir(mode=0o700)
    try:
        _mount("tmpfs", probe, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0700,size=4k")
        device = probe.stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        seen = number in (line.split()[2] for line in others.read_text().splitlines())
        _unmount(probe)
    finally:
        probe.rmdir()
    if seen:
        raise OSError(errno.EPERM, "others would see it")


def _own_view() -> bool:
    """Take a view of our own; gives whether it is sure that nobody else sees what we do in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise _failure()
    try:
        # Without this, what follows would be seen by the whole machine.
        _mount("none", Path("/"), None, _MS_REC | _MS_PRIVATE, None)
    except OSError as error:
        # Below chroot the root is a plain folder, of which the kernel cannot be told so.
        if error.errno != errno.EINVAL:
            raise
        return False
    return True


def _unmount(place: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.umount2(os.fsencode(place), _MNT_DETACH)


def _mount(source: str, place: Path, kind: str | None, flags: int, options: str | None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.mount(
        source.encode(),
        os.fsencode(place),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )
    if done != 0:
        raise _failure()


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
