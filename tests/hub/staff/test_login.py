"""Logging in: the brake, known browsers, sessions, showing it again, the log, the mail."""

import threading
import time
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from holdfast.accounts import throttle
from holdfast.accounts.errors import ThrottledError
from holdfast.hub.moments import HOUR_MS, MINUTE_MS
from holdfast.hub.staff import arrival, brake, entrance, jobs, known, services
from holdfast.hub.staff.models import Account, Brake, Browser, Entry, Login, Notice, NoticeState
from tests.hub.doors import fill_in, prove, token_in
from tests.hub.staff.attempts import Clock, enter, forget_failures

GOOD = "seven plain words nobody would guess"


@pytest.fixture
def clock(clock: Clock) -> Clock:
    """After a start all strangers together wait for a moment; here it is over."""
    assert enter("nobody", "x") is None
    clock.now_s += 10 * throttle.ALL_EVERY_S
    return clock


def test_guessing_is_slowed_down(client: Client, ada: Account, clock: Clock) -> None:
    del ada
    for _attempt in range(throttle.FREE_FAILURES):
        assert fill_in(client, "/login/", name="ada", password="wrong").status_code == 422
        clock.now_s += 0.1
    answer = fill_in(client, "/login/", name="ada", password=GOOD)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert b"Wait" in answer.content
    clock.now_s += 2
    assert fill_in(client, "/login/", name="ada", password=GOOD).status_code == 302


def test_a_restart_makes_no_wait_shorter(ada: Account, clock: Clock) -> None:
    del ada
    for _attempt in range(8):
        clock.now_s += 100
        assert enter("ada", "wrong") is None
    brake.forget()
    with pytest.raises(ThrottledError) as caught:
        enter("ada", GOOD)
    assert caught.value.wait_s >= 30


def test_damaged_counts_make_the_brake_strict(ada: Account, clock: Clock) -> None:
    del ada
    assert enter("ada", "wrong") is None
    for damage in ("", "{", "[]", '{"schema": 1}', "[" * 5000):
        Brake.objects.update(counts=damage, version=damage[:16])
        with pytest.raises(ThrottledError):
            enter("ada", GOOD)
    clock.now_s += 1000
    assert enter("ada", GOOD) is not None


@pytest.mark.slow
def test_a_day_of_guessing_gives_few_guesses_and_the_owner_still_gets_in(
    client: Client, ada: Account, clock: Clock
) -> None:
    """A botnet tries without pause; ada logs in from her own browser every six hours."""
    assert fill_in(client, "/login/", name="ada", password=GOOD).status_code == 302
    cookie = client.cookies[known.cookie_name()].value
    heard = failed_owner = 0
    end = clock.now_s + 24 * 3600
    number, next_login = 0, clock.now_s
    while clock.now_s < end:
        number += 1
        try:
            assert enter("ada", f"guess {number}", f"203.0.113.{number % 250}") is None
            heard += 1
        except ThrottledError as error:
            clock.now_s += min(error.wait_s, 900)
        if clock.now_s >= next_login:
            next_login += 6 * 3600
            failed_owner += enter("ada", GOOD, "192.0.2.1", cookie) != ada
    assert heard <= 100
    assert not failed_owner


@pytest.mark.slow
def test_after_a_hundred_only_known_browsers_and_unlocking_help(
    client: Client, ada: Account, clock: Clock
) -> None:
    fill_in(client, "/login/", name="ada", password=GOOD)
    cookie = client.cookies[known.cookie_name()].value
    for number in range(throttle.MOST_IN_A_ROW):
        clock.now_s += 2 * 3600
        assert enter("ada", f"guess {number}") is None
    clock.now_s += 24 * 3600
    with pytest.raises(ThrottledError) as caught:
        enter("ada", GOOD)
    assert "passkey" in caught.value.hint
    assert enter("ada", GOOD, cookie=cookie) == ada
    del ada


@pytest.mark.parametrize("cookie", ["", "x", "1.2.3", "1." + "0" * 32 + ".99999999999." + "0" * 64])
def test_a_cookie_that_was_not_made_here_makes_nobody_known(ada: Account, cookie: str) -> None:
    Browser.objects.create(account=ada, cookie_id="0" * 32, made_ms=1, seen_ms=1)
    assert not known.id_for(cookie, "ada")


def test_the_cookie_of_one_account_is_nothing_for_another(ada: Account) -> None:
    bob = services.add_account("bob", GOOD + " too", by="ada")
    cookie = known.remember(ada, "")
    assert known.id_for(cookie, "ada")
    assert not known.id_for(cookie, "bob")
    services.end_sessions(ada, by="ada")
    assert not known.id_for(cookie, "ada")
    for _browser in range(20):
        known.remember(bob, "")
    assert bob.browsers.count() == 8


