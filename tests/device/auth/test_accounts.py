"""Claiming and logging in, without the cost of hashing; the real worker has its own tests."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.accounts.errors import ThrottledError
from holdfast.core.errors import HoldfastError, NoSpaceError
from holdfast.device.auth import setup_code
from holdfast.device.auth.accounts import Accounts
from holdfast.device.auth.errors import (
    AccountNameError,
    AccountsFileError,
    ClaimedError,
    LoginError,
    UnclaimedError,
)
from holdfast.device.auth.names import name_of, shown

CODE = "7K2M-XQ4R-9TBC"
PASSWORD = "correct horse battery"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.9"
Opened = Callable[[], Accounts]


def fail(accounts: Accounts, *, times: int = 1, name: str = "ada", **more: str) -> None:
    for _ in range(times):
        with pytest.raises(LoginError):
            accounts.login(name=name, password="wrong", **{"source": ELSEWHERE, **more})


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


def test_files_are_private(accounts: Accounts, tmp_path: Path) -> None:
    fail(accounts)
    names = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(names) >= {"accounts.json", "throttle.json", "logins-in.jsonl"}
    assert set(names.values()) == {0o600}


@pytest.mark.parametrize(
    "damage",
    [
        "", "{", "[]", "{}", '{"schema": 1}', '{"schema": 2}', '{"schema": 3}', "null",
        "[" * 100_000, "x" * 300_000,
        '{"schema": 2, "epoch": 0, "accounts": [], "known": {}}',
    ],
    ids=range(11),
)  # fmt: skip
def test_damaged_file_is_never_an_unclaimed_device(
    opened: Opened, tmp_path: Path, damage: str
) -> None:
    (tmp_path / "accounts.json").write_text(damage)
    with pytest.raises(AccountsFileError):
        opened()


@given(cut=st.integers(0, 400))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_that_was_cut_off_is_never_an_unclaimed_device(
    accounts: Accounts, tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "accounts.json"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[: min(cut, len(whole) - 1)])
        with pytest.raises(AccountsFileError):
            Accounts(tmp_path, setup_hash=lambda: "", work=accounts.work)
    finally:
        path.write_bytes(whole)


def test_accounts_of_the_first_release_are_taken_over(opened: Opened, tmp_path: Path) -> None:
    first = {
        "schema": 1,
        "accounts": [{"name": "ada", "role": "owner", "hash": f"plain:{PASSWORD}"}],
        "failures": {"ada": 9},
        "claim_failures": {},
        "decoy": "plain:x",
    }
    (tmp_path / "accounts.json").write_text(json.dumps(first))
    accounts = opened()
    with pytest.raises(ThrottledError):  # the old counts still hold
        accounts.login(name="ada", password=PASSWORD)
    assert json.loads((tmp_path / "accounts.json").read_bytes())["schema"] == 2
    again = opened()
    with pytest.raises(ThrottledError) as caught:
        again.login(name="ada", password=PASSWORD)
    assert caught.value.wait_s == 64  # and were taken over once


def test_wrong_codes_of_the_first_release_make_no_owner(opened: Opened, tmp_path: Path) -> None:
    first = {"schema": 1, "accounts": [], "failures": {}, "claim_failures": {"claim": 2}}
    (tmp_path / "accounts.json").write_text(json.dumps(first))
    accounts = opened()
    assert not accounts.claimed
    assert accounts.claim(code=CODE, name="ada", password=PASSWORD).name == "ada"


def test_wrong_codes_are_slowed_by_source_and_remembered(opened: Opened, clock: Any) -> None:  # noqa: ANN401
    accounts = opened()
    for _ in range(5):
        clock.now_s += 100
        with pytest.raises(HoldfastError) as wrong:
            accounts.claim(code="AAAA", name="ada", password=PASSWORD, source=ELSEWHERE)
        assert wrong.value.code == "account-setup-code"
    again = opened()
    with pytest.raises(ThrottledError):
        again.claim(code=CODE, name="ada", password=PASSWORD, source=ELSEWHERE)
    # Who sits elsewhere is not kept waiting.
    assert again.claim(code=CODE, name="ada", password=PASSWORD, source=HOME).name == "ada"


def test_known_and_unknown_names_are_treated_alike(accounts: Accounts, work: Any) -> None:  # noqa: ANN401
    seen: dict[str, list[str]] = {"ada": [], "eve": []}
    for name, answers in seen.items():
        work.asked.clear()
        for _ in range(6):
            with pytest.raises(HoldfastError) as caught:
                accounts.login(name=name, password="wrong", source=f"{HOME}{len(name)}")
            answers.append(str(caught.value))
        answers.append(str(work.asked))
    assert seen["ada"] == seen["eve"]


def test_a_browser_that_is_known_gets_in_whatever_strangers_do(
    accounts: Accounts,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    clock.now_s += 100
    cookie = accounts.login(name="ada", password=PASSWORD, source=HOME).cookie
    assert cookie
    for _ in range(110):
        clock.now_s += 2000
        try:
            accounts.login(name="ada", password="wrong", source=ELSEWHERE)
        except (LoginError, ThrottledError):
            continue
    clock.now_s += 2000
    with pytest.raises(ThrottledError) as caught:
        accounts.login(name="ada", password=PASSWORD, source=ELSEWHERE)
    assert caught.value.switched_off
    entered = accounts.login(name="ada", password=PASSWORD, source=ELSEWHERE, cookie=cookie)
    assert entered.role == "owner"
    assert entered.cookie == ""  # the browser keeps the one it has
    clock.now_s += 2000
    assert accounts.login(name="ada", password=PASSWORD, source=ELSEWHERE).cookie


def test_a_cookie_counts_for_its_own_account_and_only_while_it_lives(
    accounts: Accounts,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    cookie = accounts.login(name="ada", password=PASSWORD, source=HOME).cookie
    fail(accounts, times=3, name="eve")
    with pytest.raises(ThrottledError):
        accounts.login(name="eve", password="wrong", source=ELSEWHERE, cookie=cookie)
    clock.now_s += 181 * 86_400
    fail(accounts, times=3)
    with pytest.raises(ThrottledError):
        accounts.login(name="ada", password=PASSWORD, source=ELSEWHERE, cookie=cookie)


def test_a_forged_cookie_helps_nobody_and_betrays_nothing(accounts: Accounts) -> None:
    cookie = accounts.login(name="ada", password=PASSWORD, source=HOME).cookie
    forged = cookie[:-4] + ("0000" if cookie[-4:] != "0000" else "1111")
    fail(accounts, times=3)
    for password in ("wrong", PASSWORD):
        with pytest.raises(ThrottledError):
            accounts.login(name="ada", password=password, source=ELSEWHERE, cookie=forged)


def test_counts_that_are_damaged_begin_strict_and_the_owner_gets_in(
    opened: Opened, tmp_path: Path
) -> None:
    accounts = opened()
    cookie = accounts.claim(code=CODE, name="ada", password=PASSWORD, source=HOME).cookie
    (tmp_path / "throttle.json").write_text("{")
    again = opened()
    assert again.counters.lost
    with pytest.raises(ThrottledError) as caught:
        again.login(name="ada", password=PASSWORD, source=ELSEWHERE)
    assert caught.value.wait_s > 800
    assert again.login(name="ada", password=PASSWORD, source=HOME, cookie=cookie)
    assert not opened().counters.lost
    with pytest.raises(ThrottledError):  # also after another start
        opened().login(name="ada", password=PASSWORD, source=ELSEWHERE)


def test_the_log_tells_who_got_in_and_never_what_strangers_typed(
    accounts: Accounts, tmp_path: Path
) -> None:
    accounts.login(name="ada", password=PASSWORD, source=ELSEWHERE)
    fail(accounts, name="my secret password")
    fail(accounts)
    entries, pages = accounts.book.page("in", 0)
    assert pages == 1
    assert [(one.name, one.source, one.is_new) for one in entries] == [
        ("ada", ELSEWHERE, True),
        ("ada", HOME, False),
    ]
    failed, _ = accounts.book.page("failed", 0)
    assert [one.name for one in failed] == ["ada", ""]
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.iterdir())


def test_the_log_stays_bounded(accounts: Accounts, tmp_path: Path, clock: Any) -> None:  # noqa: ANN401
    for number in range(3000):
        accounts.note("ada", f"198.51.100.{number % 250}-{number}", "wrong")
        clock.now_s += 1
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("logins-*")}
    assert sum(sizes.values()) < 3 * 66_000
    assert accounts.book.page("failed", 999)[0] == []
    assert accounts.book.page("in", 0)[0][0].name == "ada"


@pytest.mark.parametrize("name", ["", " ", "-a", "a-", "a b", "a/b", "ä", "x" * 33, "\0", "\ud800"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(AccountNameError):
        name_of(name)


@given(st.text())
def test_every_name_can_be_shown_in_a_proof(name: str) -> None:
    told = shown(name)
    assert 1 <= len(told) <= 64
    assert told.isascii()
    assert told.isprintable()


def test_codes_differ_and_read_back() -> None:
    codes = {setup_code.make() for _ in range(200)}
    assert len(codes) == 200
    assert all(len(setup_code.normalised(code)) == setup_code.LENGTH for code in codes)
    assert setup_code.normalised("o0-iI lL") == "001111"


@given(st.text(), st.text(), st.text(), st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_breaks_claim_or_login(
    accounts: Accounts, name: str, password: str, source: str, cookie: str
) -> None:
    with pytest.raises(HoldfastError):
        accounts.claim(code=cookie, name=name, password=password, source=source)
    with pytest.raises(HoldfastError):
        accounts.login(name=name, password=password, source=source, cookie=cookie)


@pytest.mark.parametrize("failure", [NoSpaceError("full"), OSError(errno.EROFS, "read-only")])
def test_a_full_disk_neither_locks_the_owner_out_nor_lets_strangers_in(
    accounts: Accounts,
    clock: Any,  # noqa: ANN401 - of conftest.py
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise failure

    monkeypatch.setattr("holdfast.device.auth.store.write_whole", full)
    monkeypatch.setattr("holdfast.device.auth.counters.write_whole", full)
    for _ in range(4):
        clock.now_s += 100
        fail(accounts)
    with pytest.raises(ThrottledError):  # they count all the same
        accounts.login(name="ada", password=PASSWORD)
    clock.now_s += 100
    assert accounts.login(name="ada", password=PASSWORD).role == "owner"


def test_a_full_disk_makes_no_owner(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = opened()

    def full(*_args: object, **_kwargs: object) -> None:
        raise NoSpaceError("full")

    with monkeypatch.context() as patched:
        patched.setattr("holdfast.device.auth.store.write_whole", full)
        with pytest.raises(NoSpaceError):
            accounts.claim(code=CODE, name="ada", password=PASSWORD)
    assert not accounts.claimed
    assert accounts.claim(code=CODE, name="ada", password=PASSWORD).name == "ada"
