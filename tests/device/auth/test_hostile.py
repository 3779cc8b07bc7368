"""Attacks of who has the gui's rights, of who cuts the power, and files that are damaged."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.accounts.errors import CentralSettingsError, ThrottledError
from holdfast.accounts.throttle import Who
from holdfast.core import files
from holdfast.core.errors import HoldfastError
from holdfast.device.auth.accounts import Accounts
from holdfast.device.auth.care import Care
from holdfast.device.auth.central import Central
from holdfast.device.auth.central_settings import judged
from holdfast.device.auth.errors import (
    AccountsFileError,
    CentralError,
    CodeWantedError,
    LastOwnerError,
    LoginError,
    PendingError,
    SecondError,
    SecondSetError,
)
from holdfast.device.auth.store import WRAPPED, Account, Kept, Known
from holdfast.hardening.errors import CallerError
from holdfast.hardening.verbs import AUTH_VERBS, allow
from tests.device.auth.codes import seed_of

CODE = "7K2M-XQ4R-9TBC"
PASSWORD = "correct horse battery"
NEW = "another horse battery"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.9"
MINE = {"source": HOME, "cookie": ""}


# A gui in hostile hands that kept a password, where there is a second factor.


def test_a_password_alone_puts_no_other_app_in_place(
    accounts: Accounts,
    care: Care,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    with pytest.raises(SecondSetError):
        care.totp_begin(name="ada", password=PASSWORD, **MINE)
    with pytest.raises((SecondSetError, PendingError)):
        care.totp_confirm(name="ada", code=clock.code(seed))
    assert accounts.login(name="ada", password=PASSWORD).pending


def test_an_app_that_was_begun_before_does_not_replace_one(
    care: Care,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    hostile = seed_of(care.totp_begin(name="ada", password=PASSWORD, **MINE))
    owners = seed_of(care.totp_begin(name="ada", password=PASSWORD, **MINE))
    care.totp_confirm(name="ada", code=clock.code(owners))
    with pytest.raises((SecondSetError, PendingError)):
        care.totp_confirm(name="ada", code=clock.code(hostile))


def test_a_password_alone_makes_no_recovery_codes_and_no_new_password(
    accounts: Accounts,
    care: Care,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    before = accounts.kept
    for change in (
        lambda: care.recovery(name="ada", password=PASSWORD, **MINE),
        lambda: care.password(name="ada", old=PASSWORD, new=NEW, **MINE),
        lambda: care.forget_browsers(name="ada", password=PASSWORD, **MINE),
    ):
        with pytest.raises(CodeWantedError):
            change()
    with pytest.raises(SecondError):
        care.forget_browsers(name="ada", password=PASSWORD, code="000000", **MINE)
    assert accounts.kept == before
    codes = care.recovery(name="ada", password=PASSWORD, code=clock.code(seed), **MINE)
    changed = care.password(name="ada", old=PASSWORD, new=NEW, code=codes[0], **MINE)
    assert changed.name == "ada"


def test_a_begun_app_does_not_outlive_a_change_of_the_password(
    care: Care,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    hostile = seed_of(care.totp_begin(name="ada", password=PASSWORD, **MINE))
    care.password(name="ada", old=PASSWORD, new=NEW, **MINE)
    with pytest.raises(PendingError):
        care.totp_confirm(name="ada", code=clock.code(hostile))


def test_half_a_login_does_not_outlive_a_change_of_the_password(
    accounts: Accounts,
    care: Care,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    pending = accounts.login(name="ada", password=PASSWORD).pending
    care.password(name="ada", old=PASSWORD, new=NEW, code=clock.code(seed), **MINE)
    clock.now_s += 60
    with pytest.raises(PendingError):
        accounts.second(pending=pending, code=clock.code(seed))


def test_half_a_login_finishes_once(
    accounts: Accounts,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    pending = accounts.login(name="ada", password=PASSWORD).pending
    assert accounts.second(pending=pending, code=clock.code(seed)).name == "ada"
    clock.now_s += 60
    with pytest.raises(PendingError):
        accounts.second(pending=pending, code=clock.code(seed))


# Central login.

SERVER = {
    "name": "one", "protocol": "radius", "host": "radius.example.test", "transport": "plain",
}  # fmt: skip
SHARED = "a secret of 23 letters"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def uploaded(*servers: dict[str, Any], **secrets: str | None) -> str:
    return json.dumps({"settings": {"servers": servers}, "secrets": secrets})


def judge(
    content: str, *, before: dict[str, Any] | None = None, sealed: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, str | None]]:
    return judged(
        content,
        hashlib.sha256(content.encode()).hexdigest(),
        ("owner",),
        ("ldap", "radius", "tacacs+"),
        before=before or {},
        sealed=sealed,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"host": "attacker.example"},
        {"port": 18120},
        {"transport": "tls"},
        {"protocol": "tacacs+", "transport": "tls"},
        {"protocol": "tacacs+", "transport": "plain", "warned": True},
        {"ca": CERTIFICATE},
        {"tls_name": "attacker.example"},
    ],
    ids=",".join,
)
def test_a_secret_goes_to_no_other_place_than_it_was_typed_for(change: dict[str, Any]) -> None:
    before = judge(uploaded(SERVER, one=SHARED))[0]["settings"]
    moved = {**SERVER, **change}
    with pytest.raises(CentralSettingsError) as caught:
        judge(uploaded(moved), before=before, sealed=("one",))
    assert "servers[0]." in str(caught.value)
    assert judge(uploaded(moved, one=SHARED[::-1]), before=before, sealed=("one",))
    assert judge(uploaded(moved, one=None), before=before, sealed=("one",))


@pytest.mark.parametrize(
    "change", [{"timeout_s": 5}, {"tries": 1}, {"port": 1812}, {"host": "RADIUS.example.test"}]
)
def test_a_secret_stays_where_the_server_is_the_same(change: dict[str, Any]) -> None:
    before = judge(uploaded(SERVER, one=SHARED))[0]["settings"]
    assert judge(uploaded({**SERVER, **change}), before=before, sealed=("one",))


def test_no_shared_secret_is_set_that_can_be_tried_out() -> None:
    with pytest.raises(CentralSettingsError, match="fewer than 16 characters") as caught:
        judge(uploaded(SERVER, one="testing123"))
    assert "testing123" not in str(caught.value)
    # One that was set before stays: nobody is locked out by a new release.
    assert judge(uploaded(SERVER), before=judge(uploaded(SERVER))[0]["settings"], sealed=("one",))


def test_settings_that_cannot_be_read_any_more_keep_no_secret() -> None:
    with pytest.raises(CentralSettingsError):
        judge(uploaded(SERVER), before={"servers": [{"name": "one"}]}, sealed=("one",))


def kept_settings(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any key
    kept = {
        "settings": {"servers": [{"name": "one", "host": "old"}], "groups": []},
        "segments": [["people"], ["local"]],
        "local_names": ["ada"],
        "budget_s": 10,
        "secret_names": ["one"],
        **changes,
    }
    return {"settings": kept, "sealed": {"one": "sealed"}, "dropped": []}


def test_secrets_are_never_sent_where_newer_settings_point(
    accounts: Accounts, care: Care, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def unsealed(do: str, **_facts: object) -> dict[str, Any]:
        assert do == "unseal"
        newer = {"servers": [{"name": "one", "host": "attacker"}]}
        accounts.central.write(kept_settings(settings=newer), epoch=8)  # in this very moment
        return {"secrets": {"one": "s3cret"}, "genuine": False, "cookie": ""}

    def told(content: bytes, _secrets: object, **_facts: object) -> Any:  # noqa: ANN401
        asked.append(json.loads(content)["servers"][0]["host"])
        raise CentralSettingsError("enough")

    accounts.central.write(kept_settings(), epoch=7)
    monkeypatch.setattr(accounts, "ask", unsealed)
    monkeypatch.setattr("holdfast.device.auth.central.asking.login", told)
    monkeypatch.setattr("holdfast.device.auth.central.asking.try_out", told)
    for call in (
        lambda: accounts.login(name="vera", password="x"),
        lambda: care.test_central(server="one", name="", password=""),
    ):
        accounts.central.write(kept_settings(), epoch=7)
        with pytest.raises(CentralSettingsError):
            call()
    assert asked == ["old", "old"]


def test_tests_of_a_server_are_no_way_to_guess_in_parallel(
    accounts: Accounts, care: Care, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for his turn is judged again when it comes."""
    accounts.central.write(kept_settings(), epoch=7)
    turns = accounts.outside._turns

    class Overtaken:
        def taken(self, *, first: bool) -> AbstractContextManager[None]:
            for _ in range(4):
                accounts.failed(who_of("vera"))
            return turns.taken(first=first)

    monkeypatch.setattr(accounts, "who_tries", lambda name, _s, _c: who_of(name))
    monkeypatch.setattr(accounts.outside, "_turns", Overtaken())
    with pytest.raises(ThrottledError):
        care.test_central(server="one", name="vera", password="guess")


