"""What an attacker tried at the hub's doors, and what each try led to."""

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from allauth.core import context
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client, RequestFactory, override_settings
from fido2 import cbor
from fido2.utils import websafe_encode

from holdfast.accounts import totp
from holdfast.accounts.errors import AccountsError, ThrottledError
from holdfast.accounts.hashing.crypts import md5crypt
from holdfast.core.clock import now
from holdfast.core.errors import UsageError
from holdfast.hub import start
from holdfast.hub.errors import NotAllowedError, SetupLinkError
from holdfast.hub.staff import factors, people, services, taking_over
from holdfast.hub.staff.models import Account, Login, Origin
from tests.hub.doors import REAL_HASHERS, fill_in
from tests.hub.staff.attempts import STRANGER, Clock, app_of, code_of, enter, forget_failures

GOOD = "seven plain words nobody would guess"


# --- accounts of another product -------------------------------------------------------------


@pytest.fixture
def real_hashers(db: Path) -> Iterator[None]:
    del db
    with override_settings(PASSWORD_HASHERS=REAL_HASHERS):
        yield


def taken_over(name: str, password: str) -> Account:
    text = json.dumps(
        [{"name": name, "hash": f"$1$saltsalt${md5crypt(password.encode(), b'saltsalt')}"}]
    )
    deadline = now() + timedelta(days=30)
    done = taking_over.take_over(text, kind="json", deadline=deadline, by="system")
    assert done.names == (name,), done
    return Account.objects.get(name=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("admin", "admin"),
        ("root", "password"),
        ("ada", "12345678"),
        ("ada", "x9!q"),
        ("ada", "ADA"),
    ],
)
@pytest.mark.usefixtures("real_hashers")
def test_a_default_password_of_an_older_product_lets_nobody_in(
    client: Client, name: str, password: str
) -> None:
    before = taken_over(name, password).password
    answer = fill_in(client, "/login/", name=name, password=password)
    assert answer.status_code == 403
    assert b"login-too-known" in answer.content
    assert client.get("/").status_code == 302
    assert Account.objects.get().password == before
    assert Login.objects.filter(success=False).count() == 1


@pytest.mark.slow
@pytest.mark.usefixtures("real_hashers")
def test_an_old_password_that_would_be_refused_today_opens_only_the_page_for_a_new_one(
    client: Client,
) -> None:
    taken_over("ada", "umber-42-x")
    assert fill_in(client, "/login/", name="ada", password="umber-42-x").status_code == 302
    for path in ("/", "/tokens/", "/account/", "/account/app/", "/account/passkey/", "/products/"):
        assert client.get(path).headers["Location"] == "/account/password/", path
    page = client.get("/account/password/").content.decode()
    assert "comes from another product" in page
    forget_failures()
    changed = fill_in(
        client, "/account/password/", old="umber-42-x", password=GOOD, again=GOOD, own="1"
    )
    assert changed.status_code == 302
    assert client.get("/account/").status_code == 200
    assert not Account.objects.get().is_taken_over


@pytest.mark.slow
@pytest.mark.usefixtures("real_hashers")
def test_a_good_old_password_is_kept_and_nobody_is_held_up(client: Client) -> None:
    taken_over("ada", GOOD)
    assert fill_in(client, "/login/", name="ada", password=GOOD).status_code == 302
    assert client.get("/account/").status_code == 200
    assert not Account.objects.get().is_taken_over


@pytest.mark.slow
@pytest.mark.usefixtures("real_hashers")
def test_an_account_that_may_never_open_is_no_reason_to_switch_off_the_last_one() -> None:
    account = services.add_account("ada", GOOD, by="system")
    taken_over("admin", "admin")
    with pytest.raises(NotAllowedError):
        services.switch(account, active=False, by="system", why="x")
    services.add_account("bob", GOOD + "!", by="system")
    services.switch(account, active=False, by="system", why="x")


# --- keys of accounts ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("real_hashers")
def test_keys_that_are_gone_are_not_made_anew_unasked(client: Client) -> None:
    """New ones would open nothing of what is stored, and nobody would look for the old ones."""
    keys = settings.HUB.account_keys
    kept = keys.read_bytes()
    keys.unlink()
    start.migrate()
    assert keys.exists(), "nothing needs older ones"
    save(keys, kept)
    account = services.add_account("ada", GOOD, by="system")
    app_of(account)
    keys.unlink()
    start.migrate()
    assert not keys.exists()
    answer = fill_in(client, "/login/", name="ada", password=GOOD)
    assert answer.status_code == 500
    assert b"account-keys is gone" in answer.content
    assert b"of this device" not in answer.content
    start.migrate(new_account_keys=True)
    with pytest.raises(UsageError):
        start.migrate(new_account_keys=True)
    # What was sealed is lost, and whoever sets things right sees everybody all the same.
    (person,) = people.everybody()
    assert person.factors.codes_left == 0
    factors.remove_all(account, by="system", why="the keys are lost")
    services.change_password(account, password=GOOD, by="system")
    forget_failures()
    assert fill_in(client, "/login/", name="ada", password=GOOD).status_code == 302


