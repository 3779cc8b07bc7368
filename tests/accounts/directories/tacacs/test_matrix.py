"""The client against a server of ours, plain and over TLS: right and wrong in every way known."""

import ssl
import time
from collections.abc import Callable, Iterable

import pytest

from holdfast.accounts.directories.answers import Accepted, Claim, Login, Rejected, Unavailable
from holdfast.accounts.directories.settings import Server
from holdfast.accounts.directories.tacacs import TacacsDirectory
from holdfast.core.shapes import ProblemsError
from tests.accounts.directories.tacacs.conftest import KEY, PASSWORD, PEOPLE, Line, asked
from tests.servers import tacacs
from tests.servers.fault_proxy import (
    Delay,
    Drop,
    Fault,
    Flip,
    Garbage,
    Pieces,
    Refuse,
    Silence,
    Towards,
    Truncate,
    fault_proxy,
)
from tests.servers.tacacs import Manners

pytestmark = pytest.mark.servers
LEVEL_15 = (Claim(kind="level", value="15"),)
HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
ANOTHER_KEY = "quite another shared secret it is..."


def test_good(line: Line) -> None:
    server = line.serve()
    answer = line.ask(server.port)
    assert answer == Accepted(
        name="ada", claims=LEVEL_15, server=f"127.0.0.1:{server.port}", is_spelt=False
    )
    assert [kind for kind, _ in server.requests] == [1, 2]
    assert len(set(server.sessions)) == 2


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong"),
        ("ada", PASSWORD + " "),
        ("ada", PASSWORD.upper()),
        ("nobody", PASSWORD),
        ("ada ", PASSWORD),
        ("ada*", PASSWORD),
        ("*", PASSWORD),
        ("ada)(uid=*", PASSWORD),
        ("ada' or '1'='1", PASSWORD),
        ("ada=priv-lvl=15", PASSWORD),
        ("../ada", PASSWORD),
        ("ada@127.0.0.1", PASSWORD),
        ("$enab15$", PASSWORD),
    ],
)
@pytest.mark.parametrize("pap", [None, tacacs.ERROR])
def test_no(line: Line, name: str, password: str, pap: int | None) -> None:
    server = line.serve(Manners(pap=pap))
    answer = line.ask(server.port, name, password)
    assert isinstance(answer, Rejected)
    assert {kind for kind, _ in server.requests} == {1}, "nobody asks what a stranger may"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("", PASSWORD),
        ("ada", ""),
        ("ada\0", PASSWORD),
        ("ada", PASSWORD + "\0"),
        ("a\ud800da", PASSWORD),
        ("ada", "\udfff"),
        ("ada\r\n", PASSWORD),
        ("ada\x9b", PASSWORD),
        ("n" * 256, PASSWORD),
        ("ada", "p" * 256),
        ("ada", "é" * 128),
    ],
)
def test_unfit_is_never_sent(line: Line, name: str, password: str) -> None:
    server = line.serve()
    with fault_proxy(server.port) as proxy:
        answer = line.ask(proxy.port, name, password)
        assert proxy.connections == 0
    assert isinstance(answer, Rejected)
    assert password == "" or password not in answer.reason


@pytest.mark.parametrize("name", [name for name in PEOPLE if name != "bob"])
@pytest.mark.parametrize("pap", [None, tacacs.ERROR])
def test_any_script_and_length(line: Line, name: str, pap: int | None) -> None:
    server = line.serve(Manners(pap=pap))
    assert isinstance(line.ask(server.port, name, PEOPLE[name].password), Accepted)
    assert isinstance(line.ask(server.port, name, PEOPLE[name].password[:-1]), Rejected)


