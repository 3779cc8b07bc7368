"""Showing it again before something dangerous: with a second factor a password is half a proof."""

from pathlib import Path

import pytest
from django.test import Client

from holdfast.hub.moments import MINUTE_MS
from holdfast.hub.staff import factors
from holdfast.hub.staff.models import Account, Entry
from tests.hub.doors import fill_in, token_in
from tests.hub.staff.attempts import app_of, code_of, forget_failures

GOOD = "seven plain words nobody would guess"
FRESH = "another seven words nobody knows"
WHERE = "/confirm/?next=/tokens/"


@pytest.fixture
def seed(ada: Account, client: Client) -> bytes:
    """Log ada in, who has an app, and let ten minutes pass."""
    seed = app_of(ada)
    client.force_login(Account.objects.get(pk=ada.pk))
    session = client.session
    session["proved_ms"] = session.get("born_ms", 0) - 11 * MINUTE_MS
    session.save()
    return seed


def test_both_are_asked_for(seed: bytes, client: Client) -> None:
    code = code_of(seed)
    for half in ({"password": GOOD}, {"code": code}, {"password": GOOD, "code": ""}, {}):
        assert fill_in(client, WHERE, **half).status_code == 422, half
        assert client.get("/tokens/").status_code == 302
    for wrong in ({"password": "x", "code": code}, {"password": GOOD, "code": "000000"}):
        refused = fill_in(client, WHERE, **wrong)
        assert refused.status_code == 422, wrong
        assert "This is not right." in refused.content.decode()
    assert not Entry.objects.filter(what="account.confirmed").exists()
    # A code beside a wrong password was not used up.
    right = fill_in(client, WHERE, password=GOOD, code=code)
    assert right.headers["Location"] == "/tokens/"
    assert client.get("/tokens/").status_code == 200


def test_a_code_is_not_tried_for_who_does_not_know_the_password(
    seed: bytes, client: Client, ada: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    del seed, ada
    tried: list[object] = []
    monkeypatch.setattr(factors, "use_code", lambda *args, **_: tried.append(args))
    fill_in(client, WHERE, password="x", code="123456")
    assert not tried


def test_a_recovery_code_stands_in_for_the_app(seed: bytes, client: Client, ada: Account) -> None:
    del seed
    code = factors.new_codes(ada)[0]
    right = fill_in(client, WHERE, password=GOOD, code=code)
    assert right.headers["Location"] == "/tokens/"
    assert factors.of(ada).codes_left == 9


def test_a_new_password_needs_the_factor_as_well(seed: bytes, client: Client) -> None:
    """Otherwise it would be a way round: who changes the password has shown who it is."""
    asked = client.get("/account/password/")
    assert asked.headers["Location"] == "/confirm/?next=%2Faccount%2Fpassword%2F"
    form = {"old": GOOD, "password": FRESH, "again": FRESH}
    token = token_in(client.get(WHERE).content.decode())
    sent = client.post("/account/password/", {**form, "csrfmiddlewaretoken": token})
    assert sent.headers["Location"].startswith("/confirm/")
    fill_in(client, "/confirm/?next=/account/password/", password=GOOD, code=code_of(seed))
    assert fill_in(client, "/account/password/", **form).headers["Location"] == "/account/"


def test_the_old_password_alone_makes_a_half_proof_no_longer(seed: bytes, client: Client) -> None:
    fill_in(client, WHERE, password=GOOD, code=code_of(seed))
    session = client.session
    session["proved_ms"] -= 9 * MINUTE_MS
    session.save()
    proved_ms = session["proved_ms"]
    form = {"old": GOOD, "password": FRESH, "again": FRESH}
    assert fill_in(client, "/account/password/", **form).status_code == 302
    assert client.session["proved_ms"] == proved_ms


def test_without_a_factor_the_password_is_enough(db: Path, ada: Account, client: Client) -> None:
    del db
    client.force_login(ada)
    assert 'name="code"' not in client.get(WHERE).content.decode()
    forget_failures()
    assert fill_in(client, WHERE, password=GOOD).headers["Location"] == "/tokens/"
