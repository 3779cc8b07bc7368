"""Starts the programs of the demonstration, watches them, stops them cleanly."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.core.errors import HoldfastError
from holdfast.core.process import ProgramError

MARK = "HOLDFAST_DEMO_STATE"
_STOP_S = 10.0
_READY_S = 60.0
_POLL_S = 0.02
_MOST_BACKOFF_S = 10.0


class StartError(HoldfastError):
    """A program of the demonstration does not come up."""

    code = "demo-start"


@dataclass(slots=True)
class Service:
    """One program that is kept running.

    Attributes:
        name: Short name, also of its log file.
        command: Program and arguments.
        ready: Tells whether it answers.
    """

    name: str
    command: Sequence[str | Path]
    ready: Callable[[], bool]
    process: "subprocess.Popen[bytes] | None" = None
    deaths: int = 0
    next_start: float = field(default=0.0)

    def alive(self) -> bool:
        """Tell whether its process runs."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Keeps services running; all end with it, even when it is killed."""

    def __init__(self, state: Path, logs: Path) -> None:
        self._state = state
        self._logs = logs
        self.services: dict[str, Service] = {}

    def start(self, *services: Service) -> None:
        """Start services at the same time, without waiting for them."""
        # One-time links stand in the logs.
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        for service in services:
            self.services[service.name] = service
            self._spawn(service)

    def wait(self, *names: str) -> None:
        """Wait until the named services answer.

        Raises:
            StartError: One ended or did not answer in time; the message quotes its log.
        """
        deadline = time.monotonic() + _READY_S
        for name in names:
            service = self.services[name]
            while not service.ready():
                if not service.alive() or time.monotonic() > deadline:
                    raise self._failure(service)
                time.sleep(_POLL_S)

    def tend(self) -> None:
        """Start again what died, with growing pauses; called every second or so."""
        now = time.monotonic()
        for service in self.services.values():
            if service.alive():
                continue
            if service.next_start == 0.0:
                service.deaths += 1
                service.next_start = now + min(2.0 ** (service.deaths - 1), _MOST_BACKOFF_S)
            elif now >= service.next_start:
                service.next_start = 0.0
                self._spawn(service)

    def stop(self, *names: str, kill: bool = False) -> None:
        """Stop services, all if none is named; with `kill` as a power cut would."""
        chosen = [self.services[name] for name in names or tuple(self.services)]
        for service in chosen:
            self._signal(service, signal.SIGKILL if kill else signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        for service in chosen:
            if service.process is None:
                continue
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            if service.alive():
                self._signal(service, signal.SIGKILL)
                service.process.wait()
            del self.services[service.name]

    def log_of(self, name: str) -> Path:
        """Name the log file of a service."""
        return self._logs / f"{name}.log"

    def _spawn(self, service: Service) -> None:
        # setpriv: when this process dies, however, the service gets SIGTERM from the kernel.
        command = ["setpriv", "--pdeathsig", "TERM", "--", *map(str, service.command)]
        with self.log_of(service.name).open("ab") as log:
            try:
                service.process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={**os.environ, MARK: str(self._state)},
                )
            except FileNotFoundError as error:
                raise ProgramError(f"{command[0]} is not installed") from error

    def _failure(self, service: Service) -> StartError:
        lines = self.log_of(service.name).read_text(errors="replace").strip().splitlines()
        error = StartError(f"{service.name} did not come up: {' / '.join(lines[-4:]) or 'no log'}")
        error.hint = f"Look into {self.log_of(service.name)}."
        return error

    @staticmethod
    def _signal(service: Service, number: int) -> None:
        if service.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(service.process.pid, number)


def leftovers(state: Path) -> list[int]:
    """Find processes of an earlier start on the same state that was killed without mercy."""
    mark = f"{MARK}={state}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def end_leftovers(state: Path) -> int:
    """Kill what an earlier start left behind; gives how many there were."""
    count = 0
    deadline = time.monotonic() + _STOP_S
    while (found := leftovers(state)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        count = max(count, len(found))
        time.sleep(_POLL_S)
    return count


def with_children(pid: int) -> list[int]:
    """Return a process and all that it started, as far as they can be seen."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError, ValueError):
            words = Path(f"/proc/{one}/task/{one}/children").read_text().split()
            found.extend(int(word) for word in words)
    return found