@pytest.mark.parametrize(
    ("fault", "steps"),
    [
        (Refuse(), {"route"}),
        (Drop(), {"route", "secret", "tls"}),
        (Silence(), {"route", "tls"}),
        (Delay(seconds=1.5), {"route", "tls"}),
        (Garbage(content=HTTP), {"route", "tls"}),
        (Garbage(content=HTTP, close=True), {"route", "tls"}),
        (Garbage(content=b""), {"route", "tls"}),
        (Garbage(content=bytes(500)), {"route", "tls"}),
        (Garbage(content=b"\xff" * 70000), {"route", "tls"}),
        (Garbage(content=b"\x15\x03\x01\x00\x02\x02\x46"), {"route", "tls"}),
        (Truncate(after=0), {"secret", "tls"}),
        (Truncate(after=5), {"route", "tls"}),
        (Truncate(after=12), {"route", "tls"}),
        (Truncate(after=17), {"route", "tls"}),
        (Truncate(after=20, towards="server"), {"route", "secret", "tls"}),
    ],
)
def test_no_answer_to_rely_on(line: Line, fault: Fault, steps: set[str]) -> None:
    server = line.serve()
    with fault_proxy(server.port, fault) as proxy:
        answer = line.ask(proxy.port)
    assert isinstance(answer, Unavailable)
    assert answer.step in steps
    assert PASSWORD not in answer.reason
    assert KEY not in answer.reason


def test_back_in_time(line: Line) -> None:
    server = line.serve()
    with fault_proxy(server.port, Silence()) as proxy:
        start = time.monotonic()
        directory = line.directory(proxy.port, timeout_s=5)
        login = Login(name="ada", password=PASSWORD)
        assert isinstance(directory.authenticate(login, until=start + 0.2), Unavailable)
        assert time.monotonic() - start < 0.3


@pytest.mark.parametrize(
    "fault", [Delay(seconds=0.2), Pieces(size=5), Pieces(size=5, towards="server")]
)
def test_slow_is_not_dead(line: Line, fault: Fault) -> None:
    server = line.serve()
    with fault_proxy(server.port, fault) as proxy:
        assert isinstance(line.ask(proxy.port, timeout_s=5), Accepted)


# --- keys and certificates ---------------------------------------------------------------------


@pytest.mark.parametrize("silent", [False, True])
def test_another_secret(line_of: Callable[[str], Line], *, silent: bool) -> None:
    line = line_of("plain")
    server = line.serve(Manners(silent=silent), key=ANOTHER_KEY)
    for number in range(50):
        answer = line.ask(server.port, key=f"{KEY}{number}")
        assert isinstance(answer, Unavailable)
        assert answer.step == "secret"
        assert "secret" in answer.reason


@pytest.mark.parametrize("secret", ["", "short", "\ud800" * 20])
def test_a_secret_that_is_none(line_of: Callable[[str], Line], secret: str) -> None:
    line = line_of("plain")
    server = line.serve()
    answer = line.ask(server.port, key=secret)
    assert isinstance(answer, Unavailable)
    assert answer.step == "settings"
    assert server.requests == []


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        ("foreign", "not among the given ones"),
        ("expired", "is over"),
        ("misnamed", "other.example.test"),
    ],
)
def test_wrong_certificate(line_of: Callable[[str], Line], certificate: str, words: str) -> None:
    line = line_of("tls")
    server = line.serve(certificate=certificate)
    answer = line.ask(server.port)
    assert isinstance(answer, Unavailable)
    assert answer.step == "tls"
    assert words in answer.reason
    assert server.requests == []


def test_name_of_the_certificate_can_be_set(line_of: Callable[[str], Line]) -> None:
    line = line_of("tls")
    server = line.serve(certificate="misnamed")
    assert isinstance(line.ask(server.port, tls_name="other.example.test"), Accepted)


@pytest.mark.parametrize("shown", ["none", "foreign"])
def test_client_certificate_is_refused(line_of: Callable[[str], Line], shown: str) -> None:
    line = line_of("tls")
    server = line.serve()
    stranger = line.certificates.stranger
    ours, key = (stranger.certificate, stranger.key) if shown == "foreign" else ("", "")
    directory = TacacsDirectory(line.settings(server.port, client_certificate=ours), client_key=key)
    answer = asked(directory)
    assert isinstance(answer, Unavailable)
    assert answer.step == "tls"
    assert "client certificate" in answer.reason
    assert server.requests == []


def test_tls_1_2_is_refused(line_of: Callable[[str], Line]) -> None:
    line = line_of("tls")
    certificate, key = map(str, line.certificates.good)
    context = tacacs.server_context(certificate, key, newest=ssl.TLSVersion.TLSv1_2)
    with tacacs.tacacs_server(PEOPLE, context=context) as server:
        answer = line.ask(server.port)
        assert server.requests == []
    assert isinstance(answer, Unavailable)
    assert answer.step == "tls"


