"""When a device installs: what the maker allows, what the owner chose, what time it is.

All times here are the owner's local wall-clock times without zone: a window "02:00-05:00" means
what the clock on the wall shows, also in the night in which the clocks change.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Self

from holdfast.core.errors import UsageError
from holdfast.updates.release import Severity

_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)

MISSED = timedelta(days=3)
"""So long after the bound a device that is off in every window installs outside of it."""


class Consent(StrEnum):
    """Who starts an installation."""

    ASK = "ask"
    AUTOMATIC = "automatic"


class Action(StrEnum):
    """What the device does now."""

    INSTALL = "install"
    WAIT = "wait"
    ASK = "ask"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The hours in which a device may restart by itself; may reach over midnight.

    Attributes:
        start: First minute inside.
        end: First minute after; the same as `start` means the whole day.
    """

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `02:00-05:00`.

        Raises:
            UsageError: It has another form.
        """
        found = _WINDOW.fullmatch(text)
        if found is None:
            error = UsageError(f"{text[:40]!r} is not a time window.")
            error.hint = "Write it like 02:00-05:00."
            raise error
        hour, minute, end_hour, end_minute = (int(part) for part in found.groups())
        return cls(start=time(hour, minute), end=time(end_hour, end_minute))

    def holds(self, now_local: datetime) -> bool:
        """Tell whether a moment lies inside."""
        clock = now_local.time()
        if self.start == self.end:
            return True
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def next_start(self, now_local: datetime) -> datetime:
        """Return `now_local` if it lies inside, else when the window opens next."""
        if self.holds(now_local):
            return now_local
        today = datetime.combine(now_local.date(), self.start)
        return today if today > now_local else today + timedelta(days=1)

    def __str__(self) -> str:
        """Write it as `parse` reads it."""
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the maker lays down in the product profile.

    Attributes:
        consent: What holds until the owner chooses.
        window: When it restarts by itself, until the owner chooses.
        later_days: How many days an owner may put off a release of each severity.
    """

    consent: Consent
    window: Window
    later_days: Mapping[Severity, int]

    def bound(self, severity: Severity) -> timedelta:
        """Return how long a release may be put off; a severity without entry, not at all."""
        return timedelta(days=max(0, self.later_days.get(severity, 0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the owner chose.

    Attributes:
        consent: Overrides the maker's default, if given.
        window: Overrides the maker's default, if given.
        install_now: The button was pressed for this release.
        later_until: The owner wants to be left alone until then.
    """

    consent: Consent | None = None
    window: Window | None = None
    install_now: bool = False
    later_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The release that waits.

    Attributes:
        severity: How urgent it is.
        first_seen: When this device was first offered it, local time.
        forced: The maker asks for it at once (DDI "forced").
    """

    severity: Severity
    first_seen: datetime
    forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens now, and until when.

    Attributes:
        action: Install, wait, or ask the owner.
        until: When to decide again (wait), or when it will be installed anyway (ask).
        reason: One sentence for the owner.
    """

    action: Action
    until: datetime | None
    reason: str


def latest(policy: Policy, offer: Pending) -> datetime:
    """Return the moment until which the owner may put the release off."""
    return offer.first_seen + policy.bound(offer.severity)


def bounded_later(now_local: datetime, days: int, policy: Policy, offer: Pending) -> datetime:
    """Turn "in so many days" into a moment that the maker allows.

    Raises:
        UsageError: This release cannot be put off any more, or not by such a number of days.
    """
    last = latest(policy, offer)
    if days < 1 or now_local >= last:
        error = UsageError("This update cannot be put off any longer.")
        error.hint = "Install it now; it closes holes that others know about."
        raise error
    return min(last, now_local + timedelta(days=min(days, 3660)))


def decide(now_local: datetime, policy: Policy, choice: Choice, offer: Pending) -> Decision:
    """Say what the device does with a release that is downloaded and verified.

    A press on the button counts at once. Otherwise the owner is asked, or the window is waited
    for, until the maker's bound for that severity. After the bound the next window is used; a
    critical release does not even wait for the window, and no release misses it for days.

    Args:
        now_local: Wall-clock time of the owner, without zone.
        policy: What the maker lays down.
        choice: What the owner chose.
        offer: The release that waits.
    """
    at_once = _at_once(now_local, policy, choice, offer)
    if at_once:
        return Decision(action=Action.INSTALL, until=None, reason=at_once)
    window = choice.window or policy.window
    last = latest(policy, offer)
    if not _overdue(now_local, policy, offer):
        if choice.later_until is not None and now_local < choice.later_until:
            return Decision(
                action=Action.WAIT,
                until=min(choice.later_until, last),
                reason="You asked to be left alone until then.",
            )
        if (choice.consent or policy.consent) is Consent.ASK:
            return Decision(
                action=Action.ASK,
                until=window.next_start(last),
                reason="It waits for you, and is installed by itself when the time is up.",
            )
    opens = window.next_start(now_local)
    if opens > now_local:
        return Decision(
            action=Action.WAIT, until=opens, reason=f"It is installed in the window {window}."
        )
    return Decision(action=Action.INSTALL, until=None, reason=f"The window is {window}.")


def _overdue(now_local: datetime, policy: Policy, offer: Pending) -> bool:
    """Tell whether the bound has passed; a clock that was set back must not lengthen it."""
    set_back = now_local < offer.first_seen - timedelta(days=1)
    return now_local >= latest(policy, offer) or set_back


def _at_once(now_local: datetime, policy: Policy, choice: Choice, offer: Pending) -> str:
    """Say why it is installed without regard to the window, or nothing."""
    if choice.install_now:
        return "You asked for it."
    if offer.forced:
        return "The manufacturer asks for it at once."
    if offer.severity is Severity.CRITICAL and _overdue(now_local, policy, offer):
        return "It closes a critical hole and cannot wait any longer."
    if now_local >= latest(policy, offer) + MISSED:
        return "It was put off as long as possible, and its window was missed several times."
    return ""
