"""Second factors, recovery, changed passwords, further accounts, proofs and central settings."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.accounts.errors import ThrottledError
from holdfast.core.errors import HoldfastError, NoSpaceError
from holdfast.device.auth.accounts import Accounts
from holdfast.device.auth.care import Care
from holdfast.device.auth.errors import (
    AccountTakenError,
    LastOwnerError,
    LoginError,
    NoAccountError,
    NoProofError,
    OwnerOnlyError,
    PendingError,
    RoleError,
    SamePasswordError,
    SecondError,
)
from holdfast.hardening import proof
from holdfast.hardening.errors import ArgumentError, ProofError
from tests.device.auth.codes import seed_of

PASSWORD = "correct horse battery"
NEW = "another horse battery"
KEY = b"k" * 32
MINE = {"source": "192.0.2.1", "cookie": ""}


def test_login_with_a_second_factor(accounts: Accounts, seed: bytes, clock: Any) -> None:  # noqa: ANN401
    half = accounts.login(name="ada", password=PASSWORD)
    assert half.pending
    assert (half.name, half.role, half.cookie) == ("", "", "")
    with pytest.raises(SecondError):
        accounts.second(pending=half.pending, code="000000")
    code = clock.code(seed)
    entered = accounts.second(pending=half.pending, code=code)
    assert (entered.name, entered.role) == ("ada", "owner")
    assert entered.cookie
    assert not accounts.book.page("in", 0)[0][0].is_recovery
    with pytest.raises(PendingError):  # the token is used up
        accounts.second(pending=half.pending, code=code)
    again = accounts.login(name="ada", password=PASSWORD).pending
    with pytest.raises(SecondError):  # and so is the code
        accounts.second(pending=again, code=code)


def test_a_right_password_alone_forgives_no_failures(accounts: Accounts, seed: bytes) -> None:
    """Else each login would hand out fresh guesses at the code."""
    assert seed
    for _ in range(3):
        pending = accounts.login(name="ada", password=PASSWORD).pending
        with pytest.raises(SecondError):
            accounts.second(pending=pending, code="000000")
    with pytest.raises(ThrottledError):
        accounts.login(name="ada", password=PASSWORD)


def test_a_waiting_login_ends_by_time_and_by_tries(
    accounts: Accounts,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    pending = accounts.login(name="ada", password=PASSWORD).pending
    clock.now_s += 301
    with pytest.raises(PendingError):
        accounts.second(pending=pending, code=clock.code(seed))
    pending = accounts.login(name="ada", password=PASSWORD).pending
    for _ in range(5):
        with pytest.raises(SecondError):
            accounts.second(pending=pending, code="1")
        clock.now_s += 20
    with pytest.raises(PendingError):
        accounts.second(pending=pending, code=clock.code(seed))
    for made_up in ("", "0" * 32, "\0", pending[:-1]):
        with pytest.raises(PendingError):
            accounts.second(pending=made_up, code=clock.code(seed))


def test_recovery_codes_open_once_and_are_burnt_on_disk(
    accounts: Accounts,
    care: Care,
    seed: bytes,
    opened: Any,  # noqa: ANN401 - of conftest.py
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    codes = care.recovery(name="ada", password=PASSWORD, code=clock.code(seed), **MINE)
    assert len(codes) == 10
    pending = accounts.login(name="ada", password=PASSWORD).pending
    assert accounts.second(pending=pending, code=codes[3].lower()).role == "owner"
    assert accounts.book.page("in", 0)[0][0].is_recovery
    again = opened()
    pending = again.login(name="ada", password=PASSWORD).pending
    with pytest.raises(SecondError):
        again.second(pending=pending, code=codes[3])
    assert len(again.kept.accounts["ada"].recovery) == 9


def test_a_code_that_cannot_be_burnt_is_not_heard(
    accounts: Accounts,
    care: Care,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = care.recovery(name="ada", password=PASSWORD, code=clock.code(seed), **MINE)

    def full(*_args: object, **_kwargs: object) -> None:
        raise NoSpaceError("full")

    pending = accounts.login(name="ada", password=PASSWORD).pending
    monkeypatch.setattr("holdfast.device.auth.store.write_whole", full)
    with pytest.raises(NoSpaceError):
        accounts.second(pending=pending, code=codes[0])


def test_a_recovery_code_makes_a_browser_known_and_is_no_login(
    accounts: Accounts,
    care: Care,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    codes = care.recovery(name="ada", password=PASSWORD, **MINE)
    for _ in range(110):
        clock.now_s += 2000
        with pytest.raises(HoldfastError):
            accounts.login(name="ada", password="wrong", source="198.51.100.9")
    with pytest.raises(ThrottledError):
        accounts.login(name="ada", password=PASSWORD, source="203.0.113.7")
    cookie = accounts.unlock(name="ada", code=codes[0], source="203.0.113.7")
    with pytest.raises(LoginError):
        accounts.login(name="ada", password="wrong", source="203.0.113.7", cookie=cookie)
    entered = accounts.login(name="ada", password=PASSWORD, source="203.0.113.7", cookie=cookie)
    assert entered.role == "owner"
    for name in ("ada", "nobody"):
        with pytest.raises(SecondError):
            accounts.unlock(name=name, code=codes[0], source="203.0.113.7")


def test_second_factor_is_confirmed_before_it_counts(
    accounts: Accounts,
    care: Care,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    with pytest.raises(PendingError):
        care.totp_confirm(name="ada", code="123456")
    seed = seed_of(care.totp_begin(name="ada", password=PASSWORD, **MINE))
    with pytest.raises(SecondError):
        care.totp_confirm(name="ada", code="000000")
    assert accounts.login(name="ada", password=PASSWORD).role == "owner"
    clock.now_s += 901
    with pytest.raises(PendingError):
        care.totp_confirm(name="ada", code=clock.code(seed))


def test_second_factor_goes_only_with_password_and_code(
    accounts: Accounts,
    care: Care,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    wrong = (("no", clock.code(seed), LoginError), (PASSWORD, "000000", SecondError))
    for password, code, error in wrong:
        with pytest.raises(error):
            care.totp_remove(name="ada", password=password, code=code, **MINE)
    care.totp_remove(name="ada", password=PASSWORD, code=clock.code(seed), **MINE)
    assert accounts.login(name="ada", password=PASSWORD).role == "owner"


def test_a_refused_password_uses_no_code_up(
    care: Care,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    code = clock.code(seed)
    with pytest.raises(HoldfastError) as caught:
        care.password(name="ada", old=PASSWORD, new="short", code=code, **MINE)
    assert caught.value.code == "accounts-password"
    with pytest.raises(SecondError):
        care.password(name="ada", old=PASSWORD, new="short-8x", code="000000", **MINE)
    assert care.password(name="ada", old=PASSWORD, new="short-8x", code=code, **MINE).epoch


def test_a_short_password_keeps_the_second_factor(
    accounts: Accounts,
    care: Care,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    code = clock.code(seed)
    care.password(name="ada", old=PASSWORD, new="short-8x", code=code, **MINE)
    clock.now_s += 60
    with pytest.raises(HoldfastError) as caught:
        care.totp_remove(name="ada", password="short-8x", code=clock.code(seed), **MINE)
    assert caught.value.code == "accounts-password"
    pending = accounts.login(name="ada", password="short-8x").pending
    assert accounts.second(pending=pending, code=clock.code(seed)).name == "ada"  # still good


def test_a_new_password_ends_sessions_and_forgets_browsers(accounts: Accounts, care: Care) -> None:
    before = accounts.login(name="ada", password=PASSWORD)
    changed = care.password(name="ada", old=PASSWORD, new=NEW, source="", cookie=before.cookie)
    assert changed.epoch > before.epoch
    assert accounts.role_and_epoch("ada", "local") == ("owner", changed.epoch)
    assert [*accounts.kept.known] == [changed.cookie.split(".")[1]]
    with pytest.raises(LoginError):
        accounts.login(name="ada", password=PASSWORD)
    with pytest.raises(LoginError):
        care.password(name="ada", old="no", new=NEW, **MINE)


@pytest.mark.parametrize(
    ("old", "new"), [(PASSWORD, PASSWORD), ("ﬁsh and käse on rye", "fish and ka\u0308se on rye")]
)
def test_a_new_password_is_another_one(
    accounts: Accounts,
    care: Care,
    work: Any,  # noqa: ANN401 - of conftest.py
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
    old: str,
    new: str,
) -> None:
    if old != PASSWORD:  # the same keys on another keyboard
        care.password(name="ada", old=PASSWORD, new=old, code=clock.code(seed), **MINE)
        clock.now_s += 60
    asked, before = len(work.asked), accounts.kept
    code = clock.code(seed)
    with pytest.raises(SamePasswordError) as caught:
        care.password(name="ada", old=old, new=new, code=code, **MINE)
    assert (caught.value.http_status, caught.value.reason) == (422, "same")
    assert "is the old one" in str(caught.value)
    assert "suggested" in caught.value.hint
    # Nothing is told of what is stored, nothing has changed, and the code is still good.
    assert len(work.asked) == asked
    assert accounts.kept == before
    care.password(name="ada", old=old, new=NEW, code=code, **MINE)


def test_known_browsers_are_forgotten_only_with_the_password(
    accounts: Accounts, care: Care
) -> None:
    care.add(name="bob", password=NEW, role="viewer")
    for name, password in (("ada", PASSWORD), ("bob", NEW)):
        accounts.login(name=name, password=password)
    before = accounts.kept.known
    # Neither without, nor for another account, nor for a name that this device does not know.
    for name, password in (("ada", ""), ("ada", NEW), ("eve", PASSWORD)):
        with pytest.raises(LoginError):
            care.forget_browsers(name=name, password=password, **MINE)
    assert accounts.kept.known == before
    care.forget_browsers(name="ADA", password=PASSWORD, **MINE)
    assert {one.name for one in accounts.kept.known.values()} == {"bob"}


def test_guessing_the_old_password_is_slowed_too(care: Care) -> None:
    for _ in range(3):
        with pytest.raises(LoginError):
            care.password(name="ada", old="wrong", new=NEW, **MINE)
    for change in (
        lambda: care.password(name="ada", old=PASSWORD, new=NEW, **MINE),
        lambda: care.recovery(name="ada", password=PASSWORD, **MINE),
        lambda: care.forget_browsers(name="ada", password=PASSWORD, **MINE),
        lambda: care.totp_begin(name="ada", password=PASSWORD, **MINE),
        lambda: care.prove(name="ada", secret=PASSWORD, verb="reboot", args="{}", **MINE),
        lambda: care.test_central(server="x", name="ada", password=PASSWORD),
    ):
        with pytest.raises(ThrottledError):
            change()


def test_further_accounts_come_and_go(accounts: Accounts, care: Care) -> None:
    care.add(name="Vera", password=PASSWORD, role="viewer")
    entered = accounts.login(name="vera", password=PASSWORD)
    assert entered.role == "viewer"
    with pytest.raises(AccountTakenError):
        care.add(name="vera", password=PASSWORD, role="viewer")
    with pytest.raises(RoleError) as caught:
        care.add(name="rob", password=PASSWORD, role="root")
    assert "owner, viewer" in caught.value.hint
    rows, pages = care.listed(0)
    assert ([row["name"] for row in rows], pages) == (["ada", "vera"], 1)
    care.remove(name="vera")
    assert accounts.role_and_epoch("vera", "local") is None
    with pytest.raises(LoginError):
        accounts.login(name="vera", password=PASSWORD, cookie=entered.cookie)
    again = care.add(name="vera", password=PASSWORD, role="viewer")
    assert again.epoch != entered.epoch  # its old sessions stay over
    for name, error in (("ada", LastOwnerError), ("nobody", NoAccountError)):
        with pytest.raises(error):
            care.remove(name=name)


def test_there_are_not_endlessly_many(care: Care) -> None:
    for number in range(31):
        care.add(name=f"v{number}", password=PASSWORD, role="viewer")
    with pytest.raises(AccountTakenError):
        care.add(name="one-more", password=PASSWORD, role="viewer")
    assert care.listed(0)[1] == 4


def test_no_account_comes_before_the_claim(opened: Any) -> None:  # noqa: ANN401 - of conftest.py
    care = Care(opened(), proof_key=KEY)
    with pytest.raises(NoAccountError):
        care.add(name="eve", password=PASSWORD, role="owner")
    with pytest.raises(NoAccountError):
        care.take_over(name="eve", role="owner", old_hash="$1$x$y", days=1)


def proven(text: str, verb: str, args: dict[str, Any]) -> str:
    return proof.checked(text, KEY, verb=verb, args=args, now_s=0.0).by


def test_without_a_second_factor_the_password_proves(care: Care) -> None:
    call = {"name": "ada", "verb": "reboot", "args": "{}", **MINE}
    assert proven(care.prove(secret=PASSWORD, **call), "reboot", {}) == "ada"


def test_with_a_second_factor_only_a_code_proves(
    care: Care,
    seed: bytes,
    clock: Any,  # noqa: ANN401 - of conftest.py
) -> None:
    args = {"name": "vera"}
    call = {"name": "Ada", "verb": "account.remove", "args": json.dumps(args), **MINE}
    with pytest.raises(SecondError):  # a gui in hostile hands could have kept the password
        care.prove(secret=PASSWORD, **call)
    code = clock.code(seed)
    text = care.prove(secret=code, **call)
    assert proven(text, "account.remove", args) == "ada"
    with pytest.raises(ProofError):
        proven(text, "account.remove", {"name": "ada"})
    with pytest.raises(SecondError):  # a code proves once
        care.prove(secret=code, **call)


def test_others_prove_nothing(care: Care, accounts: Accounts) -> None:
    care.add(name="vera", password=PASSWORD, role="viewer")
    with pytest.raises(OwnerOnlyError):
        care.prove(name="vera", secret=PASSWORD, verb="reboot", args="{}", **MINE)
    with pytest.raises(LoginError):
        care.prove(name="ada", secret="wrong", verb="reboot", args="{}", **MINE)
    with pytest.raises(NoProofError):
        Care(accounts).prove(name="ada", secret=PASSWORD, verb="reboot", args="{}", **MINE)


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("slot.install", '{"version": "1.1"}'),  # not the gui's at all
        ("status", "{}"),
        ("account.login", "{}"),
        ("nothing", "{}"),
        ("reboot", '{"now": 1}'),
        ("reboot", "[]"),
        ("reboot", "{"),
        ("reboot", "[" * 1000),
        ("account.add", '{"name": "x"}'),
    ],
)
def test_only_calls_that_demand_a_proof_get_one(care: Care, verb: str, args: str) -> None:
    with pytest.raises(ArgumentError):
        care.prove(name="ada", secret=PASSWORD, verb=verb, args=args, **MINE)


@given(st.text(), st.text(), st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_breaks_anything(care: Care, name: str, secret: str, code: str) -> None:
    for call in (
        lambda: care.prove(name=name, secret=secret, verb="reboot", args=code, **MINE),
        lambda: care.totp_confirm(name=name, code=code),
        lambda: care.password(name=name, old=secret, new=code, **MINE),
        lambda: care.remove(name=f"{name}?"),
    ):
        with pytest.raises(HoldfastError):
            call()