def test_one_try_at_a_time_for_an_account(ada: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty at once would otherwise all be heard before the first has failed."""
    del ada
    inside, go_on = threading.Event(), threading.Event()
    heard: list[object] = []

    def slow(attempt: object) -> None:
        inside.set()
        go_on.wait(10)
        heard.append(attempt)

    monkeypatch.setattr(entrance, "_asked", slow)

    def attempt() -> None:
        from django.db import connection  # noqa: PLC0415 - of this thread

        enter("ada", "wrong")
        connection.close()

    first = threading.Thread(target=attempt)
    first.start()
    assert inside.wait(10)
    for _try in range(30):
        with pytest.raises(ThrottledError):
            enter("ada", "wrong", "203.0.113.9")
    go_on.set()
    first.join(10)
    assert len(heard) == 1


@pytest.mark.slow
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.text(max_size=80), password=st.text(max_size=300))
def test_whatever_is_typed_is_an_answer(ada: Account, name: str, password: str) -> None:
    forget_failures()
    with suppress(ThrottledError):
        assert enter(name, password) in {None, ada}


@pytest.mark.parametrize(
    "bad", ["\0", "\ud800", "\x1b[2J", "\u202e", "x" * 257, "\U0001d4b3" * 257]
)
def test_odd_names_and_passwords_are_wrong_and_no_fault(
    client: Client, ada: Account, bad: str
) -> None:
    del ada
    sendable = bad.encode("utf-8", "replace").decode()
    for fields in ({"name": sendable, "password": "x"}, {"name": "ada", "password": sendable}):
        answer = fill_in(client, "/login/", **fields)
        assert answer.status_code in {422, 429}
    forget_failures()
    assert enter("ada", bad) is None


def test_an_unknown_name_costs_as_much_as_a_wrong_password(
    ada: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    monkeypatch.setattr(
        entrance, "check_password", lambda _password, stored: computed.append(stored)
    )
    del ada
    assert enter("nobody", "x") is None
    assert computed == [Account.objects.get().password]


# Sessions


def test_logging_in_gives_a_new_session_and_forgets_the_old(client: Client, ada: Account) -> None:
    del ada
    session = client.session
    session["planted"] = "x"
    session.save()
    before = session.session_key
    assert fill_in(client, "/login/", name="ada", password=GOOD).status_code == 302
    assert client.session.session_key != before
    assert "planted" not in client.session


@pytest.mark.parametrize(
    ("born_ago_ms", "seen_ago_ms", "lives"),
    [
        (MINUTE_MS, 0, True),
        (HOUR_MS, 14 * MINUTE_MS, True),
        (HOUR_MS, 16 * MINUTE_MS, False),
        (12 * HOUR_MS - MINUTE_MS, 0, True),
        (12 * HOUR_MS + MINUTE_MS, 0, False),
        (-HOUR_MS, 0, False),  # the clock went back by an hour
        (-2 * MINUTE_MS, -2 * MINUTE_MS, True),  # it was put right by a little
    ],
)
def test_sessions_end(
    staff_client: Client, born_ago_ms: int, seen_ago_ms: int, *, lives: bool
) -> None:
    at = int(time.time() * 1000)
    session = staff_client.session
    session.update({"born_ms": at - born_ago_ms, "seen_ms": at - seen_ago_ms})
    session.save()
    assert (staff_client.get("/").status_code == 200) is lives


def test_using_a_session_keeps_it(staff_client: Client) -> None:
    session = staff_client.session
    session["seen_ms"] -= 5 * MINUTE_MS
    session.save()
    before = session["seen_ms"]
    staff_client.get("/")
    assert staff_client.session["seen_ms"] > before


def test_a_page_that_loads_itself_again_keeps_no_session(staff_client: Client) -> None:
    session = staff_client.session
    session["seen_ms"] -= 5 * MINUTE_MS
    session.save()
    before = session["seen_ms"]
    staff_client.get("/", headers={"Sec-Fetch-Mode": "navigate"})
    assert staff_client.session["seen_ms"] == before
    staff_client.get("/", headers={"Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"})
    assert staff_client.session["seen_ms"] > before


def test_ending_all_sessions_leaves_this_one(staff_client: Client, ada: Account) -> None:
    other = Client()
    other.force_login(ada)
    assert staff_client.post("/account/sessions/end/").status_code == 302
    assert staff_client.get("/").status_code == 200
    assert other.get("/").status_code == 302


def test_switching_an_account_off_ends_its_sessions(staff_client: Client, ada: Account) -> None:
    bob = services.add_account("bob", GOOD + " too", by="ada")
    browser = Client()
    browser.force_login(bob)
    answer = staff_client.post(f"/accounts/{bob.pk}/", {"do": "off", "why": "left"})
    assert answer.status_code == 302
    assert browser.get("/").status_code == 302
    assert enter("bob", GOOD + " too") is None
    last = staff_client.post(f"/accounts/{ada.pk}/", {"do": "off", "why": "alone"})
    assert last.status_code == 403


def test_a_link_from_elsewhere_is_led_on(staff_client: Client) -> None:
    """With SameSite=Strict the first request comes without a session; the page loads itself."""
    answer = Client().get("/login/?next=/trail/", headers={"Sec-Fetch-Site": "cross-site"})
    assert 'content="0;url=/trail/"' in answer.content.decode()
    evil = Client().get("/login/?next=//evil.example", headers={"Sec-Fetch-Site": "cross-site"})
    assert "evil" not in evil.content.decode()
    del staff_client


# Showing it again


DANGEROUS = ["/tokens/", "/accounts/", "/central-login/", "/account/app/", "/account/passkey/"]


@pytest.mark.parametrize("path", DANGEROUS)
def test_dangerous_pages_ask_again_after_ten_minutes(
    client: Client, ada: Account, path: str
) -> None:
    client.force_login(ada)
    prove(client)
    assert client.get(path).status_code == 200
    session = client.session
    session["proved_ms"] -= 11 * MINUTE_MS
    session.save()
    answer = client.get(path)
    assert answer.status_code == 302
    where = answer.headers["Location"]
    assert where.startswith("/confirm/?next=")
    assert fill_in(client, where, password="wrong").status_code == 422
    right = fill_in(client, where, password=GOOD)
    assert right.headers["Location"] == path
    assert client.get(path).status_code == 200
    assert Entry.objects.filter(what="account.confirmed").exists()


def test_a_stolen_session_cannot_make_tokens(ada: Account) -> None:
    thief = Client()
    thief.force_login(ada)
    for path in ("/tokens/", "/accounts/invite/", "/account/email/", "/account/codes/"):
        answer = thief.post(path, {"name": "mine", "email": "eve@example.com"})
        assert answer.headers["Location"].startswith("/confirm/"), path
    ada.refresh_from_db()
    assert not ada.email


# The log and the mail


@pytest.mark.slow
def test_everybody_sees_who_got_in_and_who_tried(staff_client: Client, ada: Account) -> None:
    brake.forget()
    enter("ada", "wrong", "203.0.113.5")
    page = staff_client.get("/account/").content.decode()
    assert "203.0.113.5" in page
    assert "refused" in page
    for number in range(400):
        Login.objects.create(account=ada, at_ms=number, address="x", how="p", success=False)
    forget_failures()
    enter("ada", "wrong", "203.0.113.6")
    assert Login.objects.filter(account=ada, success=False).count() <= 100


def test_a_login_from_a_new_source_is_mailed(
    ada: Account, mail_folder: Path, client: Client
) -> None:
    services.change_email(ada, "ada@example.com")
    assert fill_in(client, "/login/", name="ada", password=GOOD).status_code == 302
    assert not Notice.objects.exists()  # the first login of all is no news
    other = Client(REMOTE_ADDR="203.0.113.77", enforce_csrf_checks=True)
    assert fill_in(other, "/login/", name="ada", password=GOOD).status_code == 302
    notice = Notice.objects.get()
    jobs.send.func(notice.pk)
    (file,) = mail_folder.iterdir()
    mail = message_from_bytes(file.read_bytes())
    assert mail["To"] == "ada@example.com"
    text = mail.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert b"203.0.113.77" in text
    notice.refresh_from_db()
    assert notice.state == NoticeState.SENT
    # The same browser is no news, wherever it is.
    other.post("/logout/")
    moved = Client(REMOTE_ADDR="203.0.113.78", enforce_csrf_checks=True)
    moved.cookies[known.cookie_name()] = other.cookies[known.cookie_name()].value
    assert fill_in(moved, "/login/", name="ada", password=GOOD).status_code == 302
    assert Notice.objects.count() == 1


def test_a_mail_that_may_have_left_is_not_sent_again(ada: Account, mail_folder: Path) -> None:
    login = Login.objects.create(account=ada, at_ms=1, address="x", how="p", success=True)
    notice = Notice.objects.create(login=login, created_ms=1, state=NoticeState.HANDED_OVER)
    jobs.recover()
    jobs.send.func(notice.pk)
    notice.refresh_from_db()
    assert notice.state == NoticeState.UNKNOWN
    assert not mail_folder.exists()


def test_a_login_that_is_begun_lives_for_minutes(
    client: Client, ada: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fill_post(client, "/login/", "/login/passkey/").status_code == 200
    left = Session.objects.get().expire_date - timezone.now()
    assert left <= timedelta(minutes=10)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert fill_post(Client(), "/login/", "/login/passkey/").status_code == 200
    assert Session.objects.count() == 1
    inside = Client()
    inside.force_login(ada)
    monkeypatch.setattr(arrival, "MOST_BEGUN", 2)
    monkeypatch.setattr(arrival, "_SOME", 0)
    for _stranger in range(5):
        assert fill_post(Client(), "/login/", "/login/passkey/").status_code == 200
    # The newest can go on, and who is logged in does not notice.
    assert Session.objects.count() == 3
    assert inside.get("/account/").status_code == 200


def fill_post(client: Client, page: str, path: str, **fields: str) -> Any:  # noqa: ANN401
    token = token_in(client.get(page).content.decode())
    return client.post(path, {**fields, "csrfmiddlewaretoken": token})


def test_anonymous_visitors_leave_no_session_behind(client: Client, ada: Account) -> None:
    del ada
    for _visit in range(3):
        client.get("/login/")
        fill_in(client, "/login/", name="nobody", password="x")
    assert not Session.objects.exists()
    assert settings.SESSION_COOKIE_SAMESITE == "Strict"
