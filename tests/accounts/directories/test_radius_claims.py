"""What an acceptance becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.directories.answers import Claim
from holdfast.accounts.directories.radius.claims import claims_of, name_of


def pair(text: str, vendor: int = 9, kind: int = 1) -> tuple[int, bytes]:
    value = text.encode()
    return 26, vendor.to_bytes(4, "big") + bytes((kind, len(value) + 2)) + value


def number(kind: int, value: int) -> tuple[int, bytes]:
    return kind, value.to_bytes(4, "big")


def level_of(*attributes: tuple[int, bytes]) -> str | None:
    levels = [claim.value for claim in claims_of(attributes) if claim.kind == "level"]
    assert len(levels) <= 1
    return levels[0] if levels else None


@pytest.mark.parametrize(
    ("attributes", "level"),
    [
        ([pair("shell:priv-lvl=15")], "15"),
        ([pair("shell:priv-lvl*7")], "7"),
        ([pair("shell:priv-lvl=0")], "0"),
        ([number(136, 3)], "3"),
        ([number(6, 6)], "15"),
        ([number(6, 7)], "1"),
        ([number(6, 1)], None),
        ([], None),
        # What is said explicitly counts; of two, the lower.
        ([number(6, 6), pair("shell:priv-lvl=1")], "1"),
        ([number(6, 7), pair("shell:priv-lvl=15")], "15"),
        ([pair("shell:priv-lvl=15"), pair("shell:priv-lvl=2")], "2"),
        # What makes no sense gives nothing, and nothing is guessed instead.
        ([pair("shell:priv-lvl=16")], None),
        ([pair("shell:priv-lvl=16"), number(6, 6)], None),
        ([pair("shell:priv-lvl=-1"), number(6, 6)], None),
        ([pair("shell:priv-lvl="), pair("shell:priv-lvl=15")], None),
        ([pair("shell:priv-lvl=１５")], None),  # noqa: RUF001 - digits, but not ASCII
        ([number(136, 99), number(6, 6)], None),
        ([(136, b"\x01"), number(6, 6)], None),
        ([(6, b"\x06")], None),
        # Another vendor's attribute 1 is not Cisco's.
        ([pair("shell:priv-lvl=15", vendor=10)], None),
        ([pair("shell:priv-lvl=15", kind=2)], None),
        # An attribute of another meaning that looks alike.
        ([(25, b"shell:priv-lvl=15")], None),
    ],
)
def test_level(attributes: list[tuple[int, bytes]], level: str | None) -> None:
    assert level_of(*attributes) == level


def test_attributes_by_name() -> None:
    claims = claims_of(
        [
            (25, "группа-愛".encode()),
            (11, b"readers"),
            (11, b"writers"),
            (11, b"readers"),
            number(6, 5),
            (135, b"policy"),
            pair("shell:roles=network-admin"),
            pair("root", vendor=14823, kind=4),
            (200, b"text"),
        ]
    )
    assert claims == tuple(
        Claim(kind="attribute", name=name, value=value)
        for name, value in (
            ("class", "группа-愛"),
            ("filter-id", "readers"),
            ("filter-id", "writers"),
            ("service-type", "5"),
            ("management-policy-id", "policy"),
            ("cisco-avpair", "shell:roles=network-admin"),
            ("vendor-14823-4", "root"),
            ("attribute-200", "text"),
        )
    )


@pytest.mark.parametrize(
    "attribute",
    [
        (25, b"\xff\xfe binary"),
        (25, b"with\x00nul"),
        (25, b"with\nline"),
        (25, b""),
        (1, b"ada"),
        (18, b"a text for the person"),
        (24, b"state"),
        (69, b"tunnel-password"),
        (79, b"eap"),
        (80, b"0123456789abcdef"),
        (26, b"\x00\x00"),
        (26, b"\x00\x00\x00\x09\x01\xffcut"),
        pair("", vendor=9),
    ],
)
def test_not_a_claim(attribute: tuple[int, bytes]) -> None:
    assert claims_of([attribute]) == ()


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ([(1, b"Ada")], "Ada"),
        ([], ""),
        ([(1, b"")], ""),
        ([(1, b"a\x00b")], ""),
        ([(1, b"\xff")], ""),
        ([(25, b"Ada")], ""),
    ],
)
def test_name(attributes: list[tuple[int, bytes]], name: str) -> None:
    assert name_of(attributes) == name


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=253)), max_size=10))
def test_any_attributes_give_sound_claims(attributes: list[tuple[int, bytes]]) -> None:
    assert name_of(attributes).isprintable()
    for claim in claims_of(attributes):
        assert claim.value.isprintable()
        assert claim.value
        assert claim.kind == "attribute" or 0 <= int(claim.value) <= 15
