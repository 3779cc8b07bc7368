"""The launcher's second stage: one loop that starts, watches, restarts and falls back.

Standard library only, and little of it: this process is there as long as the device runs.
"""

import errno
import fcntl
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from holdfast.core.errors import BusyError, HoldfastError, PortTakenError
from holdfast.core.files import full_disk_named
from holdfast.device import boot, layout, reset, services
from holdfast.device.broker import wire
from holdfast.device.broker.proofs import fresh_key
from holdfast.device.broker.settings import ASK_RESTART, CONTROL_FD, PROOF_FD
from holdfast.device.broker.state import BootState
from holdfast.device.claim import Gate, note_power_on
from holdfast.device.health import Health
from holdfast.device.services import Plan, Service
from holdfast.hardening.confine import StartError, adopt_orphans, children, start

_LONGEST_LOG_BYTES = 256 << 10
_STOP_S = 3.0
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_STEADY_S = 10.0
_SOCKET_MODE = 0o660
_BACKLOG = 64
_LOCK_S = 1.0
_TIDY_EVERY_S = 60.0


def run(text: str) -> None:
    """Run a device until told to end.

    Args:
        text: A plan, as `services.pack` wrote it.

    Raises:
        BusyError: The device runs already.
        BootError: Neither slot holds a whole system.
        PortTakenError: Another program listens where the owner's pages should be.
        NoSpaceError: The disk is full, and something is missing that must be made.
        ResetError: A factory reset was ordered, and could not be completed.
    """
    plan = services.unpack(text)
    os.umask(0o022)
    os.chdir("/")
    adopt_orphans()
    with full_disk_named(plan.folder):
        layout.arrange(plan)
        _lock(plan.folder)
        launcher = Launcher(plan)
        launcher.reset_if_asked()
    launcher.run()


def _lock(folder: Path) -> None:
    """Hold the folder for as long as this process lives."""
    path = folder / "run" / layout.LOCK
    # Nobody else may open it: whoever can, could hold it and keep the device from starting.
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(lock, 0o600)
    deadline = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            # The status command holds it for a moment to see whether a launcher does.
            if time.monotonic() > deadline:
                busy = BusyError(f"the device in {folder} runs already")
                busy.hint = "Stop the other launcher first."
                raise busy from error
            time.sleep(0.05)
        else:
            return


class _Child:
    """One program that should run, whether it does or not."""

    def __init__(self, service: Service, fds: dict[int, int]) -> None:
        self.service = service
        self.fds = fds
        self.pid = 0
        self.missing: tuple[str, ...] = ()
        self.since = 0.0
        self.next_start = 0.0
        self.pause_s = _FIRST_PAUSE_S


