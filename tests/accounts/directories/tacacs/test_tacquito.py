"""The client against a server that others wrote: neither may have misread the RFCs alone."""

import time
from collections.abc import Callable, Mapping

import pytest

from holdfast.accounts.directories.answers import (
    Accepted,
    Claim,
    Rejected,
    Step,
    Unavailable,
)
from holdfast.accounts.directories.tacacs import Event, TacacsDirectory
from holdfast.accounts.directories.tacacs.bodies import Status
from holdfast.accounts.directories.tacacs.directory import _Run
from tests.accounts.directories.tacacs.conftest import PASSWORD, Line, Tacquito, asked
from tests.servers.tacacs import User

pytestmark = pytest.mark.servers
Start = Callable[[Mapping[str, User]], Tacquito]
PEOPLE = {
    "ada": User(PASSWORD),
    "bob": User("another password of his", ("priv-lvl=5", "team*cameras")),
    "eve": User("a third password, hers", ()),
    "zoe": User("κωδικός με κενά 密码"),
    "Ζωή": User("κωδικός με κενά 密码"),
}


def test_good_and_bad(line: Line, tacquito: Start) -> None:
    server = tacquito(PEOPLE)
    assert line.ask(server.port) == Accepted(
        name="ada",
        claims=(Claim(kind="level", value="15"),),
        server=f"127.0.0.1:{server.port}",
        is_spelt=False,
    )
    for name, password in [("ada", "wrong"), ("nobody", PASSWORD), ("ada*", PASSWORD)]:
        assert isinstance(line.ask(server.port, name, password), Rejected)


def test_roles(line: Line, tacquito: Start) -> None:
    server = tacquito(PEOPLE)
    bob = line.ask(server.port, "bob", PEOPLE["bob"].password)
    assert isinstance(bob, Accepted)
    assert bob.claims == (
        Claim(kind="level", value="5"),
        Claim(kind="attribute", name="team", value="cameras"),
    )
    eve = line.ask(server.port, "eve", PEOPLE["eve"].password)
    assert isinstance(eve, Accepted)
    assert eve.claims == ()


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [
        (b"ada", PASSWORD.encode(), Status.PASS),
        (b"ada", b"wrong", Status.FAIL),
        (b"nobody", PASSWORD.encode(), Status.FAIL),
    ],
)
def test_ascii(line: Line, tacquito: Start, name: bytes, password: bytes, status: Status) -> None:
    """It knows PAP, so nothing but this asks it in the other way."""
    directory = line.directory(tacquito(PEOPLE).port)
    run = _Run(until=time.monotonic() + 5, tell=lambda _: None)
    assert directory._by_ascii(run, name, password, b"") is status


def test_scripts(line: Line, tacquito: Start) -> None:
    """It knows no names but in ASCII, and says that with an error; passwords may be anything."""
    server = tacquito(PEOPLE)
    assert isinstance(line.ask(server.port, "zoe", PEOPLE["zoe"].password), Accepted)
    assert isinstance(line.ask(server.port, "Ζωή", PEOPLE["Ζωή"].password), Rejected)


def test_another_secret(
    line_of: Callable[[str], Line], tacquito_of: Callable[[Line], Start]
) -> None:
    line = line_of("plain")
    server = tacquito_of(line)(PEOPLE)
    answer = line.ask(server.port, key="quite another shared secret it is...")
    assert isinstance(answer, Unavailable)
    assert answer.step == "secret"


@pytest.mark.parametrize(("shown", "known"), [(True, True), (False, True), (True, False)])
def test_certificates(
    line_of: Callable[[str], Line],
    tacquito_of: Callable[[Line], Start],
    *,
    shown: bool,
    known: bool,
) -> None:
    line = line_of("tls")
    server = tacquito_of(line)(PEOPLE)
    ours = line.certificates.client if known else line.certificates.stranger
    settings = line.settings(server.port, client_certificate=ours.certificate if shown else "")
    answer = asked(TacacsDirectory(settings, client_key=ours.key))
    assert isinstance(answer, Accepted) is (shown and known)
    if isinstance(answer, Unavailable):
        assert answer.step == "tls"


def test_steps(line: Line, tacquito: Start) -> None:
    server = tacquito(PEOPLE)
    steps: list[Step] = []
    directory = line.directory(server.port)
    answer = directory.test(None, until=time.monotonic() + 5, tell=steps.append)
    assert isinstance(answer, Accepted)
    told = {step.name: step.ok for step in steps}
    assert told["route"] is True
    assert told["secret"] is (None if line.tls else True)


def test_accounting(line: Line, tacquito: Start) -> None:
    server = tacquito(PEOPLE)
    directory = line.directory(server.port)
    event = Event(kind="start", name="ada", task="17", at_s=1000, source="192.0.2.7")
    assert directory.record(event, until=time.monotonic() + 5) is None
    assert "task_id=17" in server.told.read_text()
