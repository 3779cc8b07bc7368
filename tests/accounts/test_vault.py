"""Sealed secrets open whole, with their key, under their name, or not at all."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.errors import UnknownKeyError, VaultError
from holdfast.accounts.hashing.device_keys import DeviceKeys
from holdfast.accounts.vault import LONGEST_SECRET, key_id_of, seal, unseal
from holdfast.core.process import run

KEYS = DeviceKeys.made()
SECRET = b"the shared secret of 10.0.0.7"
SEALED = seal("radius.one", SECRET, KEYS.newest)


@given(
    secret=st.binary(max_size=300),
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=128),
)
def test_what_is_sealed_opens(secret: bytes, name: str) -> None:
    sealed = seal(name, secret, KEYS.newest)
    assert unseal(name, sealed, KEYS) == secret
    assert key_id_of(sealed) == KEYS.newest.id
    assert sealed != seal(name, secret, KEYS.newest)


def test_the_longest_opens_and_a_longer_one_is_refused() -> None:
    secret = bytes(LONGEST_SECRET)
    assert unseal("a", seal("a", secret, KEYS.newest), KEYS) == secret
    with pytest.raises(VaultError, match="16384"):
        seal("a", secret + b"\0", KEYS.newest)


def test_none_can_be_put_in_the_place_of_another() -> None:
    for name in ("radius.two", "radius.one ", "radius.one\0", "RADIUS.ONE"):
        with pytest.raises(VaultError):
            unseal(name, SEALED, KEYS)


@given(place=st.integers(min_value=0, max_value=500), mark=st.characters())
def test_damage_never_opens(place: int, mark: str) -> None:
    where = place % len(SEALED)
    changed = SEALED[:where] + mark + SEALED[where + 1 :]
    if changed == SEALED:
        return
    with pytest.raises((VaultError, UnknownKeyError)) as refused:
        unseal("radius.one", changed, KEYS)
    assert "shared secret" not in f"{refused.value} {refused.value.__cause__!r}"


@pytest.mark.parametrize(
    "text",
    ["", "$", SEALED[:-1], SEALED[:-4], SEALED + "\n", SEALED.replace("v=1", "v=2"),
     SEALED[:36], "$holdfast-sealed$v=1$k=00000000$AAAA", "\ud800", "$" * 100_000,
     SEALED + "A" * 100_000],
    ids=[f"case-{number}" for number in range(11)],  # the key is another each time
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises((VaultError, UnknownKeyError)):
        unseal("radius.one", text, KEYS)


def test_older_keys_open_and_those_of_another_device_do_not() -> None:
    newer = KEYS.rotated()
    assert unseal("radius.one", SEALED, newer) == SECRET
    again = seal("radius.one", SECRET, newer.newest)
    assert unseal("radius.one", again, newer.only({key_id_of(again)})) == SECRET
    for others in (DeviceKeys.made(), newer.only({newer.newest.id})):
        with pytest.raises(UnknownKeyError, match=KEYS.newest.id):
            unseal("radius.one", SEALED, others)


def test_the_id_of_the_key_is_sealed_too() -> None:
    newer = KEYS.rotated()
    with pytest.raises(VaultError):
        unseal("radius.one", SEALED.replace(KEYS.newest.id, newer.newest.id), newer)


@pytest.mark.parametrize("name", ["", "n" * 129, "\ud800"])
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(VaultError, match="name"):
        seal(name, SECRET, KEYS.newest)


def test_importing_it_loads_no_cryptography() -> None:
    code = (
        "import sys, holdfast.accounts.vault\n"
        "from holdfast.accounts.hashing import costs, slots\n"
        "heavy = {'cryptography', 'argon2', '_hashlib', 'dataclasses', 'datetime', 'msgspec'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    assert run([sys.executable, "-I", "-c", code], timeout_s=30).stdout == b"\n"
