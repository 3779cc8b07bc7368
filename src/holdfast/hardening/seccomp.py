"""A filter of system calls that no confined process has any business with.

Standard library only.

Source:
    Linux kernel, Documentation/userspace-api/seccomp_filter.rst; the groups @mount, @module,
    @debug, @clock, @keyring, @reboot, @swap and @raw-io of systemd.exec(5).
"""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020080  # every CLONE_NEW* flag

_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT, _AT_SECOND_ARGUMENT = 0, 4, 16, 24
_THREAD = 0x00010000  # CLONE_THREAD
_KIND_OF_SOCKET = 0xF  # the other bits are SOCK_CLOEXEC and SOCK_NONBLOCK

# Numbers on x86_64 and aarch64; None where there is no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
}
_GROUPS: tuple[tuple[int, int], ...] = ((109, 154), (112, 157))  # setpgid, setsid
_FORKS: tuple[tuple[int | None, int | None], ...] = ((57, None), (58, None))  # fork, vfork
_CLONE, _CLONE3, _SOCKET = (56, 220), (435, 435), (41, 198)


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _answer(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)


def _program(
    machine: str, families: Iterable[int], *, children: bool, datagrams: bool, grouped: bool
) -> bytes:
    column = list(_ARCHITECTURES).index(machine)
    steps = [
        _step(_LOAD, _AT_ARCHITECTURE),
        _step(_EQUAL, _ARCHITECTURES[machine], yes=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _AT_NUMBER),
        _step(_AT_LEAST, _X32_BIT, no=1),
        _answer(errno.EPERM),
    ]
    denied = (*_DENIED.values(), *(() if children else _FORKS), *(_GROUPS if grouped else ()))
    for numbers in denied:
        if (number := numbers[column]) is not None:
            steps += [_step(_EQUAL, number, no=1), _answer(errno.EPERM)]
    # The C library falls back to clone, whose flags a filter can read.
    steps += [_step(_EQUAL, _CLONE3[column], no=1), _answer(errno.ENOSYS)]
    steps += _guarded(
        _CLONE[column],
        [
            _step(_LOAD, _AT_FIRST_ARGUMENT),
            _step(_ANY_BIT, _NEW_NAMESPACES, no=1),
            _answer(errno.EPERM),
            *([] if children else [_step(_ANY_BIT, _THREAD, yes=1), _answer(errno.EPERM)]),
            _step(_RETURN, _ALLOW),
        ],
    )
    steps += _guarded(_SOCKET[column], _sockets(list(families), datagrams=datagrams))
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def _guarded(call: int, steps: list[bytes]) -> list[bytes]:
    """Take these steps, which end with an answer, for one call only."""
    return [_step(_EQUAL, call, no=len(steps)), *steps]


def _sockets(families: list[int], *, datagrams: bool) -> list[bytes]:
    steps = [_step(_LOAD, _AT_FIRST_ARGUMENT)]
    steps += [
        _step(_EQUAL, family, yes=len(families) - index) for index, family in enumerate(families)
    ]
    steps += [_answer(errno.EPERM)]
    if not datagrams:
        steps += [
            _step(_EQUAL, socket.AF_UNIX, yes=4),
            _step(_LOAD, _AT_SECOND_ARGUMENT),
            _step(_AND, _KIND_OF_SOCKET),
            _step(_EQUAL, socket.SOCK_STREAM, yes=1),
            _answer(errno.EPERM),
        ]
    return [*steps, _step(_RETURN, _ALLOW)]


def enforce(
    families: Iterable[socket.AddressFamily],
    *,
    children: bool,
    datagrams: bool,
    grouped: bool = False,
) -> list[str]:
    """Put the filter into force for this process and all it will start; cannot be undone.

    Needs `no_new_privs`, which the caller has set.

    Args:
        families: Kinds of sockets that may be made.
        children: Whether processes may be started; threads always may.
        datagrams: Whether internet sockets other than TCP may be made.
        grouped: Whether it must stay in its process group and session.

    Returns:
        Which protections are missing, in words.
    """
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        return [f"system calls are not filtered: no table for {machine}"]
    code = _program(machine, families, children=children, datagrams=datagrams, grouped=grouped)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    program = Program(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        return ["system calls are not filtered: the kernel refused the filter"]
    return []
