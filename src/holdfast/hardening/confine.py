"""Starts programs behind walls: own uid, no capabilities, no network, few files, few calls.

Each wall that cannot be put up is named in words, so that the status screen can say it; nothing
is assumed to hold because it was asked for (tests/device/broker/test_attack.py attacks it).
Standard library only.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from holdfast.core import landlock
from holdfast.core.errors import HoldfastError
from holdfast.core.landlock import program_folders
from holdfast.hardening import seccomp

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/nonexistent",  # or Python asks the system's user database, which stays in memory
    "MALLOC_ARENA_MAX": "1",  # a second thread must not cost a second heap
}
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP = 1, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT = 1, 2, 4, 8, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_CAPABILITY_VERSION = 0x20080522
_LAST_CAPABILITY = 63
_HIGHEST_FD = 4096

_libc = ctypes.CDLL(None, use_errno=True)


class Capability(IntEnum):
    """The few powers of root that anything here keeps."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    DAC_READ_SEARCH = 2
    FOWNER = 3
    FSETID = 4
    SETGID = 6
    SETUID = 7


class StartError(HoldfastError):
    """A program could not be started behind its walls."""

    code = "confine-start"


class Walls(NamedTuple):
    """What one program may do; everything else is refused by the kernel.

    Attributes:
        uid: Id to run under when root starts it; None to keep the present one.
        groups: Further groups when root starts it.
        capabilities: Powers kept when root starts it.
        own_network: Whether it gets a network of its own, without any interface up.
        connect: TCP ports it may connect to; None for all.
        bind: TCP ports it may listen on.
        families: Kinds of sockets it may make.
        datagrams: Whether internet sockets other than TCP are among them; Landlock knows only TCP.
        children: Whether it may start processes, which might outlive it.
        grouped: Whether all that it starts must stay in its process group, where one signal ends
            it all.
        read: Files and folders it may read, beside those every program needs.
        write: Folders it may write.
        run: Files and folders it may read and execute, beside those every program needs.
        root: Folder that becomes its `/`; needs root or a user namespace.
        limits: Resource limits, hard and soft at once.
    """

    uid: int | None = None
    groups: tuple[int, ...] = ()
    capabilities: frozenset[Capability] = frozenset()
    own_network: bool = True
    connect: tuple[int, ...] | None = ()
    bind: tuple[int, ...] = ()
    families: tuple[socket.AddressFamily, ...] = (socket.AF_UNIX,)
    datagrams: bool = False
    children: bool = False
    grouped: bool = False
    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    run: tuple[Path, ...] = ()
    root: Path | None = None
    limits: Mapping[int, int] = MappingProxyType({})


class Started(NamedTuple):
    """A running program.

    Attributes:
        pid: Its process id, also that of its session and process group.
        missing: Walls that could not be put up, in words.
    """

    pid: int
    missing: tuple[str, ...]


def adopt_orphans() -> None:
    """Become the parent of whatever a child of this process leaves behind when it ends."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """Find the processes whose parent this one is; it must have a single thread.

    Raises:
        OSError: The kernel does not say.
    """
    me = os.getpid()
    return [int(pid) for pid in Path(f"/proc/{me}/task/{me}/children").read_text().split()]


def die_with(parent: int) -> None:
    """Let this process end with its parent, whatever ends that."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def put_up(walls: Walls, *, parent: int) -> list[str]:
    """Put the walls up around this very process; there is no way back.

    Args:
        walls: What it may still do.
        parent: Process with which it shall end.

    Returns:
        Which protections are missing, in words.

    Raises:
        OSError: An id could not be changed; the program must not be started then.
    """
    missing: list[str] = []
    is_root = os.geteuid() == 0
    if not is_root:
        missing += _own_namespaces(network=walls.own_network, change_root=walls.root is not None)
    elif walls.own_network and _libc.unshare(_CLONE_NEWNET) != 0:
        missing.append("it shares the network of the machine: no network namespace")
    if walls.root is not None:
        missing += _change_root(walls.root)
    else:
        os.chdir("/")  # a folder that it was started in is open to it, however closed those above
    rules = landlock.prepare(
        run=(*program_folders(), *walls.run) if walls.root is None else (Path("/"),),
        read=walls.read,
        write=walls.write,
        connect=walls.connect,
        bind=walls.bind,
    )
    for limit, value in {resource.RLIMIT_CORE: 0, **walls.limits}.items():
        hard = resource.getrlimit(limit)[1]
        lower = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (lower, lower))
    os.umask(0o077)
    if is_root:
        _change_ids(walls)
    else:
        missing.append(f"it has no user id of its own but {os.geteuid()}: not started as root")
    die_with(parent)
    if not landlock.give_up_more_power():
        missing.append("setuid programs work: no_new_privs was refused")
    missing += landlock.enforce(rules)
    missing += seccomp.enforce(
        walls.families,
        children=walls.children,
        datagrams=walls.datagrams,
        grouped=walls.grouped,
    )
    return missing


