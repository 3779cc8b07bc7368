"""How people get in, and how they do not."""

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.hashers import check_password, make_password
from django.test import Client

from holdfast.hub.errors import NotAllowedError, SetupLinkError
from holdfast.hub.moments import DAY_MS
from holdfast.hub.staff import services
from holdfast.hub.staff.hashers import Argon2idHasher
from holdfast.hub.staff.models import Account, ApiToken, Entry, FailedLogin, SetupLink

if TYPE_CHECKING:
    from django.http import HttpResponse

GOOD = "seven plain words nobody would guess"
FORM = {"name": "ada", "password": GOOD, "again": GOOD}


@pytest.fixture
def link(db: object) -> str:
    del db
    return "/setup/" + services.make_setup_link().rpartition("/")[2]


def fill_in(client: Client, path: str, **fields: str) -> "HttpResponse":
    """Load a form as a browser does, and send it with its CSRF token."""
    page = client.get(path)
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())
    assert found, page.content.decode()
    return client.post(path, {**fields, "csrfmiddlewaretoken": found[1]})  # type: ignore[return-value]  # the test client's response


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
    ("password", "complaint"),
    [
        ("fourteen chars", "at least 15 characters"),
        ("ada ada ada ada", "too similar"),
        ("123456789012345678901234567890", ""),
    ],
)
def test_weak_passwords_are_refused(
    client: Client, link: str, password: str, complaint: str
) -> None:
    fields = {"name": "ada.ada.ada.ada", "password": password, "again": password}
    answer = fill_in(client, link, **fields)
    if complaint:
        assert answer.status_code == 422
        assert complaint in answer.content.decode()
        assert not Account.objects.exists()


def test_fifteen_code_points_are_enough_whatever_their_script(client: Client, link: str) -> None:
    password = "пятнадцать зна🔑"
    assert len(password) == 15
    answer = fill_in(client, link, name="ada", password=password, again=password)
    assert answer.status_code == 302


def test_the_same_password_typed_on_another_keyboard_is_the_same(ada: Account) -> None:
    services.change_password(ada, password="cafe\u0301 with composed letters")
    found = services.check_password(
        name="ada", password="caf\u00e9 with composed letters", address="192.0.2.1"
    )
    assert found == ada


def test_the_two_passwords_must_agree(client: Client, link: str) -> None:
    answer = fill_in(client, link, name="ada", password=GOOD, again=GOOD + "x")
    assert answer.status_code == 422
    assert not Account.objects.exists()


def test_passwords_are_hashed_with_argon2id() -> None:
    hashed = make_password(GOOD, hasher=Argon2idHasher())
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in hashed
    assert Argon2idHasher().verify(GOOD, hashed)
    assert not check_password("wrong", "!unusable")


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
    fill_in(client, "/account/", old="wrong", password=GOOD, again=GOOD)
    assert client.cookies["hub"].value == before


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "\\\\evil.example", "javascript:x", "x"]
)
def test_logging_in_leads_nowhere_else(client: Client, ada: Account, target: str) -> None:
    del ada
    answer = fill_in(client, f"/login/?next={target}", name="ada", password=GOOD)
    assert answer.headers["Location"] == "/"


def test_guessing_is_slowed_down(client: Client, ada: Account) -> None:
    del ada
    for _attempt in range(services.FREE_FAILURES):
        assert fill_in(client, "/login/", name="ada", password="wrong").status_code == 422
    answer = fill_in(client, "/login/", name="ada", password=GOOD)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert b"Wait" in answer.content
    # After the wait the right password opens again, and wipes the slate.
    FailedLogin.objects.update(at_ms=0)
    assert fill_in(client, "/login/", name="ada", password=GOOD).status_code == 302
    assert not FailedLogin.objects.exists()


def test_strangers_elsewhere_do_not_lock_a_person_out(ada: Account) -> None:
    for number in range(services.FREE_FAILURES * 3):
        address = f"192.0.2.{number}"
        services.check_password(name="ada", password="wrong", address=address)
    found = services.check_password(name="ada", password=GOOD, address="198.51.100.7")
    assert found == ada


def test_a_failed_login_keeps_no_name(client: Client) -> None:
    services.check_password(name="my password", password="x", address="192.0.2.1")
    del client
    assert "my password" not in str(FailedLogin.objects.values().get())


def test_an_account_that_was_switched_off_stays_out(client: Client, ada: Account) -> None:
    ada.is_active = False
    ada.save()
    assert fill_in(client, "/login/", name="ada", password=GOOD).status_code == 422


def test_a_new_password_ends_other_sessions(staff_client: Client, ada: Account) -> None:
    other = Client()
    other.force_login(ada)
    fresh = "another seven words nobody knows"
    fields = {"old": GOOD, "password": fresh, "again": fresh}
    assert staff_client.post("/account/", fields).status_code == 302
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
    for path in ("/login/", "/logout/", "/tokens/", "/account/", "/products/+add/"):
        answer = client.post(path, {"name": "x"})
        assert answer.status_code == 403, path
        assert b"form-outdated" in answer.content
    cross = client.post("/tokens/", {"name": "x"}, headers={"Origin": "https://evil.example"})
    assert cross.status_code == 403
    assert not ApiToken.objects.exists()
