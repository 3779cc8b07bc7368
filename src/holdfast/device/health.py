"""Whether the running slot is healthy: its page answers and its own check says so.

Standard library only.
"""

import os
import signal
import socket
import time
from contextlib import suppress

from holdfast.device import services
from holdfast.device.boot import boot_file
from holdfast.device.broker import state
from holdfast.device.broker.errors import StateError
from holdfast.device.broker.state import BootState, clean
from holdfast.device.services import Plan
from holdfast.hardening.confine import StartError, start

_PAUSE_S = 0.2
_PAGE_S = 0.5
_CHECK_S = 5.0
_MOST_CHECKS = 3
_LONGEST_OUTPUT_BYTES = 4096
_REQUEST = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"


class Health:
    """Looks after one start of one slot; the trial ends with a verdict or a deadline.

    Before the claim the slot's page does not listen; a copy of it that has only its standard
    input then answers in its place.

    Attributes:
        state: `waiting`, `healthy` or `unhealthy`.
        reason: Why it is unhealthy, in words.
        pid: Process of the check that is under way; 0 if none is.
    """

    def __init__(
        self, plan: Plan, found: BootState, page: tuple[str, int] | None, *, inside: bool
    ) -> None:
        self.state = "waiting"
        self.reason = ""
        self._plan = plan
        self._proving = found.proving
        self._page = page
        self._unheard = services.page_on_trial(plan, found.booted, inside=inside)
        self._check = services.health(plan, found.booted, inside=inside)
        now = time.monotonic()
        self._deadline = now + plan.health_s
        self._next = now
        self._checks = 0
        self.pid = 0
        self._check_deadline = 0.0
        self._output = -1
        self._confirmed = False

    def due(self) -> float | None:
        """Say when to look again; None for never."""
        if self.pid:
            return min(self._check_deadline, self._deadline)
        if self.state == "waiting":
            return min(self._next, self._deadline)
        if self._proving and not self._confirmed:
            return self._deadline
        return None

    def look(self, now: float) -> None:
        """Do what is due; never waits for more than a moment."""
        if self.pid:
            if now >= min(self._check_deadline, self._deadline):
                _kill(self.pid)  # its end is noticed like any other
            return
        if self.state != "waiting" or now < min(self._next, self._deadline):
            return
        if now >= self._deadline:
            self._is("unhealthy", self.reason or "its web page did not answer in time")
            return
        self._next = now + _PAUSE_S
        if not self._page_answers():
            return
        if self._check is None:
            self._is("healthy", "")
            return
        self._begin(now)

    def _begin(self, now: float) -> None:
        assert self._check is not None  # noqa: S101 - for the type checker; `look` has asked
        self._output = os.memfd_create("health", os.MFD_CLOEXEC)
        try:
            fds = {1: self._output, 2: self._output}
            self.pid = start(self._check.command, self._check.walls, fds=fds).pid
        except StartError as error:
            self._failed(str(error))
        self._check_deadline = now + _CHECK_S

    def ended(self, pid: int, code: int) -> bool:
        """Take the end of the slot's check; false if the process is somebody else."""
        if pid != self.pid:
            return False
        self.pid = 0
        if code == 0:
            self._is("healthy", "")
        else:
            lines = os.pread(self._output, _LONGEST_OUTPUT_BYTES, 0).decode(errors="replace")
            said = clean(lines.strip().splitlines()[-1]) if lines.strip() else ""
            how = "took too long" if code < 0 else f"ended with {code}"
            self._failed(f"its health check {how}{': ' if said else ''}{said}")
        if self._output >= 0:
            os.close(self._output)
            self._output = -1
        return True

    def _failed(self, reason: str) -> None:
        self._checks += 1
        self.reason = reason
        self._next = time.monotonic() + _PAUSE_S
        if self._checks >= _MOST_CHECKS:
            self._is("unhealthy", reason)

    def _is(self, verdict: str, reason: str) -> None:
        self.state, self.reason = verdict, reason

    def failure(self) -> str:
        """Say why the slot has failed its trial; empty if it has not, or is not on trial."""
        if not self._proving or self._confirmed:
            return ""
        if self.state == "unhealthy":
            return self.reason
        if time.monotonic() < self._deadline:
            return ""
        with suppress(StateError):
            self._confirmed = not state.read(boot_file(self._plan.folder)).proving
        if self._confirmed:
            return ""
        return f"nobody confirmed it within {self._plan.health_s} seconds"

    def stop(self) -> None:
        """End a check that is under way."""
        if self.pid:
            _kill(self.pid)
            os.waitpid(self.pid, 0)
            self.pid = 0
        if self._output >= 0:
            os.close(self._output)
            self._output = -1

    def _page_answers(self) -> bool:
        try:
            if self._page is None:
                return self._page_would_answer()
            with socket.create_connection(self._page, timeout=_PAGE_S) as connection:
                connection.sendall(_REQUEST)
                return b" 200 " in connection.recv(64)
        except OSError:
            return False

    def _page_would_answer(self) -> bool:
        ours, its = socket.socketpair()
        with ours, its:
            ours.settimeout(_PAGE_S)
            try:
                fds = {0: its.fileno(), 1: its.fileno()}
                pid = start(self._unheard.command, self._unheard.walls, fds=fds).pid
            except StartError:
                return False
            its.close()
            try:
                ours.sendall(_REQUEST)
                return b" 200 " in ours.recv(64)
            finally:
                _kill(pid)
                os.waitpid(pid, 0)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
