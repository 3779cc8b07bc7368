"""Device cookies: made here, for one account, for a while; nothing else is one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts import cookies

KEY = bytes(range(32))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
COOKIE_ID = "0123456789abcdef" * 2


def made(name: str = "ada", key: bytes = KEY) -> str:
    return cookies.made(key, name=name, cookie_id=COOKIE_ID, until=NOW + cookies.LIFE)


def test_a_cookie_is_genuine_for_its_account_until_it_is_too_old() -> None:
    cookie = made()
    assert len(cookie) <= cookies.LONGEST
    assert cookies.id_of(cookie) == COOKIE_ID
    assert cookies.is_genuine(cookie, KEY, name="ada", now=NOW)
    assert cookies.is_genuine(cookie, KEY, name="ada", now=NOW - timedelta(days=999))
    assert not cookies.is_genuine(cookie, KEY, name="ada", now=NOW + cookies.LIFE)
    assert not cookies.is_genuine(cookie, KEY, name="eve", now=NOW)
    assert not cookies.is_genuine(cookie, bytes(32), name="ada", now=NOW)


def test_every_changed_sign_is_noticed() -> None:
    cookie = made()
    for at, sign in enumerate(cookie):
        other = "0" if sign != "0" else "1"
        changed = cookie[:at] + other + cookie[at + 1 :]
        assert not cookies.is_genuine(changed, KEY, name="ada", now=NOW)


@pytest.mark.parametrize(
    "cookie", ["", "1", "1..", made() + " ", made()[:-1], "x" * 5000, "\ud800"]
)
def test_other_texts_are_no_cookies(cookie: str) -> None:
    assert cookies.id_of(cookie) == ""
    assert not cookies.is_genuine(cookie, KEY, name="ada", now=NOW)


@given(st.text(), st.text())
def test_no_text_breaks_the_check(cookie: str, name: str) -> None:
    cookies.id_of(cookie)
    assert not cookies.is_genuine(cookie, KEY, name=name, now=NOW)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_two_names_share_a_cookie(one: str, other: str) -> None:
    assert cookies.is_genuine(made(one), KEY, name=other, now=NOW) == (one == other)


def test_ids_differ() -> None:
    assert len({cookies.fresh_id() for _ in range(100)}) == 100
