"""A provider that lies, breaks or stands still lets nobody in."""

import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from django.conf import settings
from django.test import Client

from holdfast.accounts.hashing.slots import Slots
from holdfast.hub.config import OpenIdConfig
from holdfast.hub.errors import NoAccessError
from holdfast.hub.staff import openid
from holdfast.hub.staff.models import Account, Entry, Login
from tests.hub.doors import fill_in, token_in
from tests.hub.staff.attempts import app_of, code_of

pytestmark = pytest.mark.servers
KEY, OTHER_KEY = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
SECRET = "only for tests"


class Provider:
    """Speaks as it is told to, on a free port of this machine."""

    def __init__(self) -> None:
        self.nonce = ""
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {"kid": "one"}
        self.key: Any = KEY
        self.algorithm = "ES256"
        self.raw: dict[str, bytes] = {}
        self.info: dict[str, Any] = {}
        self.said: dict[str, Any] = {}
        self.stands_still = threading.Event()
        self.asked: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self)

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                provider.asked.append(self.rfile.read(length).decode())
                provider.answer(self)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.stands_still.set()
        self._server.shutdown()
        self._server.server_close()

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/info",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        } | self.said

    def id_token(self) -> str:
        claims = {
            "iss": self.issuer, "aud": "hub", "sub": "s-1", "exp": int(time.time()) + 60,
            "iat": int(time.time()), "nonce": self.nonce, "groups": ["hub-staff"],
            "preferred_username": "ada",
        } | self.claims  # fmt: skip
        return jwt.encode(claims, self.key, self.algorithm, headers=self.header)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        known: dict[str, Callable[[], object]] = {
            "/.well-known/openid-configuration": self.configuration,
            "/token": lambda: {"access_token": "a", "id_token": self.id_token()},
            "/keys": lambda: {
                "keys": [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
                         | {"kid": "one", "alg": "ES256"}]
            },
            "/info": lambda: {"sub": "s-1"} | self.info,
        }  # fmt: skip
        if path in self.raw and self.raw[path] == b"...":
            self.stands_still.wait(20)
            return
        content = self.raw.get(path) or json.dumps(known[path]()).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


