"""What follows a password that is right: roles, accounting, and the next server."""

import time
from collections.abc import Callable, Iterable

import pytest

from holdfast.accounts.directories.answers import Accepted, Login, Unavailable
from holdfast.accounts.directories.chain import Chain
from holdfast.accounts.directories.settings import CentralLogin, Group, RoleRule
from holdfast.accounts.directories.tacacs import Event
from tests.accounts.directories.tacacs.conftest import PASSWORD, Line
from tests.servers import tacacs
from tests.servers.fault_proxy import (
    Drop,
    Fault,
    Garbage,
    Refuse,
    Silence,
    fault_proxy,
)
from tests.servers.tacacs import Manners, User

pytestmark = pytest.mark.servers
HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"

# --- roles -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "claims"),
    [
        (User(PASSWORD, ("priv-lvl=15",)), ["15"]),
        (User(PASSWORD, ("priv-lvl*5",)), ["5"]),
        (User(PASSWORD, ("PRIV-LVL=01",)), ["1"]),
        (User(PASSWORD, ("priv-lvl=0",), tacacs.PASS_REPL), ["0"]),
        (User(PASSWORD, ("priv-lvl=15", "priv-lvl=1")), ["1"]),
        (User(PASSWORD, ()), []),
        (User(PASSWORD, ("priv-lvl=",)), []),
        (User(PASSWORD, ("priv-lvl=16",)), []),
        (User(PASSWORD, ("priv-lvl=-1",)), []),
        (User(PASSWORD, ("priv-lvl=٣",)), []),
        (User(PASSWORD, ("priv-lvl*99",)), []),
        (User(PASSWORD, ("priv-lvl=15",), tacacs.NOT_ALLOWED), []),
        (User(PASSWORD, ("priv-lvl=15",), tacacs.FOLLOW), []),
        (User(PASSWORD, ("priv-lvl=15", "acl=7")), []),
        (User(PASSWORD, ("priv-lvl=15", "nonsense")), []),
        (User(PASSWORD, ("priv-lvl=15", "a=\0")), []),
        (User(PASSWORD, ("priv-lvl=15", "a*\0")), []),
        (User(PASSWORD, ("priv-lvl=15", "team*\x9b")), []),
        (User(PASSWORD, ("priv-lvl=15", "acl*7")), ["15", "7"]),
        (User(PASSWORD, ("priv-lvl=15", "team=cameras")), ["15", "cameras"]),
        (User(PASSWORD, ("priv-lvl=15", "service=shell", "cmd=")), ["15", "shell", ""]),
        (User(PASSWORD, ("priv-lvl=3",) + ("x*" + "y" * 253,) * 254), ["3"] + ["y" * 253] * 254),
    ],
)
def test_roles(line: Line, user: User, claims: list[str]) -> None:
    server = line.serve(people={"ada": user})
    answer = line.ask(server.port, understood=("Team",))
    assert isinstance(answer, Accepted)
    assert [claim.value for claim in answer.claims] == claims


def test_authorisation_that_fails_is_no_yes(line: Line) -> None:
    server = line.serve(Manners(permission=tacacs.NOT_DECIDED))
    answer = line.ask(server.port)
    assert isinstance(answer, Unavailable)
    assert answer.step == "role"


def test_a_lonely_yes_is_none(line: Line) -> None:
    """The server dies between the two questions."""
    server = line.serve()
    server.manners.before = lambda: setattr(server.manners, "wire", once())

    def once() -> Callable[[bytes], Iterable[bytes]]:
        return lambda packet: [packet] if packet[1] == 1 else []

    answer = line.ask(server.port)
    assert isinstance(answer, Unavailable)
    assert answer.step == "role"


# --- accounting --------------------------------------------------------------------------------


def test_accounting(line: Line) -> None:
    server = line.serve()
    directory = line.directory(server.port)
    until = time.monotonic() + 5
    came = Event(kind="start", name="ada", task="17", at_s=1000, source="192.0.2.7")
    left = Event(kind="stop", name="Ζωή", task="17", at_s=1090, lasted_s=90)
    assert directory.record(came, until=until) is None
    assert directory.record(left, until=until) is None
    assert server.records == [
        ["2", "ada", "192.0.2.7", "task_id=17", "service=shell", "start_time=1000"],
        ["4", "Ζωή", "", "task_id=17", "service=shell", "stop_time=1090", "elapsed_time=90"],
    ]


@pytest.mark.parametrize("noted", [2, 0x21, 0])
def test_accounting_that_fails(line: Line, noted: int) -> None:
    server = line.serve(Manners(noted=noted))
    event = Event(kind="start", name="ada", task="17", at_s=1000)
    told = line.directory(server.port).record(event, until=time.monotonic() + 5)
    assert isinstance(told, Unavailable)


@pytest.mark.parametrize(("name", "task"), [("", "1"), ("a\0", "1"), ("ada", ""), ("ada", "ü")])
def test_accounting_of_nonsense(line: Line, name: str, task: str) -> None:
    server = line.serve()
    event = Event(kind="start", name=name, task=task, at_s=1)
    told = line.directory(server.port).record(event, until=time.monotonic() + 5)
    assert isinstance(told, Unavailable)
    assert server.requests == []


# --- several servers ---------------------------------------------------------------------------


def chain_of(line: Line, *ports: int) -> Chain:
    servers = tuple(line.settings(port) for port in ports)
    settings = CentralLogin(
        servers=servers,
        groups=(Group(name="tac", servers=tuple(one.name for one in servers)),),
        roles=(RoleRule(role="administrator", level=15), RoleRule(role="viewer", level=1)),
    )
    return Chain(
        settings,
        directory=lambda server: line.directory(server.usual_port),
        dead={},
        monotonic=time.monotonic,
    )


@pytest.mark.parametrize("fault", [Refuse(), Drop(), Silence(), Garbage(content=HTTP)])
def test_failover(line: Line, fault: Fault) -> None:
    server = line.serve()
    with fault_proxy(server.port, fault) as proxy:
        outcome = chain_of(line, proxy.port, server.port).ask(
            Login(name="ada", password=PASSWORD), ["tac"], budget_s=5
        )
    assert (outcome.kind, outcome.role) == ("accepted", "administrator")
    assert outcome.server == f"tac-{server.port}"
    assert list(outcome.dead) == [f"tac-{proxy.port}"]


def test_no_failover_after_a_no(line: Line) -> None:
    first, second = line.serve(people={}), line.serve()
    outcome = chain_of(line, first.port, second.port).ask(
        Login(name="ada", password=PASSWORD), ["tac"], budget_s=5
    )
    assert outcome.kind == "rejected"
    assert second.requests == []


def test_no_level_is_no_role(line: Line) -> None:
    server = line.serve(people={"ada": User(PASSWORD, ())})
    outcome = chain_of(line, server.port).ask(
        Login(name="ada", password=PASSWORD), ["tac"], budget_s=5
    )
    assert (outcome.kind, outcome.role) == ("no-role", "")
