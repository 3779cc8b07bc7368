"""Debian's FreeRADIUS, over UDP and RadSec, and everything that can happen on the way to it."""

import socket
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import pytest

from holdfast.accounts.directories.answers import (
    Accepted,
    Answer,
    Claim,
    Login,
    Rejected,
    Step,
    Unavailable,
)
from holdfast.accounts.directories.chain import Chain
from holdfast.accounts.directories.radius import RadiusDirectory
from holdfast.accounts.directories.radius.packets import Request
from holdfast.accounts.directories.settings import CentralLogin, Group, RoleRule, Server
from tests.accounts.directories.radius_replies import reply_to
from tests.servers.authority import Authority
from tests.servers.fault_proxy import (
    Delay,
    Drop,
    Fault,
    Flip,
    Garbage,
    Pieces,
    Silence,
    fault_proxy,
)
from tests.servers.freeradius import (
    LONGEST,
    PASSWORD,
    PEOPLE,
    SECRET,
    FreeRadius,
    free_port,
    freeradius,
)
from tests.servers.udp_proxy import UdpProxy, udp_proxy

pytestmark = pytest.mark.servers

ACCEPT, REJECT = 2, 3
LEVEL_15 = Claim(kind="level", value="15")
ADA = Login(name="ada", password=PASSWORD, source="192.0.2.7")
WRONG = Login(name="ada", password="not-this-one-either", source="192.0.2.7")


@pytest.fixture(scope="module")
def radius(
    need: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FreeRadius]:
    with freeradius(need("freeradius"), tmp_path_factory.mktemp("freeradius")) as running:
        yield running


@pytest.fixture
def proxy(radius: FreeRadius) -> Iterator[UdpProxy]:
    with udp_proxy(radius.ports["ordinary"]) as running:
        yield running


Ask = Callable[..., Answer]


@pytest.fixture(params=["udp", "radsec"])
def ask(request: pytest.FixtureRequest, radius: FreeRadius) -> Ask:
    """Logs in over each transport."""
    server = radius.over_udp() if request.param == "udp" else radius.over_tls()

    def login(name: str, password: str) -> Answer:
        return asked(server, Login(name=name, password=password), radius)

    return login


def asked(
    server: Server, login: Login, radius: FreeRadius, *, secret: str = "", within_s: float = 8
) -> Answer:
    secret = secret or (SECRET if server.transport == "plain" else "")
    directory = RadiusDirectory(server, secret, client_key=radius.ours.key)
    until = time.monotonic() + within_s
    answer = directory.authenticate(login, until=until)
    assert time.monotonic() < until + 0.1
    assert not login.password or login.password not in repr(answer)
    return answer


def steps_of(
    server: Server, login: Login | None, radius: FreeRadius, *, secret: str = ""
) -> tuple[Answer, dict[str, bool | None], str]:
    """Run the test; gives answer, steps, and the sentence of the last step."""
    secret = secret or (SECRET if server.transport == "plain" else "")
    directory = RadiusDirectory(server, secret, client_key=radius.ours.key)
    steps: list[Step] = []
    until = time.monotonic() + 8
    answer = directory.test(login, until=until, tell=steps.append)
    assert time.monotonic() < until + 0.1
    assert secret not in repr(steps) or not secret
    assert len({step.name for step in steps}) == len(steps)
    return answer, {step.name: step.ok for step in steps}, steps[-1].told


def unavailable(answer: Answer, step: str, told: str = "") -> None:
    assert isinstance(answer, Unavailable), answer
    assert answer.step == step, answer
    assert told in answer.reason


# Who gets in


@pytest.mark.parametrize("name", PEOPLE)
def test_good(ask: Ask, name: str) -> None:
    answer = ask(name, PEOPLE[name][0])
    assert isinstance(answer, Accepted)
    assert answer.name == ("the-real-name" if name == "alias" else name)
    assert answer.server.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "not-this-one-either"),
        ("ada", PASSWORD + " "),
        ("ada", PASSWORD.upper()),
        ("bob", PASSWORD),
        ("nobody", PASSWORD),
        ("ada", ""),
        ("", PASSWORD),
        ("*", PASSWORD),
        ("ada*", PASSWORD),
        ("a)(uid=*", PASSWORD),
        ('ada" Auth-Type := Accept', PASSWORD),
        ("%{User-Password}", "%{User-Password}"),
        ("DEFAULT", "DEFAULT"),
        ("ada@example.test", PASSWORD),
        ("ada\0", PASSWORD),
        ("Łukasz-Влад-愛", "пароль-密码"),
        ("longest", LONGEST[:-1]),
        ("longest", LONGEST + "x"),
    ],
)
def test_refused(ask: Ask, name: str, password: str) -> None:
    # FreeRADIUS 3.2.1 sends Class and priv-lvl 15 with the refusal; an answer has no claims then.
    assert isinstance(ask(name, password), Rejected)


