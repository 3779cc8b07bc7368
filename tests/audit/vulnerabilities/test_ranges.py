"""What a statement says of a version."""

import pytest

from holdfast.audit.vulnerabilities.ranges import Range, Statement, Status, in_words, says

A, U, X, Q = Status.AFFECTED, Status.UNAFFECTED, Status.UNCLEAR, Status.UNKNOWN


def status(statement: Statement, version: str) -> Status:
    return says(statement, version).status


@pytest.mark.parametrize(
    ("one", "version", "expected"),
    [
        (Range(low="1.0", high="1.5"), "1.0", A),
        (Range(low="1.0", high="1.5", after=True), "1.0", U),
        (Range(low="1.0", high="1.5"), "1.5", U),
        (Range(low="1.0", high="1.5", to=True), "1.5", A),
        (Range(low="1.0", high="1.5"), "0.9", U),
        (Range(low="1.0"), "9", A),
        (Range(high="2.0"), "0.1", A),
        (Range(low="1.2", high="1.2", to=True), "1.2.0", A),
        (Range(low="1.2", high="1.2", to=True), "1.2.1", U),
        (Range(low="4.2.8", high="4.2.8", to=True, updates=True), "4.2.8p15", A),
        (Range(low="4.2.8", high="4.2.8", to=True, updates=True), "4.2.8.1", U),
        (Range(low="1.0.0", high="1.0.0", to=True, updates=True), "1.0.0a", U),
        (Range(low="4.2.8", high="4.2.8", to=True), "4.2.8p15", U),
        (Range(low="8.1", high="8.1.*", to=True), "8.1.99", A),
        (Range(low="8.1", high="8.1.*", to=True), "8.2", U),
    ],
)
def test_bounds(one: Range, version: str, expected: Status) -> None:
    assert status(Statement(ranges=(one,)), version) is expected


def test_a_bound_that_cannot_be_read_is_unclear_not_dropped() -> None:
    unread = Range(high="the fix of spring")
    assert status(Statement(ranges=(unread,)), "1.0") is X
    # Unless another stretch holds it for sure.
    assert status(Statement(ranges=(unread, Range(high="2.0"))), "1.0") is A
    # Or the bound that can be read keeps it out.
    assert status(Statement(ranges=(Range(low="3.0", high="spring"),)), "1.0") is U


def test_a_version_that_cannot_be_read_is_unclear() -> None:
    assert status(Statement(ranges=(Range(high="2.0"),)), "some build") is X


def test_one_exact_version_outweighs_a_stretch() -> None:
    both = (Range(high="2.0"), Range(status="u", low="1.5", high="1.5", to=True))
    assert status(Statement(ranges=both), "1.5") is U
    assert status(Statement(ranges=both), "1.4") is A


def test_two_stretches_that_disagree_are_unclear() -> None:
    both = (Range(high="2.0"), Range(status="u", low="1.0", high="3.0"))
    assert status(Statement(ranges=both), "1.5") is X


def test_nothing_told_is_unknown() -> None:
    assert status(Statement(), "1.0") is Q
    assert status(Statement(note="names no version"), "1.0") is X


def test_fixed_branches_only_as_php_has_it() -> None:
    php = Statement(
        default="a",
        ranges=(Range(low="8.1", high="8.1.28"), Range(low="8.2", high="8.2.18")),
    )
    assert status(php, "8.1.27") is A
    assert status(php, "8.1.30") is U
    assert says(php, "8.1.27").fixed_in == "8.1.28"
    # The record calls it affected by default, and knows nothing of it.
    assert status(php, "5.6.0") is X


KERNEL = Statement(
    scheme="linux",
    default="a",
    ranges=(
        Range(status="u", high="4.20"),
        Range(status="u", low="5.15.165", high="5.15.*", to=True),
        Range(status="u", low="6.1.84", high="6.1.*", to=True),
        Range(status="u", low="6.8"),
    ),
)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.18.23", U),  # before it was brought in
        ("4.20", A),
        ("5.15.164", A),
        ("5.15.165", U),
        ("5.16.3", A),  # a series that was never fixed
        ("6.1.83", A),
        ("6.1.84", U),
        ("6.8-rc1", A),
        ("6.8", U),
        ("6.12.1", U),
    ],
)
def test_kernel_records(version: str, expected: Status) -> None:
    assert status(KERNEL, version) is expected


def test_the_fix_in_the_series_is_named() -> None:
    answer = says(KERNEL, "5.15.1")
    assert answer.fixed_in == "5.15.165"
    assert "5.15.165" in answer.why
    assert says(KERNEL, "5.16.3").fixed_in == "6.8"


def test_a_record_that_does_not_say_since_when() -> None:
    silent = Statement(
        scheme="linux",
        default="a",
        ranges=(
            Range(status="u", low="4.4.10", high="4.4.*", to=True),
            Range(status="u", low="4.9"),
        ),
    )
    assert status(silent, "4.4.9") is A
    assert status(silent, "4.5.1") is A  # an older series had it
    assert status(silent, "2.6.36") is X  # perhaps the code was not there yet
    assert status(silent, "4.9.1") is U


def test_a_series_newer_than_the_record_is_unclear() -> None:
    old = Statement(
        scheme="linux",
        default="a",
        ranges=(
            Range(status="u", high="5.0"),
            Range(status="u", low="5.4.9", high="5.4.*", to=True),
        ),
    )
    assert status(old, "5.3.1") is A
    assert status(old, "6.12.1") is X


def test_what_came_in_with_a_backport_is_unclear() -> None:
    odd = Statement(
        scheme="linux",
        default="a",
        ranges=(
            Range(status="u", high="4.0"),
            Range(status="u", low="3.18.90", high="3.18.*", to=True),
            Range(status="u", low="4.9"),
        ),
    )
    assert status(odd, "3.18.23") is X
    assert says(odd, "3.18.23").fixed_in == "3.18.90"
    assert status(odd, "3.18.90") is U
    assert status(odd, "3.16.1") is U


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (Range(low="1", high="1", to=True), "1"),
        (Range(low="1", high="2"), "1 to before 2"),
        (Range(low="1", high="2", to=True, after=True), "after 1 to 2"),
        (Range(high="2"), "before 2"),
        (Range(low="1"), "1 and later"),
        (Range(), "every version"),
    ],
)
def test_words(one: Range, words: str) -> None:
    assert in_words(one) == words