def test_no_way_from_one_transport_to_the_other(line_of: Callable[[str], Line]) -> None:
    """RFC 9887 5.1.1: a client whose TLS fails does not fall back."""
    plain, tls = line_of("plain"), line_of("tls")
    server = plain.serve()
    assert isinstance(tls.ask(server.port), Unavailable)
    assert isinstance(plain.ask(tls.serve().port), Unavailable)
    assert server.requests == []


# --- changed on the way ------------------------------------------------------------------------


def test_plain_is_malleable(line_of: Callable[[str], Line]) -> None:
    """One octet changed on the way makes a yes of a no: hence `warned` (RFC 8907 10.1)."""
    line = line_of("plain")
    server = line.serve()
    fail_to_pass = Flip(at=12, mask=tacacs.FAIL ^ tacacs.PASS)
    assert isinstance(line.ask(server.port, password="wrong"), Rejected)
    with fault_proxy(server.port, fail_to_pass) as proxy:
        answer = line.ask(proxy.port, password="wrong")
    assert isinstance(answer, Accepted)
    assert answer.claims == LEVEL_15


def test_settings_demand_the_warning() -> None:
    with pytest.raises(ProblemsError, match="warned"):
        Server(name="tac", protocol="tacacs+", host="127.0.0.1", transport="plain")


def test_tls_is_not_malleable(line_of: Callable[[str], Line]) -> None:
    line = line_of("tls")
    server = line.serve()
    with fault_proxy(server.port) as proxy:
        assert isinstance(line.ask(proxy.port, password="wrong"), Rejected)
        towards = {name: len(octets) for name, octets in proxy.passed.items()}
    directions: tuple[Towards, Towards] = ("client", "server")
    for direction in directions:
        for at in range(0, towards[direction], 41):
            fault = Flip(at=at, towards=direction, mask=3)
            with fault_proxy(server.port, fault) as proxy:
                answer = line.ask(proxy.port, password="wrong", timeout_s=1)
            assert not isinstance(answer, Accepted), (direction, at)


# --- framing -----------------------------------------------------------------------------------


def changed(at: int, value: int) -> Callable[[bytes], Iterable[bytes]]:
    """Change one octet of each packet."""
    return lambda packet: [packet[:at] + bytes((value,)) + packet[at + 1 :]]


@pytest.mark.parametrize(
    "wire",
    [
        changed(0, 0xD0),
        changed(1, 2),
        changed(2, 1),
        changed(2, 4),
        changed(4, 0x55),
        changed(8, 0x7F),
        changed(9, 0x02),
        lambda packet: [packet[:8] + bytes(4)],
        lambda packet: [packet[:-1]],
        lambda packet: [packet[:8] + (len(packet) - 11).to_bytes(4) + packet[12:] + b"\0"],
        lambda packet: [packet[:0]],
    ],
)
def test_bad_framing(line: Line, wire: Callable[[bytes], Iterable[bytes]]) -> None:
    server = line.serve(Manners(wire=wire))
    assert isinstance(line.ask(server.port), Unavailable)


def test_two_packets_in_one_segment(line: Line) -> None:
    """What follows an answer belongs to nobody: a yes after a no changes nothing."""
    yes = bytes((1, 0, 0, 0, 0, 0))
    server = line.serve(Manners(wire=lambda packet: [packet + packet[:12] + yes]))
    assert isinstance(line.ask(server.port, password="wrong"), Rejected)
    assert isinstance(line.ask(server.port), Accepted)


def test_answer_in_pieces(line: Line) -> None:
    def pieces(packet: bytes) -> Iterable[bytes]:
        for octet in packet:
            time.sleep(0.001)
            yield bytes((octet,))

    server = line.serve(Manners(wire=pieces, pap=tacacs.ERROR))
    assert isinstance(line.ask(server.port), Accepted)


@pytest.mark.parametrize("status", [0, 8, 0x20, 0x22, 0xFF])
def test_status_that_means_nothing(line: Line, status: int) -> None:
    server = line.serve(Manners(verdict=status, pap=status))
    assert isinstance(line.ask(server.port), Unavailable)


