"""What is stored is read back exactly, and what is hostile is refused before it costs anything."""

from datetime import UTC, datetime
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.errors import StoredHashError
from holdfast.accounts.hashing.costs import FLOOR, Cost
from holdfast.accounts.hashing.stored import LONGEST, Old, Stored, parse

SALT, HASH = "AAAAAAAAAAAAAAAAAAAAAA", "A" * 43
DIRECT = f"$holdfast-argon2id$v=1$m=19456,t=2,p=1,k=0123abcd${SALT}${HASH}"
WRAPPED = (
    "$holdfast-wrapped$v=1$m=19456,t=2,p=1,k=0123abcd,s=sha512crypt,r=5000,o=YWJj,u=1800000000"
    f"${SALT}${HASH}"
)
KEYLESS = f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${HASH}"

costs = st.sampled_from(
    [FLOOR, Cost(memory_kib=7168, passes=5), Cost(memory_kib=65536, passes=16)]
)  # fmt: skip
key_ids = st.text("0123456789abcdef", min_size=8, max_size=8)
olds = st.builds(
    Old,
    scheme=st.sampled_from(["md5crypt", "pbkdf2-sha256"]),
    rounds=st.integers(min_value=0, max_value=9_999_999_999),
    salt=st.binary(max_size=64),
)
salts = st.binary(min_size=16, max_size=16)
hashes = st.binary(min_size=32, max_size=32)
moments = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001
).map(lambda moment: moment.replace(microsecond=0))  # fmt: skip


@given(
    stored=st.builds(Stored, cost=costs, key_id=key_ids | st.just(""), salt=salts, hash=hashes)
    | st.builds(
        Stored, cost=costs, key_id=key_ids, salt=salts, hash=hashes, old=olds, until=moments
    )
)
def test_what_is_written_is_read(stored: Stored) -> None:
    text = stored.text()
    assert len(text) <= LONGEST
    assert parse(text) == stored
    assert parse(text).text() == text


@given(
    text=st.text(max_size=600)
    | st.text("$=,kmtpv0123456789abcdefholdfast-argon2id+/", max_size=600)
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        stored = parse(text)
    except StoredHashError:
        return
    assert stored.text() == text.removeprefix("argon2")


@given(place=st.integers(min_value=0, max_value=400), mark=st.characters())
def test_another_letter_is_another_hash_or_none(place: int, mark: str) -> None:
    for text in (DIRECT, WRAPPED, KEYLESS):
        where = place % len(text)
        changed = text[:where] + mark + text[where + 1 :]
        if changed == text:
            continue
        shown = ""
        try:
            assert parse(changed) != parse(text)
        except StoredHashError as error:
            shown = str(error)
        assert "AAAA" not in shown


@pytest.mark.parametrize(
    "hostile",
    [
        DIRECT.replace("19456", str(2**32)),
        DIRECT.replace("t=2", "t=1000000000"),
        DIRECT.replace("t=2", "t=" + "9" * 400),
        DIRECT.replace("m=19456", "m=1048577"),
        DIRECT.replace("m=19456,t=2", "m=8,t=1"),
        DIRECT.replace("t=2", "t=0"),
        DIRECT.replace("t=2", "t=02"),
        DIRECT.replace("t=2", "t=-2"),
        DIRECT.replace("t=2", "t=²"),
        DIRECT.replace("t=2", "t=٢"),
        DIRECT.replace("p=1", "p=4"),
        DIRECT.replace("v=1$", "v=2$"),
        DIRECT.replace("k=0123abcd", "k=0123ABCD"),
        DIRECT.replace(",k=0123abcd", ""),
        DIRECT[:-1],
        DIRECT[:-1] + "B",  # the last letter holds four bits only
        DIRECT + "\n",
        DIRECT + "\0",
        " " + DIRECT,
        DIRECT + "A" * 10_000_000,
        WRAPPED.replace("u=1800000000", "u=999999999999"),
        WRAPPED.replace("u=1800000000", "u=-1"),
        WRAPPED.replace("o=YWJj", "o=Y"),
        WRAPPED.replace("o=YWJj", "o=" + "A" * 89),
        KEYLESS.replace("argon2id", "argon2i"),
        KEYLESS.replace("v=19", "v=16"),
        "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA",
        "pbkdf2_sha256$1000000$salt$hash",
        "",
        "$",
        "\ud800",
    ],
)
def test_hostile_texts_are_refused_at_once(hostile: str) -> None:
    before = perf_counter()
    with pytest.raises(StoredHashError):
        parse(hostile)
    assert perf_counter() - before < 0.1


def test_a_hash_of_django_is_read_as_the_one_that_it_is() -> None:
    assert parse("argon2" + KEYLESS) == parse(KEYLESS)


def test_nothing_of_a_hash_is_shown() -> None:
    assert "salt" not in repr(parse(DIRECT))
    assert "hash=" not in repr(parse(DIRECT))
