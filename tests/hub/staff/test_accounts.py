"""How people get in, and how they do not."""

import re
import unicodedata
from types import SimpleNamespace
from typing import Literal

import pytest
from django.conf import settings
from django.test import Client, override_settings

from holdfast.accounts.errors import PasswordRefusedError, UnknownKeyError
from holdfast.accounts.hashing import device_keys
from holdfast.hub.errors import NotAllowedError, SetupLinkError
from holdfast.hub.moments import DAY_MS
from holdfast.hub.products.models import Product
from holdfast.hub.staff import brake, entrance, passwords, services
from holdfast.hub.staff.hashers import Argon2idHasher, KeyedHasher
from holdfast.hub.staff.models import Account, ApiToken, Entry, Login, SetupLink
from tests.hub.doors import REAL_HASHERS, fill_in, prove
from tests.hub.staff.attempts import forget_failures

GOOD = "seven plain words nobody would guess"
FORM = {"name": "ada", "password": GOOD, "again": GOOD}


@pytest.fixture
def link(db: object) -> str:
    del db
    return "/setup/" + services.make_setup_link().rpartition("/")[2]


def enter(name: str, password: str, address: str = "192.0.2.1") -> Account | None:
    found = entrance.enter(entrance.Attempt.of(name=name, password=password, address=address))
    return found.account if found else None


def test_a_new_hub_has_no_account_and_says_what_to_do(client: Client) -> None:
    assert not Account.objects.exists()
    page = client.get("/login/").content.decode()
    assert "holdfast hub setup-link" in page
    assert "<input" not in page


def test_the_link_makes_the_first_account_and_logs_in(client: Client, link: str) -> None:
    answer = fill_in(client, link, **FORM)
    assert answer.status_code == 302
    assert client.get("/").status_code == 200
    assert [entry.what for entry in Entry.objects.order_by("seq")] == [
        "setup_link.made",
        "account.made",
        "account.logged_in",
    ]


def test_the_link_works_once(client: Client, link: str) -> None:
    fill_in(client, link, **FORM)
    second = Client().get(link)
    assert second.status_code == 410
    assert "was used already" in second.content.decode()
    token = link.rpartition("/")[2]
    with pytest.raises(SetupLinkError):
        services.make_account(token, name="eve", password=GOOD)
    assert Account.objects.count() == 1


def test_the_link_expires_after_a_day(client: Client, link: str) -> None:
    made = SetupLink.objects.get()
    assert made.expires_ms - made.made_ms == DAY_MS
    SetupLink.objects.update(expires_ms=made.made_ms)
    answer = client.get(link)
    assert answer.status_code == 410
    assert "has expired" in answer.content.decode()


def test_a_newer_link_ends_the_older_one(client: Client, link: str) -> None:
    services.make_setup_link()
    assert client.get(link).status_code == 410


@pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "../login"])
def test_a_guessed_link_opens_nothing(client: Client, link: str, token: str) -> None:
    del link
    assert client.get(f"/setup/{token}").status_code in {404, 410}


def test_only_the_digest_of_the_link_is_kept(link: str) -> None:
    stored = SetupLink.objects.get().token_sha256
    assert link.rpartition("/")[2] != stored
    assert re.fullmatch("[0-9a-f]{64}", stored)


def test_no_link_once_there_is_an_account_unless_for_another(ada: Account) -> None:
    del ada
    with pytest.raises(NotAllowedError):
        services.make_setup_link()
    token = services.make_setup_link(another=True).rpartition("/")[2]
    assert services.make_account(token, name="bob", password=GOOD).name == "bob"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("fourteen chars", "Too short: 14 of 15"),
        ("ada.lovelace.ada.lovelace", "name"),
        ("1" * 20, "became known"),
        ("abcdefghijklmnopqrstuvwxyz", "became known"),
        ("passwordpassword", "password"),
        ("x" * 257, "Too long: 257 of at most 256"),
        ("a nul \x00 in a long password", "ull characters"),
        ("a control \x07 in a long password", "control character"),
    ],
)
def test_weak_passwords_are_refused_with_a_reason_and_a_way_out(
    client: Client, link: str, password: str, reason: str
) -> None:
    fields = {"name": "ada.lovelace", "password": password, "again": password}
    answer = fill_in(client, link, **fields)
    assert answer.status_code == 422
    errors = re.search(r'<ul class="errorlist"[^>]*>(.*?)</ul>', answer.content.decode(), re.DOTALL)
    assert errors
    assert reason in errors[1], errors[1]
    assert password not in answer.content.decode()
    assert not Account.objects.exists()


