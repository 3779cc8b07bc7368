"""A real OpenLDAP server, good and bad networks before it, and good and bad certificates."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
from holdfast.accounts.directories.ldap import LdapDirectory
from holdfast.accounts.directories.settings import CentralLogin, Group, RoleRule, Server
from tests.servers import fault_proxy as faults
from tests.servers.authority import DAY, Authority, Issued
from tests.servers.slapd import (
    BASE,
    ELSEWHERE,
    GROUPS,
    PASSWORDS,
    PEOPLE,
    READER_PASSWORD,
    TWIN,
    Slapd,
    dn_of,
    group_dn,
    in_many_groups,
    running_slapd,
)

pytestmark = pytest.mark.servers

DIRECT = {"direct_dn": f"uid={{name}},{PEOPLE}", "bind_dn": ""}
ADA = PASSWORDS["ada"]
Need = Callable[[str], str]


def asked(
    server: Server,
    name: str,
    password: str,
    *,
    secret: str = READER_PASSWORD,
    key: str = "",
    within_s: float = 5,
) -> Answer:
    """Log in, and see that the answer comes in time."""
    began = time.monotonic()
    directory = LdapDirectory(server, secret, client_key=key)
    answer = directory.authenticate(Login(name=name, password=password), until=began + within_s)
    assert time.monotonic() - began < within_s + 0.1
    return answer


def tried_out(
    server: Server, login: Login | None = None, *, secret: str = READER_PASSWORD, key: str = ""
) -> tuple[Answer, list[Step]]:
    steps: list[Step] = []
    directory = LdapDirectory(server, secret, client_key=key)
    answer = directory.test(login, until=time.monotonic() + 5, tell=steps.append)
    return answer, steps


def groups_of(answer: Answer) -> list[str]:
    assert isinstance(answer, Accepted), answer
    return [claim.value for claim in answer.claims if claim.kind == "group"]


def the_failure(answer: Answer) -> tuple[str, str]:
    assert isinstance(answer, Unavailable), answer
    return answer.step, answer.reason


@pytest.fixture(params=["tls", "starttls"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["search", "direct"])
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    return DIRECT if request.param == "direct" else {}


@pytest.mark.parametrize("name", list(PASSWORDS))
def test_the_right_password_is_accepted(
    slapd: Slapd, transport: str, way: dict[str, Any], name: str
) -> None:
    answer = asked(slapd.settings(transport=transport, **way), name, PASSWORDS[name])

    assert isinstance(answer, Accepted)
    assert answer.name == name


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("ada", "wrong"),
        ("ada", ADA + " "),
        ("ada", ADA.upper()),
        ("ada", ""),
        ("long", PASSWORDS["long"][:-1]),
        ("somebody unknown", "wrong"),
        ("somebody unknown", ""),
        ("nobody", "wrong"),
        ("", ADA),
        ("*", ADA),
        ("a*", ADA),
        ("*)(uid=*", ADA),
        ("ada)(|(uid=*", ADA),
        ("ada,dc=example", ADA),
        (f"ada,{PEOPLE}", ADA),
        ("ada+cn=ada", ADA),
        ("ada\\", ADA),
        ("\\61da", ADA),
        ("ada\0", ADA),
        ("ada", ADA + "\0"),
        ("ada", ADA + "\ud800"),
        ("ada\ud800", ADA),
        ("ada\x1b[2J", ADA),
        ("x" * 257, ADA),
        ("ada", "x" * 257),
    ],
)
def test_everything_else_is_refused(
    slapd: Slapd, way: dict[str, Any], name: str, password: str
) -> None:
    assert isinstance(asked(slapd.settings(**way), name, password), Rejected)


def test_a_name_is_given_as_the_directory_spells_it(slapd: Slapd) -> None:
    answer = asked(slapd.settings(), "ADA", ADA)

    assert isinstance(answer, Accepted)
    assert answer.name == "ada"


def test_groups_become_claims(slapd: Slapd, way: dict[str, Any]) -> None:
    found = groups_of(asked(slapd.settings(**way), "ada", ADA))

    assert sorted(found) == sorted(
        [*map(group_dn, ("staff", "circle-a", "operators")), "staff", "circle-a", "operators"]
    )


def test_groups_in_groups_are_followed_and_circles_end(slapd: Slapd) -> None:
    found = groups_of(asked(slapd.settings(nested="search"), "ada", ADA))

    names = ("staff", "admins", "everything", "circle-a", "circle-b", "operators")
    assert {one for one in found if "=" not in one} == set(names)
    assert {one for one in found if "=" in one} == {group_dn(one) for one in names}


def test_the_name_of_a_group_makes_it_no_member(slapd: Slapd) -> None:
    # The group `staff` is called as a member of `operators` who is a person.
    found = groups_of(asked(slapd.settings(nested="search"), "bob", PASSWORDS["bob"]))

    assert "staff" in found
    assert "operators" not in found


def test_a_group_that_is_called_like_the_dn_of_another_is_not_that_one(slapd: Slapd) -> None:
    found = groups_of(asked(slapd.settings(), "bob", PASSWORDS["bob"]))

    assert "sly" in found
    assert group_dn("admins") not in found


def test_groups_may_have_any_letters(slapd: Slapd) -> None:
    assert "διαχειριστές" in groups_of(asked(slapd.settings(), "小明", PASSWORDS["小明"]))


def test_attributes_become_claims(slapd: Slapd) -> None:
    answer = asked(slapd.settings(attributes=("employeeType", "cn", "mail")), "ada", ADA)

    assert isinstance(answer, Accepted)
    assert [claim for claim in answer.claims if claim.kind == "attribute"] == [
        Claim(kind="attribute", name="employeetype", value="operator"),
        Claim(kind="attribute", name="cn", value="ada"),
    ]


def test_large_and_binary_values_are_left_out(slapd: Slapd) -> None:
    server = slapd.settings(attributes=("jpegPhoto", "employeeType"))

    answer = asked(server, "photo", PASSWORDS["photo"])

    assert isinstance(answer, Accepted)
    assert answer.claims == ()


def test_no_search_no_groups(slapd: Slapd) -> None:
    answer = asked(slapd.settings(**DIRECT, base="", group_base=""), "ada", ADA)

    assert isinstance(answer, Accepted)
    assert answer.claims == ()


def test_two_people_of_one_name_are_refused(slapd: Slapd) -> None:
    answer = asked(slapd.settings(user_filter="(mail={name})"), TWIN, "the first of two")

    assert isinstance(answer, Rejected)
    assert "more than one entry" in answer.reason


def test_many_people_of_one_name_are_refused(slapd: Slapd) -> None:
    server = slapd.settings(user_filter="(|(uid={name})(objectClass=person))")

    answer = asked(server, "ada", ADA)

    assert isinstance(answer, Rejected)
    assert "more than one entry" in answer.reason


@pytest.mark.parametrize(
    ("changes", "secret", "step", "why"),
    [
        ({}, "not the secret", "bind", "the service account's password is wrong"),
        ({"bind_dn": f"cn=no,{BASE}"}, READER_PASSWORD, "bind", "or there is no cn=no"),
        ({"bind_dn": "no dn"}, READER_PASSWORD, "bind", "result 34"),
        ({"bind_dn": dn_of("nobody")}, READER_PASSWORD, "bind", "wrong"),
        ({"base": "dc=other"}, READER_PASSWORD, "search", "there is nothing at dc=other"),
        ({"base": "no dn"}, READER_PASSWORD, "search", "no dn is no DN"),
        ({"base": ELSEWHERE}, READER_PASSWORD, "search", "not followed"),
        ({"group_base": ELSEWHERE}, READER_PASSWORD, "search", "not followed"),
        ({"group_base": "dc=other"}, READER_PASSWORD, "search", "there is nothing at dc=other"),
    ],
)
def test_what_is_wrong_with_the_settings_is_unavailable(
    slapd: Slapd, changes: dict[str, Any], secret: str, step: str, why: str
) -> None:
    found, reason = the_failure(asked(slapd.settings(**changes), "ada", ADA, secret=secret))

    assert found == step
    assert why in reason
    assert secret not in reason


def test_references_to_other_servers_are_passed_over(slapd: Slapd) -> None:
    # Below PEOPLE is one; the server tells it with every search there.
    assert isinstance(asked(slapd.settings(base=BASE, group_base=BASE), "ada", ADA), Accepted)


def test_the_test_tells_every_step(slapd: Slapd, transport: str) -> None:
    server = slapd.settings(transport=transport)

    answer, steps = tried_out(server, Login(name="ada", password=ADA))

    assert isinstance(answer, Accepted)
    names = ["name", "route", "tls", "bind", "search", "password", "search"]
    assert [(step.name, step.ok) for step in steps] == [(name, True) for name in names]
    assert "3 groups" in steps[-1].told
    assert not any(ADA in step.told or READER_PASSWORD in step.told for step in steps)


def test_the_test_without_a_login_goes_as_far_as_it_can(slapd: Slapd) -> None:
    answer, steps = tried_out(slapd.settings())
    direct, direct_steps = tried_out(slapd.settings(**DIRECT))

    assert isinstance(answer, Accepted)
    assert isinstance(direct, Accepted)
    assert (answer.name, answer.claims) == ("", ())
    assert [step.told for step in steps[-2:]] == [f"{PEOPLE} is there", f"{GROUPS} is there"]
    assert direct_steps[-1].ok is None


def test_the_test_tells_where_it_failed(slapd: Slapd) -> None:
    answer, steps = tried_out(slapd.settings(base="dc=other"))
    refused, refused_steps = tried_out(slapd.settings(), Login(name="ada", password="wrong"))

    assert the_failure(answer)[0] == "search"
    assert (steps[-1].name, steps[-1].ok) == ("search", False)
    assert isinstance(refused, Rejected)
    assert (refused_steps[-1].name, refused_steps[-1].ok) == ("password", False)


def test_the_other_transport_is_named_where_it_would_work(slapd: Slapd) -> None:
    plain, _ = tried_out(slapd.settings(port=slapd.port))
    at_once, _ = tried_out(slapd.settings(transport="starttls", port=slapd.tls_port))

    assert "set transport to starttls" in the_failure(plain)[1]
    assert "set transport to tls" in the_failure(at_once)[1]


# --- certificates

OURS, FOREIGN = Authority("Ours"), Authority("Foreign")


@pytest.fixture
def slapd_with(need: Need, tmp_path: Path) -> Iterator[Callable[..., Slapd]]:
    """Starts servers with a certificate of one's choice."""
    running: list[Any] = []

    def start(issued: Issued | None, **more: Any) -> Slapd:  # noqa: ANN401 - of running_slapd
        folder = tmp_path / f"slapd-{len(running)}"
        folder.mkdir()
        running.append(running_slapd(need, folder, authority=OURS, issued=issued, **more))
        server: Slapd = running[-1].__enter__()
        return server

    yield start
    for each in running:
        each.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("issued", "why"),
    [
        (FOREIGN.issue(), 'is signed by "Foreign", which is not among the given ones'),
        (OURS.expired(), "ended on 20"),
        (OURS.issue("ldap.example.test"), "is for ldap.example.test, not for 127.0.0.1"),
        (OURS.issue("localhost"), "is for localhost, not for 127.0.0.1"),
        (OURS.issue(began=-3 * DAY), "becomes valid on 20"),
        (OURS.issue(client=True), "certificate"),
    ],
)
def test_a_wrong_certificate_is_refused_in_words(
    slapd_with: Callable[..., Slapd], transport: str, issued: Issued, why: str
) -> None:
    server = slapd_with(issued).settings(transport=transport)

    for answer in (asked(server, "ada", ADA), tried_out(server)[0]):
        step, reason = the_failure(answer)
        assert step == "tls"
        assert why in reason


