"""What of older hashes is taken over, what is not, and that none of them keeps a machine busy."""

import base64
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.errors import LegacyHashError
from holdfast.accounts.hashing import legacy
from holdfast.accounts.hashing.stored import Old
from tests.accounts.hashing.samples import TAKEN, VECTORS, WORD, fits, ldap64


@pytest.mark.parametrize(("old_hash", "scheme"), TAKEN)
def test_hashes_that_others_made(old_hash: str, scheme: str) -> None:
    assert legacy.parse(old_hash).old.scheme == scheme
    assert fits(old_hash, WORD)
    assert not fits(old_hash, WORD.upper())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "anybody"),
        ("!", "locked"),
        ("*", "locked"),
        ("!$6$saltstring$abc", "locked"),
        ("x", "elsewhere"),
        ("*" + "0A" * 20, "MySQL"),
        ("sha1$salt$" + "0a" * 20, "in front"),
        ("pbkdf2:sha256:100$salt$0a0", "must not lie open"),
        ("pbkdf2:sha256:100$salt$0a0b", "length"),
        ("ab0123456789.", "eight characters"),
        ("_J9..rasmBYk8r9AiWNc", "eight characters"),
        ("5f4dcc3b5aa765d61d8327deb882cf99", "one round of MD5"),
        ("{MD5}X03MO1qnZdYdgyfeuILPmQ==", "one round of MD5"),
        ("{SMD5}X03MO1qnZdYdgyfeuILPmXNhbHQ=", "one round of MD5"),
        ("$3$$8846f7eaee8fb117ad06bdd830b7586c", "NTLM"),
        ("$NT$8846f7eaee8fb117ad06bdd830b7586c", "NTLM"),
        ("aad3b435b51404eeaad3b435b51404ee:8846f7eaee8fb117ad06bdd830b7586c", "NTLM"),
        ("$2y$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "bcrypt"),
        ("$y$j9T$abc$def", "yescrypt"),
        ("$7$C6..../....salt$hash", "scrypt"),
        ("{CRYPT}$6$saltstring$abc", "without it"),
        ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", "no older hash"),
        ("{UNKNOWN}abc", "not known"),
        ("$6$saltstring$tooshort", "not known, or it is damaged"),
        ("$5$saltstring$" + "a" * 86, "damaged"),
        ("hunter2", "must not lie open"),
        ("correct horse battery staple", "must not lie open"),
        ("{SHA}YWJj", "length"),
        ("{SSHA}" + base64.b64encode(b"d" * 20).decode(), "length"),
        ("{SHA}" + base64.b64encode(b"d" * 24).decode(), "length"),
        ("{SSHA}" + base64.b64encode(b"d" * 200).decode(), "salt is longer"),
        ("{SHA}abcde", "base64"),
        ("pbkdf2_sha256$1000$salt$YWJj", "length"),
        ("{PBKDF2}1000$c2FsdA$YWJj", "length"),
        ("pbkdf2_sha256$1000$\ud800$" + base64.b64encode(b"d" * 32).decode(), "no text"),
        ("a" * 513, "longer"),
    ],
)
def test_what_is_not_taken_over_and_why(text: str, reason: str) -> None:
    with pytest.raises(LegacyHashError, match=reason) as refused:
        legacy.parse(text)
    assert len(text) < 8 or text not in str(refused.value)


@pytest.mark.parametrize(
    "hostile",
    [
        "$5$rounds=999999999$saltstring$" + "a" * 43,
        "$6$rounds=999999999$saltstring$" + "a" * 86,
        "$6$rounds=656001$saltstring$" + "a" * 86,
        "$6$rounds=999$saltstring$" + "a" * 86,
        "$6$rounds=0$saltstring$" + "a" * 86,
        "pbkdf2_sha256$999999999$salt$" + base64.b64encode(b"d" * 32).decode(),
        "pbkdf2_sha256$0$salt$" + base64.b64encode(b"d" * 32).decode(),
        "{PBKDF2}2000001$c2FsdA$" + ldap64(b"d" * 20),
    ],
)
def test_hostile_rounds_are_refused_at_once(hostile: str) -> None:
    before = perf_counter()
    with pytest.raises(LegacyHashError, match="rounds"):
        legacy.parse(hostile)
    assert perf_counter() - before < 0.1


@pytest.mark.parametrize(
    "old",
    [
        Old(scheme="des", rounds=0, salt=b"ab"),
        Old(scheme="sha512crypt", rounds=999_999_999, salt=b""),
        Old(scheme="pbkdf2-sha256", rounds=0, salt=b""),
        Old(scheme="md5crypt", rounds=1, salt=b""),
        Old(scheme="sha1", rounds=0, salt=b"s" * 65),
    ],
)
def test_nothing_hostile_is_computed(old: Old) -> None:
    with pytest.raises(LegacyHashError):
        legacy.compute(old, b"secret")


@given(
    text=st.text(max_size=120)
    | st.text("$./{}=156apr0123456789SHAPBKDFrounds:abcdef", max_size=120)
    | st.builds(
        lambda text, cut, more: text[: cut % len(text)] + more + text[cut % len(text) :],
        st.sampled_from([one for one, _ in [*TAKEN, *VECTORS]]),
        st.integers(min_value=0, max_value=120),
        st.text(max_size=3),
    )
)
def test_any_text_is_taken_or_refused(text: str) -> None:
    try:
        found = legacy.parse(text)
    except LegacyHashError as error:
        shown = str(error)
    else:
        shown = ""
        legacy.must_be_bearable(found.old)
        assert repr(found.digest) not in repr(found)
    assert len(text) < len("a short one") or text not in shown
