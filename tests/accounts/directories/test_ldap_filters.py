"""Filters: no name changes what is asked."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.directories.ldap import filters
from holdfast.accounts.directories.ldap.ber import OCTETS, SEQUENCE, Reader
from holdfast.accounts.directories.ldap.filters import FilterError
from holdfast.accounts.directories.settings import Ldap

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
USUAL_GROUPS = Ldap(base="dc=x", bind_dn="cn=x").group_filter


def written(text: str, **values: str) -> bytes:
    encoded = {name: value.encode() for name, value in values.items()}
    return filters.filled(filters.parse(text), encoded)


def read(reader: Reader) -> str:
    """Write a filter as text again, as RFC 4515 has it; a reading of its own."""
    tag, content = reader.next()
    inside = Reader(content)
    if tag in {0xA0, 0xA1, 0xA2}:
        told = ""
        while inside:
            told += read(inside)
        return f"({'&|!'[tag - 0xA0]}{told})"
    if tag == 0x87:
        return f"({content.decode()}=*)"
    if tag == 0xA4:
        return f"({inside.take(OCTETS).decode()}={substrings(inside.inner(SEQUENCE))})"
    if tag == 0xA9:
        return extended(inside)
    sign = {0xA3: "=", 0xA5: ">=", 0xA6: "<=", 0xA8: "~="}[tag]
    attribute, value = inside.take(OCTETS), inside.take(OCTETS)
    assert not inside
    return f"({attribute.decode()}{sign}{masked(value)})"


def substrings(parts: Reader) -> str:
    """Mark the beginning with ^, the end with $."""
    told = ""
    while parts:
        kind, value = parts.next()
        told += {0x80: "^", 0x81: "*", 0x82: "*"}[kind] + masked(value)
        told += "$" if kind == 0x82 else ""
    return told


def extended(inside: Reader) -> str:
    parts = {0x81: "", 0x82: "", 0x83: "", 0x84: ""}
    while inside:
        kind, value = inside.next()
        parts[kind] = ":dn" if kind == 0x84 else masked(value)
    rule = f":{parts[0x81]}" if parts[0x81] else ""
    return f"({parts[0x82]}{parts[0x84]}{rule}:={parts[0x83]})"


def masked(value: bytes) -> str:
    """Escape as RFC 4515 demands."""
    plain = (string.ascii_letters + string.digits + " =,.@-").encode()
    return "".join(chr(each) if each in plain else f"\\{each:02x}" for each in value)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("(uid=ada)", ""),
        ("(uid=*)", ""),
        ("(uid=)", ""),
        ("(&(objectClass=person)(|(uid=ada)(mail=ada@example.test)))", ""),
        ("(!(uid=ada))", ""),
        ("(&)", ""),
        ("(cn=a*b*c)", "(cn=^a*b*c$)"),
        ("(cn=*b*)", "(cn=*b)"),
        ("(cn=a*)", "(cn=^a)"),
        ("(age>=5)", ""),
        ("(age<=5)", ""),
        ("(cn~=ada)", ""),
        ("(cn:caseExactMatch:=ada)", ""),
        ("(cn:dn:=ada)", ""),
        ("(:dn:2.4.6.8.10:=ada)", ""),
        ("(1.2.840.113556.1.4.221=x)", ""),
        (r"(cn=\2a\28\29\5c\00)", ""),
        (r"(cn=ü{x})", r"(cn=\c3\bc\7bx\7d)"),
        ("(userCertificate;binary=x)", ""),
    ],
)
def test_text_becomes_what_it_says(text: str, same: str) -> None:
    assert read(Reader(written(text))) == (same or text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "uid=ada",
        "(uid=ada",
        "(uid=ada))",
        "(uid)",
        "()",
        "(=x)",
        "(&(uid=a)",
        "(!)",
        "(!(a=b)(c=d))",
        r"(uid=\2)",
        r"(uid=\zz)",
        "(uid=a\0b)",
        "(uid>=a*)",
        "(uid=**)",
        "(u d=x)",
        "({name}=x)",
        "(uid=\ud800)",
        "(" * 40 + "uid=a" + ")" * 40,
        "(&" * 40 + "(a=b)" + ")" * 40,
        "(cn:dn=x)",
        "(:=x)",
        "(|(uid=a)x)",
    ],
)
def test_what_is_no_filter_is_refused_in_words(text: str) -> None:
    with pytest.raises(FilterError, match=r"filter|here|write"):
        filters.parse(text)


@given(NAMES)
def test_no_name_is_more_than_a_value(name: str) -> None:
    told = read(Reader(written("(&(objectClass=person)(uid={name}))", name=name)))

    assert told == f"(&(objectClass=person)(uid={masked(name.encode())}))"


@given(NAMES, NAMES)
def test_no_dn_and_no_name_change_the_search_for_groups(dn: str, name: str) -> None:
    told = read(Reader(written(USUAL_GROUPS, dn=dn, name=name)))

    person, login = masked(dn.encode()), masked(name.encode())
    assert told == (
        f"(|(&(objectClass=groupOfNames)(member={person}))"
        f"(&(objectClass=posixGroup)(memberUid={login})))"
    )


@given(st.text(max_size=60) | st.text(alphabet="(&|!)=*:\\{}name d2a", max_size=40))
def test_any_text_is_a_filter_or_an_error_of_ours(text: str) -> None:
    try:
        found = filters.parse(text)
    except FilterError:
        return
    assert read(Reader(filters.filled(found, {"name": b"n", "dn": b"d"})))


def test_a_group_is_not_searched_by_where_names_of_people_stand() -> None:
    pattern = filters.without(filters.parse(USUAL_GROUPS), "name")

    assert pattern is not None
    assert read(Reader(filters.filled(pattern, {"dn": b"cn=x"}))) == (
        "(|(&(objectClass=groupOfNames)(member=cn=x)))"
    )


@pytest.mark.parametrize(
    "text",
    [
        "(memberUid={name})",
        "(&(member={dn})(memberUid={name}))",
        "(!(memberUid={name}))",
        "(a=x{name}*)",
    ],
)
def test_nothing_is_left_where_everything_depends_on_the_name(text: str) -> None:
    assert filters.without(filters.parse(text), "name") is None


def test_active_directory_follows_groups_itself() -> None:
    pattern = filters.in_chain(filters.parse("(&(objectClass=group)(member={dn})(cn=*))"))

    assert read(Reader(filters.filled(pattern, {"dn": b"cn=x"}))) == (
        "(&(objectClass=group)(member:1.2.840.113556.1.4.1941:=cn=x)(cn=*))"
    )


def test_several_groups_are_asked_for_at_once() -> None:
    one, other = written("(member=a)"), written("(member=b)")

    assert read(Reader(filters.either([one, other]))) == "(|(member=a)(member=b))"
    assert filters.either([one]) == one
