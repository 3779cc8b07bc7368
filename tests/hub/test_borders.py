"""Who gets past which door: logins, forms of strangers, sessions, long bodies, hostile text."""

import inspect
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from holdfast.hub.config import HubConfig
from holdfast.hub.fleet.events import handle_events
from holdfast.hub.fleet.models import Device, Event
from holdfast.hub.fleet.services import offer
from holdfast.hub.releases.models import Release
from holdfast.hub.staff import visitors
from holdfast.hub.staff.models import ApiToken, Entry

PASSWORD = "seven plain words nobody would guess"
STRANGERS = {
    "staff:login",
    "staff:second",
    "staff:second-passkey",
    "staff:passkey",
    "staff:openid",
    "staff:openid-callback",
    "staff:setup",
    "owners:confirm",
    "owners:unsubscribe",
    "api:online-keys",
}
"""What everybody may open; every other address asks for a login or an API token."""

WITH_TOKEN = {"api:upload", "api:publish", "api:lists", "api:judgement"}
WITHOUT_FORM = {
    "owners:confirm", "owners:unsubscribe", "api:online-keys",
} | WITH_TOKEN  # fmt: skip
"""What takes a POST that no page of the hub made: the token in it is the whole permission."""


def addresses() -> dict[str, str]:
    """List every address by its name, with made-up parts in the place of its parameters."""
    found: dict[str, str] = {}

    def walk(patterns: list[URLPattern | URLResolver], app: str, prefix: str) -> None:
        for pattern in patterns:
            whole = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                walk(pattern.url_patterns, str(pattern.app_name or app), whole)
            else:
                path = re.sub(r"<int:\w+>", "1", re.sub(r"<(?!int)[^>]+>", "x", whole))
                assert pattern.name, f"/{path} has no name"
                found[f"{app}:{pattern.name}"] = f"/{path}"

    walk(get_resolver().url_patterns, "", "")
    return found


STAFF = sorted(addresses().keys() - STRANGERS - WITH_TOKEN)


def test_the_open_doors_are_the_named_ones() -> None:
    assert addresses().keys() >= STRANGERS | WITH_TOKEN
    assert len(STAFF) >= 20


