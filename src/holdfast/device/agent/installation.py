"""Takes one offer from "found" to the restart, each stage written before the next begins."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.core.errors import HoldfastError
from holdfast.device.agent import reports
from holdfast.device.agent.child import Child
from holdfast.device.agent.clockwork import doubt, passed
from holdfast.device.agent.download import Download, Progress, StoppedError, must_go_on
from holdfast.device.agent.hub import Hub
from holdfast.device.agent.keeper import Keeper
from holdfast.device.agent.memory import Work
from holdfast.device.agent.settled import Terms, decision
from holdfast.device.broker import state as slots
from holdfast.device.broker.wire import Answer
from holdfast.device.service import say
from holdfast.updates.consent import Action
from holdfast.updates.errors import REFUSALS, ClockError, ExpiredError, MissingError, TamperedError

SOON_S, LATER_S = 2.0, 60.0
_INSTALL_S = 900.0
_MOST_CLEAN_TRIES = 2
_NOT_NOW = frozenset(
    {"busy", "wire-unreachable", "verb-rate", "agent-child", "slot-state", ClockError.code}
)
_AGAIN = frozenset({"slot-verifier", "slot-staging"})
# The hub closed the offer with these or the device did; anything else is tried again later.
_FINAL = ("update", "slot", "no-space", "os-error", "verb", "holdfast")

Broker = Callable[[str, dict[str, Any], float], Answer]


class Installation:
    """Works on the offer in the memory.

    Attributes:
        have_bytes: How much of the file is here, for the progress page.
    """

    def __init__(
        self,
        *,
        keeper: Keeper,
        hub: Hub,
        child: Child,
        broker: Broker,
        terms: Terms,
        folder: Path,
        now_ms: Callable[[], int],
        stopped: Callable[[], bool],
    ) -> None:
        self._keeper = keeper
        self._hub = hub
        self._child = child
        self._broker = broker
        self._terms = terms
        self._staging = folder / "agent" / "staging"
        self._boot_file = folder / "boot" / "boot.json"
        self._now_ms = now_ms
        self._stopped = stopped
        self.have_bytes = 0
        self._failures = 0

    def advance(self, work: Work) -> float:
        """Do the next stage; return the seconds after which to come again."""
        stages = {
            "found": self._judge,
            "waiting": self._wait,
            "downloading": self._download,
            "checking": self._check,
            "installing": self._install,
            "restarting": self._restart,
        }
        try:
            wait_s = stages[work.stage](work)
        except StoppedError:
            return 0.0
        except HoldfastError as error:
            return self._after(error, work)
        self._failures = 0
        return wait_s

    def refuse(self, work: Work, error: HoldfastError) -> None:
        """End an offer without installing it, and say why to hub and owner."""
        code, sentence = error.code, str(error)
        say("offer.refused", id=work.id, version=work.version, code=code)
        self.clear()
        with self._keeper.change() as memory:
            body = reports.refusal(work.id, code, sentence)
            memory.report("POST", f"deploymentBase/{work.id}/feedback", body)
            memory.note(
                "refused" if code in REFUSALS else "failed",
                at_ms=self._now_ms(),
                version=work.version,
                code=code,
                sentence=sentence,
                hint=error.hint,
            )
            memory.end(work)

    def clear(self) -> None:
        """Remove what was downloaded."""
        self.have_bytes = 0
        for name in ("artifact.part", "artifact"):
            with suppress(FileNotFoundError):
                (self._staging / name).unlink()

    def _after(self, error: HoldfastError, work: Work) -> float:
        """Sort a failure: refused for good, once more from the start, or later."""
        code = error.code
        if code in _AGAIN and work.clean_tries < _MOST_CLEAN_TRIES:
            self._start_over()
            return SOON_S
        if code not in _NOT_NOW and code.startswith(_FINAL):
            self.refuse(work, error)
            return 0.0
        if code == ClockError.code:
            self._tell_of_the_clock(work, error)
        self._failures += 1
        say("offer.held_up", id=work.id, code=code, failures=self._failures)
        with self._keeper.change() as memory:
            if memory.work is not None:
                hint = error.hint if code == ClockError.code else ""
                memory.work.trouble = [code, f"{error} {hint}".strip()]
        return min(SOON_S * float(2 ** min(self._failures - 1, 10)), 10 * LATER_S)

    def _tell_of_the_clock(self, work: Work, error: HoldfastError) -> None:
        """Let the hub know once; the offer goes on as soon as somebody has set the clock."""
        if ClockError.code in work.told:
            return
        with self._keeper.change() as memory:
            work.told.append(ClockError.code)
            body = reports.feedback(
                work.id, "proceeding", "none", f"[{error.code}] {error} {error.hint}"
            )
            memory.report("POST", f"deploymentBase/{work.id}/feedback", body)

    def _start_over(self) -> None:
        self.clear()
        with self._keeper.change() as memory:
            if memory.work is not None:
                memory.work.clean_tries += 1
                memory.work.tag = ""
                memory.work.stage = "downloading"

    def _judge(self, work: Work) -> float:
        release = self._accepted(work)
        with self._keeper.change() as memory:
            work.release = release
            work.version = release["version"]
            work.stage = "waiting"
            work.trouble = ["", ""]
            if "offered" not in work.told:
                work.told.append("offered")
                memory.note("offered", at_ms=self._now_ms(), version=work.version)
        return 0.0

    def _accepted(self, work: Work) -> dict[str, Any]:
        running = slots.read(self._boot_file)
        memory = self._keeper.memory
        with self._clock_doubted(running.running):
            release = self._child.accept(
                work.target,
                current=running.running.version,
                floor=slots.highest(running.floor, running.running.floor),
                not_before=passed(memory.passed_ms, running.running),
            )
        with self._keeper.change():
            memory.believed_ms, memory.stale = self._now_ms(), ["", ""]
        self._learn(release.pop("passed_ms", None))
        return release

    def look_for_staleness(self) -> None:
        """Have the newest signed lists read, although nothing is offered.

        Raises:
            UpdateError: They are not believed; or (codes of `hub-...`) could not be fetched.
        """
        running = slots.read(self._boot_file).running
        known = passed(self._keeper.memory.passed_ms, running)
        with self._clock_doubted(running):
            self._learn(self._child.refresh(not_before=known)["passed_ms"])

    @contextmanager
    def _clock_doubted(self, running: slots.Slot) -> Iterator[None]:
        """Where something looks expired by a clock that cannot be right, blame the clock."""
        try:
            yield
        except ExpiredError as error:
            said = doubt(
                _moment(self._now_ms()),
                passed=passed(self._keeper.memory.passed_ms, running),
                hub=self._hub.date,
            )
            if said and error.code == ExpiredError.code:
                raise ClockError(said) from error
            raise

    def _learn(self, passed_ms: object) -> None:
        if isinstance(passed_ms, int):
            with self._keeper.change() as memory:
                memory.passed_ms = max(passed_ms, memory.passed_ms or 0)

    def _wait(self, work: Work) -> float:
        found = decision(self._keeper.memory, self._terms, now_ms=self._now_ms())
        if found is None or work.skip or found.action is not Action.INSTALL:
            return LATER_S
        with self._keeper.change() as memory:
            work.stage = "downloading"
            work.told.append("download")
            body = reports.feedback(work.id, "download", "none", found.reason)
            memory.report("POST", f"deploymentBase/{work.id}/feedback", body)
            memory.note(
                "approved" if work.approved else "automatic",
                at_ms=self._now_ms(),
                version=work.version,
                sentence="" if work.approved else found.reason,
            )
        return 0.0

    def _download(self, work: Work) -> float:
        release = _release_of(work)
        self._staging.mkdir(parents=True, exist_ok=True)
        progress = Progress(tag=work.tag, received=work.received, empty_tries=work.empty_tries)
        download = Download(
            hub=self._hub,
            path=work.download,
            part=self._staging / "artifact.part",
            size_bytes=release["size_bytes"],
            progress=progress,
            tell=self._tell,
            stopped=self._stopped,
        )
        with suppress(FileNotFoundError):
            self.have_bytes = download.part.stat().st_size
        try:
            must_go_on(progress)
            whole = download.advance()
        finally:
            with self._keeper.change():
                work.tag = progress.tag
                if progress.received > work.received:
                    work.trouble = ["", ""]
                work.received = progress.received
                work.empty_tries = progress.empty_tries
        if not whole:
            self._failures += 1
            return min(SOON_S / 4 * float(2 ** min(self._failures, 8)), LATER_S)
        with self._keeper.change() as memory:
            work.stage = "checking"
            work.trouble = ["", ""]
            memory.report(
                "POST",
                f"deploymentBase/{work.id}/feedback",
                reports.feedback(work.id, "downloaded"),
            )
        return 0.0

    def _tell(self, have_bytes: int) -> None:
        self.have_bytes = have_bytes

    def _check(self, work: Work) -> float:
        release = _release_of(work)
        part = self._staging / "artifact.part"
        whole = self._staging / "artifact"
        if not whole.exists():
            if not part.exists():
                self._start_over()
                return 0.0
            try:
                self._child.digest(part, size_bytes=release["size_bytes"], sha256=release["sha256"])
            except TamperedError:
                if work.clean_tries:
                    raise
                self._start_over()
                return 0.0
            part.replace(whole)
        try:
            # What was signed may have changed while the owner waited or the file came.
            fresh = self._accepted(work)
            if fresh["sha256"] != release["sha256"]:
                raise MissingError("The manufacturer replaced the release meanwhile.")
        except HoldfastError as error:
            # Without the hub the metadata from before is staged; the broker judges it anew.
            if not error.code.startswith("hub"):
                raise
        with self._keeper.change():
            work.stage = "installing"
            work.trouble = ["", ""]
        return 0.0

    def _install(self, work: Work) -> float:
        release = _release_of(work)
        now = slots.read(self._boot_file)
        other = now.slots[now.other]
        if (other.state, other.version, other.sha256) != (
            "ready",
            work.version,
            release["sha256"],
        ) and now.trying != now.other:
            if not (self._staging / "artifact").exists():
                self._start_over()
                return 0.0
            self._broker("slot.install", {"version": work.version}, _INSTALL_S)
        if self._stopped():
            raise StoppedError
        answer = self._broker("slot.activate", {}, LATER_S)
        slot = str(answer.get("trying", now.other))
        self.clear()
        with self._keeper.change() as memory:
            work.stage = "restarting"
            work.slot = slot
            work.boot_id = now.boot_id
            work.trouble = ["", ""]
            body = reports.feedback(
                work.id, "proceeding", "none", f"installed in slot {slot}, restarting"
            )
            memory.report("POST", f"deploymentBase/{work.id}/feedback", body)
        return 0.0

    def _restart(self, _work: Work) -> float:
        self._broker("reboot", {}, LATER_S)
        return LATER_S / 6


def _release_of(work: Work) -> dict[str, Any]:
    if work.release is None:
        raise MissingError("The description of the release was lost.")
    return work.release


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)