class Launcher:
    """Holds the sockets, the processes and the decision which slot runs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._log_file = plan.folder / "run" / "boot.log"
        self._gui_socket = _tcp(*plan.gui_listen)
        self._page_port = plan.page_listen[1] or _free_port(plan.page_listen[0])
        self._sockets = {name: self._unix(name) for name in ("broker", "agent", "auth")}
        self._control_read, self._control_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        # Fresh at each start, and handed to broker and auth alone.
        self._proof_key = fresh_key()
        self._children: dict[str, _Child] = {}
        self._inside = True
        self._ending = False
        self._restart_asked = False
        self._health: Health | None = None
        self._told_health = ""
        self._state: BootState | None = None
        self._next_tidy = 0.0
        self._gate = Gate(plan.folder)
        note_power_on(plan.folder / "run")

    def reset_if_asked(self) -> None:
        """Ask the button, and carry a factory reset out before anything of the device runs.

        Raises:
            ResetError: It could not be completed; nothing may start on half of an owner.
        """
        reset.ask_button(self.plan.folder, self.plan.button, say=self.say)
        if reset.is_ordered(self.plan.folder):
            reset.carry_out(self.plan.folder)
            layout.arrange(self.plan)
            self._gate = Gate(self.plan.folder)
            self.say("factory reset: everything of the owner is erased, the label is valid again")

    def say(self, words: str) -> None:
        """Write a line of the boot log, for people."""
        line = f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {words}\n"
        with suppress(OSError):
            sys.stdout.write(line)
            sys.stdout.flush()
        with suppress(OSError):
            if self._log_file.exists() and self._log_file.stat().st_size > _LONGEST_LOG_BYTES:
                self._log_file.replace(self._log_file.with_suffix(".1.log"))
            with self._log_file.open("a", encoding="utf-8") as file:
                file.write(line)

    def run(self) -> None:
        """Start slot after slot until told to end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        if not self.plan.uids:
            self.say(
                f"not started as root: every process runs as user {os.geteuid()}; what is "
                "missing is listed by holdfast device status"
            )
        try:
            while not self._ending:
                self._boot()
                self._watch()
                self._stop()
        finally:
            self._stop()
        self.say("stopped")

    def _end(self, _number: int, _frame: object) -> None:
        self._ending = True

    def _unix(self, name: str) -> socket.socket:
        path = self.plan.folder / "run" / f"{name}.sock"
        listener = wire.listen(path, mode=0o600)
        if self.plan.uids:
            os.chown(path, 0, self.plan.uids["sockets"])
            path.chmod(_SOCKET_MODE)
        return listener

    def _boot(self) -> None:
        plan = self.plan
        found = boot.choose(plan.folder)
        self._state = found
        self._restart_asked = False
        trial = f", on trial, {found.tries_left} further tries" if found.proving else ""
        self.say(f"starting version {found.running.version} from slot {found.booted}{trial}")
        if found.note:
            self.say(found.note)
        with suppress(BlockingIOError):
            os.read(self._control_read, 4096)  # asked of the start before this one
        self._revive_sockets()
        self._next_tidy = 0.0
        self._children = {
            "broker": _Child(
                services.broker(plan),
                {
                    3: self._sockets["broker"].fileno(),
                    CONTROL_FD: self._control_write,
                    PROOF_FD: self._proof_key,
                },
            ),
            "agent": _Child(services.agent(plan), {3: self._sockets["agent"].fileno()}),
            "auth": _Child(
                services.auth(plan),
                {3: self._sockets["auth"].fileno(), PROOF_FD: self._proof_key},
            ),
            "gui": _Child(services.gui(plan), {3: self._gui_socket.fileno()}),
        }
        self._gate.look(time.monotonic())
        if self._gate.open:
            self._open_services(found)
        else:
            (plan.folder / "run" / "page.json").unlink(missing_ok=True)
            self.say("nobody has claimed this device: only its claim page answers")
        for name in ("agent", "auth", "gui"):
            self._start(self._children[name])
        page = (plan.page_listen[0], self._page_port) if self._gate.open else None
        self._health = Health(plan, found, page, inside=self._inside)
        self._publish_health()

    def _open_services(self, found: BootState) -> None:
        """Start what others on the network may use; never before the device has an owner."""
        self._start_page(found)
        self._publish("page", {"host": self.plan.page_listen[0], "port": self._page_port})

    def _revive_sockets(self) -> None:
        """Open again what a process shut down that had it in its hands."""
        self._gui_socket.listen(_BACKLOG)
        for name, listener in self._sockets.items():
            poll = select.poll()
            poll.register(listener, select.POLLRDHUP)
            if poll.poll(0):
                listener.close()
                self._sockets[name] = self._unix(name)

    def _start_page(self, found: BootState) -> None:
        child = _Child(
            services.page(self.plan, found.booted, self._page_port, inside=self._inside), {}
        )
        self._children["page"] = child
        self._start(child)
        if not child.pid and self._inside and not self.plan.uids:
            self.say("the slot cannot become a root of its own here; its BusyBox is used directly")
            self._inside = False
            self._start_page(found)

    def _start(self, child: _Child) -> None:
        name = child.service.name
        now = time.monotonic()
        log = self._log_of(name)
        try:
            started = start(
                child.service.command, child.service.walls, fds={**child.fds, 1: log, 2: log}
            )
        except StartError as error:
            self.say(f"{name}: {error}")
            self._pause(child, now)
        else:
            if child.missing != started.missing:
                for words in started.missing:
                    self.say(f"{name}: {words}")
            child.pid, child.since, child.missing = started.pid, now, started.missing
        finally:
            os.close(log)
        self._publish_processes()

    def _log_of(self, name: str) -> int:
        path = self.plan.folder / "run" / "log" / f"{name}.log"
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError:  # a full or failing disk is no reason to leave the device without it
            return os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)

    def _tidy_logs(self) -> None:
        """Put the end of long logs aside and begin them anew; their writers append and go on."""
        for name in self._children:
            path = self.plan.folder / "run" / "log" / f"{name}.log"
            with suppress(OSError):
                if path.stat().st_size > _LONGEST_LOG_BYTES:
                    with path.open("rb") as file:
                        file.seek(-_LONGEST_LOG_BYTES, os.SEEK_END)
                        end = file.read(_LONGEST_LOG_BYTES)
                    os.truncate(path, 0)  # first: on a full disk the copy needs the space
                    path.with_suffix(".1.log").write_bytes(end)

    def _pause(self, child: _Child, now: float) -> None:
        child.pid = 0
        child.next_start = now + child.pause_s
        child.pause_s = min(child.pause_s * 2, _LONGEST_PAUSE_S)

    def _watch(self) -> None:
        """Look after the processes until the slot is to be started anew, or all is to end."""
        while not self._ending and not self._restart_asked:
            now = time.monotonic()
            if self._gate.look(now) and self._state is not None:
                self.say("the device was claimed: its services start")
                self._open_services(self._state)
            self._start_due(now)
            if now >= self._next_tidy:
                self._tidy_logs()
                self._next_tidy = now + _TIDY_EVERY_S
            broker = self._children["broker"]
            watched = [self._wake_read, self._control_read]
            if not broker.pid and now >= broker.next_start:
                watched.append(self._sockets["broker"].fileno())
            ready, _, _ = select.select(watched, [], [], self._patience(now))
            if self._wake_read in ready:
                os.read(self._wake_read, 4096)
            self._reap()
            if self._control_read in ready and ASK_RESTART in os.read(self._control_read, 4096):
                self.say("a restart was asked for")
                return
            if self._sockets["broker"].fileno() in ready and not broker.pid:
                self._start(broker)
            self._judge()

    def _start_due(self, now: float) -> None:
        for child in self._children.values():
            if not child.pid and child.service.name != "broker" and now >= child.next_start:
                self._start(child)

    def _patience(self, now: float) -> float:
        moments = [self._next_tidy]
        if not self._gate.open:
            moments.append(self._gate.next_look)
        moments += [
            child.next_start
            for child in self._children.values()
            if not child.pid and child.next_start > now
        ]
        if self._health is not None and (due := self._health.due()) is not None:
            moments.append(due)
        return max(0.0, min(moments) - now)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            code = os.waitstatus_to_exitcode(status)
            if self._health is not None and self._health.ended(pid, code):
                self._end_strays()
                continue
            for child in self._children.values():
                if child.pid == pid:
                    self._lost(child, code)

    def _end_strays(self) -> None:
        """End what processes left behind that have ended; it has become a child of this one."""
        deadline = time.monotonic() + _STOP_S
        while time.monotonic() < deadline:
            known = {child.pid for child in self._children.values()}
            if self._health is not None:
                known.add(self._health.pid)
            try:
                strays = set(children()) - known
            except OSError:  # a kernel without CONFIG_PROC_CHILDREN
                return
            for pid in strays:
                with suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
            if not strays:
                return

    def _lost(self, child: _Child, code: int) -> None:
        now = time.monotonic()
        name = child.service.name
        if now - child.since > _STEADY_S:
            child.pause_s = _FIRST_PAUSE_S
        if name == "broker" and code == 0:
            child.pid, child.next_start = 0, now  # nobody called for a while
        else:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
            self._pause(child, now)
            self.say(f"{name} {how}; it is started again in {child.next_start - now:g} s")
        self._end_strays()
        self._publish_processes()

    def _judge(self) -> None:
        """Ask for the health of the slot, and fall back if it failed its trial."""
        if self._health is None or self._state is None:
            return
        self._health.look(time.monotonic())
        if self._health.state != self._told_health:
            why = f": {self._health.reason}" if self._health.reason else ""
            self.say(f"slot {self._state.booted} is {self._health.state}{why}")
            self._publish_health()
        if reason := self._health.failure():
            self._stop()
            boot.give_up(self.plan.folder, reason)
            self.say(f"slot {self._state.booted} failed its trial: {reason}")
            self._restart_asked = True

    def _stop(self) -> None:
        """End all processes, politely first."""
        running = {child.pid: child for child in self._children.values() if child.pid}
        if self._health is not None:
            self._health.stop()
            self._health = None
        deadline = time.monotonic() + _STOP_S
        for pid in running:
            _signal(pid, signal.SIGTERM)
        while running:
            late = time.monotonic() > deadline
            for pid in list(running):
                if late:
                    _signal(pid, signal.SIGKILL)
                if os.waitpid(pid, 0 if late else os.WNOHANG)[0]:
                    running.pop(pid).pid = 0
            if running:
                select.select([self._wake_read], [], [], 0.05)
                with suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
        self._end_strays()
        self._publish_processes()

    def _publish_processes(self) -> None:
        told = {"launcher": {"pid": os.getpid(), "uid": os.geteuid(), "missing": []}}
        for name, child in self._children.items():
            uid = child.service.walls.uid
            told[name] = {
                "pid": child.pid,
                "uid": os.geteuid() if uid is None else uid,
                "missing": list(child.missing),
            }
        self._publish("processes", told)

    def _publish_health(self) -> None:
        if self._health is not None and self._state is not None:
            self._told_health = self._health.state
            told = {"state": self._health.state, "reason": self._health.reason}
            self._publish("health", {"boot_id": self._state.boot_id, **told})

    def _publish(self, name: str, content: object) -> None:
        """Replace a small file that means nothing after the next start."""
        path = self.plan.folder / "run" / f"{name}.json"
        fresh = path.with_suffix(".new")
        with suppress(OSError):
            fresh.write_text(json.dumps(content), encoding="utf-8")
            fresh.replace(path)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _tcp(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(host=host, port=port) from error
        raise HoldfastError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.listen(_BACKLOG)
    return listener


def _free_port(host: str) -> int:
    with _tcp(host, 0) as listener:
        return int(listener.getsockname()[1])
