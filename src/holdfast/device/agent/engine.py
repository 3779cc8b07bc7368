"""The agent's one worker: proves a new start, sends reports, polls, and works on the offer."""

import os
import threading
import time
from collections.abc import Callable
from urllib.parse import parse_qs

import holdfast
from holdfast.core.errors import HoldfastError, NoSpaceError
from holdfast.device.agent import messages, proof, reports
from holdfast.device.agent.child import ChildError
from holdfast.device.agent.clockwork import Jumps
from holdfast.device.agent.errors import (
    GoneError,
    HubError,
    HubGarbageError,
    HubStrangerError,
    RejectedError,
    TokenError,
)
from holdfast.device.agent.hub import Hub
from holdfast.device.agent.installation import Broker, Installation
from holdfast.device.agent.keeper import Keeper
from holdfast.device.agent.memory import Work
from holdfast.device.broker import state as slots
from holdfast.device.broker.errors import StateError
from holdfast.device.service import say
from holdfast.device.settings import Settings
from holdfast.updates.errors import (
    MetadataError,
    UnhealthyError,
    UnknownReleaseError,
    UpdateError,
)

DEFAULT_POLL_S = 300
_LONGEST_POLL_S = 86_400
_LONGEST_BACKOFF_S = 900.0
_PROVE_EVERY_S = 0.5
_REBOOT_EVERY_S = 10.0
_HURRY_S = 3.0
_FRESH_FOR_MS = 86_400_000
_LOOK_AGAIN_S = 600.0
_UNTOUCHABLE = frozenset({"installing", "restarting"})


