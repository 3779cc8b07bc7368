"""Strangers from many addresses who hold the page open, and the owner who gets in all the same."""
# ruff: noqa: ANN401 - fixtures whose classes conftest.py holds where none can import them

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from holdfast.accounts.errors import HashingBusyError
from holdfast.cli.demo.pinned import PinnedConnection, _unjudged
from holdfast.device.gui import backends
from holdfast.device.gui.doorway import MOST, Regulars
from tests.device.visiting import PASSWORD, Visitor

SOON_S = 3.0
ADDRESSES, ATTACKERS = 240, 4
Holds = Callable[[socket.socket], socket.socket]


def place(site: Any) -> tuple[str, int]:
    host, _, port = site.url.removeprefix("https://").partition(":")
    return host, int(port)


def from_address(site: Any, number: int) -> socket.socket:
    """Connect from an address of its own for each number from 0 to 249."""
    return socket.create_connection(
        place(site), timeout=10, source_address=(f"127.0.1.{number + 1}", 0)
    )


def silent(plain: socket.socket) -> socket.socket:
    return plain


def half_a_hello(plain: socket.socket) -> socket.socket:
    plain.sendall(b"\x16\x03\x01\x02\x00\x01")
    return plain


def half_a_line(plain: socket.socket) -> socket.socket:
    plain.sendall(b"GET / HT")
    return plain


def shaken(plain: socket.socket) -> ssl.SSLSocket:
    return _unjudged().wrap_socket(plain)


def half_a_head(plain: socket.socket) -> socket.socket:
    served = shaken(plain)
    served.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    return served


def half_a_body(plain: socket.socket) -> socket.socket:
    served = shaken(plain)
    head = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n"
    kind = b"Content-Type: application/x-www-form-urlencoded\r\n"
    served.sendall(head + kind + b"\r\nname=a")
    return served


def kept_alive(plain: socket.socket) -> socket.socket:
    served = shaken(plain)
    served.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert served.recv(12) == b"HTTP/1.1 200"
    return served


WAYS = (silent, half_a_hello, half_a_line, shaken, half_a_head, half_a_body, kept_alive)


@pytest.mark.servers
@pytest.mark.parametrize("hold", WAYS)
def test_who_comes_to_a_page_that_is_held_open_gets_an_answer_soon(site: Any, hold: Holds) -> None:
    owner = Visitor(site.url, site.sha256)
    with ExitStack() as stack:
        for number in range(MOST - 1):
            stack.enter_context(hold(from_address(site, number)))
        for number in range(MOST - 1, MOST + 3):  # nobody was sent away, and nobody is now
            stack.enter_context(hold(from_address(site, number)))
            begun = time.monotonic()
            assert owner.ask("GET", "/login")[0] == 200
            assert time.monotonic() - begun < SOON_S


class Siege:
    """Strangers who hold all places, and come again wherever they lost one.

    Attributes:
        came: How often.
    """

    def __init__(self, site: Any, hold: Holds) -> None:
        self._site = site
        self._hold = hold
        self._over = threading.Event()
        self.came = 0

    def come(self, number: int, found: socket.socket | None) -> socket.socket | None:
        if found is not None and not is_over(found):
            return found
        if found is not None:
            found.close()
        time.sleep(0.01)
        self.came += 1
        try:
            return self._hold(from_address(self._site, number))
        except OSError:
            return None

    def come_again(self, first: int) -> None:
        held: dict[int, socket.socket | None] = {}
        while not self._over.wait(0.005):
            for number in range(first, ADDRESSES, ATTACKERS):
                held[number] = self.come(number, held.get(number))
                if self._over.is_set():
                    break
        for one in held.values():
            if one is not None:
                one.close()

    @contextmanager
    def laid(self) -> Iterator[None]:
        threads = [
            threading.Thread(target=self.come_again, args=(first,), daemon=True)
            for first in range(ATTACKERS)
        ]
        for thread in threads:
            thread.start()
        try:
            deadline = time.monotonic() + 10
            while self.came < 2 * MOST and time.monotonic() < deadline:
                time.sleep(0.01)
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(timeout=20)


def is_over(held: socket.socket) -> bool:
    held.settimeout(0)
    try:
        return held.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        held.settimeout(10)


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.parametrize("hold", [silent, half_a_hello, shaken])
def test_owner_logs_in_and_works_while_240_addresses_come_again_and_again(
    site: Any, hold: Holds
) -> None:
    owner, siege = Visitor(site.url, site.sha256), Siege(site, hold)
    with siege.laid():
        before = siege.came
        assert before >= 2 * MOST
        assert owner.post("/login", "/login", name="ada", password=PASSWORD)[0] == 303
        for path in ("/", "/history", "/account", "/account/logins"):
            begun = time.monotonic()
            assert owner.ask("GET", path)[0] == 200
            assert time.monotonic() - begun < SOON_S
        assert siege.came > before  # it went on meanwhile


@pytest.mark.servers
def test_connection_from_where_somebody_is_logged_in_makes_no_room(site: Any) -> None:
    owner = Visitor(site.url, site.sha256)
    owner.log_in()
    assert owner.ask("GET", "/")[0] == 200
    kept = PinnedConnection(owner.host, sha256=owner.sha256, timeout_s=10)
    with closing(kept), ExitStack() as stack:
        kept.request("GET", "/login")
        kept.getresponse().read()
        stranger = stack.enter_context(kept_alive(from_address(site, 249)))
        for number in range(2 * MOST):
            stack.enter_context(shaken(from_address(site, number)))
        deadline = time.monotonic() + SOON_S
        while not is_over(stranger):
            # What it had not read yet comes first.
            assert time.monotonic() < deadline
        kept.request("GET", "/login")
        assert kept.getresponse().status == 200


def test_few_addresses_are_known_and_the_latest_stay() -> None:
    regulars = Regulars()
    for number in range(100):
        regulars.remember(f"192.0.2.{number}")
        regulars.remember("192.0.2.0")
    assert "192.0.2.0" in regulars
    assert "192.0.2.99" in regulars
    assert "192.0.2.80" not in regulars


def test_questions_of_those_who_left_do_not_pile_up() -> None:
    gate = threading.Event()

    def ask() -> dict[str, Any]:
        assert gate.wait(10)
        return {}

    async def flood() -> None:
        lane = backends._Lane("test")
        asked = [asyncio.ensure_future(lane.run(ask)) for _ in range(backends._MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(HashingBusyError):
            await lane.run(ask)
        gate.set()
        assert await asyncio.gather(*asked) == [{}] * backends._MOST_WAITING
        assert await lane.run(ask) == {}

    asyncio.run(flood())
