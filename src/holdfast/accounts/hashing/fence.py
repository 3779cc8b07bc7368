"""Limits of the short-lived process that hashes: it cannot take the machine down with it."""

import resource
from pathlib import Path
from typing import Final

from holdfast.accounts.hashing.costs import MOST_MEMORY_KIB

LONGEST_CPU_S: Final = 120
_KIB: Final = 1024
# Beside one hash: the library that seals, the block list, and what Python needs to think.
_ROOM_BYTES: Final = 96 << 20


def fence() -> None:
    """Limit memory and time of this process, and leave no image of its secrets if it crashes.

    To be called once its libraries are loaded, and before it reads anything.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MOST_MEMORY_KIB * _KIB + _ROOM_BYTES
    for limit, value in (
        (resource.RLIMIT_AS, most),
        (resource.RLIMIT_CPU, LONGEST_CPU_S),
        # One byte, not none: only that keeps the image from a program that collects them, too.
        (resource.RLIMIT_CORE, 1),
    ):
        hard = resource.getrlimit(limit)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (least, least))
