"""Second factors: codes from an app, recovery codes, and what a passkey's answer must be."""

import base64
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.accounts import totp
from holdfast.accounts.errors import ThrottledError
from holdfast.accounts.hashing import device_keys
from holdfast.core.clock import now
from holdfast.hub.errors import NotAllowedError
from holdfast.hub.staff import brake, factors, services
from holdfast.hub.staff.models import Account, Entry, Login
from tests.hub.doors import fill_in
from tests.hub.staff.attempts import forget_failures

GOOD = "seven plain words nobody would guess"
SHORT = "umber-42"
CODE = r"<li><code>([\d ]+)</code></li>"
ADDRESS = "192.0.2.1"


def code(seed: bytes, later: timedelta = timedelta()) -> str:
    return totp.code_at(seed, totp.step_at(now() + later))


def seed_in(page: str) -> bytes:
    found = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page)
    assert found
    text = found[1].replace(" ", "")
    return base64.b32decode(text + "=" * (-len(text) % 8))


@pytest.fixture
def seed(staff_client: Client) -> bytes:
    """Set up an app for ada through the pages."""
    page = staff_client.get("/account/app/").content.decode()
    found = seed_in(page)
    assert "<svg" in page
    answer = staff_client.post("/account/app/", {"code": code(found)})
    assert answer.status_code == 201
    assert len(re.findall(CODE, answer.content.decode())) == 10
    forget_failures()
    return found


def fresh(seed: bytes, account: Account) -> str:
    """Give a code as if the one before had not been used a moment ago."""
    Account.objects.filter(pk=account.pk).update(totp_step=0)
    return code(seed)


def test_a_wrong_code_keeps_no_app(staff_client: Client) -> None:
    staff_client.get("/account/app/")
    for wrong in ("000000", "", "x" * 39, "①②③④⑤⑥"):
        assert staff_client.post("/account/app/", {"code": wrong}).status_code == 422
    assert not Authenticator.objects.exists()


def test_with_an_app_the_password_is_the_first_step_only(
    seed: bytes, ada: Account, client: Client
) -> None:
    answer = fill_in(client, "/login/?next=/trail/", name="ada", password=GOOD)
    assert answer.headers["Location"] == "/login/second/"
    assert client.get("/").status_code == 302
    assert client.get("/account/").status_code == 302
    wrong = fill_in(client, "/login/second/", code="000000")
    assert wrong.status_code == 422
    right = fill_in(client, "/login/second/", code=fresh(seed, ada))
    assert right.headers["Location"] == "/trail/"
    assert client.get("/").status_code == 200
    assert Login.objects.filter(success=True).first().how == "password + code"  # type: ignore[union-attr]  # there is one


def test_a_code_is_good_once(seed: bytes, ada: Account) -> None:
    typed = fresh(seed, ada)
    assert factors.use_code(ada, typed, address=ADDRESS) == "code"
    assert factors.use_code(ada, typed, address=ADDRESS) is None
    forget_failures()
    brake.forget()  # and the process starts anew
    assert factors.use_code(ada, typed, address=ADDRESS) is None


def test_the_code_that_kept_the_app_is_used_up(staff_client: Client, ada: Account) -> None:
    found = seed_in(staff_client.get("/account/app/").content.decode())
    typed = code(found)
    staff_client.post("/account/app/", {"code": typed})
    assert factors.use_code(ada, typed, address=ADDRESS) is None


def test_recovery_codes_are_good_once(staff_client: Client, seed: bytes, ada: Account) -> None:
    del seed
    codes = re.findall(CODE, staff_client.post("/account/codes/").content.decode())
    assert len(set(codes)) == 10
    assert factors.use_code(ada, codes[3], address=ADDRESS) == "recovery code"
    assert factors.use_code(ada, codes[3], address=ADDRESS) is None
    forget_failures()
    assert factors.use_code(ada, codes[4].replace(" ", ""), address=ADDRESS) == "recovery code"
    assert factors.of(ada).codes_left == 8
    again = re.findall(CODE, staff_client.post("/account/codes/").content.decode())
    assert factors.use_code(ada, codes[5], address=ADDRESS) is None
    forget_failures()
    assert factors.use_code(ada, again[5], address=ADDRESS) == "recovery code"


def test_guessing_codes_is_slowed_down(seed: bytes, ada: Account) -> None:
    for guess in range(3):
        assert factors.use_code(ada, f"{guess:06}", address=ADDRESS) is None
    with pytest.raises(ThrottledError):
        factors.use_code(ada, fresh(seed, ada), address=ADDRESS)