def test_a_name_of_ones_own_choice_may_stand_in_the_certificate(
    slapd_with: Callable[..., Slapd],
) -> None:
    slapd = slapd_with(OURS.issue("ldap.example.test"))

    assert isinstance(asked(slapd.settings(tls_name="ldap.example.test"), "ada", ADA), Accepted)


def test_without_given_certificates_those_of_the_system_count(slapd: Slapd) -> None:
    step, reason = the_failure(asked(slapd.settings(ca=""), "ada", ADA))

    assert step == "tls"
    assert "not among the given ones" in reason


def test_a_certificate_that_ends_soon_is_told(slapd_with: Callable[..., Slapd]) -> None:
    slapd = slapd_with(OURS.issue(lasts=dt.timedelta(days=9, hours=12)))

    answer, steps = tried_out(slapd.settings())

    assert isinstance(answer, Accepted)
    assert "ends in 9 days" in next(step.told for step in steps if step.name == "tls")


def test_a_client_certificate_is_shown_where_it_is_wanted(
    slapd_with: Callable[..., Slapd], transport: str
) -> None:
    slapd = slapd_with(None, lines=["TLSVerifyClient demand"])
    mine, foreign = OURS.issue("device", client=True), FOREIGN.issue("device", client=True)

    def ask(issued: Issued | None) -> Answer:
        more = {"client_certificate": issued.certificate} if issued else {}
        key = issued.key if issued else ""
        return asked(slapd.settings(transport=transport, **more), "ada", ADA, key=key)

    assert isinstance(ask(mine), Accepted)
    assert the_failure(ask(foreign))[0] in {"tls", "bind"}
    assert the_failure(ask(None))[0] in {"tls", "bind"}


