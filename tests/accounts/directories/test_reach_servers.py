"""Connecting: addresses that answer, refuse, or say nothing at all."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from holdfast.accounts.directories import reach
from holdfast.accounts.directories.answers import Step
from holdfast.accounts.directories.settings import Ldap, Server
from holdfast.accounts.errors import ReachError

pytestmark = pytest.mark.servers


def server(port: int, host: str = "127.0.0.1", *, tries: int = 1) -> Server:
    ldap = Ldap(base="dc=x", bind_dn="cn=x")
    return Server(
        name="d", protocol="ldap", host=host, port=port, timeout_s=1, tries=tries, ldap=ldap
    )


def address(port: int, host: str = "127.0.0.1") -> reach.Address:
    return socket.AF_INET, (host, port)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port whose queue is full: who knocks gets no answer, as behind a firewall that drops."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)  # noqa: FBT003 - of the standard library
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_who_answers_is_connected_to(listening: int) -> None:
    steps: list[Step] = []

    host = "localhost"
    with reach.connect(
        server(listening, host), until=time.monotonic() + 2, tell=steps.append
    ) as it:
        assert it.getpeername()[1] == listening
        assert it.gettimeout() is not None

    assert [(step.name, step.ok) for step in steps] == [("name", True), ("route", True)]


def test_a_closed_port_is_told_at_once(closed: int) -> None:
    began = time.monotonic()

    with pytest.raises(ReachError, match="refuses connections") as caught:
        reach.connect(server(closed, tries=2), until=began + 5)

    assert caught.value.step == "route"
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(("tries", "within_s", "lasts_s"), [(1, 9, 1), (2, 9, 2), (5, 0.5, 0.5)])
def test_silence_is_waited_for_no_longer_than_said(
    silent: int, tries: int, within_s: float, lasts_s: float
) -> None:
    began = time.monotonic()

    with pytest.raises(ReachError, match="nothing answers"):
        reach.connect(server(silent, tries=tries), until=began + within_s)

    assert lasts_s - 0.05 < time.monotonic() - began < lasts_s + 0.3


def test_no_time_is_no_try(listening: int) -> None:
    with pytest.raises(ReachError, match="no time left"):
        reach.connect(server(listening), until=time.monotonic() - 1)


def test_a_silent_address_does_not_hold_up_the_next(silent: int, listening: int) -> None:
    began = time.monotonic()
    both = [address(silent), address(listening)]

    with reach._first_of(both, server(listening), until=began + 1) as connected:
        assert connected.getpeername()[1] == listening

    assert time.monotonic() - began < 0.9


def test_a_refusing_address_leads_to_the_next(closed: int, listening: int) -> None:
    began = time.monotonic()
    both = [address(closed), address(listening)]

    with reach._first_of(both, server(listening), until=began + 1) as connected:
        assert connected.getpeername()[1] == listening

    assert time.monotonic() - began < 0.9


def test_an_address_without_a_route_leads_to_the_next(listening: int) -> None:
    both = [(socket.AF_INET6, ("ff0e::1", 1, 0, 0)), address(listening)]

    with reach._first_of(both, server(listening), until=time.monotonic() + 1) as connected:
        assert connected.getpeername()[1] == listening


def test_octets_are_received_exactly_or_not_at_all() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"abcdef")
        until = time.monotonic() + 0.2
        assert reach.receive(here, 4, server(1), until=until) == b"abcd"
        with pytest.raises(ReachError, match="in time"):
            reach.receive(here, 4, server(1), until=until)
        there.close()
        with pytest.raises(ReachError, match="too early"):
            reach.receive(here, 1, server(1), until=time.monotonic() + 1)


def test_who_does_not_read_is_not_waited_for() -> None:
    here, there = socket.socketpair()
    began = time.monotonic()
    with here, there, pytest.raises(ReachError, match="in time"):
        reach.send(here, b"x" * 50_000_000, server(1), until=began + 0.2)

    assert time.monotonic() - began < 0.5
