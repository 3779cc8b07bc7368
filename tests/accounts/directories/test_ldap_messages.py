"""Octets of LDAP: what is written can be read, and what a stranger sends does no harm."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.accounts.directories.ldap import messages
from holdfast.accounts.directories.ldap.ber import (
    ENUMERATED,
    INTEGER,
    OCTETS,
    SEQUENCE,
    SET,
    BerError,
    Reader,
    number,
    wrap,
)


@given(st.binary(max_size=70_000), st.sampled_from([OCTETS, 0x80, 0x87]))
@example(b"", OCTETS)
@example(b"x" * 127, OCTETS)
@example(b"x" * 128, OCTETS)
@example(b"x" * 65_536, OCTETS)
def test_values_come_back(content: bytes, tag: int) -> None:
    reader = Reader(wrap(tag, content) + b"rest")

    assert reader.next() == (tag, content)
    assert reader


@given(st.integers(0, 2**31 - 1))
@example(127)
@example(128)
@example(32_768)
def test_numbers_come_back(value: int) -> None:
    assert Reader(number(value)).number() == value


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x04",
        b"\x04\x05abc",
        b"\x04\x80\x00\x00",
        b"\x04\x85\x01\x00\x00\x00\x00",
        b"\x04\x84\xff\xff\xff\xff",
        b"\x1f\x01\x00",
        b"\x04\x82\x01",
        b"\x02\x00",
        b"\x02\x05\x01\x01\x01\x01\x01",
        b"\x04\x01a",
    ],
)
def test_what_is_no_number_is_refused(octets: bytes) -> None:
    with pytest.raises(BerError):
        Reader(octets).number()


def an_entry(dn: bytes, *attributes: tuple[bytes, list[bytes]]) -> bytes:
    listed = [
        wrap(SEQUENCE, wrap(OCTETS, name), wrap(SET, *(wrap(OCTETS, value) for value in values)))
        for name, values in attributes
    ]
    return wrap(OCTETS, dn) + wrap(SEQUENCE, *listed)


def test_an_entry_is_read() -> None:
    content = an_entry(b"uid=ada,dc=x", (b"UID", [b"ada", b"\xff\xfe", b"a\0b", b"x" * 300]))

    found = messages.entry(content)

    assert found.dn == "uid=ada,dc=x"
    assert len(found.attributes["uid"]) == 4
    assert found.texts("Uid", longest=256) == ["ada"]
    assert found.texts("cn", longest=256) == []


@pytest.mark.parametrize("dn", [b"\xff", b"cn=a\nb", "cn=\u202eb".encode(), b""])
def test_a_dn_that_is_not_text_is_none(dn: bytes) -> None:
    assert messages.entry(an_entry(dn)).dn == ""


@pytest.mark.parametrize("word", ["διαχειριστές", "می\u200cخواهم", "小明", "a\u00a0b"])  # noqa: RUF001 - Persian
def test_what_people_write_is_text(word: str) -> None:
    assert messages.readable(word.encode()) == word


def a_result(code: int, words: bytes = b"", *more: bytes) -> bytes:
    return b"".join((number(code, ENUMERATED), wrap(OCTETS), wrap(OCTETS, words), *more))


def test_a_result_is_read() -> None:
    page = wrap(
        SEQUENCE,
        wrap(OCTETS, messages.PAGES.encode()),
        wrap(0x01, b"\xff"),
        wrap(OCTETS, wrap(SEQUENCE, number(0), wrap(OCTETS, b"more"))),
    )
    other = wrap(SEQUENCE, wrap(OCTETS, b"1.2.3"))

    found = messages.result(a_result(49, b"no\x1b[31m!", wrap(0x8B, b"u:ada")), other + page)

    assert (found.code, found.words, found.value, found.cookie) == (
        49,
        "no [31m!",
        b"u:ada",
        b"more",
    )


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(octets: bytes) -> None:
    for read in (messages.opened, messages.entry, messages.result):
        with contextlib.suppress(BerError):
            read(octets)
    with contextlib.suppress(BerError):
        messages.result(a_result(0), octets)


@given(st.data())
def test_changed_octets_are_read_or_refused(data: st.DataObject) -> None:
    good = messages.message(7, wrap(messages.ENTRY, an_entry(b"uid=ada", (b"uid", [b"ada", b"b"]))))
    changed = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BerError):
        _, _, operation, controls = messages.opened(Reader(bytes(changed)).take(SEQUENCE))
        messages.entry(operation)
        messages.result(operation, controls)


def test_a_bind_is_written_as_the_standard_has_it() -> None:
    written = messages.message(1, messages.bind("cn=x", "secret"))

    assert written.hex() == "3016020101" + "6011" + "020103" + "0404636e3d78" + "8006736563726574"


def test_a_search_is_written_as_the_standard_has_it() -> None:
    wanted = messages.Search(base="dc=x", pattern=messages.ANYTHING, attributes=("cn",), most=2)

    reader = Reader(messages.search(wanted, seconds=3)).inner(messages.SEARCH)

    assert reader.take(OCTETS) == b"dc=x"
    assert [reader.number(ENUMERATED), reader.number(ENUMERATED)] == [2, 0]
    assert [reader.number(INTEGER), reader.number(INTEGER)] == [2, 3]
    assert reader.take(0x01) == b"\x00"
    assert reader.take(0x87) == b"objectClass"
    assert reader.inner().take(OCTETS) == b"cn"
    assert not reader


def test_words_of_a_stranger_are_short_and_tame() -> None:
    assert messages.shown(b"x" * 5000) == "x" * 200
    assert messages.shown(b"a\r\nb\x00\xff") == "a  b \ufffd"


@pytest.mark.parametrize(
    "octets",
    [
        a_result(0, b"", *[wrap(0x8A)] * 1_000),
        an_entry(b"dc=x", (b"cn", [b""] * 20_001)),
        an_entry(b"dc=x", *[(b"", [b""])] * 20_001),
    ],
)
def test_very_many_small_things_cost_no_time(octets: bytes) -> None:
    read = messages.result if octets[0] == ENUMERATED else messages.entry

    with pytest.raises(BerError, match="more"):
        read(octets)


def test_very_many_controls_cost_no_time() -> None:
    with pytest.raises(BerError, match="more"):
        messages.result(a_result(0), wrap(SEQUENCE, wrap(OCTETS, b"1.2")) * 1_000)


def test_very_long_text_is_none() -> None:
    assert messages.readable(b"x" * 8192) != ""
    assert messages.readable(b"x" * 8193) == ""
