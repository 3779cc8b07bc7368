from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import UsageError
from holdfast.updates.consent import (
    MISSED,
    Action,
    Choice,
    Consent,
    Pending,
    Policy,
    Window,
    bounded_later,
    decide,
    latest,
)
from holdfast.updates.release import Severity

SEEN = datetime(2026, 3, 1, 12, 0)  # noqa: DTZ001 - local wall-clock time
DAYS = {Severity.LOW: 30, Severity.MEDIUM: 14, Severity.HIGH: 7, Severity.CRITICAL: 2}


def policy(window: str = "02:00-05:00", consent: Consent = Consent.ASK) -> Policy:
    return Policy(consent=consent, window=Window.parse(window), later_days=DAYS)


def offer(severity: Severity = Severity.HIGH, *, forced: bool = False) -> Pending:
    return Pending(severity=severity, first_seen=SEEN, forced=forced)


def at(days: float = 0, hour: int | None = None) -> datetime:
    moment = SEEN + timedelta(days=days)
    return moment if hour is None else moment.replace(hour=hour)


@pytest.mark.parametrize(
    ("window", "hour", "inside"),
    [
        ("02:00-05:00", 2, True),
        ("02:00-05:00", 5, False),
        ("02:00-05:00", 1, False),
        ("23:00-02:00", 23, True),
        ("23:00-02:00", 1, True),
        ("23:00-02:00", 2, False),
        ("23:00-02:00", 12, False),
        ("00:00-00:00", 12, True),
    ],
)
def test_windows_reach_over_midnight(window: str, hour: int, *, inside: bool) -> None:
    assert Window.parse(window).holds(at(hour=hour)) is inside


@pytest.mark.parametrize("text", ["", "2-5", "24:00-05:00", "02:60-05:00", "02:00 - 05:00", "x"])
def test_other_texts_are_not_windows(text: str) -> None:
    with pytest.raises(UsageError):
        Window.parse(text)


@given(st.times(), st.times(), st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)))  # noqa: DTZ001
def test_the_next_start_lies_inside_and_within_a_day(start: time, end: time, now: datetime) -> None:
    window = Window(start=start, end=end)
    opens = window.next_start(now)
    assert window.holds(opens)
    assert now <= opens <= now + timedelta(days=1)


def test_the_owner_is_asked() -> None:
    decision = decide(at(), policy(), Choice(), offer())
    assert decision.action is Action.ASK
    assert decision.until == at(8, hour=2)


def test_a_press_on_the_button_counts_at_once() -> None:
    assert decide(at(), policy(), Choice(install_now=True), offer()).action is Action.INSTALL


def test_later_is_respected_up_to_the_bound() -> None:
    choice = Choice(later_until=at(30))
    waiting = decide(at(1), policy(), choice, offer())
    assert (waiting.action, waiting.until) == (Action.WAIT, at(7))
    assert decide(at(7), policy(), choice, offer()).action is Action.WAIT  # for the window
    assert decide(at(8, hour=2), policy(), choice, offer()).action is Action.INSTALL


def test_critical_does_not_even_wait_for_the_window() -> None:
    choice = Choice(later_until=at(30))
    assert decide(at(1.9), policy(), choice, offer(Severity.CRITICAL)).action is Action.WAIT
    assert decide(at(2), policy(), choice, offer(Severity.CRITICAL)).action is Action.INSTALL


def test_a_device_that_is_off_in_its_window_does_not_wait_for_ever() -> None:
    assert decide(at(9), policy(), Choice(), offer()).action is Action.WAIT
    assert decide(at(10), policy(), Choice(), offer()).action is Action.INSTALL


def test_automatic_waits_for_the_window() -> None:
    automatic = policy(consent=Consent.AUTOMATIC)
    waiting = decide(at(), automatic, Choice(), offer(Severity.LOW))
    assert (waiting.action, waiting.until) == (Action.WAIT, at(1, hour=2))
    assert decide(at(1, hour=3), automatic, Choice(), offer()).action is Action.INSTALL


def test_the_owner_may_choose_another_way_and_window() -> None:
    choice = Choice(consent=Consent.AUTOMATIC, window=Window.parse("11:00-13:00"))
    assert decide(at(), policy(), choice, offer()).action is Action.INSTALL
    asked = decide(at(), policy(consent=Consent.AUTOMATIC), Choice(consent=Consent.ASK), offer())
    assert asked.action is Action.ASK


def test_forced_is_at_once() -> None:
    decision = decide(at(), policy(), Choice(later_until=at(3)), offer(forced=True))
    assert decision.action is Action.INSTALL


def test_a_clock_that_was_set_back_gains_nothing() -> None:
    choice = Choice(later_until=at(3))
    decision = decide(at(-400), policy(), choice, offer(Severity.CRITICAL))
    assert decision.action is Action.INSTALL


def test_later_is_bounded() -> None:
    assert bounded_later(at(), 3, policy(), offer()) == at(3)
    assert bounded_later(at(), 10**9, policy(), offer()) == at(7)
    for days, now in ((0, at()), (-1, at()), (1, at(7))):
        with pytest.raises(UsageError):
            bounded_later(now, days, policy(), offer())


@given(
    st.sampled_from(Severity),
    st.floats(0, 60),
    st.floats(0, 400),
    st.sampled_from(Consent),
    st.sampled_from(["02:00-05:00", "23:30-00:30", "00:00-00:00"]),
)
def test_nothing_waits_for_ever(
    severity: Severity, days: float, later: float, consent: Consent, window: str
) -> None:
    rules = policy(window, consent)
    waiting = offer(severity)
    decision = decide(at(days), rules, Choice(later_until=at(later)), waiting)
    if decision.action is not Action.INSTALL:
        assert decision.until is not None
        assert decision.until > at(days)
        assert decision.until <= max(at(days), latest(rules, waiting)) + timedelta(days=1)
    if at(days) >= latest(rules, waiting) + MISSED or (
        at(days) >= latest(rules, waiting) and severity is Severity.CRITICAL
    ):
        assert decision.action is Action.INSTALL
