"""Files of older products become accounts, or faults that say which line and why."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.accounts.hashing import importing
from holdfast.accounts.hashing.importing import (
    MOST_CHARACTERS,
    MOST_ENTRIES,
    Fault,
    Imported,
    parse_htpasswd,
    parse_json,
    parse_shadow,
)
from tests.accounts.hashing.samples import TAKEN, VECTORS

MD5, SHA512 = VECTORS[-2][0], VECTORS[2][0]
SHADOW = f"""\
root:{SHA512}:19000:0:99999:7:::
daemon:*:19000:0:99999:7:::
# remark
admin:{MD5}:19000:0:99999:7:::\r

locked:!{MD5}:19000:0:99999:7:::
nobody::19000:0:99999:7:::
des:ab0123456789.:19000:0:99999:7:::
guest:{MD5}:19000:0:99999:7::19500:
admin:{SHA512}:19000:0:99999:7:::
short:{MD5}
:{MD5}:19000:0:99999:7:::
"""


def names(found: Imported) -> list[str]:
    return [one.name for one in found.entries]


def test_a_shadow_file() -> None:
    found = parse_shadow(SHADOW)
    assert [(one.line, one.name, one.scheme) for one in found.entries] == [
        (1, "root", "sha512crypt"), (4, "admin", "md5crypt"),
    ]  # fmt: skip
    assert found.entries[1].hash == MD5
    assert found.locked == ("daemon", "locked")
    assert [(fault.line, fault.name) for fault in found.faults] == [
        (7, "nobody"), (8, "des"), (9, "guest"), (10, "admin"), (11, "short"), (12, ""),
    ]  # fmt: skip
    reasons = [fault.reason for fault in found.faults]
    for reason, word in zip(
        reasons,
        ["anybody", "DES-crypt", "has an end", "line 4 already", "2 fields", "no name"],
        strict=True,
    ):
        assert word in reason


def test_an_old_passwd_file() -> None:
    text = f"root:{MD5}:0:0:root:/root:/bin/sh\nadmin:x:0:0::/:/bin/sh\nftp:*:1:1::/:/bin/false"
    found = parse_shadow(text)
    assert names(found) == ["root"]
    assert found.locked == ("ftp",)
    assert found.faults == (Fault(2, "admin", "its hash is kept in shadow; read that file"),)


def test_an_htpasswd_file() -> None:
    apr1 = VECTORS[-1][0]
    lines = [f"ada:{apr1}", f"bob:{TAKEN[2][0]}", "eve:hunter2", "dan", f"x:{apr1}:remark", "f:!"]
    found = parse_htpasswd("\n".join(lines))
    assert names(found) == ["ada", "bob", "x"]
    assert [fault.line for fault in found.faults] == [3, 4]
    assert found.locked == ("f",)
    assert "hunter2" not in repr(found)


def test_a_json_list() -> None:
    rows: list[object] = [
        {"name": "ada", "hash": TAKEN[5][0]}, {"name": "bob"}, {"name": 1, "hash": MD5}, None,
        {"name": "eve", "hash": MD5, "role": "owner"}, {"name": "dan\x1b[2J", "hash": MD5},
    ]  # fmt: skip
    found = parse_json(json.dumps(rows))
    assert names(found) == ["ada"]
    assert [fault.line for fault in found.faults] == [2, 3, 4, 5, 6]
    assert "\x1b" not in repr(found)


@pytest.mark.parametrize("text", ["", "{}", "nul", "[" * 5000, "\ud800", '{"name": "a"}'])
def test_what_is_no_json_list(text: str) -> None:
    found = parse_json(text)
    assert [fault.line for fault in found.faults] == [0]


def test_a_huge_file_is_refused_whole() -> None:
    for parse in (parse_shadow, parse_htpasswd, parse_json):
        found = parse("a" * (MOST_CHARACTERS + 1))
        assert not found.entries
        assert [fault.line for fault in found.faults] == [0]


def test_the_number_of_accounts_is_bounded() -> None:
    found = parse_htpasswd("a:!\n" * (MOST_ENTRIES + 5))
    assert len(found.locked) == MOST_ENTRIES
    assert found.faults == (Fault(MOST_ENTRIES + 1, "", "there are more than 10000 accounts"),)


def test_a_long_line_is_a_fault() -> None:
    found = parse_htpasswd(f"a:{MD5}{'x' * 2000}\nb:{MD5}")
    assert names(found) == ["b"]
    assert found.faults[0].line == 1


def test_lines_end_at_line_feeds_only() -> None:
    found = parse_htpasswd(f"a\u2028b:{MD5}\nc\x0bd:{MD5}\ne\x85f:{MD5}")
    assert not found.entries
    assert [fault.line for fault in found.faults] == [1, 2, 3]


pieces = st.sampled_from(
    ["root", ":", "\n", "\r", "#", "*", "!", MD5, SHA512, "::::::", "\0", "x", "é"]
)


@settings(max_examples=50)
@given(text=st.text(max_size=200) | st.lists(pieces, max_size=40).map("".join))
def test_any_text_is_read(text: str) -> None:
    for parse in (parse_shadow, parse_htpasswd, parse_json):
        found = parse(text)
        assert len(set(names(found))) == len(found.entries)
        for fault in found.faults:
            assert fault.reason
            assert MD5 not in fault.reason
            assert not importing._odd_name(fault.name) or not fault.name


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["name", "hash", "x"]), inner)
        ),
        max_leaves=20,
    )
)
def test_any_json_is_read(value: object) -> None:
    assert parse_json(json.dumps(value)).entries == ()
