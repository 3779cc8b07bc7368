"""What the short-lived process that asks servers gives up before it reads anything.

What comes from servers is read by Python alone; should it be turned against us all the same, there
is no file of ours to be read or written, no program to be started, and nobody to listen for.

Not given up: connections of any kind to any address, for ports are the administrator's choice, and
names are found by whatever the machine has set up. System calls are not filtered: on a device the
filter of auth holds for its children too, and on the hub there is none. Processes are not counted
(RLIMIT_NPROC): the kernel counts threads of the whole user, and a name is looked up in one.
"""

import resource
from typing import Final

from holdfast.core import landlock

LONGEST_CPU_S: Final = 60
_ROOM_BYTES: Final = 512 << 20
"""Address space beside what is in use: the thread that looks a name up reserves most of it."""
_LONGEST_FILE_BYTES: Final = 1 << 20
"""OpenSSL reads keys of ours from files in memory; no other can be written."""
_MOST_OPEN: Final = 128
# How names are found, and whom TLS believes; the rest of /etc is nobody's business here.
_READ: Final = (
    "/etc/resolv.conf", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
    "/etc/hosts", "/etc/host.conf", "/etc/gai.conf", "/etc/nsswitch.conf", "/etc/services",
    "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies",
    "/var/lib/ca-certificates",
)  # fmt: skip


def fence() -> list[str]:
    """Put the walls up around this process; there is no way back.

    Returns:
        Which are missing on this kernel, in words.
    """
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - as in landlock.Name
        pages = int(file.read().split()[0])
    for limit, value in (
        (resource.RLIMIT_AS, pages * resource.getpagesize() + _ROOM_BYTES),
        (resource.RLIMIT_CPU, LONGEST_CPU_S),
        (resource.RLIMIT_FSIZE, _LONGEST_FILE_BYTES),
        (resource.RLIMIT_NOFILE, _MOST_OPEN),
        # One byte, not none: only that keeps the image from a program that collects them, too.
        (resource.RLIMIT_CORE, 1),
    ):
        hard = resource.getrlimit(limit)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (least, least))
    # Not /proc: it tells the environment of other programs of the same user.
    programs = (path for path in landlock.program_folders() if path != "/proc")
    rules = landlock.prepare(run=(), read=(*programs, *_READ), write=(), connect=None, bind=())
    missing = [] if landlock.give_up_more_power() else ["setuid programs work"]
    return missing + landlock.enforce(rules)