@pytest.mark.parametrize(
    ("name", "claims"),
    [
        ("ada", {Claim(kind="attribute", name="class", value="operators"), LEVEL_15}),
        ("bob", {Claim(kind="attribute", name="filter-id", value="readers")}),
        ("bob", {Claim(kind="level", value="1")}),
        ("root-by-service", {LEVEL_15}),
        ("Łukasz-Влад-愛", {Claim(kind="attribute", name="class", value="группа-愛")}),
    ],
)
def test_claims(ask: Ask, name: str, claims: set[Claim]) -> None:
    answer = ask(name, PEOPLE[name][0])
    assert isinstance(answer, Accepted)
    assert claims <= set(answer.claims)


def test_no_claims_where_the_server_sends_none(ask: Ask) -> None:
    answer = ask("bare", "bare-password")
    assert isinstance(answer, Accepted)
    assert answer.claims == ()


def test_source_and_our_name_are_sent(radius: FreeRadius, proxy: UdpProxy) -> None:
    asked(radius.over_udp(port=proxy.port), ADA, radius)
    (request,) = proxy.requests
    assert bytes((31, 11)) + b"192.0.2.7" in request
    assert bytes((32, 10)) + b"holdfast" in request
    assert bytes((4, 6, 127, 0, 0, 1)) in request
    assert PASSWORD.encode()[:16] not in request


def test_challenge_is_a_refusal(radius: FreeRadius) -> None:
    answer = asked(radius.over_udp("challenge"), ADA, radius)
    assert isinstance(answer, Rejected)
    assert "second step" in answer.reason


# What is not believed


def test_wrong_secret(radius: FreeRadius) -> None:
    answer = asked(radius.over_udp(), ADA, radius, secret="another-secret")
    unavailable(answer, "secret", "RADIUS cannot tell them apart")


def test_wrong_secret_of_radsec(radius: FreeRadius) -> None:
    answer = asked(radius.over_tls(), ADA, radius, secret="another-secret", within_s=1)
    unavailable(answer, "secret", 'is not "radsec"')


@pytest.mark.parametrize("login", [ADA, WRONG])
def test_reply_without_message_authenticator(radius: FreeRadius, login: Login) -> None:
    unavailable(asked(radius.over_udp("unsigned"), login, radius), "secret", "CVE-2024-3596")


def flips(content: bytes) -> Iterator[bytes]:
    """Change each byte in turn, in three ways; and say yes instead of no."""
    for at, byte in enumerate(content):
        for mask in (1, 0x80, 0xFF):
            yield content[:at] + bytes((byte ^ mask,)) + content[at + 1 :]
    if content[0] == REJECT:
        yield bytes((ACCEPT,)) + content[1:]


@pytest.mark.parametrize("login", [ADA, WRONG])
def test_no_flipped_reply_is_believed(radius: FreeRadius, proxy: UdpProxy, login: Login) -> None:
    proxy.answer = flips
    unavailable(asked(radius.over_udp(port=proxy.port, tries=1), login, radius), "secret")
    assert len(proxy.replies) == 1


@pytest.mark.parametrize(("login", "kind"), [(ADA, Accepted), (WRONG, Rejected)])
def test_true_reply_is_found_among_flipped_ones(
    radius: FreeRadius, proxy: UdpProxy, login: Login, kind: type
) -> None:
    proxy.answer = lambda reply: chain(flips(reply), [reply])
    assert isinstance(asked(radius.over_udp(port=proxy.port), login, radius), kind)


def test_no_flipped_request_gets_in(radius: FreeRadius, proxy: UdpProxy) -> None:
    proxy.request = flips
    answer = asked(radius.over_udp(port=proxy.port, tries=1), WRONG, radius)
    assert not isinstance(answer, Accepted)