@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "options"])
def test_a_stranger_is_sent_to_the_login(db: Path, method: str) -> None:
    del db
    # A form that is in order, so that only the login is missing.
    stranger = Client(enforce_csrf_checks=False)
    for name in STAFF:
        answer = getattr(stranger, method)(addresses()[name])
        assert answer.status_code == 302, (name, answer.status_code)
        assert answer.headers["Location"].startswith("/login/?next=/"), name


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_forms_of_strangers_are_refused(ada: object, method: str) -> None:
    victim = Client(enforce_csrf_checks=True)
    victim.force_login(ada)  # type: ignore[arg-type]  # the fixture is not typed here
    before = Entry.objects.count()
    for name, path in addresses().items():
        if name in WITHOUT_FORM:
            continue
        answer = getattr(victim, method)(path, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403, (name, answer.status_code)
        assert b"form-outdated" in answer.content, name
    assert Entry.objects.count() == before


def test_a_cookie_opens_no_door_for_programs(staff_client: Client) -> None:
    for name in WITH_TOKEN:
        for method in ("get", "post", "put", "head"):
            answer = getattr(staff_client, method)(addresses()[name])
            assert answer.status_code in {401, 405}, name


def test_a_token_opens_no_page(client: Client, token: str) -> None:
    for name in STAFF:
        answer = client.get(addresses()[name], headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 302, name


# Sessions


def log_in(client: Client) -> None:
    page = client.get("/login/")
    found = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.content)
    assert found
    form = {"csrfmiddlewaretoken": found[1].decode(), "name": "ada", "password": PASSWORD}
    assert client.post("/login/", form).status_code == 302


def test_a_session_that_somebody_planted_is_not_the_one_of_the_login(
    client: Client, ada: object
) -> None:
    del ada
    client.cookies[settings.SESSION_COOKIE_NAME] = "planted-by-somebody-else-00000"
    log_in(client)
    session = client.cookies[settings.SESSION_COOKIE_NAME]
    assert session.value != "planted-by-somebody-else-00000"
    assert (session["httponly"], session["samesite"], session["path"]) == (True, "Strict", "/")
    assert int(session["max-age"]) <= 12 * 3600


def test_a_logout_ends_the_session_on_the_hub_too(staff_client: Client) -> None:
    key = staff_client.cookies[settings.SESSION_COOKIE_NAME].value
    assert staff_client.get("/account/").status_code == 200
    staff_client.post("/logout/")
    again = Client()
    again.cookies[settings.SESSION_COOKIE_NAME] = key
    assert again.get("/account/").status_code == 302
    assert not Session.objects.exists()


def test_who_stole_the_tables_has_nobodys_session(staff_client: Client) -> None:
    assert staff_client.get("/account/").status_code == 200
    (stolen,) = Session.objects.values_list("session_key", flat=True)
    assert stolen != staff_client.cookies[settings.SESSION_COOKIE_NAME].value
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = stolen
    assert thief.get("/account/").status_code == 302


@pytest.mark.parametrize(
    ("public_url", "peer", "forwarded", "found"),
    [
        ("https://hub.example.com", "127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("https://hub.example.com", "127.0.0.1", "10.0.0.1, 203.0.113.7", "203.0.113.7"),
        ("https://hub.example.com", "::1", "2001:db8::1", "2001:db8::1"),
        ("https://hub.example.com", "127.0.0.1", "", "127.0.0.1"),
        ("https://hub.example.com", "127.0.0.1", "<b>", "127.0.0.1"),
        ("https://hub.example.com", "198.51.100.2", "203.0.113.7", "198.51.100.2"),
        ("", "127.0.0.1", "203.0.113.7", "127.0.0.1"),
    ],
)
def test_only_a_proxy_is_believed_about_addresses(
    monkeypatch: pytest.MonkeyPatch, public_url: str, peer: str, forwarded: str, found: str
) -> None:
    monkeypatch.setattr(settings, "HUB", replace(settings.HUB, public_url=public_url))
    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)
    assert visitors.address_of(request) == found


# Long bodies


@pytest.mark.parametrize("path", ["/login/", "/o/u/x", "/products/+add/", "/nothing"])
def test_a_form_that_is_too_long_is_not_even_read(client: Client, path: str) -> None:
    answer = client.generic("POST", path, b"", CONTENT_LENGTH=str(1 << 40))
    assert answer.status_code == 413
    assert b"too-large" in answer.content
    assert answer.headers["Content-Security-Policy"]


# Hostile text

OWN_SCRIPT = re.compile(
    r'<script src="/static/[a-z/-]+\.js" defer></script>'
    r'|<script id="passkey-options" type="application/json">[^<]*</script>'
)
"""Of our own address, or text that nothing runs; nothing else is allowed by the policy either."""

EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{7*7}}{% now %}"


def pages(client: Client) -> Iterator[tuple[str, str]]:
    for name, path in addresses().items():
        if name in WITH_TOKEN:
            continue
        answer = client.get(path.replace("/x/", "/home-gateway/"))
        if "html" in answer.headers["Content-Type"]:
            yield name, answer.content.decode()


def test_text_of_devices_and_releases_never_becomes_markup(
    staff_client: Client, device: Device, release: Callable[..., Release]
) -> None:
    offer(release("1.1", notes=EVIL, fixes=[EVIL], severity="high"), by="ada")
    said: list[tuple[str, object]] = [
        ("attributes", {"data": {EVIL[:60]: EVIL, "holdfast.version": EVIL}}),
        ("attributes", {"data": {"holdfast.version": "1.0", "holdfast.hardware": EVIL}}),
        ("feedback", {"execution": EVIL, "finished": EVIL, "details": [EVIL]}),
        ("feedback", {"execution": "proceeding", "finished": "none", "details": [EVIL]}),
        ("feedback", {"execution": "closed", "finished": "failure", "details": [EVIL]}),
        ("owner-address", {"action": "subscribe", "address": EVIL + "@example.com"}),
        ("cancel-feedback", {"execution": "rejected", "details": [EVIL]}),
        (EVIL, {}),
    ]
    number = device.offers.get().pk
    for kind, body in said:
        text = json.dumps(body)
        Event.objects.create(device_id=device.pk, offer_id=number, kind=kind, body=text, at_ms=1)
    assert handle_events() == len(said)
    shown = 0
    for name, text in pages(staff_client):
        assert "<script" not in OWN_SCRIPT.sub("", text), name
        assert "<img src=x" not in text, name
        assert "49" not in re.findall(r"`(\d+)\{", text), name
        shown += text.count("&lt;script&gt;alert(1)")
    assert shown >= 5


