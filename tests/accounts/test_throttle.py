"""Throttling by a simulated clock: strangers get nowhere, the owner always gets in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts import throttle
from holdfast.accounts.errors import ThrottledError, ThrottleFileError
from holdfast.accounts.throttle import CodeThrottle, Throttle, Who, source_of, wait_after

DAY_S = throttle.DAY_S
OWNER = Who(name="ada", source="192.0.2.1", known="a" * 32)


def waits_s(counts: Throttle, who: Who, now_s: float) -> int:
    try:
        counts.must_wait(who, now_s=now_s)
    except ThrottledError as error:
        return error.wait_s
    return 0


def stranger(number: int = 0, name: str = "ada") -> Who:
    return Who(name=name, source=f"198.51.100.{number % 256}")


def test_three_failures_are_free_then_waits_double_up_to_a_quarter_of_an_hour() -> None:
    assert [wait_after(count) for count in range(8)] == [0, 0, 0, 1, 2, 4, 8, 16]
    assert wait_after(13) == wait_after(10**9) == 900


@pytest.mark.parametrize(
    ("wait_s", "said"),
    [(1, "1 second."), (2, "2 seconds."), (120, "120 seconds."), (121, "3 minutes."),
     (900, "15 minutes.")],
)  # fmt: skip
def test_the_wait_is_said_in_words(wait_s: int, said: str) -> None:
    assert str(ThrottledError(wait_s=wait_s)).endswith(f"is heard in {said}")


@pytest.mark.parametrize("sources", [1, 7, 40])
@pytest.mark.parametrize("owner_logs_in_every_s", [0, 600, 6 * 3600])
def test_no_day_has_more_than_a_hundred_guesses_and_the_owner_gets_in(
    sources: int, owner_logs_in_every_s: int
) -> None:
    """Guess whenever it is allowed, for three days; the owner logs in now and then."""
    counts = Throttle(now_s=0.0)
    now_s, tried, owner_at = 0.0, [], float(owner_logs_in_every_s)
    while now_s < 3 * DAY_S:
        if owner_logs_in_every_s and now_s >= owner_at:
            counts.must_wait(OWNER, now_s=now_s)  # never has to wait
            counts.succeeded(OWNER, now_s=now_s)
            owner_at += owner_logs_in_every_s
        waiting = [waits_s(counts, stranger(number), now_s) for number in range(sources)]
        free = [number for number, left_s in enumerate(waiting) if not left_s]
        if free:
            counts.failed(stranger(free[0]), now_s=now_s)
            tried.append(now_s)
            continue
        step_s = min(waiting)
        if owner_logs_in_every_s:
            step_s = min(step_s, max(1, int(owner_at - now_s)))
        now_s += step_s
    assert len(tried) > 50, "the attack was none"
    for begin in tried:
        assert sum(begin <= at < begin + DAY_S for at in tried) <= 100
    assert waits_s(counts, OWNER, now_s) == 0


def test_the_owner_in_a_new_browser_after_each_login_hands_out_no_fresh_guesses() -> None:
    """Each right password from a stranger's place forgives the row, but never the day."""
    counts, guesses = Throttle(now_s=0.0), 0
    for now_s in range(0, DAY_S, 30):
        if not waits_s(counts, stranger(), float(now_s)):
            counts.failed(stranger(), now_s=float(now_s))
            guesses += 1
        if now_s % 3600 == 0:
            counts.succeeded(Who(name="ada", source="203.0.113.5"), now_s=float(now_s))
    assert 20 < guesses <= 100


def test_a_hundred_failures_in_a_row_switch_passwords_off_for_strangers_only() -> None:
    counts, now_s = Throttle(now_s=0.0), 0.0
    for _ in range(throttle.MOST_IN_A_ROW):
        now_s += 2000
        counts.failed(stranger(), now_s=now_s)
    now_s += 30 * DAY_S
    with pytest.raises(ThrottledError) as caught:
        counts.must_wait(stranger(9), now_s=now_s)
    assert caught.value.switched_off
    assert "recovery code" in caught.value.hint
    counts.must_wait(OWNER, now_s=now_s)
    assert counts.succeeded(OWNER, now_s=now_s)  # which switches them on again, slowly
    assert waits_s(counts, stranger(9), now_s) == 900
    assert waits_s(counts, stranger(9), now_s + 901) == 0


