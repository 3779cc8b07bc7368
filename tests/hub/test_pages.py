"""What holds for every page: who sees it, its headers, its errors."""

import re

import pytest
from django.conf import settings
from django.test import Client

from holdfast.hub import navigation
from holdfast.hub.filters import coded


@pytest.mark.parametrize("path", ["/login/", "/nothing", "/api/nothing", "/static/hub/hub.css"])
def test_every_answer_has_the_security_headers(client: Client, path: str) -> None:
    answer = client.get(path)
    answer.close()
    headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert ("script-src 'self'" in policy) is (path == "/login/")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers


def test_pages_are_not_kept_by_caches(staff_client: Client) -> None:
    assert staff_client.get("/").headers["Cache-Control"] == "no-store"


def test_cookies_are_out_of_reach_of_scripts(client: Client, ada: object) -> None:
    del ada
    client.get("/login/")
    morsel = client.cookies["hub-csrf"]
    assert morsel["httponly"]
    assert morsel["samesite"] == "Strict"
    assert settings.SESSION_COOKIE_HTTPONLY
    # Plain http on a loopback address: Secure comes with an https public_url.
    assert not morsel["secure"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil", "["])
def test_a_foreign_host_is_refused(client: Client, host: str) -> None:
    answer = client.get("/login/", headers={"Host": host})
    assert answer.status_code == 400
    assert host not in answer.content.decode()
    forwarded = client.get("/login/", headers={"X-Forwarded-Host": host})
    assert forwarded.status_code == 200
    assert host not in forwarded.content.decode()


def test_an_unforeseen_error_tells_a_number_and_nothing_else(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.raise_request_exception = False
    settings.HUB.online_keys.write_text("a file where a folder should be")
    answer = client.get("/api/online-keys")
    assert answer.status_code == 500
    found = re.search(r"number ([0-9a-f]{8})", answer.json()["error"]["hint"])
    assert found
    assert "NotADirectoryError" not in answer.content.decode()
    said = capsys.readouterr()
    assert found[1] in said.out + said.err
    assert "NotADirectoryError" in said.out + said.err


def test_hints_become_code_and_nothing_becomes_markup() -> None:
    assert coded("run `a <b>` & c") == "run <code>a &lt;b&gt;</code> &amp; c"


def test_the_longest_address_is_the_current_one() -> None:
    current = [link.path for link in navigation.links("/releases/keys/") if link.current]
    assert current == ["/releases/keys/"]
    assert [link.path for link in navigation.links("/") if link.current] == ["/"]
    assert [link.path for link in navigation.links("/releases/7/") if link.current] == [
        "/releases/"
    ]
