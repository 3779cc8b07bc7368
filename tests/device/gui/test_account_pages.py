"""Accounts in the pages, without a script: over real sockets, with the real auth behind them."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import base64
import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from holdfast.accounts import totp
from holdfast.device.broker import wire
from holdfast.device.gui.sessions import COOKIE
from tests.device.visiting import FORM, PASSWORD, Visitor

pytestmark = pytest.mark.servers

CODE = "7K2M-XQ4R-9TBC"
BETTER = "a lantern beside nine quiet otters"
DEVICE_COOKIE = "__Host-holdfast-device"
OWNERS_PAGES = (
    "/settings",
    "/restart",
    "/people",
    "/people/add",
    "/people/remove?name=ada",
    "/account/logins",
    "/central",
    "/central/server?protocol=ldap",
    "/central/group",
    "/central/methods",
    "/central/role",
    "/central/test",
)


def ask_auth(site: Any, verb: str, **args: Any) -> dict[str, Any]:
    return wire.call(site.folder / "run" / "auth.sock", verb, args, 30)


def codes_of(site: Any, *, app: bool = True) -> tuple[bytes, list[str]]:
    """Give ada an app and recovery codes, as its pages would."""
    if not app:
        return b"", ask_auth(site, "account.recovery", name="ada", password=PASSWORD)["codes"]
    address = ask_auth(site, "account.totp.begin", name="ada", password=PASSWORD)["address"]
    seed = base64.b32decode(parse_qs(urlsplit(address).query)["secret"][0])
    told = ask_auth(site, "account.totp.confirm", name="ada", code=code_of(seed))
    return seed, told["codes"]


def code_of(seed: bytes, *, later: int = 0) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=30 * later)
    return totp.code_at(seed, totp.step_at(moment))


def add(site: Any, name: str, role: str) -> None:
    site.auth._care.add(name=name, password=BETTER, role=role)


@pytest.fixture
def visitor(site: Any) -> Visitor:
    return Visitor(site.url, site.sha256)


def words_in(text: str) -> str:
    found = re.search(r"data-words>([^<]+)</p>", text)
    assert found, text
    return html.unescape(found.group(1))


def test_claim_with_the_suggestion(unclaimed: Any) -> None:
    visitor = Visitor(unclaimed.url, unclaimed.sha256)
    first = words_in(visitor.ask("GET", "/claim")[1])
    typed = {"code": CODE, "name": "ada", "password": "", "suggestion": first}
    status, text, _ = visitor.post("/claim", "/claim", do="another", **typed)
    second = words_in(text)
    assert status == 200
    assert second != first
    typed["suggestion"] = second
    _, text, _ = visitor.post("/claim", "/claim", do="take", **typed)
    assert f'value="{second}"' in text
    assert f'value="{CODE}"' in text
    typed["password"] = second
    status, _, found = visitor.post("/claim", "/claim", do="claim", **typed)
    assert (status, found["location"]) == (303, "/")
    assert {COOKIE, DEVICE_COOKIE} <= set(visitor.cookies)


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("short", "Too short: 5 of 15"),
        ("passwordpassword1", "password"),
        ("7K2MXQ4R9TBC-mine", "set-up code"),
        ("a\0bcdefghijklmnopq", "control character"),
        ("x" * 257, "256"),
        ("", "Too short"),
    ],
)
def test_a_bad_password_is_refused_with_its_reason(
    unclaimed: Any, password: str, told: str
) -> None:
    visitor = Visitor(unclaimed.url, unclaimed.sha256)
    status, text, _ = visitor.post("/claim", "/claim", code=CODE, name="ada", password=password)
    assert status == 422
    assert told in html.unescape(text)
    assert "Take it" in text
    assert not password or f'value="{html.escape(password)}"' not in text


@pytest.mark.parametrize("path", ["/nowhere", "/static/nothing", "/account/nowhere"])
def test_every_way_leads_to_the_claim_before_it(unclaimed: Any, path: str) -> None:
    visitor = Visitor(unclaimed.url, unclaimed.sha256)
    status, text, _ = visitor.ask("GET", path)
    assert status == 404
    assert 'href="/claim"' in text
    assert "Claim this device" in text
    assert "update page" not in text
    # A form of nowhere is refused, and leads there too.
    body = urlencode({"token": "none", "code": CODE, "name": "ada", "password": PASSWORD})
    status, text, _ = visitor.ask("POST", "/claim", body, Content_Type=FORM["Content-Type"])
    assert "update page" not in text
    assert 'href="/claim"' in text
    ask_auth(unclaimed, "account.claim", code=CODE, name="ada", password=PASSWORD)
    assert "Go to the update page" in visitor.ask("GET", path)[1]


def test_advice_before_and_after_the_claim(unclaimed: Any) -> None:
    visitor = Visitor(unclaimed.url, unclaimed.sha256)
    fields = {"name": "ada", "password": "lumenworkslumenworks"}
    status, text, _ = visitor.post("/password/check", "/claim", **fields)
    assert status == 200
    assert '"message":"' in text
    assert '"message":""' not in text
    _, text, _ = visitor.post("/password/check", "/claim", name="ada", password=BETTER)
    assert '"message":""' in text
    body = urlencode(fields)
    assert visitor.ask("POST", "/password/check", body, Content_Type=FORM["Content-Type"])[0] == 400
    ask_auth(unclaimed, "account.claim", code=CODE, name="ada", password=PASSWORD)
    stranger = Visitor(unclaimed.url, unclaimed.sha256)
    assert stranger.post("/password/check", "/login", **fields)[2]["location"] == "/login"


def test_the_device_cookie_is_kept_and_sent(site: Any, visitor: Visitor) -> None:
    _, _, found = visitor.post("/login", "/login", name="ada", password=PASSWORD)
    assert found
    known = visitor.cookies[DEVICE_COOKIE]
    visitor.post("/logout", "/account")
    assert visitor.cookies[DEVICE_COOKIE] == known
    visitor.log_in()
    assert visitor.cookies[DEVICE_COOKIE] == known
    # That of the claim, and this one: no third came with the second login.
    assert ask_auth(site, "account.list", page=0)["accounts"][0]["browsers"] == 2


def test_a_second_factor_is_asked_for(site: Any, visitor: Visitor) -> None:
    seed, codes = codes_of(site)
    status, _, found = visitor.post("/login", "/login", name="ada", password=PASSWORD)
    assert (status, found["location"]) == (303, "/login/second")
    assert COOKIE not in visitor.cookies
    assert visitor.ask("GET", "/")[2]["location"] == "/login"
    status, text, _ = visitor.post("/login/second", "/login/second", code="000000")
    assert status == 422
    assert "not right" in text
    code = code_of(seed, later=1)
    assert visitor.post("/login/second", "/login/second", code=code)[2]["location"] == "/"
    assert visitor.ask("GET", "/")[0] == 200
    assert "__Host-holdfast-pending" not in visitor.cookies
    visitor.post("/logout", "/account")
    visitor.post("/login", "/login", name="ada", password=PASSWORD)
    assert visitor.post("/login/second", "/login/second", code=codes[0])[2]["location"] == "/"


@pytest.mark.parametrize("code", ["", "\0", "9" * 5000, "☂" * 64, "12345", "' or 1=1"])
def test_no_code_gets_in_by_nonsense(site: Any, visitor: Visitor, code: str) -> None:
    codes_of(site)
    visitor.post("/login", "/login", name="ada", password=PASSWORD)
    status, _, found = visitor.post("/login/second", "/login/second", code=code)
    assert status == 422
    assert "location" not in found
    assert visitor.ask("GET", "/")[2]["location"] == "/login"


def test_a_forged_pending_login_leads_nowhere(visitor: Visitor) -> None:
    assert visitor.ask("GET", "/login/second")[2]["location"] == "/login"
    for forged in ("0" * 32, "zz", "a" * 4000):
        visitor.cookies["__Host-holdfast-pending"] = forged
        status, text, _ = visitor.post("/login/second", "/login/second", code="000000")
        assert status == 422
        assert "took too long" in text


def test_waiting_is_told_and_a_recovery_code_helps(site: Any, visitor: Visitor) -> None:
    _, codes = codes_of(site, app=False)
    visitor.log_in()
    visitor.post("/logout", "/account")
    stranger = Visitor(site.url, site.sha256)
    for _ in range(4):
        status, text, _ = stranger.post("/login", "/login", name="ada", password="wrong")
    assert status == 429
    assert re.search(r"heard in \d+ seconds?", text)
    assert "in which you logged in before" in text
    assert "/login/recovery" in text
    visitor.log_in()  # who is known waits for nobody
    fields = {"name": "ada", "code": codes[0]}
    status, text, _ = stranger.post("/login/recovery", "/login/recovery", **fields)
    assert status == 200
    assert "This browser is known now" in text
    stranger.log_in()
    again = Visitor(site.url, site.sha256)
    assert again.post("/login/recovery", "/login/recovery", **fields)[0] == 422
    _, text, _ = visitor.ask("GET", "/account/logins?kind=failed")
    assert "Wrong recovery code for ada" in text
    assert "Right password" not in text  # none was asked for


def test_a_changed_password_ends_all_other_sessions(site: Any, visitor: Visitor) -> None:
    other = Visitor(site.url, site.sha256)
    visitor.log_in()
    other.log_in()
    ticket = visitor.cookies[COOKIE]
    fields = {"old": "wrong", "password": BETTER}
    status, text, _ = visitor.post("/account/password", "/account/password", **fields)
    assert status == 422
    assert "old password is not right" in text
    same = {"old": PASSWORD, "password": PASSWORD}
    status, text, _ = visitor.post("/account/password", "/account/password", **same)
    assert status == 422
    assert "The new password is the old one." in text
    assert "such as the suggested one" in text
    fields["old"] = PASSWORD
    status, _, found = visitor.post("/account/password", "/account/password", **fields)
    assert (status, found["location"]) == (303, "/account?done=password")
    assert visitor.cookies[COOKIE] != ticket
    assert visitor.ask("GET", "/account?done=password")[0] == 200
    assert other.ask("GET", "/account")[2]["location"] == "/login"
    visitor.cookies[COOKIE] = ticket
    assert visitor.ask("GET", "/account")[2]["location"] == "/login"


def test_other_sessions_and_browsers_can_be_ended(site: Any, visitor: Visitor) -> None:
    other = Visitor(site.url, site.sha256)
    visitor.log_in()
    other.log_in()
    assert "Another browser:" in visitor.ask("GET", "/account")[1]
    assert visitor.post("/account/sessions/end", "/account")[0] == 303
    assert other.ask("GET", "/account")[2]["location"] == "/login"
    assert "Another browser:" not in visitor.ask("GET", "/account")[1]
    page = "/account/browsers/forget"
    assert visitor.post(page, page, password=PASSWORD)[0] == 303
    assert ask_auth(site, "account.list", page=0)["accounts"][0]["browsers"] == 0


def test_an_app_is_set_up_and_taken_away(visitor: Visitor) -> None:
    visitor.log_in()
    status, text, _ = visitor.post("/account/app", "/account/app", do="begin", password="wrong")
    assert status == 422
    assert "not your password" in text
    _, text, found = visitor.post("/account/app", "/account/app", do="begin", password=PASSWORD)
    assert found["cache-control"] == "no-store"
    assert '<svg class="qr"' in text
    secret = re.search(r'class="secret">([A-Z2-7 ]+)<', text)
    assert secret
    seed = base64.b32decode(secret.group(1).replace(" ", ""))
    token = re.search(r'name="token" value="([^"]+)"', text)
    assert token
    wrong = urlencode({"token": token.group(1), "do": "confirm", "code": "000000"})
    status, text, _ = visitor.ask("POST", "/account/app", wrong, Content_Type=FORM["Content-Type"])
    assert status == 422
    assert secret.group(1) in text  # nothing has to be scanned again
    assert "recovery" not in text  # there are none yet
    right = urlencode({"token": token.group(1), "do": "confirm", "code": code_of(seed)})
    status, text, _ = visitor.ask("POST", "/account/app", right, Content_Type=FORM["Content-Type"])
    assert status == 200
    assert len(re.findall("<li>", text)) == 10
    # The page of the codes cannot be had again.
    again = visitor.ask("POST", "/account/app", right, Content_Type=FORM["Content-Type"])
    assert again[2]["location"] == "/account/app"
    code = code_of(seed, later=1)
    fields = {"password": PASSWORD, "code": code}
    found = visitor.post("/account/app/remove", "/account/app/remove", **fields)[2]
    assert found["location"] == "/account?done=app"


def test_recovery_codes_need_the_password(visitor: Visitor) -> None:
    visitor.log_in()
    assert visitor.post("/account/codes", "/account/codes", password="wrong")[0] == 422
    status, text, _ = visitor.post("/account/codes", "/account/codes", password=PASSWORD)
    assert status == 200
    assert len(re.findall("<li>", text)) == 10


def test_a_restart_needs_a_proof(site: Any, visitor: Visitor) -> None:
    visitor.log_in()
    for secret in ("", "wrong", "000000", "x" * 2000):
        status, text, _ = visitor.post("/restart", "/restart", secret=secret)
        assert status in {422, 429}, text
        assert secret == "" or secret not in text
    assert site.restarts == []
    with pytest.raises(wire.AnsweredError) as refused:
        wire.call(site.folder / "run" / "broker.sock", "reboot", {})
    assert refused.value.code == "verb-proof"
    other = Visitor(site.url, site.sha256)
    other.log_in()
    status, text, _ = other.post("/restart", "/restart", secret=PASSWORD)
    assert status == 200
    assert "restarts" in text
    assert site.restarts == ["ada"]


def test_a_proof_by_a_code_of_the_app(site: Any, visitor: Visitor) -> None:
    visitor.log_in()
    seed, _ = codes_of(site)
    assert visitor.post("/restart", "/restart", secret=code_of(seed, later=1))[0] == 200
    assert site.restarts == ["ada"]


def test_a_viewer_sees_only_what_is_his(site: Any, words: Any) -> None:
    add(site, "bob", "viewer")
    site.agent.current(stage="offered", offer=words.offer())
    bob = Visitor(site.url, site.sha256)
    bob.post("/login", "/login", name="bob", password=BETTER)
    _, text, _ = bob.ask("GET", "/")
    assert "An owner of the device decides" in text
    assert "Install now" not in text
    for path in OWNERS_PAGES:
        status, text, _ = bob.ask("GET", path)
        assert status == 403, path
        assert "This is for owners" in text
    token = bob.token("/account")
    for path in (
        "/update/install", "/update/later", "/update/check", "/settings", "/settings/address",
        "/settings/address/remove", "/restart", "/people/add", "/people/remove", "/central/write",
        "/central/server", "/central/test",
    ):  # fmt: skip
        body = urlencode({"token": token, "secret": BETTER, "name": "ada"})
        status, _, _ = bob.ask("POST", path, body, Content_Type=FORM["Content-Type"])
        assert status == 403, path
    assert site.agent.asked == []
    assert site.restarts == []
    _, text, _ = bob.ask("GET", "/account")
    assert "For the owner" not in text
    fields = {"old": BETTER, "password": "seven green kettles on a raft"}
    assert bob.post("/account/password", "/account/password", **fields)[0] == 303


def test_people_come_and_go(site: Any, visitor: Visitor) -> None:
    visitor.log_in()
    fields = {"name": "bob", "role": "viewer", "password": BETTER}
    status, text, _ = visitor.post("/people/add", "/people/add", secret="wrong", **fields)
    assert status == 422
    assert "not your password" in text
    assert BETTER not in text
    short = {**fields, "password": "short"}
    status, text, _ = visitor.post("/people/add", "/people/add", secret=PASSWORD, **short)
    assert status == 422
    assert "Too short" in text
    found = visitor.post("/people/add", "/people/add", secret=PASSWORD, **fields)[2]
    assert found["location"] == "/people?done=added"
    status, text, _ = visitor.post("/people/add", "/people/add", secret=PASSWORD, **fields)
    assert status == 422
    assert "already" in text
    bob = Visitor(site.url, site.sha256)
    bob.post("/login", "/login", name="bob", password=BETTER)
    assert bob.ask("GET", "/account")[0] == 200
    page = "/people/remove?name=bob"
    found = visitor.post("/people/remove", page, name="bob", secret=PASSWORD)[2]
    assert found["location"] == "/people?done=removed"
    assert bob.ask("GET", "/account")[2]["location"] == "/login"
    page = "/people/remove?name=ada"
    status, text, _ = visitor.post("/people/remove", page, name="ada", secret=PASSWORD)
    assert status == 422
    assert "last owner" in text


def test_the_last_owner_is_not_offered_to_be_removed(site: Any, visitor: Visitor) -> None:
    visitor.log_in()
    add(site, "bob", "viewer")
    assert re.findall(r"remove\?name=(\w+)", visitor.ask("GET", "/people")[1]) == ["bob"]
    add(site, "eve", "owner")
    found = re.findall(r"remove\?name=(\w+)", visitor.ask("GET", "/people")[1])
    assert found == ["ada", "bob", "eve"]


def test_whoever_has_an_app_confirms_with_its_codes(site: Any, visitor: Visitor) -> None:
    visitor.log_in()
    assert "Code of your app" not in visitor.ask("GET", "/restart")[1]
    seed, recovery = codes_of(site)
    for path in ("/restart", "/people/add", "/people/remove?name=ada"):
        text = visitor.ask("GET", path)[1]
        assert "Code of your app, or a recovery code" in text, path
        assert "Your password</label>" not in text, path
    fields = {"name": "bob", "role": "viewer", "password": BETTER}
    status, text, _ = visitor.post("/people/add", "/people/add", secret=PASSWORD, **fields)
    assert status == 422
    assert "Your password does not count here" in text
    # A refused password uses no code up.
    code, common = code_of(seed, later=1), {**fields, "password": "passwordpassword1"}
    status, text, _ = visitor.post("/people/add", "/people/add", secret=code, **common)
    assert status == 422
    assert "common password" in text
    assert visitor.post("/people/add", "/people/add", secret=code, **fields)[0] == 303
    fields["name"] = "eve"
    assert visitor.post("/people/add", "/people/add", secret=code, **fields)[0] == 422
    assert visitor.post("/people/add", "/people/add", secret=recovery[0], **fields)[0] == 303


def test_a_password_of_an_older_product_is_renewed_first(site: Any) -> None:
    # A bare SHA-1 of an older product, of a password that is too short today.
    old = "{SHA}vEN6AC2E5pdQppk8JZ965vviPqQ="
    site.auth._care.take_over(name="old", role="viewer", old_hash=old, days=30)
    visitor = Visitor(site.url, site.sha256)
    found = visitor.post("/login", "/login", name="old", password="kq7zdx#e")[2]
    assert found["location"] == "/"
    for path in ("/", "/account", "/history"):
        assert visitor.ask("GET", path)[2]["location"] == "/account/password"
    _, text, _ = visitor.ask("GET", "/account/password")
    assert "older product" in text
    same = {"old": "kq7zdx#e", "password": "kq7zdx#e"}
    status, text, _ = visitor.post("/account/password", "/account/password", **same)
    assert status == 422
    assert "The new password is the old one." in text
    fields = {"old": "kq7zdx#e", "password": BETTER}
    found = visitor.post("/account/password", "/account/password", **fields)[2]
    assert found["location"] == "/account?done=password"
    assert visitor.ask("GET", "/")[0] == 200


def test_the_log_tells_who_came_and_who_failed(site: Any, visitor: Visitor) -> None:
    stranger = Visitor(site.url, site.sha256)
    stranger.post("/login", "/login", name="ada", password="wrong")
    stranger.post("/login", "/login", name="<b>secret I typed as a name</b>", password="wrong")
    visitor.log_in()
    _, text, _ = visitor.ask("GET", "/account/logins")
    assert "ada logged in" in text
    assert "From 127.0.0.1" in text
    _, text, _ = visitor.ask("GET", "/account/logins?kind=failed&page=%00")
    assert "Wrong password for ada" in text
    assert "a name that this device does not know" in text
    assert "secret I typed" not in text


@pytest.mark.parametrize("query", ["done=<script>", "done=%00", "page=99999", "kind=x&page=-1"])
def test_no_query_breaks_a_page(visitor: Visitor, query: str) -> None:
    visitor.log_in()
    for path in ("/account", "/account/logins", "/people", "/central", "/central/test"):
        status, text, _ = visitor.ask("GET", f"{path}?{query}")
        assert status == 200
        assert "<script>" not in text


def test_no_page_of_accounts_has_inline_code(visitor: Visitor) -> None:
    visitor.log_in()
    for path in (
        *OWNERS_PAGES,
        "/account",
        "/account/password",
        "/account/app",
        "/account/codes",
        "/account/browsers/forget",
    ):
        status, text, found = visitor.ask("GET", path)
        assert status == 200, path
        assert found["cache-control"] == "no-store"
        assert not re.search(r"<style|style=|<script(?! src)|\son[a-z]+=", text)
        assert not re.search(r"(src|href)=\"(https?:)?//", text)
