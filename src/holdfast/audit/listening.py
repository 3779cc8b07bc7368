"""Listens to a confined child, and watches it meanwhile; all it says is taken for input."""

import os
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from holdfast.audit import exchange
from holdfast.audit.errors import ChildError, LimitError
from holdfast.audit.exchange import Answer, Step
from holdfast.audit.limits import Limits
from holdfast.audit.watching import taken
from holdfast.core.errors import HoldfastError

Progress = Callable[[str, float, str], None]

GRACE_S: Final = 5.0
MOST_PROCESSES: Final = 64
_LOOK_EVERY_S: Final = 0.5
_READ_BYTES: Final = 1 << 18
_MOST_STEPS: Final = 100_000


class Listening:
    """Takes what a child says until it has said everything, and watches it meanwhile."""

    def __init__(
        self,
        pid: int,
        answer: int,
        steps: int,
        scratch: Path,
        limits: Limits,
        progress: Progress,
    ) -> None:
        self._pid, self._answer, self._steps = pid, answer, steps
        self._scratch, self._limits, self._progress = scratch, limits, progress
        self._content = bytearray()
        self._line = b""
        self._told = 0

    def run(self) -> Answer:
        """Listen.

        Raises:
            LimitError: The child took more than it may.
            ChildError: It died, or said nonsense.
        """
        until = time.monotonic() + self._limits.seconds + GRACE_S
        look_at = time.monotonic() + _LOOK_EVERY_S
        with selectors.DefaultSelector() as selector, _ending(self._pid) as ending:
            for fd in (self._answer, self._steps, ending):
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                if now > until:
                    raise LimitError(limit="seconds", most=self._limits.seconds)
                if now > look_at:
                    self._look()
                    spent = time.monotonic() - now
                    look_at = time.monotonic() + max(_LOOK_EVERY_S, 10 * spent)
                ready = {key.fd for key, _ in selector.select(max(min(until, look_at) - now, 0))}
                if self._steps in ready and not self._hear():
                    selector.unregister(self._steps)
                # What it started may hold the pipe open when it has long ended itself.
                if self._answer in ready and not self._take():
                    return self._decoded()
                if ending in ready and not (self._answer in ready and self._take()):
                    return self._decoded()

    def _take(self) -> bool:
        """Take some of the answer; false where there is no more for now."""
        try:
            content = os.read(self._answer, _READ_BYTES)
        except BlockingIOError:
            return False
        self._content += content
        if len(self._content) > exchange.LONGEST_ANSWER:
            raise ChildError("the confined child answered too much")
        return bool(content)

    def _look(self) -> None:
        limits = self._limits
        # Beside what is unpacked there are contents, which the child keeps for a second look.
        most_bytes = limits.unpacked_bytes * 3 // 2
        now = taken(self._pid, self._scratch, most_bytes=most_bytes, most_files=limits.files)
        for limit, value, most in (
            ("unpacked_bytes", now.size_bytes, most_bytes),
            ("files", now.files, limits.files),
            ("memory_bytes", now.memory_bytes, limits.memory_bytes),
            ("processes", now.processes, MOST_PROCESSES),
        ):
            if value > most:
                raise LimitError(limit=limit, most=most)

    def _hear(self) -> bool:
        """Take lines of progress, as many as anybody can want; false where there are no more."""
        content = os.read(self._steps, _READ_BYTES)
        *lines, line = (self._line + content).split(b"\n")
        self._line = line[: exchange.LONGEST_LINE]
        for each in lines:
            self._told += 1
            if self._told > _MOST_STEPS or len(each) > exchange.LONGEST_LINE:
                continue
            with suppress(msgspec.DecodeError, ValueError):
                step = msgspec.json.decode(each, type=Step)
                if 0 <= step.fraction <= 1:
                    self._progress(step.stage, step.fraction, clean(step.text))
        return bool(content)

    def _decoded(self) -> Answer:
        if not self._content:
            raise ChildError(f"the confined child ended without an answer{self._why()}")
        try:
            return msgspec.msgpack.decode(self._content, type=Answer)
        except (msgspec.DecodeError, ValueError, RecursionError, HoldfastError) as error:
            raise ChildError("the confined child answered nonsense") from error

    def _why(self) -> str:
        """Tell how it ended, as far as that is known by now."""
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            with suppress(ChildProcessError):
                done = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if done is not None:
                    kind = "exit" if done.si_code == os.CLD_EXITED else "signal"
                    return f" ({kind} {done.si_status})"
            time.sleep(0.01)
        return ""


@contextmanager
def _ending(pid: int) -> Iterator[int]:
    """Give a descriptor that is readable once a process has ended."""
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def clean(text: str) -> str:
    """Make a text of the child fit for a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:500])
