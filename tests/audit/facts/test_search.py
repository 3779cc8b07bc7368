"""All patterns in one pass, and the exact place of each."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.facts.search import MOST_ENDS, Engine, engine, shortened
from holdfast.audit.patterns import ALL, Pattern


def pattern(expression: bytes, **options: object) -> Pattern:
    return Pattern(name="test-one", expression=expression, **options)  # type: ignore[arg-type]


def test_a_hit_has_place_text_and_version() -> None:
    search = Engine([pattern(rb"BusyBox v(?P<version>[0-9]+(?:\.[0-9]+)+)")])
    (hit,) = search.hits(b"....BusyBox v1.14.1 (2013)")
    assert (hit.offset, hit.text, hit.version) == (4, "BusyBox v1.14.1", "1.14.1")


def test_what_is_secret_is_not_shown() -> None:
    search = Engine([pattern(rb"password=(?P<version>[a-z]+)", secret=True)])
    (hit,) = search.hits(b"password=hunter")
    assert (hit.offset, hit.text, hit.version) == (0, "", "")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (b"http://ada:hunter2@a.example/x", "http://***@a.example/x"),
        (b"https://hunter2@a.example/x", "https://***@a.example/x"),
        (
            b"https://a.example/x?id=1&api_key=hunter2&b=2",
            "https://a.example/x?id=1&api_key=***&b=2",
        ),
        (b"https://a.example/x@y?monkey", "https://a.example/x@y?monkey"),
    ],
)
def test_addresses_are_kept_without_what_is_secret(address: bytes, shown: str) -> None:
    kept = [hit.text for hit in engine().hits(b"fetch " + address + b" now")]
    assert shown in kept
    assert not any("hunter2" in text for text in kept)


def test_only_so_many_hits_are_kept() -> None:
    search = Engine([pattern(rb"ab", most=3)])
    assert [hit.offset for hit in search.hits(b"ab" * 50)] == [0, 2, 4]
    assert not search.overflowed


def test_cases() -> None:
    search = Engine([pattern(rb"telnetd", any_case=True)])
    assert len(search.hits(b"TelnetD telnetd")) == 2


def test_the_start_of_a_content_and_the_edge_of_a_word_are_the_real_ones() -> None:
    search = Engine([pattern(rb"^start"), Pattern(name="test-two", expression=rb"\bnc -l")])
    assert [hit.pattern for hit in search.hits(b"start sync -l; nc -l start")] == [
        "test-one",
        "test-two",
    ]
    assert search.hits(b"sync -l start") == ()


def test_a_content_with_more_matches_than_anybody_needs_says_so() -> None:
    search = Engine([pattern(rb"a"), Pattern(name="test-two", expression=rb"needle")])
    assert [hit.pattern for hit in search.hits(b"a" * (MOST_ENDS + 9) + b"needle")] == (
        ["test-one"] * 8
    )
    assert search.overflowed
    assert len(search.hits(b"needle")) == 1
    assert not search.overflowed


def test_nothing_is_found_without_patterns_or_content() -> None:
    assert Engine([]).hits(b"abc") == ()
    assert Engine([pattern(b"a")]).hits(b"") == ()


@pytest.mark.parametrize(
    ("whole", "short"),
    [
        (rb"v([0-9.]+)", rb"v([0-9.])"),
        (rb"v[0-9]{2,20}", rb"v[0-9]{2}"),
        (rb"a{3}", rb"a{3}"),
        (rb"x\.+", rb"x\."),
        (rb"foo\)+", rb"foo\)+"),  # a group's end is not told from a bracket: left alone
        (rb"ab\\+", rb"ab\\+"),
        (rb"\x00foo*", rb"\x00foo*"),  # may be absent
        (rb"(?:\.[0-9]+)?", rb"(?:\.[0-9]+)?"),
    ],
)
def test_repeats_at_the_end_are_cut(whole: bytes, short: bytes) -> None:
    assert shortened(whole) == short


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    content=st.lists(st.sampled_from([b"v", b"1", b"22", b".", b"ab", b" ", b"\0"])).map(b"".join)
)
def test_the_engine_finds_what_re_finds(content: bytes) -> None:
    expressions = [rb"v[0-9.]{1,9}", rb"(?:ab|v1)+", rb"\x00[0-9]+\.[0-9]+", rb"2{2,3}"]
    for expression in expressions:
        search = Engine([pattern(expression, most=99)])
        found = [hit.offset for hit in search.hits(content)]
        assert found == [match.start() for match in re.finditer(expression, content)]


def test_every_pattern_of_the_product_compiles_and_is_bounded() -> None:
    assert len({one.name for one in ALL}) == len(ALL)
    engine()  # one that Hyperscan refuses would raise
    for one in ALL:
        assert re.compile(one.expression).groupindex.keys() <= {"version"}
