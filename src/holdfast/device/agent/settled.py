"""What the maker lays down and the owner chose, for `updates.consent`."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from holdfast.core.files import write_whole
from holdfast.device.agent.memory import Memory, Work
from holdfast.updates.consent import (
    Choice,
    Consent,
    Decision,
    Pending,
    Policy,
    Window,
    decide,
    latest,
)
from holdfast.updates.release import Severity

_LATER_DAYS = (1, 2, 3, 7, 14, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the agent needs of the product profile.

    Attributes:
        name: Of the product, for people.
        vendor: Who made it.
        support_until: Last day of security updates.
        policy: When it may install.
    """

    name: str
    vendor: str
    support_until: date
    policy: Policy


def read_terms(profile: Path, kept: Path, ask: Callable[[], dict[str, Any]]) -> Terms:
    """Give the terms of a product profile.

    The reader of profiles is large, so a child reads it, once for each content of the file.

    Args:
        profile: The product profile.
        kept: Where the answer is kept.
        ask: Has the child read the profile.

    Raises:
        HoldfastError: The profile cannot be read.
    """
    facts = profile.stat()
    key = [facts.st_ino, facts.st_size, facts.st_mtime_ns]
    try:
        found = json.loads(kept.read_bytes())
        if found["of"] == key:
            return _terms(found["terms"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # read it anew
    raw = ask()
    write_whole(kept, json.dumps({"of": key, "terms": raw}).encode())
    return _terms(raw)


def _terms(raw: dict[str, Any]) -> Terms:
    return Terms(
        name=str(raw["name"]),
        vendor=str(raw["vendor"]),
        support_until=date.fromisoformat(raw["support_until"]),
        policy=Policy(
            consent=Consent(raw["consent"]),
            window=Window.parse(raw["window"]),
            later_days={Severity(name): int(days) for name, days in raw["later_days"].items()},
        ),
    )


def wall(ms: int) -> datetime:
    """Give the owner's wall-clock time of a moment, without zone."""
    return datetime.fromtimestamp(ms / 1000)  # noqa: DTZ006 - consent counts in wall-clock time


def ms_of(wall_time: datetime) -> int:
    """Give the moment of a wall-clock time."""
    return int(wall_time.timestamp() * 1000)


def choice_of(memory: Memory) -> Choice:
    """Say what the owner chose."""
    work = memory.work
    later = work.later_until_ms if work is not None else None
    return Choice(
        consent=Consent(memory.consent) if memory.consent else None,
        window=Window.parse(memory.window) if memory.window else None,
        install_now=work is not None and work.approved,
        later_until=None if later is None else wall(later),
    )


def pending(work: Work) -> Pending:
    """Say what waits."""
    release = work.release or {}
    return Pending(
        severity=Severity(release["severity"]),
        first_seen=wall(work.first_seen_ms),
        forced=work.forced,
    )


def decision(memory: Memory, terms: Terms, *, now_ms: int) -> Decision | None:
    """Decide about the offer under way; None if there is nothing to decide."""
    work = memory.work
    if work is None or work.release is None:
        return None
    return decide(wall(now_ms), terms.policy, choice_of(memory), pending(work))


def later_days(work: Work, terms: Terms, *, now_ms: int) -> list[int]:
    """Give the choices of "later" that the maker's bound leaves."""
    left = latest(terms.policy, pending(work)) - wall(now_ms)
    if left <= timedelta(0):
        return []
    return [days for days in _LATER_DAYS if timedelta(days=days - 1) < left]
