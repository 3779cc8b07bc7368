"""What a password may have been made from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.policy.cores import cores
from holdfast.accounts.policy.walks import is_walk, period_of, undoubled


def known(form: str, *, longest: int = 40) -> set[str]:
    return set(cores(form, longest=longest, listed=lambda part: part == "20190401770"))


@pytest.mark.parametrize(
    ("form", "core"),
    [
        ("sunshine1!", "sunshine"),
        ("123sunshine", "sunshine"),
        ("5un5h1n3", "sunshine"),
        ("pas$w0rd1", "password"),
        ("l1ttl3", "little"),
        ("m!11er", "miller"),
        ("jesu$1", "jesus"),
        ("drowssap99", "password"),
        ("sunshinesunshine", "sunshine"),
        ("sunshinesunshi", "sunshine"),
        ("sunshine-sunshine", "sunshine"),
        ("sunshine1sunshine1", "sunshine"),
        ("ssuunnsshhiinnee", "sunshine"),
        ("s-u-n-s-h-i-n-e", "sunshine"),
        ("sun_shine", "sunshine"),
        ("sunshine123456789", "sunshine"),
        ("sunshine20190401770", "sunshine"),
        ("sunshine!!!!!!!!!!!!!!!!!!!", "sunshine"),
        ("111222333444", "1234"),
        ("5678567856785678", "5678"),
    ],
)
def test_undone(form: str, core: str) -> None:
    assert core in known(form)


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ("correct horse battery staple", "battery"),
        ("mydogisbrown2019", "brown"),
        ("tigerlamp", "tiger"),
        ("sunshine8302746195", "sunshine"),  # ten digits by chance are a secret
        ("&sk>cr0]will[,_>]6", "will"),
        ("830274619502", "8302"),
    ],
)
def test_a_word_inside_is_not_what_it_is_made_of(form: str, word: str) -> None:
    assert word not in known(form)


@given(st.text(max_size=256))
def test_cores_are_few_short_and_different(form: str) -> None:
    found = list(cores(form, longest=32, listed=lambda _: False))
    assert len(found) == len(set(found)) < 1000
    assert all(4 <= len(core) <= 32 for core in found)
    assert form not in found


@pytest.mark.parametrize(
    ("form", "runs", "expected"),
    [
        ("123456789", 1, True),
        ("1234567890-=", 1, True),
        ("zyxwvut", 1, True),
        ("qwertyuiop", 1, True),
        ("1qaz2wsx3edc", 3, True),
        ("1qaz2wsx3edc", 2, False),
        ("aaaaaaa", 1, True),
        ("ab", 5, False),
        ("", 5, False),
        ("acegikmo", 2, False),
        ("lampriver", 5, False),
    ],
)
def test_walks(form: str, runs: int, *, expected: bool) -> None:
    assert is_walk(form, most_runs=runs) is expected


@given(st.text(min_size=1, max_size=8), st.integers(1, 5), st.integers(0, 7))
def test_a_period_makes_the_whole_text(unit: str, times: int, more: int) -> None:
    text = unit * times + unit[:more]
    period = period_of(text)
    assert 0 < period <= len(unit)
    assert (text[:period] * len(text))[: len(text)] == text


def test_no_period() -> None:
    assert (period_of(""), period_of("a"), period_of("abcd")) == (0, 1, 4)


@given(st.text(min_size=1, max_size=9), st.integers(2, 4))
def test_doubling_is_undone(text: str, times: int) -> None:
    doubled = "".join(mark * times for mark in text)
    single = undoubled(doubled)
    assert len(single) < len(doubled)
    assert set(single) == set(text)


def test_what_is_not_doubled_stays() -> None:
    assert undoubled("password") == "password"
    assert undoubled("") == ""
