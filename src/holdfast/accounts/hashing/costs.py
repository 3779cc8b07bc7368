"""What one hash costs: how much memory, how many passes, and never less than the floor."""

import math
from collections.abc import Callable
from typing import Final, NamedTuple, Self

from holdfast.accounts.errors import CostError

_KIB_PER_MIB: Final = 1024
_BYTES_PER_MB: Final = 1_000_000
_BYTES_PER_MIB: Final = 1 << 20
LANES: Final = 1
"""More lanes help the attacker's many cores, and not a device with one."""
# Memory in MiB and the fewest passes that go with it.
# Source: OWASP Password Storage Cheat Sheet, equivalent settings of Argon2id.
_FLOORS: Final = {7: 5, 9: 4, 12: 3, 19: 2, 32: 2, 46: 1, 64: 1}
MOST_MEMORY_KIB: Final = 64 * _KIB_PER_MIB
MOST_PASSES: Final = 64
# Memory times passes: what a damaged or hostile stored hash may make the machine fill, at most.
MOST_WORK_KIB: Final = 1024 * _KIB_PER_MIB
SMALL_BELOW_BYTES: Final = 96 * _BYTES_PER_MB
"""Only a device with less memory than this may go below 19 MiB."""
_SHARE: Final = 6
SHORTEST_S: Final = 0.25
LONGEST_S: Final = 0.5


class _Numbers(NamedTuple):
    """No dataclass, whose module costs a resident process of the device two megabytes."""

    memory_kib: int
    passes: int


class Cost(_Numbers):
    """What one hash costs whoever makes it, and whoever guesses.

    Attributes:
        memory_kib: Memory that is filled, 7168 to 65536 KiB.
        passes: How often; the less memory, the more of them at least.

    Source:
        OWASP Password Storage Cheat Sheet; RFC 9106 section 4.
    """

    __slots__ = ()

    def __new__(cls, *, memory_kib: int, passes: int) -> Self:
        """Refuse what is below the floor, or would keep a machine busy for long.

        Raises:
            CostError: It is so.
        """
        least = fewest_passes(memory_kib)
        if memory_kib > MOST_MEMORY_KIB:
            raise CostError(f"{memory_kib} KiB are more than {MOST_MEMORY_KIB}")
        if passes < least:
            raise CostError(f"{memory_kib} KiB need {least} passes or more")
        if passes > MOST_PASSES or memory_kib * passes > MOST_WORK_KIB:
            raise CostError(f"{passes} passes over {memory_kib} KiB take too long")
        return super().__new__(cls, memory_kib, passes)


def fewest_passes(memory_kib: int) -> int:
    """Tell the floor that goes with so much memory.

    Raises:
        CostError: So little memory is never enough.
    """
    fitting = [passes for mib, passes in _FLOORS.items() if mib * _KIB_PER_MIB <= memory_kib]
    if not fitting:
        raise CostError(f"{memory_kib} KiB are less than {min(_FLOORS) * _KIB_PER_MIB}")
    return fitting[-1]


FLOOR: Final = Cost(memory_kib=19 * _KIB_PER_MIB, passes=2)
"""The least for the hub and for devices with 96 MB of memory or more; also what the factory uses
for the set-up code."""


def calibrate(memtotal_bytes: int, measure: Callable[[Cost], float]) -> Cost:
    """Choose the highest cost that this machine bears: once, at the first start, never at a login.

    Args:
        memtotal_bytes: `MemTotal` of /proc/meminfo, in bytes; one hash takes a sixth at most,
            or the floor where that is more.
        measure: Makes one hash and tells the processor time of it in seconds. Not the time on
            the wall: whoever keeps the machine busy would make all hashes cheap.

    Returns:
        One that takes 0.25 to 0.5 s where the floor allows it.
    """
    small = memtotal_bytes < SMALL_BELOW_BYTES
    least_mib = min(_FLOORS) if small else FLOOR.memory_kib // _KIB_PER_MIB
    most_mib = max(least_mib, memtotal_bytes // _SHARE // _BYTES_PER_MIB)
    floor, seconds = FLOOR, 0.0
    for mib in sorted(_FLOORS, reverse=True):
        if not least_mib <= mib <= most_mib:
            continue
        floor = Cost(memory_kib=mib * _KIB_PER_MIB, passes=_FLOORS[mib])
        seconds = measure(floor)
        if seconds <= LONGEST_S:
            break
    return _longer(floor, seconds)


def _longer(floor: Cost, seconds: float) -> Cost:
    """Add passes until a hash takes long enough."""
    if not 0 < seconds < SHORTEST_S:
        return floor
    most = min(MOST_PASSES, MOST_WORK_KIB // floor.memory_kib)
    wanted = SHORTEST_S * floor.passes / seconds
    passes = most if wanted > most else math.ceil(wanted)
    return Cost(memory_kib=floor.memory_kib, passes=max(floor.passes, passes))