def test_a_recovery_code_switches_passwords_on_again() -> None:
    counts, now_s = Throttle(now_s=0.0), 0.0
    for _ in range(throttle.MOST_IN_A_ROW):
        now_s += 2000
        counts.failed(stranger(), now_s=now_s)
    counts.opened("ada", now_s=now_s)
    assert waits_s(counts, stranger(), now_s + 1200) == 0


def test_a_stolen_cookie_gets_no_more_than_a_stranger() -> None:
    counts, now_s, guesses = Throttle(now_s=0.0), 0.0, 0
    while now_s < 3 * DAY_S:
        if not counts.trusts(OWNER.known):
            break
        left_s = waits_s(counts, OWNER, now_s)
        if left_s:
            now_s += left_s
            continue
        counts.failed(OWNER, now_s=now_s)
        guesses += 1
    assert guesses <= throttle.MOST_IN_A_ROW
    assert not counts.trusts(OWNER.known)


def test_names_that_do_not_exist_wait_exactly_as_long() -> None:
    known, unknown = Throttle(now_s=0.0), Throttle(now_s=0.0)
    for count in range(20):
        now_s = count * 50.0
        for counts, name in ((known, "ada"), (unknown, "nobody-at-all")):
            who = stranger(name=name)
            counts.failed(who, now_s=now_s)
        assert waits_s(known, stranger(), now_s) == waits_s(
            unknown, stranger(name="nobody-at-all"), now_s
        )


def test_ten_thousand_sources_and_names_stay_bounded_and_never_wipe_a_count() -> None:
    counts = Throttle(now_s=0.0)
    for _ in range(12):
        counts.failed(stranger(), now_s=0.0)
    before = waits_s(counts, stranger(1), 0.0)
    for number in range(10_000):
        counts.failed(Who(name=f"name{number}", source=f"2001:db8:{number:x}::/64"), now_s=0.0)
    assert len(counts._sources) <= throttle.SOURCES
    assert len(counts._accounts) <= throttle.ACCOUNTS
    assert waits_s(counts, stranger(1), 0.0) >= before
    assert len(json.dumps(counts.plain(now_s=0.0))) < 40_000


def test_spraying_names_is_slowed_for_all_strangers_but_never_for_long() -> None:
    counts, tries = Throttle(now_s=0.0), 0
    for second in range(3600):
        who = Who(name=f"name{second}", source=f"198.51.100.{second % 256}")
        if not waits_s(counts, who, float(second)):
            counts.failed(who, now_s=float(second))
            tries += 1
    assert tries <= 3600 / throttle.ALL_EVERY_S + throttle.ALL_BURST
    assert waits_s(counts, stranger(name="carol"), 3600.0) <= throttle.ALL_EVERY_S
    assert waits_s(counts, OWNER, 3600.0) == 0


def restarted(counts: Throttle, at_s: float, *, now_s: float = 0.0) -> Throttle:
    return Throttle.of_plain(json.loads(json.dumps(counts.plain(now_s=at_s))), now_s=now_s)


@given(st.integers(0, 40), st.integers(0, 30), st.floats(0, 3 * DAY_S))
def test_a_power_cut_never_shortens_a_wait(failures: int, of_known: int, later_s: float) -> None:
    """The clock that only runs forward begins anew at 0 with each start."""
    counts, now_s = Throttle(now_s=0.0), 0.0
    for _ in range(failures):
        now_s += 60
        counts.failed(stranger(), now_s=now_s)
    for _ in range(of_known):
        counts.failed(OWNER, now_s=now_s)
    now_s += later_s
    again = restarted(counts, now_s)
    for who in (stranger(), stranger(1), OWNER):
        assert waits_s(again, who, 0.0) >= waits_s(counts, who, now_s) - 1
    assert again.trusts(OWNER.known) == counts.trusts(OWNER.known)


def test_pulling_the_plug_again_and_again_wins_nothing() -> None:
    counts, guesses = Throttle(now_s=0.0), 0
    for _ in range(400):  # each start lasts a minute, and all guesses are made that are heard
        counts = restarted(counts, 60.0)
        for second in range(60):
            if not waits_s(counts, stranger(), float(second)):
                counts.failed(stranger(), now_s=float(second))
                guesses += 1
    assert guesses <= 12


