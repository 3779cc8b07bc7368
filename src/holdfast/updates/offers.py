"""The life of one offer (an *action* in the words of the DDI): what each event makes of it.

Devices, networks and people deliver events late, twice and in any order. Therefore every event
is welcome in every state; one that has nothing to say any more changes nothing. What a running
system says of its own version outweighs everything that was said before.
"""

import re
from collections.abc import Sequence
from enum import StrEnum

from holdfast.updates.errors import REFUSALS
from holdfast.updates.release import Version


class State(StrEnum):
    """Where an offer stands."""

    OFFERED = "offered"
    RETRIEVED = "retrieved"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    DEFERRED = "deferred"
    INSTALLED = "installed"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What can happen to an offer."""

    RETRIEVED = "retrieved"  # the device has read the offer
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    PROCEEDING = "proceeding"  # a progress report that says nothing more exact
    DEFERRED = "deferred"  # the owner said "later"
    INSTALLED = "installed"  # closed with success; not yet a proof
    FAILED = "failed"  # closed with failure
    REFUSED = "refused"  # closed with failure, for one of the reasons in errors.REFUSALS
    CANCELLED = "cancelled"  # taken back by the hub, or by the device with the hub's consent
    RUNS_OFFERED = "runs-offered"  # the running system reports the offered version
    RUNS_OLDER = "runs-older"  # ... an older one; it may simply not have restarted yet
    RUNS_NEWER = "runs-newer"  # ... a newer one
    FELL_BACK = "fell-back"  # ... an older one, after a restart since the installation


OPEN = frozenset(
    {
        State.OFFERED,
        State.RETRIEVED,
        State.DOWNLOADING,
        State.DOWNLOADED,
        State.DEFERRED,
        State.INSTALLED,
    }
)
"""States of the one offer that a device works on."""

ACTIVE = OPEN - {State.INSTALLED}
"""States in which the DDI still shows the offer to the device."""

CLOSED = frozenset(State) - OPEN

# How far the device has come; late reports of an earlier step change nothing.
_STEPS: dict[State, int] = {
    State.OFFERED: 0,
    State.RETRIEVED: 1,
    State.DOWNLOADING: 2,
    State.DOWNLOADED: 3,
    State.DEFERRED: 3,
}
_PROGRESS: dict[Event, State] = {
    Event.RETRIEVED: State.RETRIEVED,
    Event.PROCEEDING: State.RETRIEVED,
    Event.DOWNLOADING: State.DOWNLOADING,
    Event.DOWNLOADED: State.DOWNLOADED,
}
_OLDER = {Event.RUNS_OLDER, Event.FELL_BACK}
_REPORTS = {Event.RUNS_OFFERED, Event.RUNS_NEWER} | _OLDER
_ENDS: dict[Event, State] = {
    Event.INSTALLED: State.INSTALLED,
    Event.FAILED: State.FAILED,
    Event.REFUSED: State.REFUSED,
    Event.CANCELLED: State.CANCELLED,
}


def apply(state: State, event: Event) -> State:
    """Return the state after an event; never raises, never loses an end."""
    if event in _REPORTS:
        return _after_report(state, event)
    if state in CLOSED:
        return state
    if state is State.INSTALLED:
        # Only a failure after the restart is news; it cannot be called back any more.
        return State.FAILED if event in {Event.FAILED, Event.REFUSED} else state
    return _ENDS[event] if event in _ENDS else _after_step(state, event)


def _after_report(state: State, event: Event) -> State:
    """What a running system says of its own version outweighs what was said before."""
    if event is Event.RUNS_OFFERED:
        return State.CONFIRMED
    if event is Event.RUNS_NEWER:
        return State.CANCELLED if state in OPEN else state
    proves_fall_back = {State.CONFIRMED: _OLDER, State.INSTALLED: {Event.FELL_BACK}}
    return State.FAILED if event in proves_fall_back.get(state, ()) else state


def _after_step(state: State, event: Event) -> State:
    if event is Event.DEFERRED:
        return State.DEFERRED
    step = _PROGRESS[event]
    if state is State.DEFERRED:
        # A client that begins again (new download after "later") is at work once more.
        return step if step is State.DOWNLOADING else state
    return step if _STEPS[step] > _STEPS[state] else state


_CODE = re.compile(r"\[([a-z][a-z-]{0,40})\]")


def reason_code(details: Sequence[str]) -> str:
    """Find the code in `[update-tampered] The file ...`, wherever in the details it stands."""
    for line in details:
        found = _CODE.match(line.strip())
        if found:
            return found.group(1)
    return ""


def event_of_feedback(execution: str, finished: str, details: Sequence[str]) -> Event | None:
    """Translate a DDI feedback; `None` when it says nothing about the offer's life.

    Args:
        execution: `closed`, `proceeding`, `scheduled`, `download`, `downloaded`, ...
        finished: `success`, `failure` or `none`.
        details: Free texts; ours begin with a code in brackets.
    """
    if execution == "closed":
        if finished != "failure":
            return Event.INSTALLED
        return Event.REFUSED if reason_code(details) in REFUSALS else Event.FAILED
    return {
        "proceeding": Event.PROCEEDING,
        "resumed": Event.PROCEEDING,
        "scheduled": Event.DEFERRED,
        "download": Event.DOWNLOADING,
        "downloaded": Event.DOWNLOADED,
        "canceled": Event.CANCELLED,
    }.get(execution)


def event_of_report(*, offered: Version, reported: Version, restarted: bool) -> Event:
    """Translate the version that a running system reports of itself.

    Args:
        offered: Version of the release in the offer.
        reported: Version that the device says it runs.
        restarted: It is known that the device has restarted since it reported "installed".
    """
    if reported == offered:
        return Event.RUNS_OFFERED
    if reported > offered:
        return Event.RUNS_NEWER
    return Event.FELL_BACK if restarted else Event.RUNS_OLDER
