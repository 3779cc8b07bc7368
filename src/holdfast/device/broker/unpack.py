"""Writes a verified image into an empty slot folder. Standard library only."""

import os
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from holdfast.core.errors import NoSpaceError
from holdfast.device.broker.errors import UnpackError
from holdfast.hardening.confine import Capability, Walls, start

DEADLINE_S = 600.0
_WATCH_S = 0.05
_LONGEST_REPORT_BYTES = 16 << 10
_PROGRAMS = ("/usr/local/bin/unsquashfs", "/usr/bin/unsquashfs", "/bin/unsquashfs")
_FULL = b"No space left on device"
_LIMITS = {resource.RLIMIT_CPU: 600, resource.RLIMIT_AS: 2 << 30, resource.RLIMIT_NOFILE: 1024}
# What it takes to give files the owners and permissions that the image says; no device nodes.
_POWERS = frozenset(
    {Capability.CHOWN, Capability.DAC_OVERRIDE, Capability.FOWNER, Capability.FSETID}
)


def unpack(artifact: Path, slot: Path, progress: Callable[[int, int], None]) -> None:
    """Unpack a squashfs image to `slot/rootfs`, which must not exist.

    The program may write below `slot` and nowhere else. As root it keeps the owners of the image,
    setuid bits included: they were signed.

    Args:
        artifact: The verified image.
        slot: Folder of the slot.
        progress: Told of bytes read and bytes in all, of the image.

    Raises:
        NoSpaceError: The disk is full.
        UnpackError: The image is damaged, has device nodes, or took too long.
    """
    program = next((path for path in _PROGRAMS if os.access(path, os.X_OK)), None)
    if program is None:
        error = UnpackError("the program unsquashfs is not installed")
        error.hint = "Install the package squashfs-tools and try again."
        raise error
    command = (
        program, "-no-progress", "-quiet", "-no-xattrs", "-strict-errors",
        "-data-queue", "32", "-frag-queue", "32",
        "-dest", str(slot / "rootfs"), str(artifact),
    )  # fmt: skip
    walls = Walls(
        capabilities=_POWERS,
        own_network=False,
        read=(artifact.parent,),
        write=(slot,),
        limits=_LIMITS,
    )
    report = os.memfd_create("unsquashfs", os.MFD_CLOEXEC)
    try:
        child = start(command, walls, fds={1: report, 2: report})
        status = _watched(child.pid, artifact.stat().st_size, progress)
        said = os.pread(report, _LONGEST_REPORT_BYTES, 0)
    finally:
        os.close(report)
    if status == 0:
        return
    if _FULL in said or _is_full(slot):
        raise NoSpaceError("there is not enough space for the new version")
    lines = said.decode(errors="replace").strip().splitlines() or ["no reason given"]
    raise UnpackError(f"the image cannot be unpacked: {lines[-1][:200]}")


def _watched(pid: int, size: int, progress: Callable[[int, int], None]) -> int:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise UnpackError(f"unpacking took more than {DEADLINE_S:g} seconds")
        progress(min(_bytes_read(pid), size), size)
        time.sleep(_WATCH_S)


def _bytes_read(pid: int) -> int:
    # The image is read about once from beginning to end; good enough for a progress bar.
    with suppress(OSError, ValueError, IndexError):
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
        return int(lines[0].split()[1])
    return 0


def _is_full(folder: Path) -> bool:
    left = os.statvfs(folder)
    return left.f_bavail * left.f_frsize < 1 << 20 or left.f_favail == 0