def test_a_clock_that_goes_backwards_changes_nothing() -> None:
    counts = Throttle(now_s=1000.0)
    for _ in range(10):
        counts.failed(stranger(), now_s=1000.0)
    assert waits_s(counts, stranger(), 900.0) >= waits_s(counts, stranger(), 1000.0)
    counts.failed(stranger(), now_s=900.0)
    assert waits_s(counts, stranger(), 900.0) >= 128


def test_lost_counts_begin_strict_towards_strangers_and_not_towards_the_owner() -> None:
    counts = Throttle.after_loss(now_s=5.0)
    assert waits_s(counts, stranger(), 5.0) == 900
    assert waits_s(counts, OWNER, 5.0) == 0
    again = restarted(counts, 5.0)
    assert again.strict
    assert waits_s(again, stranger(), 0.0) == 900
    counts.must_wait(stranger(), now_s=1000.0)
    counts.succeeded(stranger(), now_s=1000.0)
    assert waits_s(counts, stranger(), 1000.0) == 0


GOOD: dict[str, Any] = dict(Throttle(now_s=0.0).plain(now_s=0.0))


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": 2},
        {"strict": 0},
        {"accounts": [[1, 2]]},
        {"accounts": [[-1, 2, 0.0]]},
        {"accounts": [[throttle.ACCOUNTS, 2, 0.0]]},
        {"accounts": [[1, -2, 0.0]]},
        {"accounts": [[1, True, 0.0]]},
        {"accounts": [[1, 2, float("nan")]]},
        {"accounts": [[1, 2, float("inf")]]},
        {"accounts": [[1, 2, -1]]},
        {"accounts": [[1, 2, None]]},
        {"accounts": None},
        {"sources": [[1, 2, 3, 4]]},
        {"sources": [[1, "x" * 65, 3, 4]]},
        {"known": []},
        {"known": {"x": 1}},
        {"known": {str(number): [1, 1] for number in range(throttle.KNOWN + 1)}},
    ],
)
def test_damaged_counts_are_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(ThrottleFileError):
        Throttle.of_plain({**GOOD, **damage}, now_s=0.0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=6,
    )
)
def test_no_content_of_the_file_breaks_reading(content: object) -> None:
    for plain in (content, {**GOOD, "accounts": content}, {**GOOD, "known": content}):
        try:
            counts = Throttle.of_plain(plain, now_s=0.0)
        except ThrottleFileError:
            continue
        waits_s(counts, stranger(), 0.0)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::9]", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not an address", ""),
        ("1.2.3.4\0", ""),
        ("\ud800", ""),
    ],
)
def test_sources(address: str, source: str) -> None:
    assert source_of(address) == source


@given(st.text())
def test_any_text_is_some_source(address: str) -> None:
    assert len(source_of(address)) <= 64
    assert 0 <= throttle.place_of(address) < throttle.ACCOUNTS


def test_codes_are_slowed_by_source_alone() -> None:
    codes = CodeThrottle()
    for _ in range(30):
        codes.failed("192.0.2.1", now_s=10.0)
    with pytest.raises(ThrottledError) as caught:
        codes.must_wait("192.0.2.1", now_s=10.0)
    assert caught.value.wait_s == throttle.LONGEST_CODE_WAIT_S
    codes.must_wait("192.0.2.2", now_s=10.0)
    codes.must_wait("192.0.2.1", now_s=71.0)
    again = CodeThrottle.of_plain(json.loads(json.dumps(codes.plain())), now_s=0.0)
    with pytest.raises(ThrottledError):
        again.must_wait("192.0.2.1", now_s=59.0)
    again.succeeded("192.0.2.1")
    again.must_wait("192.0.2.1", now_s=59.0)


def test_codes_stay_bounded() -> None:
    codes = CodeThrottle()
    for number in range(5000):
        codes.failed(f"s{number}", now_s=0.0)
    assert len(codes._sources) <= throttle.CODE_SOURCES
    assert len(codes.plain()) <= 16


@pytest.mark.parametrize("damage", [None, 1, [1], [["a"]], [["a", -1]], [[1, 1]], [["a", "b"]]])
def test_damaged_code_counts_are_refused(damage: object) -> None:
    with pytest.raises(ThrottleFileError):
        CodeThrottle.of_plain(damage, now_s=0.0)
