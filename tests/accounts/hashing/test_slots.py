"""A flood takes no more memory than a few: others wait for a moment, and the rest is sent away."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Barrier, Event, Thread

import pytest

from holdfast.accounts.errors import HashingBusyError
from holdfast.accounts.hashing.slots import Slots
from holdfast.core.process import run


class Crowd:
    """Many who hash at once; each holds its slot until it is let go."""

    def __init__(self, slots: Slots) -> None:
        self.slots, self.go = slots, Event()
        self.inside = self.most = self.refused = 0
        self.threads: list[Thread] = []
        self.arrived = Barrier(2)

    def _come(self) -> None:
        try:
            with self.slots.taken():
                self.inside += 1
                self.most = max(self.most, self.inside)
                self.go.wait(10)
                self.inside -= 1
        except HashingBusyError:
            self.refused += 1

    def come(self, number: int) -> None:
        self.threads += [Thread(target=self._come) for _ in range(number)]
        for thread in self.threads[-number:]:
            thread.start()

    def leave(self) -> None:
        self.go.set()
        for thread in self.threads:
            thread.join(10)


@pytest.fixture(params=[1, 3])
def crowd(request: pytest.FixtureRequest) -> Iterator[Crowd]:
    crowd = Crowd(Slots(request.param, wait_s=0.05, most_waiting=4))
    yield crowd
    crowd.leave()


def test_a_hundred_take_no_more_than_the_slots(crowd: Crowd) -> None:
    slots = crowd.slots._free._initial_value  # type: ignore[attr-defined]
    crowd.come(100)
    for thread in crowd.threads:
        thread.join(0 if thread is not crowd.threads[-1] else 1)
    crowd.leave()
    assert crowd.most <= slots
    assert crowd.refused >= 100 - slots * 50
    with ExitStack() as stack:  # all of them are free again
        for _ in range(slots):
            stack.enter_context(crowd.slots.taken())
        with pytest.raises(HashingBusyError), crowd.slots.taken():
            pass


def test_who_waits_gets_it_when_it_becomes_free() -> None:
    slots, got = Slots(1, wait_s=10), Event()

    def wait() -> None:
        with slots.taken():
            got.set()

    with slots.taken():
        thread = Thread(target=wait)
        thread.start()
        assert not got.wait(0.02)
    assert got.wait(10)
    thread.join(10)


def test_who_waits_in_vain_is_told_when_to_come_back() -> None:
    slots = Slots(1, wait_s=0.01)
    with slots.taken(), pytest.raises(HashingBusyError) as refused, slots.taken():
        pass
    assert refused.value.http_status == 503
    assert refused.value.retry_after_s > 0


def test_many_who_wait_are_sent_away_at_once() -> None:
    slots = Slots(1, wait_s=60, most_waiting=0)
    with slots.taken(), pytest.raises(HashingBusyError), slots.taken():
        pass


def test_a_failure_inside_gives_the_slot_back() -> None:
    slots = Slots(1, wait_s=0.01, most_waiting=0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), slots.taken():
            raise ZeroDivisionError


KEPT = """
import re, threading
from pathlib import Path
from holdfast.accounts.hashing import costs, passwords
from holdfast.accounts.hashing.slots import Slots
slots, together = Slots(1, wait_s=30, most_waiting=8), threading.Barrier(8)
def memory():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\\s+(\\d+)", status)[1])
def hash_one():
    together.wait()
    with slots.taken():
        passwords.make_decoy(cost=costs.FLOOR, key=None)
    together.wait()  # so that each has a place of its own in memory
threads = [threading.Thread(target=hash_one) for _ in range(8)]
before = memory()
for one in threads: one.start()
for one in threads: one.join()
print(memory() - before)
"""


@pytest.mark.slow
def test_threads_that_hashed_keep_nothing() -> None:
    done = run([sys.executable, "-I", "-c", KEPT], timeout_s=60)
    assert int(done.stdout) < 8_000