def _own_namespaces(*, network: bool, change_root: bool) -> list[str]:
    if not network and not change_root:
        return []
    uid, gid = os.geteuid(), os.getegid()
    if _libc.unshare(_CLONE_NEWUSER | (_CLONE_NEWNET if network else 0)) != 0:
        return ["it shares the network of the machine: no user namespaces here"] if network else []
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1", encoding="ascii")
    except OSError:
        return ["its user namespace has no names for its ids"]
    return []


def _change_root(folder: Path) -> list[str]:
    """Make a folder the root, unchangeable, with the few devices that every program expects.

    Raises:
        OSError: It is not allowed here; nothing may be started with the machine's root instead.
    """
    missing = []
    if _libc.unshare(_CLONE_NEWNS) == 0:
        place = os.fsencode(folder)
        _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
        _libc.mount(place, place, None, _MS_BIND | _MS_REC, None)
        _add_devices(folder)
        read_only = _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV
        if _libc.mount(b"none", place, None, read_only, None) != 0:
            missing.append("its files could be changed: the slot is not mounted read-only")
    else:
        missing.append("its files could be changed: no mount namespace")
    os.chroot(folder)  # the path now leads to the copy that was mounted over the folder
    os.chdir("/")
    return missing


def _add_devices(folder: Path) -> None:
    if not (folder / "dev").is_dir():
        return
    place = os.fsencode(folder / "dev")
    quiet = _MS_NOSUID | _MS_NOEXEC
    if _libc.mount(b"none", place, b"tmpfs", quiet, b"size=64k,mode=755") != 0:
        return
    for device in (b"null", b"zero", b"urandom"):
        inside = place + b"/" + device
        os.close(os.open(inside, os.O_CREAT | os.O_WRONLY, 0o666))
        _libc.mount(b"/dev/" + device, inside, None, _MS_BIND, None)


def _change_ids(walls: Walls) -> None:
    kept = sum(1 << capability for capability in walls.capabilities)
    for capability in range(_LAST_CAPABILITY + 1):
        if not kept >> capability & 1:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # unknown numbers are refused
    os.setgroups(list(walls.groups))
    if walls.uid is not None:
        os.setresgid(walls.uid, walls.uid, walls.uid)
        os.setresuid(walls.uid, walls.uid, walls.uid)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    low = kept if walls.uid is None else 0
    if _libc.capset(header, struct.pack("=6I", low, low, 0, 0, 0, 0)) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")


def start(
    command: Sequence[str],
    walls: Walls,
    *,
    fds: Mapping[int, int],
    environment: Mapping[str, str] | None = None,
) -> Started:
    """Start a program behind walls, in a session of its own, ending with this process.

    Args:
        command: Program (a full path) and arguments.
        walls: What it may do.
        fds: Its descriptors: number there to number here; 0, 1 and 2 are /dev/null if not named.
        environment: All of its environment.

    Raises:
        StartError: It could not be started, or a wall that must stand could not be put up.
    """
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(command, walls, fds, environment or ENVIRONMENT, parent, write_end)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as report:
        told = report.read().splitlines() or [b'{"error": "it died before it was started"}']
    missing = json.loads(told[-1])
    if isinstance(missing, dict):
        os.waitpid(pid, 0)
        raise StartError(f"{command[0]} could not be started: {missing['error']}")
    return Started(pid=pid, missing=tuple(missing))


def _become(
    command: Sequence[str],
    walls: Walls,
    fds: Mapping[int, int],
    environment: Mapping[str, str],
    parent: int,
    report: int,
) -> None:
    try:
        os.setsid()
        # What has a handler here gets its default by exec; what is ignored would stay ignored.
        for number in (
            signal.SIGHUP,
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGPIPE,
            signal.SIGXFSZ,
        ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        report = _arrange(fds, report)
        missing = put_up(walls, parent=parent)
        # Written before exec: what closes the pipe afterwards is the exec itself.
        os.write(report, json.dumps(missing).encode() + b"\n")
        os.execve(command[0], list(command), dict(environment))  # noqa: S606 - no shell wanted
    except BaseException as error:  # noqa: BLE001 - a child must never return into its parent
        os.write(report, json.dumps({"error": str(error)}).encode())
    finally:
        os._exit(127)


def _arrange(fds: Mapping[int, int], report: int) -> int:
    base = max(fds, default=2) + 1
    null = os.open("/dev/null", os.O_RDWR)
    sources = {number: fds.get(number, null) for number in range(max(base, 3))}
    # First out of each other's way, then to their places.
    moved = {to: _above(at, base + 64) for to, at in sources.items() if to < 3 or to in fds}  # noqa: PLR2004 - three standard streams
    report = _above(report, base + 64)
    for to, at in moved.items():
        os.dup2(at, to, inheritable=True)
    highest = max(*moved.values(), report)
    for number in range(base, highest + 1):
        if number != report:
            _close(number)
    os.closerange(highest + 1, _HIGHEST_FD)
    return report


def _above(fd: int, lowest: int) -> int:
    import fcntl  # noqa: PLC0415 - only a freshly forked child needs it

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest)


def _close(number: int) -> None:
    try:
        os.close(number)
    except OSError:
        return