def test_forged_accept_without_mark(radius: FreeRadius, proxy: UdpProxy) -> None:
    """What CVE-2024-3596 makes: a right Response Authenticator, and no Message-Authenticator."""

    def forged(content: bytes) -> Iterable[bytes]:
        request = Request(identifier=content[1], authenticator=content[4:20], content=content)
        yield reply_to(request, SECRET.encode(), code=2, signed=False)

    proxy.at_once, proxy.target = forged, 0
    answer = asked(radius.over_udp(port=proxy.port, tries=1), WRONG, radius)
    unavailable(answer, "secret", "CVE-2024-3596")


def test_replayed_accept(radius: FreeRadius, proxy: UdpProxy) -> None:
    server = radius.over_udp(port=proxy.port, tries=1)
    assert isinstance(asked(server, ADA, radius), Accepted)
    (old,) = proxy.replies

    def replayed(content: bytes) -> Iterable[bytes]:
        yield old
        yield old[:1] + content[1:2] + old[2:]

    proxy.at_once = replayed
    assert isinstance(asked(server, WRONG, radius), Rejected)
    proxy.request = lambda _: []
    unavailable(asked(server, WRONG, radius), "secret")


def test_reply_from_another_port(radius: FreeRadius, proxy: UdpProxy) -> None:
    proxy.elsewhere = True
    answer = asked(radius.over_udp(port=proxy.port, tries=1), ADA, radius)
    unavailable(answer, "secret", "does not answer")
    assert len(proxy.replies) == 1


@pytest.mark.parametrize("content", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 5000])
def test_garbage(radius: FreeRadius, content: bytes) -> None:
    with udp_proxy() as proxy:
        proxy.at_once = lambda _: [content]
        answer = asked(radius.over_udp(port=proxy.port, tries=1), ADA, radius)
    unavailable(answer, "secret", "does not speak RADIUS")


def test_unknown_code(radius: FreeRadius) -> None:
    def odd(content: bytes) -> Iterable[bytes]:
        request = Request(identifier=content[1], authenticator=content[4:20], content=content)
        yield reply_to(request, SECRET.encode(), code=52)

    with udp_proxy() as proxy:
        proxy.at_once = odd
        answer = asked(radius.over_udp(port=proxy.port), ADA, radius)
    unavailable(answer, "password", "code 52")


# Dead, slow, lost


def test_dead(radius: FreeRadius) -> None:
    began = time.monotonic()
    answer = asked(radius.over_udp(port=free_port_of_udp()), ADA, radius)
    unavailable(answer, "route", "nothing listens")
    assert time.monotonic() - began < 1


def free_port_of_udp() -> int:
    return free_port(socket.SOCK_DGRAM)


def test_slow(radius: FreeRadius, proxy: UdpProxy) -> None:
    proxy.delay_s = 0.4
    assert isinstance(asked(radius.over_udp(port=proxy.port), ADA, radius), Accepted)
    proxy.delay_s = 3
    answer = asked(radius.over_udp(port=proxy.port), ADA, radius, within_s=0.5)
    unavailable(answer, "secret", "does not answer")


def test_flood_ends_in_time(radius: FreeRadius) -> None:
    with udp_proxy() as proxy:
        proxy.at_once = lambda content: (content for _ in range(100_000) if proxy.running)
        answer = asked(radius.over_udp(port=proxy.port), ADA, radius, within_s=0.5)
    unavailable(answer, "secret")


def test_no_time_left(radius: FreeRadius) -> None:
    answer = RadiusDirectory(radius.over_udp(), SECRET).authenticate(ADA, until=time.monotonic())
    unavailable(answer, "route", "no time")


def test_lost_request_is_sent_again_unchanged(radius: FreeRadius, proxy: UdpProxy) -> None:
    lost: list[bytes] = []

    def lose_the_first(content: bytes) -> Iterable[bytes]:
        if lost:
            yield content
        lost.append(content)

    proxy.request = lose_the_first
    assert isinstance(asked(radius.over_udp(port=proxy.port), ADA, radius), Accepted)
    first, second = proxy.requests
    assert first == second


def test_name_with_two_addresses(radius: FreeRadius) -> None:
    # Where localhost is ::1, too, nobody listens there.
    server = radius.over_udp()
    named = Server(
        name="r", protocol="radius", host="localhost", port=server.port, transport="plain"
    )
    assert isinstance(asked(named, ADA, radius), Accepted)