def test_seeds_are_sealed_with_the_key_of_this_hub(seed: bytes, ada: Account) -> None:
    from django.conf import settings as hub  # noqa: PLC0415 - beside hypothesis' settings

    kept = json.dumps([found.data for found in Authenticator.objects.all()])
    assert base64.b32encode(seed).decode() not in kept
    assert seed.hex() not in kept
    assert kept.count("$holdfast-sealed$") == 2
    device_keys.save(hub.HUB.account_keys, device_keys.DeviceKeys.made())
    with pytest.raises(Exception, match="of accounts, which is not here"):
        factors.use_code(ada, "123456", address=ADDRESS)


def test_the_second_step_needs_the_first(client: Client, ada: Account) -> None:
    del ada
    assert client.get("/login/second/").status_code == 403
    browser = Client()
    assert browser.post("/login/second/", {"code": "000000"}).status_code == 403
    assert browser.post("/login/second/passkey/", {"credential": "{}"}).status_code == 403


def test_a_new_password_ends_a_login_between_its_steps(
    seed: bytes, ada: Account, client: Client
) -> None:
    fill_in(client, "/login/", name="ada", password=GOOD)
    ada.refresh_from_db()
    services.change_password(ada, password="another seven words that nobody knows")
    assert client.get("/login/second/").status_code == 403
    del seed


def test_eight_characters_are_enough_beside_an_app_and_only_there(
    staff_client: Client, seed: bytes, ada: Account
) -> None:
    fields = {"old": GOOD, "password": SHORT, "again": SHORT}
    assert staff_client.post("/account/password/", fields).status_code == 302
    app = Authenticator.objects.get(type="totp")
    refused = staff_client.post(f"/account/factors/{app.pk}/remove/")
    assert refused.status_code == 403
    assert "at least 15 characters" in refused.content.decode()
    assert Authenticator.objects.filter(pk=app.pk).exists()
    ada.refresh_from_db()
    factors.remove_all(ada, by="bob", why="lost it")
    ada.refresh_from_db()
    assert not ada.has_usable_password()
    del seed


def test_without_an_app_eight_are_too_few(staff_client: Client) -> None:
    fields = {"old": GOOD, "password": SHORT, "again": SHORT}
    answer = staff_client.post("/account/password/", fields)
    assert answer.status_code == 422
    assert "Too short: 8 of 15" in answer.content.decode()


def test_removing_the_last_factor_removes_the_codes_too(
    staff_client: Client, seed: bytes, ada: Account
) -> None:
    del seed
    app = Authenticator.objects.get(type="totp")
    assert staff_client.post(f"/account/factors/{app.pk}/remove/").status_code == 302
    assert not Authenticator.objects.exists()
    with pytest.raises(NotAllowedError):
        factors.new_codes(ada)
    assert [entry.what for entry in Entry.objects.order_by("-seq")[:1]] == ["factor.removed"]


def test_nobody_takes_the_factor_of_somebody_else(seed: bytes, ada: Account) -> None:
    del seed
    bob = services.add_account("bob", GOOD + " too", by="ada")
    app = Authenticator.objects.get(user=ada, type="totp")
    factors.remove(bob, app.pk, by="bob")
    assert Authenticator.objects.filter(pk=app.pk).exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["id", "rawId", "response", "type", "clientDataJSON", "attestationObject",
             "authenticatorData", "signature", "userHandle", "clientExtensionResults"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(answer=JSON)
def test_a_damaged_answer_of_a_passkey_is_refused(ada: Account, answer: Any) -> None:  # noqa: ANN401
    from allauth.core import context  # noqa: PLC0415 - after Django has started
    from django.test import RequestFactory  # noqa: PLC0415

    request = RequestFactory().get("/")
    request.session = {}  # type: ignore[assignment]  # all that is needed of one
    with context.request_context(request):
        factors.begin_passkey_login(ada)
        for account in (ada, None):
            with pytest.raises(ValidationError):
                factors.passkey_login(account, factors.read_credential(json.dumps(answer)))
        factors.begin_passkey(ada)
        with pytest.raises(ValidationError):
            factors.add_passkey(
                ada, name="x", credential=factors.read_credential(json.dumps(answer))
            )


@pytest.mark.parametrize("text", ["", "x", "[]", "[" * 3000, "1", "null", "{" + "x" * 40_000])
def test_what_is_no_answer_at_all_is_refused(staff_client: Client, text: str) -> None:
    made = staff_client.post("/account/passkey/", {"name": "x", "credential": text})
    assert made.status_code == 422
    assert staff_client.post("/login/passkey/", {"credential": text}).status_code == 302
    assert staff_client.post("/confirm/passkey/", {"credential": text}).status_code == 302
    assert not Authenticator.objects.exists()