def who_of(name: str) -> Who:
    return Who(name=name, source="")


def test_damaged_settings_of_central_login_let_owners_in_and_nobody_else(
    opened: Any,  # noqa: ANN401 - of conftest.py
    care: Care,
    tmp_path: Path,
) -> None:
    care.add(name="vera", password=PASSWORD, role="viewer")
    (tmp_path / "central.json").write_text('{"schema": 1')
    again = opened()
    with pytest.raises(LoginError):
        again.login(name="vera", password=PASSWORD)
    assert again.login(name="ada", password=PASSWORD).role == "owner"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "[[[[1]]]]", '"x"', "null"])
def test_odd_numbers_in_files_are_damage_and_no_end_of_the_process(
    accounts: Accounts, tmp_path: Path, number: str
) -> None:
    accounts.central.write(kept_settings(), epoch=7)
    for name, before in (("accounts.json", '"epoch": 1'), ("central.json", '"epoch": 7')):
        path = tmp_path / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, f'"epoch": {number}'))
    with pytest.raises(AccountsFileError):
        Accounts(tmp_path, setup_hash=lambda: "", work=accounts.work)
    assert Central(tmp_path / "central.json").settings_or_local().is_damaged


def test_an_owner_whose_password_has_a_deadline_is_no_way_back(
    accounts: Accounts, care: Care
) -> None:
    wrapped = Account(name="old", role="owner", hash=f"{WRAPPED}$v=1$x", epoch=2)
    accounts.change(accounts.kept.with_account(wrapped))
    with pytest.raises(LastOwnerError):
        care.remove(name="ada")
    with pytest.raises(CentralError):
        care._must_leave_a_way_in({"segments": [["people"]], "local_names": ["old"]})


