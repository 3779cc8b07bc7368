"""A login from a new place: a hub and its worker in processes of their own, a real mail server."""

import http.client
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.hub.doors import token_in
from tests.servers.inbox import Inbox, running

pytestmark = [pytest.mark.servers, pytest.mark.slow]
Hub = Any  # of conftest.py, which cannot be imported
PASSWORD = "seven plain words nobody would guess"
ADDRESS = "ada@example.com"


class Browser:
    """Sends forms from one address of this machine, and keeps its cookies."""

    def __init__(self, url: str, address: str) -> None:
        self._place = urlsplit(url).netloc
        self._address = address
        self.cookies: dict[str, str] = {}

    def send(self, path: str, body: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection(
            self._place, timeout=30, source_address=(self._address, 0)
        )
        headers = {"Cookie": "; ".join(f"{name}={it}" for name, it in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("GET" if body is None else "POST", path, body, headers)
        answer = connection.getresponse()
        content = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        connection.close()
        return answer.status, content

    def fill_in(self, path: str, page: str = "", **fields: str) -> int:
        _status, content = self.send(page or path)
        sent = {**fields, "csrfmiddlewaretoken": token_in(content)}
        return self.send(path, urlencode(sent))[0]

    def log_in(self) -> None:
        assert self.fill_in("/login/", name="ada", password=PASSWORD) == 302

    def log_out(self) -> None:
        assert self.fill_in("/logout/", page="/account/") == 302


def waited_for(inbox: Inbox, count: int) -> bool:
    deadline = time.monotonic() + 30
    while len(inbox.accepted) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return len(inbox.accepted) >= count


def test_a_login_from_a_new_place_is_told_by_mail(
    start_hub: Callable[[], Hub], start_worker: Callable[[Path], None], tmp_path: Path
) -> None:
    with running(Inbox()) as inbox:
        config = tmp_path / "hub.toml"
        config.write_text(
            config.read_text()
            + f'[smtp]\nhost = "127.0.0.1"\nport = {inbox.port}\nstarttls = false\n'
            'sender = "Nordlicht <updates@nordlicht.example>"\n'
        )
        hub = start_hub()
        start_worker(config)
        setup = urlsplit(hub.setup_link).path
        home = Browser(hub.url, "127.0.0.1")
        assert home.fill_in(setup, name="ada", password=PASSWORD, again=PASSWORD) == 302
        assert home.fill_in("/account/email/", page="/account/", email=ADDRESS) == 302
        home.log_out()
        # From where she was before, in another browser; and from elsewhere, in a known one.
        Browser(hub.url, "127.0.0.1").log_in()
        moved = Browser(hub.url, "127.0.0.2")
        moved.cookies = home.cookies
        moved.log_in()
        # From elsewhere in a browser that nobody knows: this alone is news.
        Browser(hub.url, "127.0.0.3").log_in()
        assert waited_for(inbox, 1)
        Browser(hub.url, "127.0.0.3").log_in()
        Browser(hub.url, "127.0.0.4").log_in()
        assert waited_for(inbox, 2)
        assert hub.stop() == 0
    assert [to for to, _content in inbox.accepted] == [ADDRESS, ADDRESS]
    first, second = inbox.mails
    assert first["From"] == "Nordlicht <updates@nordlicht.example>"
    assert first["To"] == ADDRESS
    assert first["Subject"] == "New login to the hub as ada"
    assert first["Auto-Submitted"] == "auto-generated"
    assert first["Message-ID"] != second["Message-ID"]
    text = first.get_content().replace("\r\n", "\n")
    assert "Somebody logged in to the Holdfast hub 127.0.0.1 as ada" in text
    assert re.search(r"^When: \d{1,2} \w+ \d{4}, \d\d:\d\d UTC$", text, re.MULTILINE)
    assert "\nFrom: 127.0.0.3\nWith: password\n" in text
    assert f"\n{hub.url}/account/\n" in text
    assert "From: 127.0.0.4" in second.get_content()
    assert PASSWORD not in text