# --- networks


@pytest.mark.parametrize(
    ("fault", "step", "why"),
    [
        (faults.Refuse(), "route", "refuses connections"),
        (faults.Drop(), "tls", "ended the connection too early"),
        (faults.Silence(), "tls", "did not answer in time"),
        (faults.Delay(seconds=3), "tls", "did not answer in time"),
        (faults.Garbage(content=b"HTTP/1.1 400 Bad Request\r\n\r\n"), "tls", ""),
        (faults.Garbage(content=b"\x30\x84\x7f\xff\xff\xff" + b"\0" * 100_000), "tls", ""),
        (faults.Garbage(content=b"\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\0\x04\0\x04\0"), "tls", ""),
        (faults.Garbage(content=b"\x16\x03\x03\x40\x00" + b"\x02" * 20_000), "tls", ""),
        (faults.Garbage(content=bytes(range(256)) * 200, close=True), "tls", ""),
        (faults.Truncate(after=700), "", "too early"),
        (faults.Truncate(after=1500), "", "too early"),
    ],
)
def test_a_bad_network_is_unavailable_in_time(
    slapd: Slapd, transport: str, fault: faults.Fault, step: str, why: str
) -> None:
    port = slapd.port if transport == "starttls" else slapd.tls_port
    with faults.fault_proxy(port, fault) as proxy:
        server = slapd.settings(transport=transport, port=proxy.port, tries=1)
        found, reason = the_failure(asked(server, "ada", ADA, within_s=1.5))

    assert step in {"", found}
    assert why in reason


