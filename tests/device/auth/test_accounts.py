"""Claiming and logging in, with a fast hasher; the real one has its own tests."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import NoSpaceError
from holdfast.device.auth import setup_code
from holdfast.device.auth.accounts import Accounts, name_of
from holdfast.device.auth.errors import (
    AccountError,
    AccountNameError,
    AccountsFileError,
    ClaimedError,
    LoginError,
    PasswordError,
    SetupCodeError,
    SlowDownError,
    UnclaimedError,
)
from holdfast.device.auth.passwords import must_be_usable
from holdfast.device.auth.throttle import wait_after

CODE = "7K2M-XQ4R-9TBC"
PASSWORD = "correct horse battery"


class PlainHasher:
    """Keeps the contract of a hasher, without its cost."""

    def make(self, secret: str) -> str:
        return f"plain:{secret}"

    def matches(self, stored: str, secret: str) -> bool:
        return stored == f"plain:{secret}"


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


Opened = Callable[[], Accounts]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Opened:
    return lambda: Accounts(
        tmp_path / "accounts.json",
        setup_hash=lambda: f"plain:{setup_code.normalised(CODE)}",
        hasher=PlainHasher(),
        monotonic=clock,
    )


def test_claim_then_login(opened: Opened) -> None:
    accounts = opened()
    assert not accounts.claimed
    with pytest.raises(UnclaimedError):
        accounts.login(name="ada", password=PASSWORD)
    accounts.claim(code=" 7k2m xq4r 9tbc ", name="Ada", password=PASSWORD)
    assert accounts.login(name="ADA ", password=PASSWORD).role == "owner"
    assert opened().login(name="ada", password=PASSWORD).name == "ada"


def test_code_is_burnt_after_use(opened: Opened) -> None:
    opened().claim(code=CODE, name="ada", password=PASSWORD)
    with pytest.raises(ClaimedError):
        opened().claim(code=CODE, name="eve", password=PASSWORD)


def test_file_is_private_and_holds_no_password(opened: Opened, tmp_path: Path) -> None:
    opened().claim(code=CODE, name="ada", password=PASSWORD)
    assert (tmp_path / "accounts.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "{}", '{"schema": 1}', '{"schema": 2}', "null", "[" * 100_000],
    ids=range(8),
)
def test_damaged_file_is_never_an_unclaimed_device(
    opened: Opened, tmp_path: Path, damage: str
) -> None:
    (tmp_path / "accounts.json").write_text(damage)
    with pytest.raises(AccountsFileError):
        opened()


def test_wrong_codes_are_slowed_and_remembered(opened: Opened, clock: Clock) -> None:
    accounts = opened()
    for _ in range(4):
        clock.now_s += 100
        with pytest.raises(SetupCodeError):
            accounts.claim(code="AAAA-AAAA-AAAA", name="ada", password=PASSWORD)
    with pytest.raises(SlowDownError):
        accounts.claim(code=CODE, name="ada", password=PASSWORD)
    again = opened()
    with pytest.raises(SlowDownError) as caught:
        again.claim(code=CODE, name="ada", password=PASSWORD)
    clock.now_s += caught.value.wait_s
    again.claim(code=CODE, name="ada", password=PASSWORD)
    assert again.claimed


def test_known_and_unknown_names_are_slowed_alike(opened: Opened, clock: Clock) -> None:
    accounts = opened()
    accounts.claim(code=CODE, name="ada", password=PASSWORD)
    seen: dict[str, list[str]] = {"ada": [], "eve": []}
    for name, answers in seen.items():
        for _ in range(6):
            with pytest.raises(AccountError) as caught:
                accounts.login(name=name, password="wrong")
            answers.append(str(caught.value))
    assert seen["ada"] == seen["eve"]
    clock.now_s += 1000
    assert accounts.login(name="ada", password=PASSWORD)
    with pytest.raises(LoginError):
        accounts.login(name="ada", password="wrong")


def test_other_names_never_wipe_out_a_count(opened: Opened, clock: Clock) -> None:
    accounts = opened()
    accounts.claim(code=CODE, name="ada", password=PASSWORD)
    for _ in range(5):
        clock.now_s += 1000
        with pytest.raises(LoginError):
            accounts.login(name="ada", password="wrong")
    for number in range(300):
        with pytest.raises(LoginError):
            accounts.login(name=f"name{number}", password="wrong")
    with pytest.raises(SlowDownError):
        accounts.login(name="ada", password=PASSWORD)


def test_count_is_bounded_on_disk(opened: Opened, tmp_path: Path) -> None:
    accounts = opened()
    accounts.claim(code=CODE, name="ada", password=PASSWORD)
    for number in range(300):
        with pytest.raises(LoginError):
            accounts.login(name=f"name{number}" * 50, password="wrong")
    kept = json.loads((tmp_path / "accounts.json").read_bytes())
    assert len(kept["failures"]) <= 256


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "fourteen chars",
        "aaaaaaaaaaaaaaaaaaaa",
        "abababababababab",
        "ada-ada-ada-ada-2024",
        "line\nbreak and more text",
        "half a pair \ud800 of surrogates",
        "x" * 300,
    ],
)
def test_bad_passwords_are_refused(password: str) -> None:
    with pytest.raises(PasswordError):
        must_be_usable(password, name="ada")


def test_length_counts_code_points_after_normalising() -> None:
    assert must_be_usable("zwölf Boxkämpfer", name="ada")
    assert must_be_usable("e\u0301" * 10 + "abcdefg", name="ada") == "\u00e9" * 10 + "abcdefg"


def test_setup_code_is_never_the_password(tmp_path: Path) -> None:
    code = "7K2M-XQ4R-9TBC-0000"
    accounts = Accounts(
        tmp_path / "accounts.json",
        setup_hash=lambda: f"plain:{setup_code.normalised(code)}",
        hasher=PlainHasher(),
    )
    with pytest.raises(PasswordError):
        accounts.claim(code=code, name="ada", password=code)


@pytest.mark.parametrize(
    "name", ["", " ", "-a", "a-", "a b", "a/b", "ä", "x" * 33, "a\n"[:1] + "\0"]
)
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(AccountNameError):
        name_of(name)


def test_waits_grow_and_end() -> None:
    assert [wait_after(count) for count in range(8)] == [0, 0, 0, 1, 2, 4, 8, 16]
    assert wait_after(10**9) == 60


def test_codes_differ_and_read_back() -> None:
    codes = {setup_code.make() for _ in range(200)}
    assert len(codes) == 200
    assert all(len(setup_code.normalised(code)) == setup_code.LENGTH for code in codes)
    assert setup_code.normalised("o0-iI lL") == "001111"


@given(st.text(), st.text(), st.text())
def test_no_text_breaks_the_claim(code: str, name: str, password: str) -> None:
    class NowhereAccounts(Accounts):
        def _write(self) -> None:
            pass

    accounts = NowhereAccounts(
        Path("/nonexistent/accounts.json"), setup_hash=lambda: "plain:x", hasher=PlainHasher()
    )
    with pytest.raises(AccountError):
        accounts.claim(code=code, name=name, password=password)


@pytest.mark.parametrize("failure", [NoSpaceError("full"), OSError(errno.EROFS, "read-only")])
def test_a_full_disk_neither_locks_the_owner_out_nor_lets_strangers_in(
    opened: Opened, clock: Clock, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    accounts = opened()
    accounts.claim(code=CODE, name="ada", password=PASSWORD)

    def full(*_args: object, **_kwargs: object) -> None:
        raise failure

    monkeypatch.setattr("holdfast.device.auth.accounts.write_whole", full)
    for _ in range(4):
        clock.now_s += 100
        with pytest.raises(LoginError):
            accounts.login(name="ada", password="a wrong password")
    with pytest.raises(SlowDownError):  # they count all the same
        accounts.login(name="ada", password=PASSWORD)
    clock.now_s += 100
    assert accounts.login(name="ada", password=PASSWORD).role == "owner"


def test_a_full_disk_makes_no_owner(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = opened()

    def full(*_args: object, **_kwargs: object) -> None:
        raise NoSpaceError("full")

    with monkeypatch.context() as patched:
        patched.setattr("holdfast.device.auth.accounts.write_whole", full)
        with pytest.raises(NoSpaceError):
            accounts.claim(code=CODE, name="ada", password=PASSWORD)
    assert not accounts.claimed
    assert accounts.claim(code=CODE, name="ada", password=PASSWORD).name == "ada"
