"""The verbs of agent.sock: what the owner's pages see, and what they may ask for."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from holdfast.device.agent import reports
from holdfast.device.agent.clockwork import doubt, passed
from holdfast.device.agent.engine import Engine
from holdfast.device.agent.errors import NothingOfferedError, WindowError
from holdfast.device.agent.hub import Hub
from holdfast.device.agent.installation import Installation
from holdfast.device.agent.keeper import Keeper
from holdfast.device.agent.memory import Memory, Work
from holdfast.device.agent.settled import (
    Terms,
    decision,
    later_days,
    ms_of,
    pending,
    wall,
)
from holdfast.device.broker import state as slots
from holdfast.device.broker.errors import StateError
from holdfast.device.broker.server import Handler
from holdfast.device.broker.wire import Answer, Peer
from holdfast.device.service import say
from holdfast.updates.consent import Action, Consent, Window, bounded_later

_QUIET = frozenset({"update.state", "update.notes", "update.history"})
_NOTES_BYTES = 3000
_HISTORY_BYTES = 3200
_FIXES_SHOWN = 40
_PUBLIC = ("at_ms", "kind", "version", "code", "sentence", "hint")
_SHORTEST_WINDOW = timedelta(minutes=30)
_ENTRIES = 6
_TROUBLE_BYTES = 600


class Telling:
    """Answers the owner's pages."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        engine: Engine,
        installation: Installation,
        hub: Hub,
        terms: Terms,
        folder: Path,
        now_ms: Callable[[], int],
    ) -> None:
        self._keeper = keeper
        self._engine = engine
        self._installation = installation
        self._hub = hub
        self._terms = terms
        self._boot_file = folder / "boot" / "boot.json"
        self._now_ms = now_ms

    def handlers(self) -> dict[str, Handler]:
        """Give what carries each verb out."""
        return {
            "update.state": self._state,
            "update.notes": self._notes,
            "update.history": self._history,
            "update.check": self._check,
            "update.install": self._install,
            "update.later": self._later,
            "update.preferences": self._preferences,
            "owner.subscribe": self._subscribe,
            "owner.unsubscribe": self._unsubscribe,
        }

    def journal(self, peer: Peer, verb: str, _args: Mapping[str, Any], result: str) -> None:
        """Log a call without its arguments, one of which is personal."""
        if verb not in _QUIET or result != "ok":
            say("agent.asked", verb=verb, uid=peer.uid, result=result)

    def _state(self, _peer: Peer, _args: dict[str, Any]) -> Answer:
        with self._keeper.lock:
            memory = self._keeper.memory
            work = memory.work
            running, proving = self._running()
            stage, offer = self._offer(memory, work, proving=proving)
            trouble = work.trouble if work is not None else memory.stale
            return {
                "product": {
                    "name": self._terms.name,
                    "vendor": self._terms.vendor,
                    "support_until": self._terms.support_until.isoformat(),
                },
                "running": {"version": running.version or "?"},
                "stage": stage,
                "offer": offer,
                "percent": self._percent(work),
                "last": _last(memory),
                "hub": {
                    "answered_ms": memory.answered_ms,
                    "silent_since_ms": memory.silent_since_ms,
                    "turned_away": self._engine.turned_away,
                },
                "clock": doubt(
                    datetime.fromtimestamp(self._now_ms() / 1000, tz=UTC),
                    passed=passed(memory.passed_ms, running),
                    hub=self._hub.date,
                ),
                "trouble": {
                    "code": trouble[0],
                    "sentence": in_parts(trouble[1], most_bytes=_TROUBLE_BYTES)[0],
                },
                "preferences": {
                    "mode": memory.consent or str(self._terms.policy.consent),
                    "window": memory.window or str(self._terms.policy.window),
                },
                "address": memory.address,
            }

    def _running(self) -> tuple[slots.Slot, bool]:
        try:
            now = slots.read(self._boot_file)
        except StateError:
            return slots.Slot(), False
        return now.running, now.proving

    def _offer(
        self, memory: Memory, work: Work | None, *, proving: bool
    ) -> tuple[str, dict[str, Any] | None]:
        if work is None or work.release is None:
            return ("proving" if proving else "current"), None
        now_ms = self._now_ms()
        found = decision(memory, self._terms, now_ms=now_ms)
        stage: str = work.stage
        if proving:
            stage = "proving"
        elif stage in {"found", "waiting"} and found is not None:
            stage = "offered" if found.action is Action.ASK else "scheduled"
            if work.later_until_ms is not None and found.action is Action.WAIT:
                stage = "deferred" if work.later_until_ms > now_ms else "scheduled"
        release = work.release
        until = found.until if found is not None else None
        return stage, {
            "version": work.version,
            "severity": release["severity"],
            "size_bytes": release["size_bytes"],
            "made_ms": release["made_ms"],
            "fixes": release["fixes"][:_FIXES_SHOWN],
            "fixes_count": len(release["fixes"]),
            "later": later_days(work, self._terms, now_ms=now_ms),
            "until_ms": None if until is None else ms_of(until),
            "reason": "" if found is None else found.reason,
        }

    def _percent(self, work: Work | None) -> int | None:
        if work is None or work.release is None or work.stage != "downloading":
            return None
        return int(min(100, 100 * self._installation.have_bytes // work.release["size_bytes"]))

    def _notes(self, _peer: Peer, args: dict[str, Any]) -> Answer:
        with self._keeper.lock:
            work = self._keeper.memory.work
            notes = str(work.release["notes"]) if work is not None and work.release else ""
        parts = in_parts(notes, most_bytes=_NOTES_BYTES)
        part = args["part"]
        return {"text": parts[part] if part < len(parts) else "", "parts": len(parts)}

    def _history(self, _peer: Peer, args: dict[str, Any]) -> Answer:
        with self._keeper.lock:
            entries = [{key: one[key] for key in _PUBLIC} for one in self._keeper.memory.history]
        entries.reverse()
        pages = [entries[at : at + _ENTRIES] for at in range(0, len(entries), _ENTRIES)] or [[]]
        page = pages[args["page"]] if args["page"] < len(pages) else []
        return {"entries": _fitting(page), "pages": len(pages)}

    def _check(self, _peer: Peer, _args: dict[str, Any]) -> Answer:
        self._engine.check_now()
        return {}

    def _install(self, _peer: Peer, _args: dict[str, Any]) -> Answer:
        with self._keeper.change():
            self._decidable().approved = True
        self._engine.wake.set()
        return {}

    def _later(self, _peer: Peer, args: dict[str, Any]) -> Answer:
        now_ms = self._now_ms()
        with self._keeper.change() as memory:
            work = self._decidable()
            until = bounded_later(wall(now_ms), args["days"], self._terms.policy, pending(work))
            work.later_until_ms = ms_of(until)
            body = reports.feedback(
                work.id, "scheduled", "none", f"the owner put it off until {until:%Y-%m-%d %H:%M}"
            )
            below = f"deploymentBase/{work.id}/feedback"
            memory.report("POST", below, body, once=f"later {work.id}")
            memory.note("deferred", at_ms=now_ms, version=work.version)
        self._engine.wake.set()
        return {"until_ms": ms_of(until)}

    def _preferences(self, _peer: Peer, args: dict[str, Any]) -> Answer:
        window = Window.parse(args["window"])
        begin = timedelta(hours=window.start.hour, minutes=window.start.minute)
        end = timedelta(hours=window.end.hour, minutes=window.end.minute)
        if timedelta(0) < (end - begin) % timedelta(days=1) < _SHORTEST_WINDOW:
            raise WindowError
        with self._keeper.change() as memory:
            memory.consent = str(Consent(args["mode"]))
            memory.window = str(window)
        self._engine.wake.set()
        return {}

    def _subscribe(self, _peer: Peer, args: dict[str, Any]) -> Answer:
        with self._keeper.change() as memory:
            memory.address = reports.masked(args["address"])
            body = {"address": args["address"], "action": "subscribe"}
            memory.report("POST", "owner-address", body, once="owner-address")
        self._engine.wake.set()
        return {}

    def _unsubscribe(self, _peer: Peer, _args: dict[str, Any]) -> Answer:
        with self._keeper.change() as memory:
            memory.address = ""
            body = {"address": "", "action": "unsubscribe"}
            memory.report("POST", "owner-address", body, once="owner-address")
        self._engine.wake.set()
        return {}

    def _decidable(self) -> Work:
        work = self._keeper.memory.work
        if work is None or work.release is None or work.stage != "waiting":
            raise NothingOfferedError
        return work


def in_parts(text: str, *, most_bytes: int) -> list[str]:
    """Cut a text so that each part, written as JSON in ASCII, has at most so many bytes."""
    parts, part, used = [], "", 0
    for mark in text:
        # As JSON writes it: six characters each, twice for what lies beyond the first plane.
        cost = 1 if mark.isascii() and mark.isprintable() and mark not in '"\\' else 12
        if used + cost > most_bytes:
            parts.append(part)
            part, used = "", 0
        part += mark
        used += cost
    return [*parts, part]


def _fitting(page: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Shorten sentences until a page of the history fits a packet."""
    share = _HISTORY_BYTES // max(1, len(page)) - 200
    return [
        {
            **one,
            "sentence": in_parts(one["sentence"], most_bytes=share * 2 // 3)[0],
            "hint": in_parts(one["hint"], most_bytes=share // 3)[0],
        }
        for one in page
    ]


def _last(memory: Memory) -> dict[str, Any] | None:
    for one in reversed(memory.history):
        if one["kind"] in {"installed", "refused", "failed", "damaged"}:
            return {
                **{key: one[key] for key in _PUBLIC},
                "sentence": in_parts(one["sentence"], most_bytes=700)[0],
                "hint": in_parts(one["hint"], most_bytes=400)[0],
            }
    return None