def test_a_server_without_starttls_says_so(slapd: Slapd) -> None:
    refusal = b"\x30\x0f\x02\x01\x01\x78\x0a\x0a\x01\x02\x04\x00\x04\x03no!"
    with faults.fault_proxy(slapd.port, faults.Garbage(content=refusal)) as proxy:
        server = slapd.settings(transport="starttls", port=proxy.port)
        step, reason = the_failure(asked(server, "ada", ADA))

    assert step == "tls"
    assert "refuses StartTLS (result 2: no!)" in reason


def test_a_slow_server_is_waited_for(slapd: Slapd) -> None:
    with faults.fault_proxy(slapd.tls_port, faults.Delay(seconds=0.4)) as proxy:
        assert isinstance(asked(slapd.settings(port=proxy.port), "ada", ADA), Accepted)


def test_octets_may_come_one_by_one(slapd: Slapd, transport: str) -> None:
    port = slapd.port if transport == "starttls" else slapd.tls_port
    with faults.fault_proxy(port, faults.Pieces(size=7, pause_s=0)) as proxy:
        server = slapd.settings(transport=transport, port=proxy.port)
        assert isinstance(asked(server, "ada", ADA), Accepted)


@pytest.mark.parametrize("towards", ["client", "server"])
@pytest.mark.parametrize("at", [0, 1, 3, 5, 9, 14, 40, 100, 300, 600, 800, 1000, 1200, 1500])
def test_a_changed_octet_makes_no_yes_of_a_no(
    slapd: Slapd, transport: str, towards: faults.Towards, at: int
) -> None:
    port = slapd.port if transport == "starttls" else slapd.tls_port
    with faults.fault_proxy(port, faults.Flip(at=at, towards=towards)) as proxy:
        server = slapd.settings(transport=transport, port=proxy.port)
        wrong = asked(server, "ada", "wrong", within_s=0.7)
        right = asked(server, "ada", ADA, within_s=0.7)

    assert not isinstance(wrong, Accepted)
    assert not isinstance(right, Rejected)


