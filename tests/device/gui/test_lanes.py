"""Who waits behind whom at a login, while servers of central login never answer."""
# ruff: noqa: ANN401 - fixtures whose classes conftest.py holds where none can import them

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from holdfast.accounts.directories.settings import (
    CentralLogin,
    Group,
    Ldap,
    Methods,
    Server,
    to_json,
)
from tests.device.visiting import PASSWORD, Visitor

pytestmark = pytest.mark.servers

SOON_S = 5.0
STRANGERS = 6


class Silence:
    """A server that takes connections and never says a word."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = threading.Event()
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                self._held.append(self.listener.accept()[0])
                self.asked.set()

    def end(self) -> None:
        """Hang up, so that nobody waits any more."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)
        for one in (self.listener, *self._held):
            one.close()


@pytest.fixture
def silence(site: Any) -> Iterator[tuple[Silence, Silence]]:
    """Ask two silent servers before the accounts of the device; ada is the emergency account."""
    silent = Silence(), Silence()
    names = ("one", "two")
    whole = CentralLogin(
        servers=tuple(
            Server(
                name=name,
                protocol="ldap",
                host="127.0.0.1",
                port=one.port,
                transport="starttls",
                ldap=Ldap(direct_dn="uid={name},dc=example,dc=test"),
            )
            for name, one in zip(names, silent, strict=True)
        ),
        groups=(Group(name="people", servers=names, dead_s=0),),
        methods=(Methods(service="gui", order=("people", "local"), local_names=("ada",)),),
    )
    kept = {
        "settings": json.loads(to_json(whole)),
        "segments": [["people"], ["local"]],
        "local_names": ["ada"],
        "budget_s": 10,
        "secret_names": list(names),
    }
    site.auth._accounts.central.write({"settings": kept, "sealed": {}, "dropped": []}, epoch=2)
    yield silent
    for one in silent:
        one.end()


@pytest.mark.slow
@pytest.mark.parametrize("cookie", ["", "ab.1.cd"], ids=["new browser", "known browser"])
def test_a_local_name_waits_for_no_login_that_waits_for_servers(
    site: Any, silence: tuple[Silence, Silence], cookie: str
) -> None:
    strangers = [Visitor(site.url, site.sha256) for _ in range(STRANGERS)]
    tokens = [one.token("/login") for one in strangers]
    ada = Visitor(site.url, site.sha256)
    if cookie:  # what looks like a known browser puts nobody before or behind the owner
        ada.log_in()
        ada.cookies = {
            key: text for key, text in ada.cookies.items() if key == "__Host-holdfast-device"
        }
        for one in strangers:
            one.cookies["__Host-holdfast-device"] = cookie

    def try_in(number: int) -> None:
        with suppress(OSError):
            body = f"token={tokens[number]}&name=n{number}&password=wrong"
            strangers[number].ask(
                "POST", "/login", body, Content_Type="application/x-www-form-urlencoded"
            )

    threads = [
        threading.Thread(target=try_in, args=(number,), daemon=True) for number in range(STRANGERS)
    ]
    with ExitStack() as stack:
        for thread in threads:
            stack.callback(thread.join, 60)
            thread.start()
        for server in silence:
            stack.callback(server.end)
        assert silence[0].asked.wait(20)
        time.sleep(0.5)  # all of them wait now
        began = time.monotonic()
        ada.log_in()
        took_s = time.monotonic() - began
        assert took_s < SOON_S
        if cookie:
            status, text, _ = ada.post("/account/codes", "/account/codes", password=PASSWORD)
            assert status == 200, re.sub(r"<[^>]+>", " ", text)