def test_the_first_page_asks_where_logins_from_new_places_are_told(
    client: Client, link: str
) -> None:
    page = client.get(link).content.decode()
    assert "May stay empty" in page
    assert page.index('name="name"') < page.index('name="email"') < page.index('name="offer"')
    refused = fill_in(client, link, **FORM, email="no address")
    assert refused.status_code == 422
    assert "e-mail address" in refused.content.decode()
    made_of_it = "lovelace example 12"
    fields = {"password": made_of_it, "again": made_of_it, "email": "a.lovelace@example.org"}
    assert "your e-mail address" in fill_in(client, link, **(FORM | fields)).content.decode()
    assert fill_in(client, link, **FORM, email="ada@Example.org").status_code == 302
    assert Account.objects.get().email == "ada@example.org"


def test_names_are_the_same_in_capitals(ada: Account) -> None:
    for name in ("ADA", "Ada", "ada", "\N{FULLWIDTH LATIN CAPITAL LETTER A}DA"):
        forget_failures()
        assert enter(name, GOOD) == ada
        assert enter(name, "wrong") is None
        forget_failures()
    assert enter("ADAM", GOOD) is None


def test_two_accounts_that_differ_in_capitals_stay_two(ada: Account) -> None:
    """No hub makes such a name today; one that has it does not give it to somebody else."""
    other = Account(name="ADA", created_ms=1)
    other.set_password(GOOD + " too")
    other.save()
    assert enter("ada", GOOD) == ada
    assert enter("ADA", GOOD) is None
    assert enter("ADA", GOOD + " too") == other
    forget_failures()
    assert enter("ada", GOOD + " too") is None
    assert Login.objects.filter(account=other, success=False).count() == 1


def test_words_of_the_products_and_of_the_hub_are_no_passwords(
    ada: Account, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "socket", SimpleNamespace(gethostname=lambda: "nightjar-7"))
    for number in range(30):
        name = f"{product.name} {number}"
        more = {"profile": product.profile, "profile_sha256": product.profile_sha256}
        Product.objects.create(pk=f"more-{number}", name=name, vendor=product.vendor, **more)
    ada.email = "a.lovelace@analytical.example"
    for made_of in (
        "nordlicht gateway NG-200",
        "home-gateway NG-200",
        "NG-200 NG-200 NG-200!",
        "lovelace analytical",
        "nightjar nightjar-7",
    ):
        with pytest.raises(PasswordRefusedError) as caught:
            passwords.must_be_usable(made_of, ada)
        assert caught.value.reason == "context", made_of
        told = passwords.told(caught.value)
        assert "device" not in told, told
    assert passwords.must_be_usable(GOOD, ada) == GOOD


def test_a_new_password_is_another_one(staff_client: Client, ada: Account) -> None:
    prove(staff_client)
    same = {"old": GOOD, "password": GOOD, "again": GOOD}
    refused = fill_in(staff_client, "/account/password/", **same)
    assert refused.status_code == 422
    assert "is the old one" in refused.content.decode()
    assert not Entry.objects.filter(what="account.password_changed").exists()
    other = {"old": GOOD, "password": GOOD + " again", "again": GOOD + " again"}
    assert fill_in(staff_client, "/account/password/", **other).status_code == 302
    ada.refresh_from_db()
    assert ada.check_password(GOOD + " again")


def test_the_offered_passphrase_is_taken_with_one_press(client: Client, link: str) -> None:
    shown = client.get(link)
    assert shown.status_code == 200
    page = shown.content.decode()
    offer = re.search(r'name="offer" value="([^"]+)"', page)
    assert offer
    assert offer[1] in page.partition("data-offer>")[2]
    answer = fill_in(client, link, name="ada", offer=offer[1], take="1")
    assert answer.status_code == 302
    assert enter("ada", offer[1]) is not None


def test_a_typed_password_goes_before_the_offer(client: Client, link: str) -> None:
    fields = {"name": "ada", "offer": "four other plain words", "take": "1"}
    assert fill_in(client, link, password=GOOD, again=GOOD, **fields).status_code == 302
    assert enter("ada", GOOD) is not None


def test_another_suggestion_keeps_nothing_and_judges_nothing(client: Client, link: str) -> None:
    answer = fill_in(client, link, name="ada", suggest="1", offer="x")
    assert answer.status_code == 200
    assert b"errorlist" not in answer.content


def test_fifteen_code_points_are_enough_whatever_their_script(client: Client, link: str) -> None:
    password = "пятнадцать зна🔑"
    assert len(password) == 15
    answer = fill_in(client, link, name="ada", password=password, again=password)
    assert answer.status_code == 302


def test_the_same_password_typed_on_another_keyboard_is_the_same(ada: Account) -> None:
    services.change_password(ada, password="cafe\u0301 with composed letters")
    assert enter("ada", "caf\u00e9 with composed letters") == ada
    services.change_password(ada, password="\ufb01ve ligatures and \uff37IDE letters")
    assert enter("ada", "five ligatures and WIDE letters") == ada


def test_the_two_passwords_must_agree(client: Client, link: str) -> None:
    answer = fill_in(client, link, name="ada", password=GOOD, again=GOOD + "x")
    assert answer.status_code == 422
    assert not Account.objects.exists()