def save(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


# --- counting tries --------------------------------------------------------------------------


def heard(names: list[str]) -> int:
    count = 0
    for name in names:
        with suppress(ThrottledError):
            enter(name, "x")
            count += 1
    return count


def test_spellings_of_one_name_have_one_count(clock: Clock) -> None:
    """A directory takes them for one person: each would hand out a hundred tries more."""
    clock.now_s += 3600
    spellings = ["bob", "Bob", "BOB", "b\u00adob", "bo\u200bb", "bób", "b\u043eb"]
    assert heard(spellings) == 4  # three are free; the last one is Cyrillic, and another name
    assert heard(["bo b", "BoB"]) == 0


def guess_codes(account: Account, clock: Clock, count: int) -> None:
    while count:
        clock.now_s += 2000
        with suppress(ThrottledError):
            factors.use_code(account, "000000", address=STRANGER)
            count -= 1


def test_who_unlocks_an_account_opens_its_codes_too(ada: Account, clock: Clock) -> None:
    guess_codes(ada, clock, 100)
    clock.now_s += 1e6
    with pytest.raises(ThrottledError) as refused:
        factors.use_code(ada, "000000", address="192.0.2.9")
    assert refused.value.switched_off
    assert "recovery code" not in refused.value.hint, "which is not heard here either"
    people.unlock(ada, by="system", why="was attacked")
    clock.now_s += 1e6
    assert factors.use_code(ada, "000000", address="192.0.2.9") is None


# --- one thing used twice --------------------------------------------------------------------


def at_once(what: Callable[[], object], count: int = 4) -> list[object]:
    found: list[object] = []
    start = threading.Barrier(count)

    def run() -> None:
        start.wait()
        try:
            found.append(what())
        except (AccountsError, ValidationError) as error:
            found.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


@pytest.mark.slow
def test_one_code_sent_four_times_at_once_opens_once(ada: Account) -> None:
    seed = app_of(ada)
    code = code_of(seed)
    # Below the brake, which alone would refuse all but one.
    found = at_once(lambda: factors._used(Account.objects.get(pk=ada.pk), code))
    assert sorted(map(str, found)) == ["None", "None", "None", "code"]


@pytest.mark.slow
def test_one_recovery_code_sent_four_times_at_once_opens_once(ada: Account) -> None:
    app_of(ada)
    codes = Authenticator.objects.get(user=ada, type="recovery_codes").wrap().get_unused_codes()
    found = at_once(lambda: factors._used(Account.objects.get(pk=ada.pk), codes[0]))
    assert sorted(map(str, found)) == ["None", "None", "None", "recovery code"]


@pytest.mark.slow
def test_one_setup_link_sent_four_times_at_once_makes_one_account(db: Path) -> None:
    del db
    token = services.make_setup_link().rpartition("/")[2]
    names = iter(["one", "two", "three", "four"])

    def make() -> str:
        try:
            return services.make_account(token, name=next(names), password=GOOD).name
        except SetupLinkError:
            return "refused"

    assert at_once(make).count("refused") == 3
    assert Account.objects.count() == 1


def test_a_second_step_that_is_done_cannot_be_done_again(client: Client, ada: Account) -> None:
    seed = app_of(ada)
    fill_in(client, "/login/", name="ada", password=GOOD)
    held = client.cookies["hub"].value
    step = totp.step_at(now())
    assert fill_in(client, "/login/second/", code=totp.code_at(seed, step)).status_code == 302
    assert client.get("/account/").status_code == 200
    thief = Client()
    thief.cookies["hub"] = held
    assert thief.get("/account/").status_code == 302
    later = thief.post("/login/second/", {"code": totp.code_at(seed, step + 1)})
    assert later.status_code == 403


# --- passkeys --------------------------------------------------------------------------------


class Key:
    """A security key in software; it signs whatever a page asks it for."""

    def __init__(self, algorithm: int = -7) -> None:
        self._private = generate_private_key(SECP256R1())
        self._id = secrets.token_bytes(16)
        self._algorithm = algorithm

    def made(self, session: Any) -> dict[str, Any]:  # noqa: ANN401 - Django's session
        """Answer the question for a new passkey."""
        numbers = self._private.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        public = cbor.encode({1: 2, 3: self._algorithm, -1: 1, -2: x, -3: y})
        who = bytes(16) + len(self._id).to_bytes(2, "big") + self._id + public
        about = {"fmt": "none", "attStmt": {}, "authData": self._said(0x45) + who}
        return self._answer("create", session, attestationObject=cbor.encode(about))

    def shown(self, session: Any, account: Account) -> dict[str, Any]:  # noqa: ANN401 - as above
        """Answer the question of a login."""
        told = self._said(0x05)
        client = self._client("get", session)
        signature = self._private.sign(told + sha256(client).digest(), ECDSA(SHA256()))
        handle = str(account.pk).encode()
        return self._answer(
            "get", session, authenticatorData=told, signature=signature, userHandle=handle
        )

    def _said(self, flags: int) -> bytes:
        return sha256(settings.HUB.host.encode()).digest() + bytes([flags, 0, 0, 0, 1])

    def _client(self, what: str, session: Any) -> bytes:  # noqa: ANN401 - as above
        challenge = session["mfa.webauthn.state"]["challenge"]
        asked = {"type": f"webauthn.{what}", "challenge": challenge, "origin": settings.HUB.url}
        return json.dumps(asked).encode()

    def _answer(self, what: str, session: Any, **more: bytes) -> dict[str, Any]:  # noqa: ANN401
        fields = {"clientDataJSON": self._client(what, session), **more}
        response = {name: websafe_encode(value) for name, value in fields.items()}
        own = websafe_encode(self._id)
        return {"id": own, "rawId": own, "type": "public-key", "response": response}


@pytest.fixture
def session(db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Give the session of a request that is under way, on a hub with a name."""
    del db
    named = replace(settings.HUB, public_url="https://hub.example.com")
    monkeypatch.setattr(settings, "HUB", named)
    request = RequestFactory().get("/")
    request.session = {}  # type: ignore[assignment]  # all that is needed of one
    with context.request_context(request):
        yield request.session


def key_of(account: Account, session: dict[str, Any]) -> Key:
    key = Key()
    factors.begin_passkey(account)
    factors.add_passkey(account, name="laptop", credential=key.made(session))
    return key


def test_a_passkey_opens_once(ada: Account, session: dict[str, Any]) -> None:
    key = key_of(ada, session)
    factors.begin_passkey_login(None)
    answer = key.shown(session, ada)
    assert factors.passkey_login(None, answer) == ada
    with pytest.raises(ValidationError):
        factors.passkey_login(None, answer)
    factors.begin_passkey_login(None)
    with pytest.raises(ValidationError):
        factors.passkey_login(None, answer)


@pytest.mark.parametrize("origin", [Origin.DIRECTORY, Origin.OPENID])
def test_a_passkey_is_no_way_past_the_directory(
    ada: Account, session: dict[str, Any], origin: Origin
) -> None:
    """Who left the company has the passkey still; the directory must be asked at each login."""
    key = key_of(ada, session)
    Account.objects.filter(pk=ada.pk).update(origin=origin, name="ada@corp")
    factors.begin_passkey_login(None)
    with pytest.raises(ValidationError, match="second step"):
        factors.passkey_login(None, key.shown(session, ada))
    account = Account.objects.get(pk=ada.pk)
    factors.begin_passkey_login(account)
    assert factors.passkey_login(account, key.shown(session, ada)) == account


def test_a_key_that_could_never_be_checked_is_no_second_factor(
    ada: Account, session: dict[str, Any]
) -> None:
    factors.begin_passkey(ada)
    with pytest.raises(ValidationError):
        factors.add_passkey(ada, name="odd", credential=Key(algorithm=-65000).made(session))
    assert not Authenticator.objects.exists()


# --- pages -----------------------------------------------------------------------------------


def test_a_path_with_several_questions_survives_the_way_through_confirm(
    staff_client: Client, ada: Account
) -> None:
    Authenticator.objects.create(user=ada, type="totp", data={"secret": "x"})
    answer = staff_client.post("/confirm/passkey/?next=/trail/%3Fpage%3D2%26x%3D3", {})
    assert answer.headers["Location"] == "/confirm/?next=%2Ftrail%2F%3Fpage%3D2%26x%3D3"
    page = staff_client.post("/login/passkey/?next=/trail/%3Fpage%3D2%26x%3D3").content.decode()
    assert 'action="/login/passkey/?next=/trail/%3Fpage%3D2%26x%3D3"' in page


def test_nobody_decides_about_the_own_account_as_about_others(
    staff_client: Client, ada: Account
) -> None:
    services.add_account("bob", GOOD + "!", by="system")
    for what in ("off", "factors", "unlock"):
        answer = staff_client.post(f"/accounts/{ada.pk}/", {"why": "x", "do": what})
        assert answer.status_code == 403, what
    with pytest.raises(NotAllowedError):
        people.change(ada, "off", by="ada", why="x")
