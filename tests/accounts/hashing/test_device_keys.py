"""The keys of a device: kept whole, replaced without loss, destroyed for good."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.errors import DeviceKeysError, UnknownKeyError
from holdfast.accounts.hashing import device_keys
from holdfast.accounts.hashing.device_keys import MOST_KEYS, DeviceKey, DeviceKeys, parse

WHOLE = DeviceKeys.made().rotated()


@given(secrets=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4, unique=True))
def test_what_is_written_is_read(secrets: list[bytes]) -> None:
    keys = DeviceKeys(tuple(DeviceKey(secret=secret) for secret in secrets))
    assert parse(keys.text()) == keys
    assert keys.newest.secret == secrets[-1]
    assert all(keys.of(key.id) == key for key in keys.keys)


def test_purposes_have_keys_of_their_own() -> None:
    key = DeviceKey(secret=bytes(32))
    derived = {key.derived("a"), key.derived("b"), key.derived("id"), key.secret}
    assert len(derived) == 4
    assert all(len(one) == 32 for one in derived)
    # Whoever changes this makes every stored hash worthless.
    assert key.id == "83d37153"


@given(place=st.integers(min_value=0, max_value=300), byte=st.integers(min_value=0, max_value=255))
def test_damage_is_seen(place: int, byte: int) -> None:
    content = bytearray(WHOLE.text())
    where = place % len(content)
    content[where] = byte
    shown = ""
    try:
        found = parse(bytes(content))
    except DeviceKeysError as error:
        shown = f"{error} {error.__cause__!r}"
    else:
        assert found == WHOLE  # another blank, or a letter of hexadecimal in capitals
    for key in WHOLE.keys:
        assert key.secret.hex()[:16] not in shown


@given(content=st.binary(max_size=200))
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(DeviceKeysError):
        parse(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"schema": 1, "keys": []}',
        b'{"schema": 2, "keys": []}',
        b'{"schema": 1, "keys": [{"id": "00000000", "secret": ""}]}',
        b'{"schema": 1, "keys": {"id": 1}}',
        b'{"schema": 1, "keys": [{"id": "\\ud800", "secret": "' + b"00" * 32 + b'"}]}',
        b"[" * 2000,
        b" " * 5000,
        WHOLE.text()[:-40],
        WHOLE.text().replace(b"\n", b"", 1)[:100],
        b"\xff\xfe",
    ],
    ids=[f"case-{number}" for number in range(14)],  # the keys are others each time
)
def test_damaged_files_are_refused(content: bytes) -> None:
    with pytest.raises(DeviceKeysError):
        parse(content)


def test_the_number_of_keys_is_bounded() -> None:
    keys = DeviceKeys.made()
    for _ in range(MOST_KEYS - 1):
        keys = keys.rotated()
    assert parse(keys.text()) == keys
    with pytest.raises(DeviceKeysError, match="17"):
        keys.rotated()
    assert keys.only(set()).keys == (keys.newest,)


def test_the_same_key_twice_is_refused() -> None:
    key = DeviceKey.made()
    with pytest.raises(DeviceKeysError, match="same id"):
        DeviceKeys((key, key))


def test_a_key_that_is_gone_is_named() -> None:
    with pytest.raises(UnknownKeyError, match="deadbeef"):
        WHOLE.of("deadbeef")


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    assert device_keys.load(path) is None
    device_keys.save(path, WHOLE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert device_keys.load(path) == WHOLE
    path.chmod(0o640)
    with pytest.raises(DeviceKeysError, match="others"):
        device_keys.load(path)


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    device_keys.save(tmp_path / "keys.json", WHOLE)
    (tmp_path / "link").symlink_to(tmp_path / "keys.json")
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("link", "pipe", "folder", "nul\0"):
        with pytest.raises(DeviceKeysError):
            device_keys.load(tmp_path / name)


def test_destroyed_keys_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    device_keys.save(path, WHOLE)
    other_name = tmp_path / "other"
    other_name.hardlink_to(path)
    device_keys.destroy(path)
    device_keys.destroy(path)
    assert not path.exists()
    assert WHOLE.newest.secret.hex().encode() not in other_name.read_bytes()
    with pytest.raises(DeviceKeysError):
        device_keys.load(other_name)
