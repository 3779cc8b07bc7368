"""One hash costs what the machine bears, and never less than the floor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.errors import CostError
from holdfast.accounts.hashing.costs import (
    FLOOR,
    LONGEST_S,
    MOST_MEMORY_KIB,
    MOST_PASSES,
    MOST_WORK_KIB,
    SHORTEST_S,
    Cost,
    calibrate,
    fewest_passes,
)

MB = 1_000_000


@pytest.mark.parametrize(
    ("mib", "passes"), [(7, 5), (9, 4), (12, 3), (19, 2), (32, 2), (46, 1), (64, 1)]
)
def test_floors_are_those_of_owasp(mib: int, passes: int) -> None:
    assert Cost(memory_kib=mib * 1024, passes=passes).passes == passes
    assert fewest_passes(mib * 1024) == passes
    with pytest.raises(CostError, match="passes"):
        Cost(memory_kib=mib * 1024, passes=passes - 1)


@pytest.mark.parametrize(
    ("memory_kib", "passes"),
    [
        (0, 5), (-1, 5), (7167, 100), (65537, 1), (2**32, 1), (19456, 10**9), (19456, 65),
        (65536, 17), (19456, 0), (19456, -2),
    ],
)  # fmt: skip
def test_nonsense_is_refused(memory_kib: int, passes: int) -> None:
    with pytest.raises(CostError):
        Cost(memory_kib=memory_kib, passes=passes)


class Machine:
    """A machine that fills so many MiB in a second."""

    def __init__(self, mib_each_second: float) -> None:
        self.speed, self.asked = mib_each_second, 0

    def measure(self, cost: Cost) -> float:
        self.asked += 1
        return cost.memory_kib * cost.passes / 1024 / self.speed


@pytest.mark.parametrize(
    ("memtotal_mb", "speed", "expected"),
    [
        (31, 400, (7, 15)),  # even a router of 32 MB hashes
        (60, 400, (9, 12)),
        (95, 400, (12, 9)),
        (97, 400, (19, 6)),  # not 12: only below 96 MB
        (121, 400, (19, 6)),
        (256, 400, (32, 4)),
        (512, 400, (64, 2)),
        (16_000, 400, (64, 2)),
        (16_000, 100, (46, 1)),  # 64 MiB once take too long there
        (16_000, 85, (19, 2)),
        (16_000, 10, (19, 2)),  # slow, but the floor is the floor
        (64, 10, (7, 5)),
    ],
)
def test_the_highest_that_the_machine_bears(
    memtotal_mb: int, speed: float, expected: tuple[int, int]
) -> None:
    cost = calibrate(memtotal_mb * MB, Machine(speed).measure)
    assert (cost.memory_kib // 1024, cost.passes) == expected


@given(
    memtotal_bytes=st.integers(min_value=-1, max_value=1 << 45),
    speed=st.floats(min_value=0.01, max_value=1e9),
)
def test_it_is_never_below_the_floor_and_takes_its_time(memtotal_bytes: int, speed: float) -> None:
    machine = Machine(speed)
    cost = calibrate(memtotal_bytes, machine.measure)
    assert machine.asked <= 7
    assert cost.passes >= fewest_passes(cost.memory_kib)
    assert cost.memory_kib <= MOST_MEMORY_KIB
    if memtotal_bytes >= 96 * MB:
        assert cost.memory_kib >= FLOOR.memory_kib
        assert cost.memory_kib * 1024 <= max(FLOOR.memory_kib * 1024, memtotal_bytes // 6)
    seconds = machine.measure(cost)
    most = min(MOST_PASSES, MOST_WORK_KIB // cost.memory_kib)
    assert seconds >= SHORTEST_S or cost.passes == most
    assert seconds <= LONGEST_S or cost.passes == fewest_passes(cost.memory_kib)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e-300])
def test_a_clock_that_lies_makes_nothing_cheap(seconds: float) -> None:
    cost = calibrate(512 * MB, lambda _: seconds)
    assert cost.memory_kib >= FLOOR.memory_kib
