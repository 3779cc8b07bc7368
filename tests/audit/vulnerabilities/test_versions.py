"""Which of two versions is newer."""

from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.vulnerabilities.versions import SCHEMES, Key, key_of, upstream_of


def key(text: str, scheme: str) -> Key:
    found = key_of(text, scheme)
    assert found is not None, text
    return found


ORDERED = [
    ("generic", ["0.9.8", "0.9.8a", "0.9.8y", "0.9.8z", "0.9.8za", "0.9.8zh", "1.0.0-beta1",
                 "1.0.0", "1.0.0a", "1.0.1"]),
    ("generic", ["0.44", "0.53", "0.53.1", "2011.54", "2012.55", "2015.68", "2022.83"]),
    ("generic", ["0.5", "0.5.9", "0.5.10", "0.6.0", "1.0-rc1", "1.0", "2.0", "2.10"]),
    ("generic", ["4.2.8", "4.2.8p1", "4.2.8p9", "4.2.8p15", "4.3"]),
    ("generic", ["1.0.0-alpha", "1.0.0-alpha2", "1.0.0-beta", "1.0.0-rc1", "1.0.0-rc10", "1.0"]),
    ("generic", ["1.9.0b1", "1.9.0", "1.9.0p2", "1.9.1"]),
    ("generic", ["r30", "r31", "r32"]),
    ("generic", ["5.14", "5.15", "5.15.200", "5.15.*", "5.16"]),
    ("generic", ["1.0", "1.0.15", "1.0.*", "1.1", "1.17.7", "1.*", "2.0"]),
    ("openssh", ["8.2", "8.3", "8.3p2", "9.9", "9.9p2", "10.0"]),
    ("linux", ["2.6.12-rc2", "2.6.12", "2.6.33", "2.6.33.2", "2.6.34", "3.0", "3.18.23", "4.4",
               "4.14.172-rc1", "4.14.172", "6.8-rc1", "6.8", "6.8.1"]),
    ("linux", ["6.0", "6.0.7", "6.0.*", "6.1"]),
    ("debian", ["1.0~rc1-1", "1.0-1", "1.0-1+deb12u1", "1.0-2", "1:0.5-1"]),
    ("alpine", ["1.0_alpha-r0", "1.0_rc1-r0", "1.0-r0", "1.0-r1", "1.0_p1-r0", "1.0.2h-r0"]),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "versions"), ORDERED, ids=str)
def test_newer_ones_come_later(scheme: str, versions: list[str]) -> None:
    for older, newer in pairwise(versions):
        assert key(older, scheme) < key(newer, scheme), (older, newer)
        assert not key(newer, scheme) < key(older, scheme), (older, newer)
        assert key(older, scheme) != key(newer, scheme), (older, newer)


@pytest.mark.parametrize(
    ("scheme", "one", "other"),
    [
        ("generic", "1.0", "1.0.0"),
        ("generic", "v6.8", "6.8.0"),
        ("generic", "1.0-RC1", "1.0rc1"),
        ("generic", "4.2.8-p15", "4.2.8p15"),
        ("openssh", "8.3", "8.3p1"),
        ("linux", "5.4.0", "5.4"),
        ("linux", "3.0.8+", "3.0.8"),
        ("linux", "4.19.0-cip1", "4.19"),
        ("linux", "2.6.36-svn4711", "2.6.36"),
    ],
)
def test_ways_to_write_the_same(scheme: str, one: str, other: str) -> None:
    assert key_of(one, scheme) == key_of(other, scheme)


@pytest.mark.parametrize(
    "text",
    ["", "n/a", "unspecified", "1da177e4c3f4", "0b29669c065f60501e7289e1950fa2a618962358", "AEAD",
     "all versions before 4.12.10", "2:4.15.13+dfsg-0ubuntu1", "4.4-1ubuntu1.2", "-", "*", "x" * 90,
     "1." * 60, "1.2.3 or 1.2.4"],
)  # fmt: skip
def test_what_is_no_version_is_not_guessed(text: str) -> None:
    assert key_of(text) is None


def test_a_commit_is_no_kernel() -> None:
    assert key_of("1da177e4c3f4", "linux") is None
    assert key_of("next-20260101", "linux") is None


WORDS = st.sampled_from(
    ["0", "1", "2", "10", "9", "a", "b", "z", "zh", "p1", "rc1", "beta", ".", ".", "-", "_", "+",
     "~", "dev", "pre", "alpha2", ".*"]
)  # fmt: skip
VERSIONS = st.lists(WORDS, min_size=1, max_size=8).map("".join)


@pytest.mark.parametrize("scheme", ["generic", "openssh", "linux"])
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(VERSIONS, min_size=3, max_size=3))
def test_the_order_is_total(scheme: str, texts: list[str]) -> None:
    keys = [found for text in texts if (found := key_of(text, scheme)) is not None]
    for one, other in permutations(keys, 2):
        assert (one < other) + (other < one) + (one == other) == 1
    for one, middle, other in permutations(keys, 3):
        if one < middle < other:
            assert one < other


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=100))
def test_no_text_breaks_it(scheme: str, text: str) -> None:
    found = key_of(text, scheme)
    assert found is None or found == key_of(text, scheme)


@pytest.mark.parametrize(
    ("version", "system", "upstream"),
    [
        ("1:1.35.0-4+deb12u1", "deb", "1.35.0"),
        ("0.7.0+dfsg-2", "deb", "0.7.0"),
        ("1:8.4p1-5+deb11u3", "deb", "8.4p1"),
        ("1.2.13.dfsg-1", "deb", "1.2.13"),
        ("2.75-3", "opkg", "2.75"),
        ("1.24.1-r1", "opkg", "1.24.1"),
        ("1.31.1-r9", "apk", "1.31.1"),
        ("2012.55", "", "2012.55"),
    ],
)
def test_what_a_package_adds(version: str, system: str, upstream: str) -> None:
    assert upstream_of(version, system) == upstream