def test_name_that_does_not_exist(radius: FreeRadius) -> None:
    named = Server(name="r", protocol="radius", host="radius.invalid", transport="plain")
    unavailable(asked(named, ADA, radius), "name")


@pytest.mark.parametrize(("login", "kind"), [(ADA, "accepted"), (WRONG, "rejected")])
def test_failover(radius: FreeRadius, login: Login, kind: str) -> None:
    dead = Server(
        name="dead",
        protocol="radius",
        host="127.0.0.1",
        port=free_port_of_udp(),
        transport="plain",
        timeout_s=1,
    )
    settings = CentralLogin(
        servers=(dead, radius.over_udp()),
        groups=(Group(name="both", servers=("dead", "radius")),),
        roles=(RoleRule(role="admin", attribute="class", value="operators"),),
    )
    outcome = Chain(
        settings,
        directory=lambda server: RadiusDirectory(server, SECRET),
        dead={},
        monotonic=time.monotonic,
    ).ask(login, ["both"], budget_s=8)
    assert (outcome.kind, outcome.server) == (kind, "radius")
    assert outcome.role == ("admin" if kind == "accepted" else "")
    assert [one.server for one in outcome.tries] == ["dead", "radius"][: len(outcome.tries)]
    assert "dead" in outcome.dead


# RadSec


def test_radsec_needs_the_right_authority(radius: FreeRadius) -> None:
    answer = asked(radius.over_tls(ca=Authority("Foreign").pem), ADA, radius)
    unavailable(answer, "tls", "is not among the given ones")


def test_radsec_with_expired_certificate(radius: FreeRadius) -> None:
    answer = asked(radius.over_tls(port=radius.expired_port), ADA, radius)
    unavailable(answer, "tls", "is over")


def test_radsec_with_another_name(radius: FreeRadius) -> None:
    answer = asked(radius.over_tls(tls_name="other.test"), ADA, radius)
    unavailable(answer, "tls", "other.test")


def test_radsec_without_our_certificate(radius: FreeRadius) -> None:
    answer = asked(radius.over_tls(certificate=""), ADA, radius)
    assert isinstance(answer, Unavailable)
    assert "client certificate" in answer.reason


def test_radsec_with_a_foreign_certificate_of_ours(radius: FreeRadius) -> None:
    foreign = Authority("Foreign").issue("device.test", client=True)
    server = radius.over_tls(certificate=foreign.certificate)
    directory = RadiusDirectory(server, "", client_key=foreign.key)
    answer = directory.authenticate(ADA, until=time.monotonic() + 5)
    assert isinstance(answer, Unavailable)
    assert "client certificate" in answer.reason


def test_radsec_with_the_wrong_key(radius: FreeRadius) -> None:
    key = radius.authority.issue(client=True).key
    directory = RadiusDirectory(radius.over_tls(), "", client_key=key)
    unavailable(directory.authenticate(ADA, until=time.monotonic() + 5), "settings", "key")


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        (Drop(), "tls"),
        (Garbage(content=b"SSH-2.0-OpenSSH\r\n"), "tls"),
        (Silence(), "tls"),
    ],
)
def test_radsec_and_bad_servers(radius: FreeRadius, fault: Drop, step: str) -> None:
    with fault_proxy(radius.tls_port, fault) as proxy:
        answer = asked(radius.over_tls(port=proxy.port), ADA, radius, within_s=1)
    unavailable(answer, step)


def test_radsec_dead(radius: FreeRadius) -> None:
    port = free_port(socket.SOCK_STREAM)
    unavailable(asked(radius.over_tls(port=port), ADA, radius), "route", "refuses connections")


def test_radsec_slow(radius: FreeRadius) -> None:
    with fault_proxy(radius.tls_port, Delay(seconds=0.4)) as proxy:
        assert isinstance(asked(radius.over_tls(port=proxy.port), ADA, radius), Accepted)
    with fault_proxy(radius.tls_port, Delay(seconds=3)) as proxy:
        unavailable(asked(radius.over_tls(port=proxy.port), ADA, radius, within_s=0.5), "tls")


