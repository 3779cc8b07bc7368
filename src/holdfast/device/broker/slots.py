"""What the verbs do. Standard library only.

The rule behind all of it: the good slot is never written, and what is written counts only after
it is whole, flushed to the disk and named in one small file that is replaced at once.
"""

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdfast.core.errors import BusyError, HoldfastError, NoSpaceError
from holdfast.device.broker import judge, staging, state, tree, unpack
from holdfast.device.broker.errors import (
    NothingReadyError,
    NotProvenError,
    NotTryingError,
    SlotError,
    StateError,
    UnprovenError,
)
from holdfast.device.broker.server import Handler
from holdfast.device.broker.settings import Settings
from holdfast.device.broker.state import BootState, Slot, SlotRecord
from holdfast.device.broker.wire import Answer, Peer

_LONGEST_HEALTH_BYTES = 4096
# Share of the whole work at which each phase begins, in percent.
_PHASES = {"copying": 0, "verifying": 15, "unpacking": 40, "checking": 80, "done": 100}


class Progress:
    """How far the installation under way is, or how the last one ended.

    Attributes:
        phase: `idle`, a phase of the work, `done` or `failed`.
        percent: 0 to 100, of the whole.
        version: Label of the release.
        error: Code, message and hint of a failure; None if there was none.
    """

    def __init__(self, version: str = "") -> None:
        self.phase = "idle"
        self.percent = 0
        self.version = version
        self.error: dict[str, str] | None = None

    def told(self) -> Answer:
        """Give it as part of an answer."""
        return {
            "phase": self.phase,
            "percent": self.percent,
            "version": self.version,
            "error": self.error,
        }

    def enter(self, phase: str) -> None:
        """Begin a phase."""
        self.phase, self.percent = phase, _PHASES[phase]

    def share(self, done: int, whole: int) -> None:
        """Note how much of the present phase is done."""
        starts = list(_PHASES.values())
        first = _PHASES[self.phase]
        last = starts[starts.index(first) + 1]
        self.percent = first + (last - first) * min(done, whole) // max(whole, 1)


