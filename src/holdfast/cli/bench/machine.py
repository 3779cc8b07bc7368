"""The machine that is measured on, and what one program with all that it starts takes of it."""

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final

from holdfast.cli.bench.errors import BenchError

_EVERY_S: Final = 0.05
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a program.

    Attributes:
        seconds: From start to end, by the clock on the wall.
        cpu_seconds: Time of all processors that it and what it started used; the clock tells more
            where others are busy too.
        exit_code: 0 to 255, or the negative number of a signal.
        stdout: What it printed.
        stderr: What it complained of.
        rss_mb: Most memory that it and all that it started had at one moment, in MB of 10^6
            bytes, what is shared counted for each; None if nobody looked.
        processes: Most processes at one moment; 0 if nobody looked.
    """

    seconds: float
    cpu_seconds: float
    exit_code: int
    stdout: bytes
    stderr: bytes
    rss_mb: float | None = None
    processes: int = 0


def timed(
    command: Sequence[str | Path],
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    watch: bool = False,
) -> Run:
    """Run a program to its end and take the time.

    Args:
        command: Program and arguments.
        timeout_s: Seconds after which it is killed with all that it started.
        environment: Its environment; ours if not given.
        folder: Where it runs.
        watch: Whether to look at its memory too, which costs it some time.

    Raises:
        BenchError: It is missing, or took too long.
    """
    words = [str(word) for word in command]
    began, used = time.monotonic(), _used()
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment) if environment is not None else None,
            cwd=folder,
        )
    except OSError as error:
        raise BenchError(f"{words[0]} cannot be started: {error.strerror}") from error
    watcher = _Watcher(process.pid) if watch else None
    with process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            for pid in below(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
            raise BenchError(f"{words[0]} took more than {timeout_s:g} seconds") from error
        finally:
            seconds = time.monotonic() - began
            if watcher is not None:
                watcher.stop()
    return Run(
        seconds=round(seconds, 2),
        cpu_seconds=round(_used() - used, 2),
        exit_code=process.returncode,
        stdout=stdout,
        stderr=stderr,
        rss_mb=round(watcher.most_bytes / _MB, 1) if watcher else None,
        processes=watcher.most_processes if watcher else 0,
    )


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Watcher:
    """Looks at the memory of a process and of all that it started."""

    def __init__(self, pid: int) -> None:
        self.most_bytes = self.most_processes = 0
        self._pid, self._over = pid, Event()
        self._thread = Thread(target=self._watch, name="watcher", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_EVERY_S):
            found = below(self._pid)
            self.most_bytes = max(self.most_bytes, sum(map(_resident, found)))
            self.most_processes = max(self.most_processes, len(found))


def below(pid: int) -> list[int]:
    """List a process and all that it started, directly or not, as far as they still run."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                # The name in the second field may hold anything, also spaces and brackets.
                rest = (place / "stat").read_text(errors="replace").rpartition(")")[2]
                parents.setdefault(int(rest.split()[1]), []).append(int(place.name))
    found, waiting = [], [pid]
    while waiting:
        here = waiting.pop()
        found.append(here)
        waiting += parents.get(here, [])
    return found


def _resident(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return 0


def busy() -> float:
    """Say which part of the processors others keep busy, from 0 to 1, over a second."""

    def ticks() -> tuple[int, int]:
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        values = [int(word) for word in words]
        return sum(values), values[3] + values[4]

    total, idle = ticks()
    time.sleep(1)
    total_after, idle_after = ticks()
    return round(1 - (idle_after - idle) / max(1, total_after - total), 2)