def test_radsec_in_pieces(radius: FreeRadius) -> None:
    with fault_proxy(radius.tls_port, Pieces(size=7, pause_s=0)) as proxy:
        assert isinstance(asked(radius.over_tls(port=proxy.port), ADA, radius), Accepted)


@pytest.mark.parametrize("login", [ADA, WRONG])
def test_no_flip_gets_in_over_radsec(radius: FreeRadius, login: Login) -> None:
    with fault_proxy(radius.tls_port) as proxy:
        server = radius.over_tls(port=proxy.port)
        asked(server, login, radius)
        length = len(proxy.passed["client"])
        # The reply is in the last record; before it come handshake and session tickets.
        places = [*range(length - 90, length - 6, 3), *range(0, length - 90, 211)]
        for at in places:
            proxy.fault = Flip(at=at)
            answer = asked(server, login, radius, within_s=0.3)
            assert not isinstance(answer, Accepted), at
        proxy.fault = Fault()
        after = asked(server, login, radius)
        assert not isinstance(after, Unavailable), "the server had enough of us"


# "Test this server"


@pytest.mark.parametrize("login", [None, ADA])
def test_steps_of_a_good_server(radius: FreeRadius, login: Login | None) -> None:
    answer, steps, _ = steps_of(radius.over_udp(), login, radius)
    assert isinstance(answer, Accepted)
    assert answer.name == ("ada" if login else "")
    password = True if login else None
    assert steps == {"name": True, "route": True, "secret": True, "password": password}
    answer, steps, _ = steps_of(radius.over_tls(), login, radius)
    assert isinstance(answer, Accepted)
    assert list(steps) == ["name", "route", "tls", "secret", "password"]
    assert steps["password"] is password


def test_steps_of_a_refusal(radius: FreeRadius) -> None:
    answer, steps, _ = steps_of(radius.over_udp(), WRONG, radius)
    assert isinstance(answer, Rejected)
    assert steps == {"name": True, "route": True, "secret": True, "password": False}


def test_steps_with_the_wrong_secret(radius: FreeRadius) -> None:
    server = radius.over_udp(tries=1)
    answer, steps, told = steps_of(server, None, radius, secret="another-secret")
    assert isinstance(answer, Unavailable)
    assert steps == {"name": True, "route": None, "secret": False}
    assert "either no server listens there, or the shared secret is wrong" in told


def test_steps_of_a_server_whose_store_hangs(radius: FreeRadius) -> None:
    answer, steps, told = steps_of(radius.over_udp("silent", tries=1), ADA, radius)
    unavailable(answer, "password")
    assert steps == {"name": True, "route": True, "secret": True, "password": False}
    assert "does not answer logins" in told


def test_steps_of_a_server_that_does_not_sign(radius: FreeRadius) -> None:
    _, steps, told = steps_of(radius.over_udp("unsigned", tries=1), None, radius)
    assert steps == {"name": True, "route": True, "secret": False}
    assert "without Message-Authenticator" in told


def test_steps_of_a_server_that_lets_anybody_in(radius: FreeRadius) -> None:
    answer, steps, told = steps_of(radius.over_udp("anybody"), None, radius)
    unavailable(answer, "password")
    assert steps["password"] is False
    assert "let anybody in" in told


def test_steps_of_a_dead_server(radius: FreeRadius) -> None:
    server = radius.over_udp(port=free_port_of_udp())
    answer, steps, _ = steps_of(server, None, radius)
    unavailable(answer, "route")
    assert steps == {"name": True, "route": False}


def test_steps_of_a_wrong_certificate(radius: FreeRadius) -> None:
    _, steps, told = steps_of(radius.over_tls(port=radius.expired_port), None, radius)
    assert steps == {"name": True, "route": True, "tls": False}
    assert "ended on" in told


def test_short_secret_is_warned_about(radius: FreeRadius) -> None:
    def answered(content: bytes) -> Iterable[bytes]:
        request = Request(identifier=content[1], authenticator=content[4:20], content=content)
        yield reply_to(request, b"short", code=3)

    steps: list[Step] = []
    with udp_proxy() as proxy:
        proxy.at_once = answered
        directory = RadiusDirectory(radius.over_udp(port=proxy.port), "short")
        directory.test(None, until=time.monotonic() + 5, tell=steps.append)
    (told,) = [step.told for step in steps if step.name == "secret"]
    assert "it has only 5 characters" in told
