"""Forked workers that share items of work, may die of one, and are replaced."""

import os
import selectors
import signal
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Generic, TypeVar

import msgspec

from holdfast.hardening.confine import die_with

LONGEST_FRAME: Final = 16 << 20
_SECONDS_PER_ITEM: Final = 20.0
_TICK_S: Final = 0.2
_READ_BYTES: Final = 1 << 18
_AHEAD: Final = 8  # items that a worker has when it gets more, so that it never waits
_NUMBER: Final = struct.Struct("<I")
_FRAME: Final = struct.Struct("<II")  # number of the item, length of the answer
_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class _Worker:
    """A process.

    Attributes:
        pid: Its id.
        down: Where it reads numbers of items.
        up: Where its answers come from.
        left: What it has not answered yet, in order.
        heard: When it last answered or got something.
        why: What ended it, "" while it works.
    """

    pid: int
    down: int
    up: int
    left: deque[int] = field(default_factory=deque)
    buffer: bytearray = field(default_factory=bytearray)
    heard: float = field(default_factory=monotonic)
    why: str = ""


class Crew(Generic[_Answer]):
    """Workers, and what each of them is at."""

    def __init__(
        self,
        batches: list[list[int]],
        make: Callable[[], Callable[[int], bytes]],
        answer: type[_Answer],
    ) -> None:
        """Prepare.

        Args:
            batches: Numbers of items that one worker does in a row.
            make: Called in each worker; gives what turns a number into an encoded answer.
            answer: Type of the answers.
        """
        self._batches = deque(batches)
        self._make = make
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()
        self._decoder = msgspec.msgpack.Decoder(answer)

    def hire(self, count: int) -> None:
        """Start workers, no more than there is work."""
        parent = os.getpid()
        for _ in range(min(count, len(self._batches))):
            down_read, down_write = os.pipe2(os.O_CLOEXEC)
            up_read, up_write = os.pipe2(os.O_CLOEXEC)
            try:
                pid = os.fork()
            except OSError:  # too many processes, or too little memory
                for fd in (down_read, down_write, up_read, up_write):
                    os.close(fd)
                return
            if pid == 0:
                os.close(down_write)
                os.close(up_read)
                _work(self._make, down_read, up_write, parent)
            os.close(down_read)
            os.close(up_write)
            worker = _Worker(pid, down_write, up_read)
            self._workers.append(worker)
            self._selector.register(up_read, selectors.EVENT_READ, worker)
            self._give(worker)

    def busy(self) -> bool:
        """Tell whether something is left to do."""
        return bool(self._batches) or any(worker.left for worker in self._workers)

    def rest(self) -> list[int]:
        """Give what is left once there is nobody to do it."""
        if self._workers:
            return []
        left = [number for batch in self._batches for number in batch]
        self._batches.clear()
        return left

    def listen(self) -> Iterator[tuple[int, _Answer]]:
        """Give what the workers answered, after waiting a little for it."""
        for key, _ in self._selector.select(_TICK_S):
            worker: _Worker = key.data
            content = os.read(worker.up, _READ_BYTES)
            if not content:
                worker.why = "died"
                continue
            worker.buffer += content
            worker.heard = monotonic()
            yield from self._answers(worker)
            if len(worker.left) < _AHEAD:
                self._give(worker)

    def _answers(self, worker: _Worker) -> Iterator[tuple[int, _Answer]]:
        at = 0
        while len(worker.buffer) >= at + _FRAME.size:
            number, length = _FRAME.unpack_from(worker.buffer, at)
            if length > LONGEST_FRAME or not worker.left or worker.left[0] != number:
                worker.why = "lost its way"
                return
            end = at + _FRAME.size + length
            if len(worker.buffer) < end:
                break
            try:
                answer = self._decoder.decode(worker.buffer[at + _FRAME.size : end])
            except (msgspec.DecodeError, ValueError, RecursionError):
                worker.why = "lost its way"
                return
            worker.left.popleft()
            at = end
            yield number, answer
        del worker.buffer[:at]

    def _give(self, worker: _Worker) -> None:
        if not self._batches:
            return
        batch = self._batches.popleft()
        worker.left.extend(batch)
        worker.heard = monotonic()
        # A worker that died meanwhile is found by its closed pipe.
        with suppress(BrokenPipeError):
            os.write(worker.down, b"".join(_NUMBER.pack(number) for number in batch))

    def bury(self) -> Iterator[tuple[int, str]]:
        """Give the items that workers died of, and replace those workers."""
        now = monotonic()
        for worker in list(self._workers):
            if not worker.why and worker.left and now - worker.heard > _SECONDS_PER_ITEM:
                worker.why = f"took more than {_SECONDS_PER_ITEM:g} seconds"
            if not worker.why:
                continue
            self._end(worker)
            if worker.left:
                yield worker.left.popleft(), worker.why
            if worker.left:
                self._batches.appendleft(list(worker.left))
            self.hire(1)

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._selector.unregister(worker.up)
        for fd in (worker.down, worker.up):
            os.close(fd)
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(worker.pid, 0)

    def dismiss(self) -> None:
        """End all workers."""
        for worker in list(self._workers):
            self._end(worker)
        self._selector.close()


def _work(make: Callable[[], Callable[[int], bytes]], down: int, up: int, parent: int) -> None:
    """Be a worker until there is no more work; never returns."""
    try:
        die_with(parent)
        serve = make()
        while len(word := _exactly(down, _NUMBER.size)) == _NUMBER.size:
            (number,) = _NUMBER.unpack(word)
            body = serve(number)
            _write(up, _FRAME.pack(number, len(body)) + body)
    finally:
        os._exit(0)


def _exactly(fd: int, length: int) -> bytes:
    content = b""
    while len(content) < length and (more := os.read(fd, length - len(content))):
        content += more
    return content


def _write(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