def test_passwords_are_hashed_with_argon2id_and_the_key_of_this_hub(ada: Account) -> None:
    stored = KeyedHasher().encode(GOOD)
    key = device_keys.load(settings.HUB.account_keys)
    assert key is not None
    assert stored.startswith(f"holdfast$holdfast-argon2id$v=1$m=19456,t=2,p=1,k={key.newest.id}$")
    assert KeyedHasher().verify(GOOD, stored)
    assert not KeyedHasher().verify(GOOD + "x", stored)
    device_keys.save(settings.HUB.account_keys, device_keys.DeviceKeys.made())
    with pytest.raises(UnknownKeyError):
        KeyedHasher().verify(GOOD, stored)
    del ada


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC"])
def test_a_hash_from_before_the_key_opens_and_is_made_anew(
    ada: Account, form: Literal["NFC", "NFD", "NFKC"]
) -> None:
    """The hub hashed the form NFC; a ligature stayed one."""
    password = "ﬁve caf\u00e9 ligatures and more"
    ada.password = Argon2idHasher().encode(unicodedata.normalize("NFC", password), "0123456789ab")
    ada.save()
    with override_settings(PASSWORD_HASHERS=REAL_HASHERS):
        found = enter("ada", unicodedata.normalize(form, password))
        assert (found == ada) is (form != "NFKC")  # then it was another password
        if found is None:
            return
        ada.refresh_from_db()
        assert ada.password.startswith("holdfast$holdfast-argon2id$")
        brake.forget()
        assert enter("ada", unicodedata.normalize("NFKC", password)) == ada


def test_hashing_anew_ends_no_session(ada: Account) -> None:
    browser = Client()
    browser.force_login(ada)
    ada.password = Argon2idHasher().encode(GOOD, "0123456789ab")
    ada.save()
    assert browser.get("/").status_code == 200


def test_logging_in_and_out(client: Client, ada: Account) -> None:
    del ada
    wrong = fill_in(client, "/login/", name="ada", password="wrong")
    assert wrong.status_code == 422
    assert b"Name or password is wrong." in wrong.content
    unknown = fill_in(client, "/login/", name="eve", password="wrong")
    assert b"Name or password is wrong." in unknown.content
    right = fill_in(client, "/login/?next=/trail/", name="ada", password=GOOD)
    assert right.headers["Location"] == "/trail/"
    before = client.cookies["hub"].value
    fill_in(client, "/account/password/", old="wrong", password=GOOD, again=GOOD)
    assert client.cookies["hub"].value == before


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "\\\\evil.example", "javascript:x", "x"]
)
def test_logging_in_leads_nowhere_else(client: Client, ada: Account, target: str) -> None:
    del ada
    answer = fill_in(client, f"/login/?next={target}", name="ada", password=GOOD)
    assert answer.headers["Location"] == "/"


def test_an_account_that_was_switched_off_stays_out(client: Client, ada: Account) -> None:
    ada.is_active = False
    ada.save()
    assert fill_in(client, "/login/", name="ada", password=GOOD).status_code == 422


def test_a_new_password_ends_other_sessions(staff_client: Client, ada: Account) -> None:
    other = Client()
    other.force_login(ada)
    fresh = "another seven words nobody knows"
    fields = {"old": GOOD, "password": fresh, "again": fresh}
    assert staff_client.post("/account/password/", fields).status_code == 302
    assert staff_client.get("/").status_code == 200
    assert other.get("/").status_code == 302


def test_an_api_token_is_shown_once_and_kept_as_a_digest(staff_client: Client) -> None:
    page = staff_client.post("/tokens/", {"name": "build-server"}).content.decode()
    found = re.search(r"holdfast_[\w-]{43}", page)
    assert found
    assert found[0] not in staff_client.get("/tokens/").content.decode()
    assert ApiToken.objects.get().token_sha256 != found[0]
    again = staff_client.post("/tokens/", {"name": "build-server"})
    assert again.status_code == 403
    assert services.accept_token(f"Bearer {found[0]}") == "token:build-server"


def test_forms_without_their_proof_are_refused(client: Client, link: str, ada: Account) -> None:
    del link
    client.force_login(ada)
    prove(client)
    for path in (
        "/login/", "/logout/", "/tokens/", "/account/password/", "/account/email/",
        "/account/sessions/end/", "/account/app/", "/account/passkey/", "/account/codes/",
        "/accounts/invite/", "/accounts/1/", "/confirm/", "/login/passkey/", "/products/+add/",
    ):  # fmt: skip
        answer = client.post(path, {"name": "x"})
        assert answer.status_code == 403, path
        assert b"form-outdated" in answer.content
    cross = client.post("/tokens/", {"name": "x"}, headers={"Origin": "https://evil.example"})
    assert cross.status_code == 403
    assert not ApiToken.objects.exists()