@pytest.fixture
def provider(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    del db
    made = Provider()
    (tmp_path / "secret").write_text(SECRET)
    told = OpenIdConfig(
        name="corp", issuer=made.issuer, client_id="hub", secret_file=tmp_path / "secret",
        role_claim="groups", staff=("hub-staff",),
    )  # fmt: skip
    monkeypatch.setattr(settings, "HUB", replace(settings.HUB, openid=(told,)))
    monkeypatch.setattr(settings, "SOCIALACCOUNT_REQUESTS_TIMEOUT", 0.5)
    yield made
    made.close()


def depart(client: Client, provider: Provider) -> str:
    """Set out to the provider as a browser does; gives the `state`."""
    token = token_in(client.get("/login/").content.decode())
    answer = client.post("/login/with/corp/?next=/trail/", {"csrfmiddlewaretoken": token})
    assert answer.status_code == 200, answer.content.decode()
    return state_of(answer.content.decode(), provider)


def state_of(page: str, provider: Provider) -> str:
    """Follow the page that leads to the provider."""
    target = page.partition('content="0;url=')[2].partition('"')[0].replace("&amp;", "&")
    asked = parse_qs(urlsplit(target).query)
    assert target.startswith(f"{provider.issuer}/authorize?")
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://127.0.0.1:8000/login/with/corp/callback/"]
    provider.nonce = asked["nonce"][0]
    return asked["state"][0]


def come_back(client: Client, state: str, **more: str) -> Any:  # noqa: ANN401 - test response
    return client.get("/login/with/corp/callback/", {"code": "c", "state": state, **more})


def test_an_honest_provider_is_believed(client: Client, provider: Provider) -> None:
    answer = come_back(client, depart(client, provider))
    assert answer.headers["Location"] == "/trail/"
    account = Account.objects.get()
    assert (account.name, account.origin) == ("ada@corp", "openid")
    assert Login.objects.get().how == "corp"
    assert client.get("/").status_code == 200
    assert "code_verifier=" in provider.asked[0]
    # The same person under another name is the same person.
    client.post("/logout/", {"csrfmiddlewaretoken": token_in(client.get("/").content.decode())})
    provider.claims["preferred_username"] = "eve"
    come_back(client, depart(client, provider))
    assert Account.objects.count() == 1


def test_with_a_second_factor_the_yes_of_the_provider_is_half_a_proof(
    client: Client, provider: Provider
) -> None:
    come_back(client, depart(client, provider))
    account = Account.objects.get()
    seed = app_of(account)
    client.force_login(Account.objects.get())
    code = code_of(seed)
    # A code in the place of the provider's yes is nothing, and is not even asked for.
    page = client.get("/confirm/?next=/tokens/").content.decode()
    assert "Log in with corp once more" in page
    assert 'name="code"' not in page
    sent = {"csrfmiddlewaretoken": token_in(page)}
    for form in ({"code": code}, {"password": "x", "code": code}, {"x": "y"}):
        assert client.post("/confirm/?next=/tokens/", {**sent, **form}).status_code == 422
    assert client.get("/tokens/").status_code == 302
    provider.claims["auth_time"] = int(time.time())
    answer = client.post("/confirm/provider/?next=/tokens/", sent)
    state = state_of(answer.content.decode(), provider)
    answer = come_back(client, state)
    assert answer.headers["Location"] == "/confirm/?next=%2Ftokens%2F"
    assert client.get("/tokens/").status_code == 302
    right = fill_in(client, "/confirm/?next=/tokens/", code=code)
    assert right.headers["Location"] == "/tokens/"
    assert client.get("/tokens/").status_code == 200


def test_a_login_the_provider_remembered_is_no_proof_with_a_code_either(
    client: Client, provider: Provider
) -> None:
    come_back(client, depart(client, provider))
    seed = app_of(Account.objects.get())
    client.cookies.clear()
    assert come_back(client, depart(client, provider)).headers["Location"] == "/login/second/"
    answer = fill_in(client, "/login/second/", code=code_of(seed))
    assert answer.headers["Location"] == "/trail/"
    assert client.get("/tokens/").headers["Location"].startswith("/confirm/")


def unsigned(provider: Provider) -> None:
    def token() -> str:
        parts = [{"alg": "none", "kid": "one"}, {"sub": "s-1", "nonce": provider.nonce}]
        encoded = [urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts]
        return ".".join((*encoded, ""))

    provider.id_token = token  # type: ignore[method-assign]  # a lying provider


def symmetric(provider: Provider) -> None:
    provider.key, provider.algorithm = "x" * 40, "HS256"


LIES: dict[str, Callable[[Provider], object]] = {
    "another nonce": lambda p: p.claims.update(nonce="x"),
    "no nonce": lambda p: p.claims.update(nonce=None),
    "another audience": lambda p: p.claims.update(aud="other"),
    "another issuer in the token": lambda p: p.claims.update(iss="https://evil.example"),
    "another issuer": lambda p: p.said.update(issuer="https://evil.example"),
    "a token that has expired": lambda p: p.claims.update(exp=1),
    "a token without an end": lambda p: p.claims.update(exp=None),
    "another key": lambda p: setattr(p, "key", OTHER_KEY),
    "an unknown key id": lambda p: p.header.update(kid="two"),
    "no key id": lambda p: p.header.pop("kid"),
    "no signature": unsigned,
    "a symmetric signature": symmetric,
    "user info of another": lambda p: p.info.update(sub="s-2"),
    "no user": lambda p: p.claims.update(sub=None),
    "a user that is a list": lambda p: p.claims.update(sub=["s-1"]),
    "a very long user": lambda p: (p.claims.update(sub="x" * 300), p.info.update(sub="x" * 300)),
    "no JSON": lambda p: p.raw.update({"/token": b"<html>"}),
    "a list": lambda p: p.raw.update({"/token": b"[1]"}),
    "no ID token": lambda p: p.raw.update({"/token": b'{"access_token": "a"}'}),
    "user info that is a list": lambda p: p.raw.update({"/info": b"[]"}),
    "keys that are none": lambda p: p.raw.update({"/keys": b'{"keys": [1]}'}),
    "keys that stand still": lambda p: p.raw.update({"/keys": b"..."}),
    "a token that stands still": lambda p: p.raw.update({"/token": b"..."}),
    "deep JSON": lambda p: p.raw.update({"/token": b"[" * 50_000}),
}  # fmt: skip


@pytest.mark.parametrize("lie", list(LIES))
def test_a_lie_lets_nobody_in(client: Client, provider: Provider, lie: str) -> None:
    state = depart(client, provider)
    LIES[lie](provider)
    begun = time.monotonic()
    answer = come_back(client, state)
    assert time.monotonic() - begun < 5
    assert answer.status_code in {403, 502}, answer.content.decode()
    assert b"That did not work" in answer.content
    assert SECRET not in answer.content.decode()
    assert not Account.objects.exists()
    assert client.get("/").status_code == 302


@pytest.mark.parametrize(
    "groups", [[], None, "staff", ["hub-staff2"], {"hub-staff": 1}, [["hub-staff"]], 7]
)
def test_without_a_role_nobody_gets_in(client: Client, provider: Provider, groups: object) -> None:
    provider.claims["groups"] = groups
    answer = come_back(client, depart(client, provider))
    assert answer.status_code == 403
    assert "not staff of this hub" in answer.content.decode()
    assert not Account.objects.exists()
    assert Entry.objects.get().what == "account.had_no_role"


def test_who_lost_the_role_is_out_at_the_next_login(client: Client, provider: Provider) -> None:
    come_back(client, depart(client, provider))
    client.cookies.clear()
    provider.claims["groups"] = ["everybody"]
    assert come_back(client, depart(client, provider)).status_code == 403


def test_an_answer_is_good_once_and_for_its_own_browser(client: Client, provider: Provider) -> None:
    state = depart(client, provider)
    assert come_back(Client(), state).status_code == 502
    assert come_back(client, state).status_code == 302
    client.cookies.clear()
    assert come_back(client, state).status_code == 502


@pytest.mark.parametrize("error", ["access_denied", "server_error", "x" * 5000, "<script>"])
def test_a_refusal_there_is_told_here(client: Client, provider: Provider, error: str) -> None:
    answer = client.get(
        "/login/with/corp/callback/", {"error": error, "state": depart(client, provider)}
    )
    assert answer.status_code == 502
    assert "<script>" not in answer.content.decode()


def test_a_provider_that_is_away_is_told(client: Client, provider: Provider) -> None:
    provider.close()
    token = token_in(client.get("/login/").content.decode())
    answer = client.post("/login/with/corp/", {"csrfmiddlewaretoken": token})
    assert answer.status_code == 502
    assert "cannot be reached" in answer.content.decode()


@pytest.mark.parametrize("name", ["a\x00b", "\u202eada", "x" * 300, "a@b@c", "", None, 5, ["x"]])
def test_odd_names_become_plain_ones(provider: Provider, name: object) -> None:
    del provider
    claims = {"id_token": {"sub": "s-1", "groups": "hub-staff", "preferred_username": name}}
    account = openid.account_of("corp", claims)
    assert account.name.endswith("@corp")
    assert account.name.isprintable()
    assert account.name.count("@") == 1
    assert len(account.name) <= 128
    other = openid.account_of("corp", {"id_token": claims["id_token"] | {"sub": "s-2"}})
    assert other.name != account.name


def test_an_account_that_was_switched_off_stays_out(provider: Provider) -> None:
    del provider
    claims = {"id_token": {"sub": "s-1", "groups": "hub-staff"}}
    account = openid.account_of("corp", claims)
    account.is_active = False
    account.save()
    with pytest.raises(NoAccessError):
        openid.account_of("corp", claims)


def test_a_provider_that_stands_still_takes_few_threads_of_the_hub(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers may begin as many logins as they like; the pages must go on for everybody else."""
    provider.raw["/.well-known/openid-configuration"] = b"..."
    places = Slots(1, wait_s=0.01, most_waiting=0)
    monkeypatch.setattr(openid, "_asked", places)
    token = token_in(client.get("/login/").content.decode())
    with places.taken():
        answer = client.post("/login/with/corp/", {"csrfmiddlewaretoken": token})
    assert answer.status_code == 502
    assert "too many are on their way" in answer.content.decode()
    assert (
        "cannot be reached"
        in client.post("/login/with/corp/", {"csrfmiddlewaretoken": token}).content.decode()
    ), "and the place is free again"


def test_who_has_no_role_cannot_fill_the_trail(client: Client, provider: Provider) -> None:
    provider.claims["groups"] = []
    for _try in range(3):
        assert come_back(client, depart(client, provider)).status_code == 403
    assert Entry.objects.count() == 1