class Slots:
    """Both slots, and the one installation that may be under way.

    Attributes:
        settings: Where things lie.
        progress: How far the installation is.
    """

    def __init__(self, settings: Settings, restart: Callable[[], None]) -> None:
        self.settings = settings
        self.progress = Progress()
        self._restart = restart
        self._installing = threading.Lock()
        # Short: one reading, change and writing of boot.json.
        self._changing = threading.Lock()

    def handlers(self) -> dict[str, Handler]:
        """Give what carries each verb out."""
        return {
            "status": self._status,
            "slot.install": self._install,
            "slot.activate": self._activate,
            "slot.confirm": self._confirm,
            "slot.rollback": self._rollback,
            "reboot": self._reboot,
        }

    def _read(self) -> BootState:
        now = state.read(self.settings.boot_file)
        if not now.booted:
            raise StateError("no slot has been started yet")
        return now

    def _change(self, change: Callable[[BootState], BootState]) -> BootState:
        with self._changing:
            changed = change(self._read())
            state.write(self.settings.boot_file, changed)
            return changed

    def _idle(self) -> None:
        if self._installing.locked():
            raise BusyError("an installation is under way")

    def _status(self, _peer: Peer, _args: dict[str, Any]) -> Answer:
        now = self._read()
        return {
            "booted": now.booted,
            "version": now.running.version,
            "boot_id": now.boot_id,
            "good": now.good,
            "trying": now.trying,
            "proving": now.proving,
            "tries_left": now.tries_left,
            "floor": state.highest(now.floor, now.running.floor),
            "note": now.note,
            "health": self._health(now),
            "slots": {
                name: {
                    "state": slot.state,
                    "version": slot.version,
                    "reason": slot.reason,
                    "sha256": slot.sha256,
                }
                for name, slot in now.slots.items()
            },
            "install": self.progress.told(),
        }

    def _health(self, now: BootState) -> Answer:
        """Read what the launcher found about this very start."""
        waiting = {"state": "waiting", "reason": ""}
        try:
            with self.settings.health_file.open("rb") as file:
                found = json.loads(file.read(_LONGEST_HEALTH_BYTES).decode())
            if found["boot_id"] != now.boot_id:
                return waiting
            return {"state": str(found["state"]), "reason": state.clean(str(found["reason"]))}
        except (OSError, ValueError, KeyError, TypeError):
            return waiting

    def _install(self, _peer: Peer, args: dict[str, Any]) -> Answer:
        if not self._installing.acquire(blocking=False):
            raise BusyError("an installation is under way")
        try:
            self.progress = Progress(version=args["version"])
            result = self._installed(args["version"])
        except (HoldfastError, OSError, RecursionError) as error:
            self._failed(error)
            if isinstance(error, RecursionError):
                raise SlotError("the image is nested too deeply") from error
            raise
        else:
            self.progress.enter("done")
            return result
        finally:
            with suppress(OSError):
                tree.empty(self.settings.incoming)
            self._installing.release()

    def _failed(self, error: BaseException) -> None:
        known = isinstance(error, HoldfastError)
        self.progress.error = {
            "code": error.code if isinstance(error, HoldfastError) else "os-error",
            "message": str(error)[:500],
            "hint": error.hint if known and isinstance(error, HoldfastError) else "",
        }
        self.progress.phase = "failed"

    def _installed(self, version: str) -> Answer:
        now = self._read()
        if now.proving:
            raise UnprovenError(f"version {now.running.version} has not proved itself yet")
        target = now.other
        if target == now.good:  # cannot be, and must never be
            raise SlotError("the slot that does not run is the good one")
        verdict = self._verified(version, now)
        slot = Slot(
            state="ready",
            version=verdict.version,
            sha256=verdict.sha256,
            floor=verdict.floor,
            made=verdict.made,
        )
        self._change(
            lambda found: found.with_slot(
                target, slot._replace(state="writing", sha256="")
            )._replace(trying=None, tries_left=0)
        )
        try:
            slot = slot._replace(tree=self._written(target))
            state.write_record(self.settings.slot(target), SlotRecord(slot=slot, confirmed=False))
            self._change(lambda found: found.with_slot(target, slot))
        except BaseException as error:
            self._clear(target, reason=f"installation failed: {error}")
            raise
        return {"slot": target, **verdict._asdict()}

    def _verified(self, version: str, now: BootState) -> judge.Verdict:
        settings, progress = self.settings, self.progress
        progress.enter("copying")
        bounds = staging.Bounds(owner=settings.uids.get("agent"), image_bytes=settings.image_bytes)
        staging.fetch(settings.folder / "agent", settings.incoming, bounds, progress.share)
        progress.enter("verifying")
        question = judge.Question(
            version=version,
            current=now.running.version,
            floor=state.highest(now.floor, now.running.floor),
            not_before=now.running.made,
        )
        artifact = os.open(settings.incoming / "artifact", os.O_RDONLY | os.O_NOFOLLOW)
        try:
            return judge.ask(settings, question, artifact)
        finally:
            os.close(artifact)

    def _written(self, target: str) -> str:
        """Unpack into an empty slot; give the digest of the tree, which is then on the disk."""
        folder, progress = self.settings.slot(target), self.progress
        tree.empty(folder)
        progress.enter("unpacking")
        unpack.unpack(self.settings.incoming / "artifact", folder, progress.share)
        progress.enter("checking")
        found = tree.digest_apart(folder / "rootfs")
        tree.flush(folder)
        return found

    def _clear(self, target: str, *, reason: str) -> None:
        # Emptied before it is noted: on a full disk the note needs the space.
        with suppress(OSError):
            tree.empty(self.settings.slot(target))
        empty = Slot(state="empty", reason=state.clean(reason))
        with suppress(NoSpaceError, StateError):  # then the next start finds it half-written
            self._change(lambda found: found.with_slot(target, empty))

    def _activate(self, _peer: Peer, _args: dict[str, Any]) -> Answer:
        self._idle()

        def change(now: BootState) -> BootState:
            if now.proving:
                raise UnprovenError(f"version {now.running.version} has not proved itself yet")
            slot = now.slots[now.other]
            if slot.state not in {"ready", "trying"}:
                raise NothingReadyError("no freshly installed version is waiting")
            trying = slot._replace(state="trying", reason="")
            return now.with_slot(now.other, trying)._replace(
                trying=now.other, tries_left=state.TRIES
            )

        changed = self._change(change)
        return {"trying": changed.trying, "tries_left": changed.tries_left}

    def _confirm(self, _peer: Peer, _args: dict[str, Any]) -> Answer:
        def change(now: BootState) -> BootState:
            if not now.proving:
                raise NotTryingError("the running version is not being tried")
            health = self._health(now)
            if health["state"] != "healthy":
                raise NotProvenError("the running version has not shown itself healthy yet")
            slot = now.running._replace(state="good", reason="")
            return now.with_slot(now.booted, slot)._replace(
                good=now.booted,
                trying=None,
                tries_left=0,
                floor=state.highest(now.floor, slot.floor),
            )

        changed = self._change(change)
        record = SlotRecord(slot=changed.running, confirmed=True)
        with suppress(NoSpaceError):  # only for the case that boot.json is lost
            state.write_record(self.settings.slot(changed.booted), record)
        return {"good": changed.good, "version": changed.running.version}

    def _rollback(self, _peer: Peer, args: dict[str, Any]) -> Answer:
        def change(now: BootState) -> BootState:
            if not now.proving:
                raise NotTryingError("the running version is not being tried")
            return now.given_up(now.booted, args["reason"])

        changed = self._change(change)
        self._restart()
        return {"good": changed.good}

    def _reboot(self, _peer: Peer, _args: dict[str, Any]) -> Answer:
        self._idle()
        self._restart()
        return {}


def sweep(settings: Settings) -> None:
    """Remove what an interrupted installation left in the broker's own folder."""
    folder: Path = settings.incoming
    with suppress(FileNotFoundError):
        tree.empty(folder)