# The audit trail

WRITES_OF_NOBODY = {
    "staff": {"record", "accept_token"},
    "products": set(),
    "releases": {"recover", "enter"},
    "fleet": set(),
    # What owners do stands in their device's history: the trail is about the maker's people.
    "owners": {"hear", "confirm", "unsubscribe", "announce", "forget_unconfirmed",
               "forget_device", "call_off"},
}  # fmt: skip
"""Writes by no person of the maker: by owners, by the hub itself, or before anybody is known."""

READS = {
    "staff": {"open_setup_link", "must_be_plain_name", "must_be_free_name", "must_be_local"},
    "products": set(),
    "releases": {"online_keys", "repository", "uploads"},
    "fleet": {"digest", "must_be_new", "misfit"},
    "owners": {"pending_or_active", "mail_of"},
}


@pytest.mark.parametrize("app", sorted(READS))
def test_every_write_of_a_person_is_recorded(app: str) -> None:
    services: ModuleType = import_module(f"holdfast.hub.{app}.services")
    own = {
        name: inspect.getsource(function)
        for name, function in inspect.getmembers(services, inspect.isfunction)
        if inspect.unwrap(function).__module__ == services.__name__
    }
    recording = {name for name, source in own.items() if re.search(r"\brecord\(", source)}
    for _round in own:
        recording |= {
            name
            for name, source in own.items()
            if any(re.search(rf"\b{other}\(", source) for other in recording)
        }
    public = {name for name in own if not name.startswith("_")}
    silent = public - recording - READS[app] - WRITES_OF_NOBODY[app]
    assert not silent, f"{silent} write without a line in the audit trail, or are reads: say which"
    for name in recording & public - {"record", "recover"}:
        signature = inspect.signature(getattr(services, name))
        assert "by" in signature.parameters or app == "staff", f"{name} does not say who"


def test_the_name_of_the_hub_itself_is_nobodys(client: Client, db: Path) -> None:
    del db
    from holdfast.hub.staff import services  # noqa: PLC0415 - after Django has started

    link = services.make_setup_link().partition("8000")[2]
    found = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', client.get(link).content)
    assert found
    form = {"csrfmiddlewaretoken": found[1].decode(), "password": PASSWORD, "again": PASSWORD}
    assert client.post(link, form | {"name": "system"}).status_code == 422


def test_a_trail_that_is_gone_is_not_called_whole(ada: object) -> None:
    del ada
    from holdfast.hub.staff import trail  # noqa: PLC0415 - after Django has started

    trail.verify(settings.HUB.trail_head)
    with sqlite3.connect(settings.HUB.database) as thief:
        thief.execute("DROP TRIGGER staff_entry_no_delete")
        thief.execute("DELETE FROM staff_entry")
    thief.close()
    settings.HUB.trail_head.unlink()
    with pytest.raises(trail.TrailError, match="every entry is gone"):
        trail.verify(settings.HUB.trail_head)


def test_a_new_hub_knows_nobody_and_has_no_secret_of_the_factory(db: Path) -> None:
    hub = HubConfig()
    assert (hub.smtp, hub.mail_folder) == (None, None)
    with closing(sqlite3.connect(db / "hub.sqlite3")) as new:
        tables = [
            row[0] for row in new.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        filled = {
            table
            for table in tables
            if new.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608 - ours
        }
    # Django's own lists of what there is; neither accounts nor tokens nor addresses.
    assert filled <= {"django_migrations", "django_content_type", "auth_permission",
                      "sqlite_sequence"}  # fmt: skip


def test_tokens_are_kept_as_digests(token: str) -> None:
    raw = settings.HUB.database.read_bytes()
    assert token.encode() not in raw
    assert ApiToken.objects.get().token_sha256 not in token
