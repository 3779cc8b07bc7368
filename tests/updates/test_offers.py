import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast.updates.offers import (
    ACTIVE,
    CLOSED,
    OPEN,
    Event,
    State,
    apply,
    event_of_feedback,
    event_of_report,
    reason_code,
)
from holdfast.updates.release import Version

V = Version.parse


def after(*events: Event) -> State:
    state = State.OFFERED
    for event in events:
        state = apply(state, event)
    return state


def test_every_event_is_welcome_in_every_state() -> None:
    for state, event in itertools.product(State, Event):
        assert apply(state, event) in State


def test_our_own_agent() -> None:
    events = [
        Event.RETRIEVED, Event.DOWNLOADING, Event.DOWNLOADED, Event.PROCEEDING,
        Event.RUNS_OFFERED, Event.INSTALLED,
    ]  # fmt: skip
    assert after(*events) is State.CONFIRMED


def test_a_client_that_closes_before_it_restarts_is_not_believed() -> None:
    assert after(Event.RETRIEVED, Event.INSTALLED) is State.INSTALLED
    assert after(Event.RETRIEVED, Event.INSTALLED, Event.RUNS_OLDER) is State.INSTALLED
    assert after(Event.INSTALLED, Event.RUNS_OLDER, Event.RUNS_OFFERED) is State.CONFIRMED


@pytest.mark.parametrize("first", [(Event.INSTALLED,), (Event.INSTALLED, Event.RUNS_OFFERED)])
def test_a_fall_back_is_noticed(first: tuple[Event, ...]) -> None:
    assert after(*first, Event.FELL_BACK) is State.FAILED


def test_a_confirmed_device_that_runs_the_old_version_has_failed() -> None:
    assert after(Event.RUNS_OFFERED, Event.RUNS_OLDER) is State.FAILED


def test_what_runs_outweighs_what_was_said() -> None:
    assert after(Event.FAILED, Event.RUNS_OFFERED) is State.CONFIRMED
    assert after(Event.CANCELLED, Event.RUNS_OFFERED) is State.CONFIRMED


def test_late_and_repeated_reports_change_nothing() -> None:
    assert after(Event.DOWNLOADED, Event.RETRIEVED, Event.DOWNLOADING) is State.DOWNLOADED
    assert after(Event.FAILED, Event.PROCEEDING, Event.INSTALLED) is State.FAILED
    assert after(Event.INSTALLED, Event.CANCELLED) is State.INSTALLED


def test_an_owner_may_put_it_off_and_the_device_begins_again() -> None:
    assert after(Event.DOWNLOADED, Event.DEFERRED, Event.PROCEEDING) is State.DEFERRED
    assert after(Event.DEFERRED, Event.DOWNLOADING) is State.DOWNLOADING
    assert after(Event.DEFERRED, Event.INSTALLED) is State.INSTALLED


@pytest.mark.parametrize(
    ("execution", "finished", "details", "event"),
    [
        ("closed", "success", [], Event.INSTALLED),
        ("closed", "none", [], Event.INSTALLED),
        ("closed", "failure", ["No suitable .swu image found"], Event.FAILED),
        ("closed", "failure", ["[update-tampered] It is another one."], Event.REFUSED),
        ("closed", "failure", ["log", "[update-expired] Old."], Event.REFUSED),
        ("closed", "failure", ["[update-unhealthy] It did not start."], Event.FAILED),
        ("closed", "failure", ["[no-space] Full."], Event.FAILED),
        ("proceeding", "none", [], Event.PROCEEDING),
        ("download", "none", [], Event.DOWNLOADING),
        ("downloaded", "success", [], Event.DOWNLOADED),
        ("scheduled", "none", [], Event.DEFERRED),
        ("canceled", "none", [], Event.CANCELLED),
        ("rejected", "none", [], None),
        ("nonsense", "", [], None),
    ],
)
def test_feedback_is_translated(
    execution: str, finished: str, details: list[str], event: Event | None
) -> None:
    assert event_of_feedback(execution, finished, details) is event


@given(st.text(), st.text(), st.lists(st.text()))
def test_any_feedback_is_translated_or_left(
    execution: str, finished: str, details: list[str]
) -> None:
    assert event_of_feedback(execution, finished, details) in {None, *Event}
    assert isinstance(reason_code(details), str)


def test_reports_are_translated() -> None:
    offered = V("1.2")
    assert event_of_report(offered=offered, reported=V("1.2.0"), restarted=False) is (
        Event.RUNS_OFFERED
    )
    assert event_of_report(offered=offered, reported=V("1.1"), restarted=False) is Event.RUNS_OLDER
    assert event_of_report(offered=offered, reported=V("1.1"), restarted=True) is Event.FELL_BACK
    assert event_of_report(offered=offered, reported=V("1.10"), restarted=True) is Event.RUNS_NEWER


class Fleet(RuleBasedStateMachine):
    """One offer under any sequence of events, beside what is known to be true."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State.OFFERED
        self.ran_it = False

    @rule(event=st.sampled_from(Event))
    def happens(self, event: Event) -> None:
        before = self.state
        self.state = apply(before, event)
        if event is Event.RUNS_OFFERED:
            self.ran_it = True
        if before in CLOSED and self.state is not before:
            # Only a running system can speak against an end.
            assert event in {Event.RUNS_OFFERED, Event.RUNS_OLDER, Event.FELL_BACK}
        if before in CLOSED:
            assert self.state in CLOSED
        if before is State.INSTALLED:
            assert self.state not in ACTIVE

    @precondition(lambda self: self.state in OPEN)
    @rule(event=st.sampled_from([Event.FAILED, Event.REFUSED]))
    def ends(self, event: Event) -> None:
        self.state = apply(self.state, event)
        assert self.state in CLOSED

    @rule(event=st.sampled_from(Event))
    def twice_is_once(self, event: Event) -> None:
        once = apply(self.state, event)
        if event not in {Event.RUNS_OLDER, Event.FELL_BACK, Event.INSTALLED, Event.CANCELLED}:
            assert apply(once, event) in {once, *CLOSED}
        assert apply(apply(once, event), event) is apply(once, event)

    @invariant()
    def confirmed_means_it_ran(self) -> None:
        assert self.state is not State.CONFIRMED or self.ran_it


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=60, stateful_step_count=20)
