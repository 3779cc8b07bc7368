""" "Test this server" says in words at which step it failed; no word of it holds a secret."""

import time
from collections.abc import Callable

import pytest

from holdfast.accounts.directories.answers import Accepted, Login, Rejected, Step, Unavailable
from holdfast.accounts.directories.tacacs import TacacsDirectory
from tests.accounts.directories.tacacs.conftest import KEY, PASSWORD, Line
from tests.servers import tacacs
from tests.servers.fault_proxy import Fault, Garbage, Refuse, Silence, Truncate, fault_proxy
from tests.servers.tacacs import Manners, User

pytestmark = pytest.mark.servers
ADA = Login(name="ada", password=PASSWORD)


def steps_of(directory: TacacsDirectory, login: Login | None) -> tuple[list[Step], object]:
    steps: list[Step] = []
    answer = directory.test(login, until=time.monotonic() + 5, tell=steps.append)
    everything = " ".join(step.told for step in steps) + repr(answer) + repr(directory)
    assert PASSWORD not in everything
    assert KEY not in everything
    assert all(step.told.endswith((".", "?")) or step.name in {"name", "route"} for step in steps)
    return steps, answer


def shown(steps: list[Step]) -> list[tuple[str, bool | None]]:
    return [(step.name, step.ok) for step in steps]


def test_all_is_well(line: Line) -> None:
    steps, answer = steps_of(line.directory(line.serve().port), ADA)
    security = [("tls", True), ("secret", None)] if line.tls else [("secret", True)]
    route = [("name", True), ("route", True)]
    assert shown(steps) == [*route, *security, ("password", True), ("role", True)]
    assert isinstance(answer, Accepted)


def test_without_a_login(line: Line) -> None:
    server = line.serve()
    steps, answer = steps_of(line.directory(server.port), None)
    security = [("tls", True), ("secret", None)] if line.tls else [("secret", True)]
    assert shown(steps) == [("name", True), ("route", True), *security, ("password", None)]
    assert isinstance(answer, Accepted)
    assert answer.name == ""
    assert [kind for kind, _ in server.requests][:1] == [1]


@pytest.mark.parametrize("login", [ADA, None])
@pytest.mark.parametrize(
    ("fault", "plain", "tls"),
    [
        (Refuse(), "route", "route"),
        (Silence(), "route", "tls"),
        (Garbage(content=b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), "route", "tls"),
        (Truncate(after=0), "secret", "tls"),
    ],
)
def test_first_step_that_fails(
    line: Line, fault: Fault, plain: str, tls: str, login: Login | None
) -> None:
    with fault_proxy(line.serve().port, fault) as proxy:
        steps, answer = steps_of(line.directory(proxy.port), login)
    assert isinstance(answer, Unavailable)
    assert answer.step == (tls if line.tls else plain)
    assert shown(steps)[-1] == (answer.step, False)
    assert [ok for _, ok in shown(steps)].count(False) == 1


@pytest.mark.parametrize("login", [ADA, None])
def test_another_secret(line_of: Callable[[str], Line], login: Login | None) -> None:
    line = line_of("plain")
    server = line.serve()
    directory = line.directory(server.port, key="quite another shared secret it is...")
    steps, answer = steps_of(directory, login)
    assert isinstance(answer, Unavailable)
    assert shown(steps) == [("name", True), ("route", True), ("secret", False)]
    assert "same on both sides?" in steps[-1].told


@pytest.mark.parametrize("login", [ADA, None])
def test_refused_certificate_of_ours(line_of: Callable[[str], Line], login: Login | None) -> None:
    line = line_of("tls")
    server = line.serve()
    directory = TacacsDirectory(line.settings(server.port, client_certificate=""))
    steps, answer = steps_of(directory, login)
    assert isinstance(answer, Unavailable)
    assert shown(steps) == [("name", True), ("route", True), ("tls", False)]
    assert "client certificate" in steps[-1].told
    assert "our client certificate" not in steps[-1].told  # there is none


def test_wrong_password(line: Line) -> None:
    login = Login(name="ada", password="wrong")
    steps, answer = steps_of(line.directory(line.serve().port), login)
    assert isinstance(answer, Rejected)
    assert shown(steps)[-1] == ("password", False)


@pytest.mark.parametrize(
    ("manners", "user", "words"),
    [
        (Manners(permission=tacacs.NOT_ALLOWED), User(PASSWORD), "service=shell"),
        (Manners(), User(PASSWORD, ("acl=7",)), "'acl'"),
        (Manners(), User(PASSWORD, ("priv-lvl=99",)), "0 to 15"),
        (Manners(permission=tacacs.NOT_DECIDED), User(PASSWORD), "could not decide"),
    ],
)
def test_role_that_fails(line: Line, manners: Manners, user: User, words: str) -> None:
    server = line.serve(manners, people={"ada": user})
    steps, _ = steps_of(line.directory(server.port), ADA)
    assert shown(steps)[-2:] == [("password", True), ("role", False)]
    assert words in steps[-1].told


def test_no_certificate_of_ours_is_said(line_of: Callable[[str], Line]) -> None:
    line = line_of("tls")
    certificate, key = map(str, line.certificates.good)
    context = tacacs.server_context(certificate, key)
    with tacacs.tacacs_server({"ada": User(PASSWORD)}, context=context) as server:
        directory = TacacsDirectory(line.settings(server.port, client_certificate=""))
        steps, answer = steps_of(directory, ADA)
    assert isinstance(answer, Accepted)
    assert "no certificate of our own" in steps[2].told


def test_not_even_a_hand_made_setting_asks_without_a_warning(
    line_of: Callable[[str], Line],
) -> None:
    line = line_of("plain")
    server = line.serve()
    settings = line.settings(server.port)
    object.__setattr__(settings, "warned", False)
    answer = TacacsDirectory(settings, KEY).authenticate(ADA, until=time.monotonic() + 5)
    assert isinstance(answer, Unavailable)
    assert answer.step == "settings"
    assert server.requests == []