@pytest.mark.parametrize(
    "body",
    [
        lambda body: body + b"\0",
        lambda body: body[:-1],
        lambda body: body[:1],
        lambda body: body[:2] + b"\0\1" + body[4:],
        lambda body: body[:4] + b"\xff\xff" + body[6:],
    ],
)
def test_fields_must_add_up(line: Line, body: Callable[[bytes], bytes]) -> None:
    server = line.serve(Manners(plain_body=body))
    answer = line.ask(server.port)
    assert isinstance(answer, Unavailable)
    assert answer.step == ("route" if line.tls else "secret")


def test_obfuscation_where_it_must_not_be(line: Line) -> None:
    """RFC 8907 10.5.2 and RFC 9887 4: that is taken for a no."""
    server = line.serve(Manners(flags=0 if line.tls else 1))
    answer = line.ask(server.port)
    assert isinstance(answer, Rejected)
    assert "obfuscated" in answer.reason


def test_unknown_flags_are_ignored(line: Line) -> None:
    server = line.serve(Manners(flags=0xFF if line.tls else 0xFE))
    assert isinstance(line.ask(server.port), Accepted)


def test_password_is_not_readable_on_the_way(line: Line) -> None:
    server = line.serve()
    with fault_proxy(server.port) as proxy:
        line.ask(proxy.port)
        seen = bytes(proxy.passed["server"] + proxy.passed["client"])
    assert len(seen) > 100
    assert PASSWORD.encode() not in seen
    assert KEY.encode() not in seen


# --- dialogues ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pap", [tacacs.ERROR, tacacs.RESTART, tacacs.GETDATA, tacacs.GETUSER, tacacs.GETPASS]
)
@pytest.mark.parametrize(
    "questions",
    [(tacacs.GETPASS,), (tacacs.GETUSER, tacacs.GETPASS), (tacacs.GETPASS, tacacs.GETUSER)],
)
def test_ascii_where_the_server_wants_it(line: Line, pap: int, questions: tuple[int, ...]) -> None:
    server = line.serve(Manners(pap=pap, questions=questions))
    assert isinstance(line.ask(server.port), Accepted)
    assert isinstance(line.ask(server.port, password="wrong"), Rejected)


def test_ascii_where_pap_has_no_version(line: Line) -> None:
    server = line.serve(Manners(minor=0, pap=tacacs.ERROR))
    assert isinstance(line.ask(server.port), Accepted)
    server.manners.pap = tacacs.PASS  # a yes in another version is none
    server.manners.verdict = tacacs.FAIL
    assert isinstance(line.ask(server.port), Rejected)


@pytest.mark.parametrize(
    ("manners", "words"),
    [
        (Manners(pap=tacacs.FOLLOW), "another server"),
        (Manners(pap=tacacs.ERROR, verdict=tacacs.FOLLOW), "another server"),
        (Manners(pap=tacacs.RESTART, verdict=tacacs.RESTART), "not known here"),
        (Manners(pap=tacacs.ERROR, questions=(tacacs.GETDATA,)), "more than"),
        (Manners(pap=tacacs.ERROR, questions=(tacacs.GETPASS,) * 40), "again"),
        (Manners(pap=tacacs.ERROR, questions=(tacacs.GETUSER,) * 40), "again"),
        (Manners(pap=tacacs.ERROR, questions=(tacacs.GETPASS, tacacs.GETDATA)), "more than"),
        (Manners(pap=tacacs.ERROR, questions=(), verdict=tacacs.PASS), "without having asked"),
    ],
)
def test_dialogues_that_end_with_a_no(line: Line, manners: Manners, words: str) -> None:
    server = line.serve(manners)
    answer = line.ask(server.port)
    assert isinstance(answer, Rejected)
    assert words in answer.reason
    assert len(server.requests) <= 6


def test_error_is_no_answer(line: Line) -> None:
    server = line.serve(Manners(pap=tacacs.ERROR, verdict=tacacs.ERROR))
    answer = line.ask(server.port)
    assert isinstance(answer, Unavailable)
    assert answer.step == "password"


def test_nobody_brings_down_a_server_by_typing_a_name(line: Line) -> None:
    """Some servers answer with an error to names that they cannot know."""
    server = line.serve(Manners(pap=tacacs.ERROR, verdict=tacacs.ERROR))
    assert isinstance(line.ask(server.port, "Ζωή"), Rejected)