# What is missing is lost, and not "never was".


def test_missing_accounts_are_no_unclaimed_device(
    accounts: Accounts,
    opened: Any,  # noqa: ANN401 - of conftest.py
    tmp_path: Path,
) -> None:
    assert accounts.claimed
    (tmp_path / "accounts.json").unlink()
    with pytest.raises(AccountsFileError):
        opened()


def test_missing_counts_are_lost_counts(
    accounts: Accounts,
    opened: Any,  # noqa: ANN401 - of conftest.py
    tmp_path: Path,
) -> None:
    cookie = accounts.login(name="ada", password=PASSWORD, source=HOME).cookie
    (tmp_path / "throttle.json").unlink()
    again = opened()
    assert again.counters.lost
    with pytest.raises(ThrottledError):
        again.login(name="ada", password=PASSWORD, source=ELSEWHERE)
    assert again.login(name="ada", password=PASSWORD, source=HOME, cookie=cookie).role == "owner"


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_damage_of_any_file_makes_a_crash_or_an_owner(
    accounts: Accounts, tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / data.draw(st.sampled_from(["accounts.json", "throttle.json"]))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + 1 :])
    try:
        with suppress(HoldfastError):
            again = Accounts(tmp_path, setup_hash=lambda: "", work=accounts.work)
            assert again.claimed
            assert any(one.role == "owner" for one in again.kept.accounts.values())
    finally:
        path.write_bytes(whole)


# Power cuts.


class PowerCutError(BaseException):
    """The power is gone; nothing runs any more, not even what cleans up."""