def test_the_next_server_is_asked_when_one_is_dead(slapd: Slapd) -> None:
    with faults.fault_proxy(slapd.tls_port, faults.Refuse()) as proxy:
        dead = slapd.settings(name="dead", port=proxy.port)
        settings = CentralLogin(
            servers=(dead, slapd.settings()),
            groups=(Group(name="people", servers=("dead", "directory")),),
            roles=(RoleRule(role="admin", group="admins"), RoleRule(role="viewer", group="staff")),
        )
        chain = Chain(
            settings,
            directory=lambda server: LdapDirectory(server, READER_PASSWORD),
            dead={},
            monotonic=time.monotonic,
        )
        outcome = chain.ask(Login(name="ada", password=ADA), ["people"], budget_s=5)

    assert (outcome.kind, outcome.role, outcome.server) == ("accepted", "viewer", "directory")
    assert [one.server for one in outcome.tries] == ["dead", "directory"]


# --- somebody in very many groups

MANY = "a member of a great many groups"


def test_thousands_of_groups_come_in_pages(slapd_with: Callable[..., Slapd]) -> None:
    lines = ["sizelimit size.soft=500 size.prtotal=unlimited"]
    slapd = slapd_with(None, more=in_many_groups(5000), lines=lines)

    for nested in ("no", "search"):
        found = groups_of(asked(slapd.settings(nested=nested), "many", MANY))
        assert len(found) == 2 * 5000
        assert found[-1].startswith("group-")


def test_more_groups_than_the_server_gives_are_not_just_left_out(
    slapd_with: Callable[..., Slapd],
) -> None:
    slapd = slapd_with(None, more=in_many_groups(600))

    step, reason = the_failure(asked(slapd.settings(), "many", MANY))

    assert step == "search"
    assert "does not give all" in reason


def test_more_groups_than_are_taken_are_not_just_left_out(
    slapd_with: Callable[..., Slapd],
) -> None:
    slapd = slapd_with(None, more=in_many_groups(10_001), lines=["sizelimit unlimited"])

    step, reason = the_failure(asked(slapd.settings(), "many", MANY))

    assert step == "search"
    assert "more than 10000 groups" in reason
