"""Nothing that is shown acts, hides or goes on for ever."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.audit.report.texts import age, day, number, short, size, visible, whole
from tests.audit.report.sample import HOSTILE

ANY = st.text(st.characters(), max_size=300)  # surrogates too


@given(ANY)
def test_what_is_visible_is_printable_utf8(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    shown.encode()


@given(ANY, st.integers(8, 60))
def test_labels_are_no_longer_than_told(text: str, most: int) -> None:
    assert len(short(text, most)) <= most
    assert short(text, most).isprintable()


@pytest.mark.slow
@given(st.text(st.characters(codec="utf-8"), max_size=80))
def test_plain_text_stays_as_it_is(text: str) -> None:
    if text.isprintable() and text.isascii():
        assert visible(text) == text
    assert whole(text) == text


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str) -> None:
    shown = visible(name)
    assert shown.isprintable()
    assert len(shown) < 800


def test_direction_marks_and_controls_are_named() -> None:
    assert visible("a\u202eb\x1b[31m\n") == "a\\u202eb\\x1b[31m\\x0a"
    assert visible("\udcff") == "\\xff"
    assert visible("\ud800") == "\\ud800"
    assert visible("\U000e0041") == "\\U000e0041"


def test_long_text_tells_how_much_is_left_out() -> None:
    assert visible("a" * 1000, most=30) == "a" * 20 + "…[970 more]…" + "a" * 10


def test_towers_of_marks_are_cut() -> None:
    assert len(visible("e" + "\u0301" * 200)) < 10
    assert visible("e\u0301") == "e\u0301"


def test_counts_sizes_days_ages() -> None:
    assert [number(1, "file"), number(12345, "file"), number(2, "entry", "entries")] == [
        "1 file",
        "12,345 files",
        "2 entries",
    ]
    assert [size(0), size(1023), size(1024), size(3_641_484), size(2**70)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "3.5 MiB",
        "1073741824.0 TiB",
    ]
    assert day(0) == "1970-01-01"
    assert day(10**15) == ""
    assert day(-(10**18)) == ""
    today = date(2026, 11, 22)
    told = [age(date.fromordinal(today.toordinal() - days), today) for days in (-1, 0, 1, 40, 800)]
    assert told == ["from the future", "of today", "1 day old", "40 days old", "2 years old"]