class Power:
    """Cuts the power before or after the n-th write of a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.after = -1, False
        real = files.write_whole

        def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise PowerCutError
            real(path, content, mode=mode)
            if self.left == 0:
                raise PowerCutError

        for module in ("store", "counters", "central"):
            monkeypatch.setattr(f"holdfast.device.auth.{module}.write_whole", write)


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Iterator[Power]:
    with monkeypatch.context() as patched:
        yield Power(patched)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("cut", range(1, 6))
def test_a_claim_that_was_cut_off_is_whole_or_was_not(
    opened: Any,  # noqa: ANN401 - of conftest.py
    tmp_path: Path,
    power: Power,
    cut: int,
    *,
    after: bool,
) -> None:
    power.left, power.after = cut, after
    claimed = False
    try:
        opened().claim(code=CODE, name="ada", password=PASSWORD)
        claimed = True
    except PowerCutError:
        pass
    power.left = -1
    again = opened()
    assert not again.counters.lost
    assert again.claimed or not claimed
    if not again.claimed:
        again.claim(code=CODE, name="ada", password=PASSWORD)
    (tmp_path / ".accounts.json.0123456789abcdef").write_text("half")
    assert opened().login(name="ada", password=PASSWORD).role == "owner"
    assert not [*tmp_path.glob(".*")]
    (tmp_path / "accounts.json").unlink()
    with pytest.raises(AccountsFileError):
        opened()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("cut", range(1, 5))
def test_no_power_cut_makes_counts_free_or_loses_an_account(
    accounts: Accounts,
    care: Care,
    opened: Any,  # noqa: ANN401 - of conftest.py
    power: Power,
    clock: Any,  # noqa: ANN401 - of conftest.py
    cut: int,
    *,
    after: bool,
) -> None:
    for _ in range(5):
        clock.now_s += 100
        with pytest.raises(LoginError):
            accounts.login(name="ada", password="wrong", source=ELSEWHERE)
    power.left, power.after = cut, after
    clock.now_s += 100
    changed = False
    with suppress(PowerCutError):
        accounts.login(name="ada", password=PASSWORD, source=HOME)
        care.password(name="ada", old=PASSWORD, new=NEW, **MINE)
        changed = True
    power.left = -1
    again = opened()
    assert not again.counters.lost
    known = {PASSWORD, NEW} if not changed else {NEW}
    assert again.kept.accounts["ada"].hash.removeprefix("plain:") in known
    level = again.counters.passwords._account(0)  # another place than ada's has nothing
    assert level.failures == 0
    assert again.counters.passwords.plain(now_s=clock.now_s)["accounts"]


# Known browsers.


def test_people_of_a_directory_push_no_browser_of_an_owner_out(clock: Any) -> None:  # noqa: ANN401
    until = clock.wall()
    owner = Account(name="ada", role="owner", hash="x")
    kept = Kept(accounts={"ada": owner}).with_known(
        "0" * 32, Known(name="ada", until=until), most_of_a_name=8
    )
    for number in range(300):
        kept = kept.with_known(
            f"{number:032x}f", Known(name=f"n{number}", until=until), most_of_a_name=8
        )
    assert "0" * 32 in kept.known
    assert len(kept.known) <= 128


def test_a_line_of_the_log_that_was_cut_short_takes_no_other_along(
    accounts: Accounts,
    opened: Any,  # noqa: ANN401 - of conftest.py
    tmp_path: Path,
) -> None:
    assert accounts.claimed
    path = tmp_path / "logins-in.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    again = opened()
    again.login(name="ada", password=PASSWORD, source=ELSEWHERE)
    again.login(name="ada", password=PASSWORD, source=HOME)
    assert [one.source for one in again.book.page("in", 0)[0]] == [HOME, ELSEWHERE]


# The clock on the wall.


@pytest.mark.parametrize("year", [1970, 2037, 2200])
def test_a_clock_that_jumps_opens_nothing_and_shuts_nobody_out(
    accounts: Accounts,
    care: Care,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
    year: int,
) -> None:
    codes = care.recovery(name="ada", password=PASSWORD, code=clock.code(seed), **MINE)
    right = clock.wall()
    watched = clock.code(seed)
    for _ in range(3):
        with pytest.raises(LoginError):
            accounts.login(name="ada", password="wrong", source=ELSEWHERE)
    clock.began = clock.began.replace(year=year)
    with pytest.raises(ThrottledError):  # waits know no clock that can be set
        accounts.login(name="ada", password=PASSWORD, source=ELSEWHERE)
    clock.now_s += 2000
    pending = accounts.login(name="ada", password=PASSWORD, source=ELSEWHERE).pending
    assert accounts.second(pending=pending, code=codes[0]).name == "ada"
    clock.began = right - timedelta(seconds=clock.now_s)  # back to the very same step
    pending = accounts.login(name="ada", password=PASSWORD, source=HOME).pending
    with pytest.raises(SecondError):
        accounts.second(pending=pending, code=watched)
    clock.now_s += 60
    assert accounts.second(pending=pending, code=clock.code(seed)).name == "ada"


def test_only_root_makes_a_new_device_key() -> None:
    for caller in ("gui", "agent", "auth"):
        with pytest.raises(CallerError):
            allow(AUTH_VERBS, "keys.rotate", {}, frozenset({caller}))
