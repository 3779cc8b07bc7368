"""What the password, and a code where there is an app, are asked for again; and what ends."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import base64
import hashlib
import html
import json
import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from holdfast.accounts import totp
from holdfast.device.broker import wire
from holdfast.device.gui.backends import Backends, _who
from holdfast.device.gui.sessions import ABSOLUTE, IDLE, Sessions
from tests.device.visiting import PASSWORD, Visitor
from tests.servers.tacacs import User, tacacs_server

BETTER = "a lantern beside nine quiet otters"
CODE_FIELD = re.compile(r'<input[^>]* name="code"[^>]* autocomplete="one-time-code"[^>]*>')
SHARED = re.compile(r'<input[^>]* name="shared"[^>]* aria-invalid="true"')
RADIUS = {
    "new": "yes",
    "protocol": "radius",
    "name": "office",
    "host": "radius.example.test",
    "transport": "plain",
    "shared": "a shared secret of servers",
    "grouped": "yes",
    "do": "save",
}
TAC_KEY = "0123456789abcdef"
PAGES = ("/account/password", "/account/codes", "/account/browsers/forget")


def ask_auth(site: Any, verb: str, **args: Any) -> dict[str, Any]:
    return wire.call(site.folder / "run" / "auth.sock", verb, args, 30)


def browsers_of(site: Any) -> int:
    return int(ask_auth(site, "account.list", page=0)["accounts"][0]["browsers"])


def code_of(seed: bytes, *, later: int = 0) -> str:
    moment = datetime.now(UTC) + timedelta(seconds=30 * later)
    return totp.code_at(seed, totp.step_at(moment))


@pytest.fixture
def visitor(site: Any) -> Visitor:
    visitor = Visitor(site.url, site.sha256)
    visitor.log_in()
    return visitor


@pytest.fixture
def app(site: Any, visitor: Visitor) -> tuple[bytes, list[str]]:
    """Give ada an app while she is logged in: its seed, and her recovery codes."""
    assert visitor.cookies
    address = ask_auth(site, "account.totp.begin", name="ada", password=PASSWORD)["address"]
    seed = base64.b32decode(parse_qs(urlsplit(address).query)["secret"][0])
    told = ask_auth(site, "account.totp.confirm", name="ada", code=code_of(seed))
    return seed, told["codes"]


def posted(visitor: Visitor, path: str, **fields: str) -> tuple[int, str, str]:
    status, text, found = visitor.post(path, path, **fields)
    return status, html.unescape(text), found.get("location", "")


@pytest.mark.servers
@pytest.mark.parametrize("path", PAGES)
def test_without_an_app_no_code_is_asked_for(visitor: Visitor, path: str) -> None:
    status, text, _ = visitor.ask("GET", path)
    assert status == 200
    assert 'name="code"' not in text


@pytest.mark.servers
@pytest.mark.parametrize("path", PAGES)
def test_with_an_app_its_code_is_needed_too(
    site: Any, visitor: Visitor, app: tuple[bytes, list[str]], path: str
) -> None:
    seed, _ = app
    assert CODE_FIELD.search(visitor.ask("GET", path)[1])
    before = browsers_of(site)
    fields = {"password": PASSWORD}
    if path == "/account/password":
        fields = {"old": PASSWORD, "password": BETTER}
    for typed, told in (("", "its code is needed as well"), ("000000", "This code is not right")):
        status, text, _ = posted(visitor, path, code=typed, **fields)
        assert status == 422
        assert told in text
        assert re.search(r'name="code"[^>]*aria-invalid="true"', text)
        assert PASSWORD not in text
    assert browsers_of(site) == before
    status, text, location = posted(visitor, path, code=f" {code_of(seed, later=1)} ", **fields)
    assert (status, location) in {
        (303, "/account?done=password"),
        (303, "/account?done=browsers"),
        (200, ""),
    }, text
    assert status == 303 or len(re.findall("<li>", text)) == 10


@pytest.mark.servers
def test_a_refused_password_uses_no_code_up(visitor: Visitor, app: tuple[bytes, list[str]]) -> None:
    page, code = "/account/password", app[1][0]
    for refused, told in (("short", "Too short"), ("passwordpassword1", "password")):
        fields = {"old": PASSWORD, "password": refused, "code": code}
        status, text, _ = posted(visitor, page, **fields)
        assert status == 422
        assert told in text
        assert re.search(r'id="password"[^>]*aria-invalid="true"', text)
    # Too short to stand alone, and long enough beside an app.
    fields = {"old": PASSWORD, "password": "kq7zdx#e94", "code": code}
    assert posted(visitor, page, **fields)[2] == "/account?done=password"


@pytest.mark.servers
def test_known_browsers_are_forgotten_by_nobody_else(site: Any, visitor: Visitor) -> None:
    page = "/account/browsers/forget"
    before = browsers_of(site)
    assert before
    status, text, _ = posted(visitor, page, password="wrong")
    assert status == 422
    assert "not your password" in text
    status, _, _ = posted(visitor, page)
    assert status == 422
    with pytest.raises(wire.AnsweredError):
        ask_auth(site, "account.known.forget", name="ada")
    assert browsers_of(site) == before
    assert posted(visitor, page, password=PASSWORD)[2] == "/account?done=browsers"
    assert browsers_of(site) == 0


@pytest.mark.servers
def test_an_app_that_is_set_has_to_go_first(visitor: Visitor, app: tuple[bytes, list[str]]) -> None:
    assert app
    _, text, _ = visitor.ask("GET", "/account/app")
    assert "Codes of an app are asked for already." in text
    assert 'href="/account/app/remove"' in text
    assert 'name="password"' not in text
    fields = {"do": "begin", "password": PASSWORD}
    status, text, _ = visitor.post("/account/app", "/account/codes", **fields)
    assert status == 422
    assert "take the present one away first" in text
    assert "qr" not in text


@pytest.mark.servers
def test_a_password_that_everybody_tries_is_refused_in_words(site: Any, visitor: Visitor) -> None:
    salted = "$1$abcdefgh$G//4keteveJp0qb8z2DxG/"  # of "password", by openssl passwd -1
    site.auth._care.take_over(name="old", role="viewer", old_hash=salted, days=30)
    stranger = Visitor(site.url, site.sha256)
    status, text, _ = posted(stranger, "/login", name="old", password="password")
    assert status == 422
    assert "too well known to be let in with" in text
    assert "add it anew with a new password" in text
    _, text, _ = visitor.ask("GET", "/account/logins?kind=failed")
    assert "Right password for old, but one that everybody tries" in text


@pytest.mark.servers
def test_a_server_moves_only_with_its_secret_typed_again(site: Any, visitor: Visitor) -> None:
    visitor.post("/central/server", "/central", **RADIUS)
    assert visitor.post("/central/write", "/central", secret=PASSWORD)[0] == 303
    other = Visitor(site.url, site.sha256)
    other.log_in()
    rule = {"role": "viewer", "by": "attribute", "attribute": "class", "value": "one"}
    assert other.post("/central/role", "/central", **rule)[0] == 303
    moved = {**RADIUS, "new": "", "host": "elsewhere.example.test", "shared": ""}
    for place in ({}, {"host": RADIUS["host"], "port": "1999"}):
        status, text, _ = visitor.post("/central/server", "/central", **{**moved, **place})
        assert status == 422
        assert "type it again" in text
        assert SHARED.search(text)
    # The usual port by its number is the same place.
    same = {**moved, "host": RADIUS["host"].upper(), "port": "1812"}
    assert visitor.post("/central/server", "/central", **same)[0] == 303
    again = {**moved, "shared": "another secret of servers"}
    assert visitor.post("/central/server", "/central", **again)[0] == 303
    assert visitor.post("/central/write", "/central", secret=PASSWORD)[0] == 303
    # Whoever began before that has the old place in his draft: auth says so, at the same field.
    status, text, _ = other.post("/central/write", "/central", secret=PASSWORD)
    assert status == 422
    assert "type it again" in text
    assert SHARED.search(text)
    back = {**RADIUS, "new": ""}
    assert other.post("/central/server", "/central", **back)[0] == 303
    assert other.post("/central/write", "/central", secret=PASSWORD)[0] == 303


@pytest.mark.servers
def test_a_server_that_keeps_records_is_told_of_the_logout(site: Any) -> None:
    people = {"tess": User("password of tess", ("priv-lvl=5",))}
    with tacacs_server(people, key=TAC_KEY) as server:
        server_of = {
            "name": "tac", "protocol": "tacacs+", "host": "127.0.0.1", "port": server.port,
            "transport": "plain", "warned": True,
        }  # fmt: skip
        plain = {
            "servers": [server_of],
            "groups": [{"name": "people", "servers": ["tac"]}],
            "methods": [{"service": "gui", "order": ["people"], "local_names": ["ada"]}],
            "roles": [{"role": "viewer", "level": 5}],
        }
        content = json.dumps({"settings": plain, "secrets": {"tac": TAC_KEY}}).encode()
        text = base64.b64encode(content).decode()
        site.auth._accounts.central.stage(part=0, parts=1, text=text)
        site.auth._care.write_central(sha256=hashlib.sha256(content).hexdigest())
        tess = Visitor(site.url, site.sha256)
        fields = {"name": "tess", "password": "password of tess"}
        assert posted(tess, "/login", **fields)[2] == "/"
        assert waited_for(server.records, 1)
        # Only servers know her: they are asked before her browsers are forgotten.
        page = "/account/browsers/forget"
        assert posted(tess, page, password="wrong")[0] == 422
        assert posted(tess, page, password=fields["password"])[2] == "/account?done=browsers"
        assert "tess" not in {one.name for one in site.auth._accounts.kept.known.values()}
        assert tess.post("/logout", "/account")[2]["location"] == "/login"
        assert waited_for(server.records, 2)
    words = [" ".join(record) for record in server.records]
    assert "stop_time=" in words[1]


def waited_for(records: list[Any], count: int) -> bool:
    deadline = time.monotonic() + 10
    while len(records) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(records) >= count


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_whatever_ends_a_session_is_told_once(tmp_path: Path) -> None:
    clock, left = Clock(), list[str]()
    path = tmp_path / "sessions.json"
    before = Sessions(path, now=clock)
    kept = {task: before.begin(name="ada", role="owner", task=task) for task in ("a1", "b2", "c3")}
    before.begin(name="ada", role="owner")  # no server keeps records of this one
    sessions = Sessions(path, now=clock, left=left.append)  # tasks outlive a restart
    sessions.end(kept["a1"])
    sessions.end(kept["a1"])
    assert left == ["a1"]
    sessions.end_others(name="ada", but=kept["c3"])
    assert left == ["a1", "b2"]
    clock.now += IDLE
    assert sessions.find(kept["c3"]) is None
    assert left == ["a1", "b2", "c3"]
    sessions.begin(name="ada", role="owner", task="d4")
    for _ in range(32):
        sessions.begin(name="bob", role="viewer")
    assert left[3:] == ["d4"]  # it made place


def test_a_session_that_nobody_came_back_to_ends_too(tmp_path: Path) -> None:
    clock, left = Clock(), list[str]()
    path = tmp_path / "sessions.json"
    sessions = Sessions(path, now=clock, left=left.append)
    sessions.begin(name="ada", role="owner", task="a1")
    clock.now += IDLE - timedelta(seconds=1)
    sessions.end_spent()
    assert left == []
    clock.now -= ABSOLUTE  # before the device knew the time: only who asks then is logged out
    sessions.end_spent()
    assert left == []
    clock.now += ABSOLUTE + timedelta(seconds=1)
    sessions.end_spent()
    sessions.end_spent()
    assert left == ["a1"]
    assert json.loads(path.read_text()) == {}


@pytest.mark.parametrize("task", ["", "zz", "a" * 65, "a1\n", "☂", "a1"])
def test_a_logout_waits_for_nobody(tmp_path: Path, task: str) -> None:
    nobody = tmp_path / "nobody.sock"
    backends = Backends(agent=nobody, auth=nobody, broker=nobody)
    backends.left(task)
    backends._long.shutdown()
    backends.left(task)


@pytest.mark.parametrize(
    ("told", "task"), [("0a", "0a"), ("", ""), (None, ""), (7, ""), ("../x", ""), ("a" * 99, "")]
)
def test_only_what_is_a_task_is_kept(told: object, task: str) -> None:
    answer = {"name": "a", "role": "b", "method": "c", "cookie": "", "epoch": 1, "task": told}
    assert _who(answer).task == task
