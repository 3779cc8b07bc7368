"""Landlock: the kernel lets this process and its children touch only what is named here.

Works without root, so it is the wall that also stands when the device was started as an ordinary
user. Here, and not in `hardening`, since the child that asks servers takes it as well. Standard
library only.

Source:
    Linux kernel, Documentation/userspace-api/landlock.rst.
"""

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable

_PR_SET_NO_NEW_PRIVS = 38
_CREATE, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RULE_PATH, _RULE_PORT = 1, 2

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV, _REFER = 1 << 14, 1 << 15, 1 << 13
_MAKE_CHAR, _MAKE_BLOCK = 1 << 6, 1 << 11
_FS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_READ = _READ_FILE | _READ_DIR
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1
_ABI_NET, _ABI_SCOPE = 4, 6

Name = str | os.PathLike[str]
"""A file or a folder; `pathlib` would cost a short-lived process three milliseconds."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def abi() -> int:
    """Ask the kernel which Landlock it knows; 0 for none."""
    return max(0, int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def _handled_fs(version: int) -> int:
    return _FS_BY_ABI[max(known for known in _FS_BY_ABI if known <= version)]


def program_folders() -> tuple[str, ...]:
    """Name what a program needs to be started at all; none of it belongs to the device."""
    package = os.path.realpath(__file__).rsplit("/", 3)[0]
    prefixes = {sys.prefix, sys.base_prefix, os.path.realpath(sys.executable).rpartition("/")[0]}
    system = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime")
    special = ("/dev/null", "/dev/zero", "/dev/urandom", "/proc")
    return (*system, *special, *sorted(prefixes), package)


def prepare(
    *,
    run: Iterable[Name],
    read: Iterable[Name],
    write: Iterable[Name],
    connect: Iterable[int] | None,
    bind: Iterable[int],
) -> int | None:
    """Make a set of rules while all paths can still be opened.

    Args:
        run: Files and folders that may be read and executed.
        read: Files and folders that may be read.
        write: Folders in which anything but device nodes may be made, changed and removed, and
            nothing executed.
        connect: TCP ports that may be connected to; None for all.
        bind: TCP ports that may be listened on.

    Returns:
        A descriptor for `enforce`; None where the kernel has no Landlock.
    """
    version = abi()
    if not version:
        return None
    handled = _handled_fs(version)
    net = _BIND_TCP | (_CONNECT_TCP if connect is not None else 0)
    attributes = struct.pack(
        "=QQQ",
        handled,
        net if version >= _ABI_NET else 0,
        _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= _ABI_SCOPE else 0,
    )
    size = 8 if version < _ABI_NET else 16 if version < _ABI_SCOPE else 24
    rules = int(_libc.syscall(_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0)))
    if rules < 0:
        return None
    _allow_path(rules, "/dev/null", _READ_FILE | _WRITE_FILE)
    for path in run:
        _allow_path(rules, path, _EXECUTE | _READ)
    for path in read:
        _allow_path(rules, path, _READ)
    for path in write:
        _allow_path(rules, path, handled & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEV | _EXECUTE))
    if version >= _ABI_NET:
        for port in connect or ():
            _allow_port(rules, port, _CONNECT_TCP)
        for port in bind:
            _allow_port(rules, port, _BIND_TCP)
    return rules


def _allow_path(rules: int, path: Name, access: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there need not be allowed
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            access &= _OF_FILES
        rule = struct.pack("=Qi", access, handle)
        _libc.syscall(_ADD_RULE, rules, _RULE_PATH, rule, ctypes.c_uint32(0))
    finally:
        os.close(handle)


def _allow_port(rules: int, port: int, access: int) -> None:
    rule = struct.pack("=QQ", access, port)
    _libc.syscall(_ADD_RULE, rules, _RULE_PORT, rule, ctypes.c_uint32(0))


def give_up_more_power() -> bool:
    """Have no program that is started from here gain power (setuid); false if it was refused."""
    return bool(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)


def enforce(rules: int | None) -> list[str]:
    """Put the rules into force for this process and all it will start.

    Who is not root must have given up more power before.

    Returns:
        Which protections are missing, in words.
    """
    if rules is None:
        return ["files are not fenced in: this kernel has no Landlock"]
    refused = _libc.syscall(_RESTRICT_SELF, rules, ctypes.c_uint32(0)) != 0
    os.close(rules)
    if refused:
        return ["files are not fenced in: the kernel refused the Landlock rules"]
    version = abi()
    missing = []
    if version < _ABI_NET:
        missing.append("ports are not fenced in: this kernel's Landlock is too old (before 6.7)")
    if version < _ABI_SCOPE:
        missing.append("signals are not fenced in: this kernel's Landlock is too old (before 6.12)")
    return missing