class Engine:
    """Keeps one device up to date.

    Attributes:
        wake: Set it, and the worker looks at once whether there is something to do.
        turned_away: Why the hub does not listen although it could be reached; empty if it does.
    """

    def __init__(
        self,
        *,
        config: Settings,
        keeper: Keeper,
        hub: Hub,
        broker: Broker,
        installation: Installation,
        now_ms: Callable[[], int],
        stopped: threading.Event,
    ) -> None:
        self._config = config
        self._keeper = keeper
        self._hub = hub
        self._broker = broker
        self._installation = installation
        self._now_ms = now_ms
        self._boot_file = config.folder / "boot" / "boot.json"
        self.wake = threading.Event()
        self.stopped = stopped
        self._poll_s = float(config.poll_s or DEFAULT_POLL_S)
        self._next_poll = 0.0
        self._next_send = 0.0
        self._next_look = 0.0
        self._failures = 0
        self._unsent = 0
        self._proved = False
        self._jumps = Jumps(now_ms())
        self.turned_away = ""

    def run(self) -> None:
        """Work until stopped; a failure never ends it."""
        while not self.stopped.is_set():
            try:
                wait_s = self.step()
            except NoSpaceError as error:
                say("agent.disk_full", error=error)
                wait_s = self._poll_s
            except (HoldfastError, OSError) as error:
                say("agent.held_up", error=error)
                wait_s = self._poll_s
            self.wake.wait(timeout=max(0.0, min(wait_s, self._poll_s)))
            self.wake.clear()

    def stop(self) -> None:
        """Let `run` return soon."""
        self.stopped.set()
        self.wake.set()

    def check_now(self) -> None:
        """Poll at once."""
        self._next_poll = self._next_send = self._next_look = 0.0
        self.wake.set()

    def step(self) -> float:
        """Do what is due; return the seconds until there may be something again."""
        self._look_at_the_clock()
        try:
            if not self._proved and not self._settle():
                return _PROVE_EVERY_S
        except (StateError, OSError) as error:
            # Without knowing what runs nothing is reported; the owner still sees the pages.
            say("agent.slots_unreadable", error=error)
            return _HURRY_S
        self._send()
        if time.monotonic() >= self._next_poll:
            self._poll()
        wait_s = self._next_poll - time.monotonic()
        work = self._keeper.memory.work
        while work is not None and not self.stopped.is_set():
            stage = work.stage
            if stage == "restarting":
                self._send()
            again_s = self._installation.advance(work)
            work = self._keeper.memory.work
            if again_s > 0 or (work is not None and work.stage == stage):
                wait_s = min(wait_s, again_s or _HURRY_S)
                break
        self._send()
        return wait_s

    def _look_at_the_clock(self) -> None:
        jump = self._jumps.look(self._now_ms())
        if jump is not None:
            say("clock.was_set", by_s=jump.by_ms // 1000)
            with self._keeper.change() as memory:
                memory.clock_was_set(before_ms=jump.before_ms, by_ms=jump.by_ms)

    # After a start of the device.

    def _settle(self) -> bool:
        """Prove this start, and close what the last one left open; tell whether all is settled."""
        now = slots.read(self._boot_file)
        if now.proving:
            fault = proof.fault(self._config, now.boot_id)
            if fault:
                return False
            try:
                self._broker("slot.confirm", {}, _REBOOT_EVERY_S)
            except HoldfastError as error:
                if error.code != "slot-not-trying":
                    say("slot.unconfirmed", code=error.code)
                    return False
            say("slot.confirmed", version=now.running.version)
        work = self._keeper.memory.work
        if work is not None and work.stage == "restarting" and work.boot_id != now.boot_id:
            self._close(work, now)
        self._tell_attributes(now)
        self._proved = True
        return True

    def _close(self, work: Work, now: slots.BootState) -> None:
        feedback = f"deploymentBase/{work.id}/feedback"
        arrived = now.booted == work.slot and now.running.version == work.version
        reason = now.slots[work.slot].reason if work.slot in now.slots else ""
        with self._keeper.change() as memory:
            self._report_attributes(now)
            if arrived:
                body = reports.feedback(
                    work.id, "closed", "success", f"version {work.version} runs and is healthy"
                )
                memory.report("POST", feedback, body)
                memory.note("installed", at_ms=self._now_ms(), version=work.version)
            else:
                error = UnhealthyError()
                sentence = f"{error} ({reason})" if reason else str(error)
                memory.report("POST", feedback, reports.refusal(work.id, error.code, sentence))
                memory.note(
                    "failed",
                    at_ms=self._now_ms(),
                    version=work.version,
                    code=error.code,
                    sentence=sentence,
                    hint=error.hint,
                )
            memory.end(work)
        say("offer.closed", id=work.id, version=work.version, arrived=arrived, reason=reason)

    def _tell_attributes(self, now: slots.BootState) -> None:
        if self._keeper.memory.attributes_of != _name_of(now):
            with self._keeper.change():
                self._report_attributes(now)

    def _report_attributes(self, now: slots.BootState) -> None:
        memory = self._keeper.memory
        memory.attributes_of = _name_of(now)
        memory.report(
            "PUT",
            "configData",
            reports.attributes(
                version=now.running.version,
                slot=now.booted,
                boot_id=now.boot_id,
                hardware=self._config.hardware,
                agent=holdfast.__version__,
            ),
            once="configData",
        )

    # Talking with the hub.

    def _send(self) -> None:
        """Send what waits, in order; what the hub will never take is dropped and said.

        What it cannot take now holds up the reports behind it, but never a poll.
        """
        if time.monotonic() < self._next_send:
            return
        while not self.stopped.is_set():
            with self._keeper.lock:
                waiting = self._keeper.memory.reports
                report = waiting[0] if waiting else None
            if report is None:
                return
            try:
                self._hub.send(report["method"], report["below"], report["body"])
            except (GoneError, RejectedError) as error:
                say("report.not_taken", below=report["below"], code=error.code)
            except HubError as error:
                self._unsent += 1
                again_s = _jittered(self._backoff_s(self._unsent))
                self._next_send = time.monotonic() + again_s
                say(
                    "report.waits",
                    code=error.code,
                    below=report["below"],
                    again_in_s=round(again_s),
                )
                return
            self._unsent = 0
            with self._keeper.change() as memory:
                if report in memory.reports:
                    memory.reports.remove(report)

    def _poll(self) -> None:
        try:
            poll = messages.poll_of(self._hub.poll())
            self._heard(poll)
            if poll.wants_attributes:
                now = slots.read(self._boot_file)
                with self._keeper.change():
                    self._report_attributes(now)
            if poll.cancel:
                self._cancel(poll.cancel)
            elif poll.deployment:
                self._take(poll.deployment)
            else:
                self._withdrawn()
                self._look_for_staleness()
        except HubError as error:
            self._silent(error)

    def _look_for_staleness(self) -> None:
        """Once a day have the signed lists read although nothing is offered.

        Somebody between hub and device who hides every offer cannot keep the lists fresh.
        """
        memory, now_ms = self._keeper.memory, self._now_ms()
        looked_ms = memory.believed_ms
        fresh = looked_ms is not None and 0 <= now_ms - looked_ms < _FRESH_FOR_MS
        if fresh or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_AGAIN_S
        try:
            self._installation.look_for_staleness()
            stale = ["", ""]
        except (UnknownReleaseError, ChildError):
            stale = ["", ""]  # nothing was published yet; or it could not be judged
        except UpdateError as error:
            if error.code.startswith("hub"):
                return  # the next poll says so
            stale = [error.code, f"{error} {error.hint}".strip()]
            say("lists.stale", code=error.code)
        if stale == memory.stale and stale[0]:
            return
        with self._keeper.change() as changed:
            changed.stale = stale
            changed.believed_ms = None if stale[0] else now_ms

    def _heard(self, poll: messages.Poll) -> None:
        self._failures = 0
        self._next_send = 0.0
        self.turned_away = ""
        sleep_s = self._config.poll_s or poll.sleep_s or DEFAULT_POLL_S
        self._poll_s = float(min(sleep_s, _LONGEST_POLL_S))
        self._next_poll = time.monotonic() + _jittered(self._poll_s)
        memory = self._keeper.memory
        was_silent = memory.silent_since_ms is not None
        with self._keeper.lock:
            memory.answered_ms = self._now_ms()
            memory.silent_since_ms = None
        if was_silent:
            with self._keeper.change():
                pass

    def _silent(self, error: HubError) -> None:
        self._failures += 1
        backoff_s = self._backoff_s(self._failures)
        self._next_poll = max(self._next_poll, time.monotonic() + _jittered(backoff_s))
        known = isinstance(error, HubStrangerError | TokenError)
        self.turned_away = f"{error} {error.hint}" if known else ""
        say("hub.silent", code=error.code, failures=self._failures, again_in_s=round(backoff_s))
        if self._keeper.memory.silent_since_ms is None:
            with self._keeper.change() as memory:
                memory.silent_since_ms = self._now_ms()

    def _backoff_s(self, failures: int) -> float:
        longest = max(_LONGEST_BACKOFF_S, self._poll_s)
        return float(min(self._poll_s * 2 ** min(failures - 1, 12), longest))

    def _take(self, path: str) -> None:
        number, revision = messages.id_in(path), _revision_of(path)
        memory = self._keeper.memory
        work = memory.work
        if memory.is_over(number, revision):
            return
        if work is not None and work.id == number and work.revision == revision:
            return
        if work is not None and work.stage in _UNTOUCHABLE:
            return
        fresh = Work(
            id=number,
            revision=revision,
            forced=False,
            skip=False,
            target="",
            version="",
            download="",
            first_seen_ms=self._now_ms(),
        )
        try:
            offer = messages.deployment_of(self._hub.get(path), number=number)
        except HubGarbageError as error:
            self._installation.refuse(fresh, MetadataError(str(error)))
            return
        fresh.forced, fresh.skip = offer.forced, offer.skip
        fresh.target, fresh.version, fresh.download = offer.target, offer.version, offer.download
        with self._keeper.change() as memory:
            if work is not None and work.id == number and work.target == fresh.target:
                # The same release under other terms: what was done and said for it stays.
                work.revision, work.forced, work.skip = revision, fresh.forced, fresh.skip
                work.download = fresh.download
                return
            if work is not None:
                self._installation.clear()
                memory.note("cancelled", at_ms=self._now_ms(), version=work.version)
            memory.work = fresh
        say("offer.found", id=number, version=fresh.version)

    def _withdrawn(self) -> None:
        work = self._keeper.memory.work
        if work is None or work.stage in _UNTOUCHABLE:
            return
        self._installation.clear()
        with self._keeper.change() as memory:
            memory.note("cancelled", at_ms=self._now_ms(), version=work.version)
            memory.end(work)

    def _cancel(self, path: str) -> None:
        number = messages.cancelled_id(self._hub.get(path))
        work = self._keeper.memory.work
        if work is not None and work.id == number and work.stage in _UNTOUCHABLE:
            body = reports.feedback(
                number, "rejected", "none", "the new version is being installed"
            )
        else:
            body = reports.feedback(number, "closed", "success", "taken back")
            if work is not None and work.id == number:
                self._withdrawn()
        with self._keeper.change() as memory:
            below = f"cancelAction/{number}/feedback"
            memory.report("POST", below, body, once=below)


def _jittered(seconds: float) -> float:
    """Spread the devices of a fleet: 90 to 110 per cent."""
    return seconds * (0.9 + 0.2 * os.urandom(1)[0] / 255)


def _revision_of(path: str) -> str:
    return parse_qs(path.partition("?")[2]).get("c", [""])[0][:40]


def _name_of(now: slots.BootState) -> str:
    return f"{now.running.version}/{now.boot_id}"
