"""Reaching a server, as far as that needs no network."""

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from holdfast.accounts.directories import reach
from holdfast.accounts.directories.settings import Ldap, Server
from holdfast.accounts.errors import ReachError
from tests.servers.authority import Authority

AUTHORITY = Authority()
MINE = AUTHORITY.issue("device", client=True)
V4, V6 = socket.AF_INET, socket.AF_INET6
TCP = socket.SOCK_STREAM


def server(**changes: str) -> Server:
    fields = {"name": "d", "host": "192.0.2.1", "ca": AUTHORITY.pem, **changes}
    return Server(protocol="ldap", ldap=Ldap(base="dc=x", bind_dn="cn=x"), **fields)  # type: ignore[arg-type] # texts only


def soon(seconds: float = 1) -> float:
    return time.monotonic() + seconds


def test_tls_always_wants_a_certificate_and_its_name() -> None:
    for one in (server(), server(ca="")):
        context = reach.context_of(one, None)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_given_certificates_count_instead_of_the_system_s() -> None:
    own = reach.context_of(server(), None).get_ca_certs()

    assert len(own) == 1


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (None, "is missing"),
        ("", "is missing"),
        ("no key", "cannot be read"),
        ("\ud800\0", "cannot be read"),
        (AUTHORITY.issue().key, "does not belong to it"),
    ],
)
def test_a_key_that_cannot_be_used_is_named(key: str | None, why: str) -> None:
    with pytest.raises(ReachError, match=why) as caught:
        reach.context_of(server(client_certificate=MINE.certificate), key)

    assert caught.value.step == "settings"
    assert caught.value.__cause__ is None


def test_a_key_leaves_nothing_open_and_nothing_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    before = sorted(Path("/proc/self/fd").iterdir())

    reach.context_of(server(client_certificate=MINE.certificate), MINE.key)

    assert sorted(Path("/proc/self/fd").iterdir()) == before
    assert list(tmp_path.iterdir()) == []


def test_addresses_of_both_families_take_turns() -> None:
    def resolve(*_: object, **__: object) -> reach.Found:
        first = [(V6, TCP, 6, "", (f"2001:db8::{n}", 1, 0, 0)) for n in range(3)]
        second = [(V4, TCP, 6, "", (f"192.0.2.{n}", 1)) for n in range(20)]
        return [*first, first[0], *second]

    found = reach.addresses_of("x.test", 1, until=soon(), resolve=resolve)

    assert [where[0] for _, where in found] == [
        "2001:db8::0", "192.0.2.0", "2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2",
        "192.0.2.3", "192.0.2.4",
    ]  # fmt: skip


def test_an_address_is_not_looked_up() -> None:
    def resolve(*_: object, **__: object) -> reach.Found:
        raise AssertionError

    found = reach.addresses_of("2001:db8::1", 636, until=soon(), resolve=resolve)

    assert [where[:2] for _, where in found] == [("2001:db8::1", 636)]


def test_a_resolver_that_does_not_answer_is_left_alone() -> None:
    enough = threading.Event()

    def resolve(*_: object, **__: object) -> reach.Found:
        enough.wait(10)
        return []

    began = time.monotonic()
    with pytest.raises(ReachError, match="in time") as caught:
        reach.addresses_of("x.test", 1, until=began + 0.05, resolve=resolve)
    enough.set()

    assert caught.value.step == "name"
    assert time.monotonic() - began < 0.25


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "x"), "DNS setting"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "spelling"),
        (UnicodeError("label too long"), "spelling"),
        (OSError("x"), "spelling"),
    ],
)
def test_names_without_an_address_are_told(error: Exception, why: str) -> None:
    def resolve(*_: object, **__: object) -> reach.Found:
        raise error

    with pytest.raises(ReachError, match=why):
        reach.addresses_of("x.test", 1, until=soon(), resolve=resolve)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TimeoutError(), "did not answer in time"),
        (ConnectionResetError(104, "x"), "ended the connection"),
        (OSError(113, "x"), "No route to host"),
        (OSError(), "OSError"),
        (ValueError("secret of somebody"), "ValueError"),
    ],
)
def test_failures_are_told_in_words(error: Exception, why: str) -> None:
    told = reach.told(error, server())

    assert told.startswith("192.0.2.1:636 ")
    assert why in told
    assert "secret" not in told
