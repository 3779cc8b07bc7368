"""Codes of an app, by the test vectors of the RFC; replay and turned clocks."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts import totp

SEED = b"12345678901234567890"
NOW = datetime(2026, 11, 22, 12, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_vectors_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    assert totp.code_at(SEED, totp.step_at(moment), digits=8) == code
    assert totp.code_at(SEED, totp.step_at(moment)) == code[2:]
    assert totp.matching_step(SEED, code[2:], now=moment, last_step=-1) == seconds // 30


@pytest.mark.parametrize(("off_s", "right"), [(-60, 0), (-30, 1), (0, 1), (30, 1), (60, 0)])
def test_a_clock_half_a_minute_off_is_borne_and_no_more(off_s: int, right: int) -> None:
    code = totp.code_at(SEED, totp.step_at(NOW + timedelta(seconds=off_s)))
    found = totp.matching_step(SEED, code, now=NOW, last_step=0)
    assert (found is not None) == bool(right)


def test_a_code_is_good_once_also_when_the_clock_is_turned_back() -> None:
    step = totp.step_at(NOW)
    code = totp.code_at(SEED, step)
    assert totp.matching_step(SEED, code, now=NOW, last_step=step - 1) == step
    assert totp.matching_step(SEED, code, now=NOW, last_step=step) is None
    earlier = totp.code_at(SEED, step - 1)
    assert totp.matching_step(SEED, earlier, now=NOW, last_step=step) is None
    back = NOW - timedelta(days=1)
    old = totp.code_at(SEED, totp.step_at(back))
    assert totp.matching_step(SEED, old, now=back, last_step=step) is None


def test_blanks_in_a_code_do_not_matter() -> None:
    code = totp.code_at(SEED, totp.step_at(NOW))
    typed = f" {code[:3]} {code[3:]} "
    assert totp.matching_step(SEED, typed, now=NOW, last_step=0) == totp.step_at(NOW)


@pytest.mark.parametrize(
    "typed",
    ["", "12345", "1234567", "12345a", "\uff11\uff12\uff13\uff14\uff15\uff16", "-12345", "1" * 999],
)
def test_other_texts_are_no_codes(typed: str) -> None:
    assert totp.matching_step(SEED, typed, now=NOW, last_step=0) is None


@given(st.text())
def test_no_text_breaks_the_check(typed: str) -> None:
    totp.matching_step(SEED, typed, now=NOW, last_step=0)


def test_address_can_be_read_by_an_app() -> None:
    address = totp.address(SEED, name="ada:x@y", issuer="Acme: Über/Gateway")
    parts = urlsplit(address)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Acme  Über/Gateway:ada:x@y"
    facts = parse_qs(parts.query)
    assert facts["secret"] == ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]
    assert facts["issuer"] == ["Acme  Über/Gateway"]
    assert (facts["algorithm"], facts["digits"], facts["period"]) == (["SHA1"], ["6"], ["30"])


def test_seeds_differ() -> None:
    assert len({totp.fresh_seed() for _ in range(50)}) == 50
    assert len(totp.fresh_seed()) == 20
