"""Central login from end to end: through the child process, with the real servers."""

import re
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from tests.accounts.directories.site import OURS, THEIRS, Site
from tests.accounts.directories.tacacs.conftest import PASSWORD
from tests.servers.authority import Authority
from tests.servers.slapd import PASSWORDS as OF_SLAPD
from tests.servers.slapd import running_slapd

pytestmark = pytest.mark.servers

NON_LATIN = {
    "ldap": ("小明", OF_SLAPD["小明"], "διαχειριστές"),
    "radius": ("Łukasz-Влад-愛", "пароль-密码-ß", "группа-愛"),
    "radsec": ("Łukasz-Влад-愛", "пароль-密码-ß", "группа-愛"),
    "tacacs": ("Ζωή", "κωδικός με κενά 密码", ""),
    "tacacs-plain": ("Ζωή", "κωδικός με κενά 密码", ""),
}
"""Name, password, and the group or class of somebody who writes otherwise."""

# --- a server that fails, and one that works ---------------------------------------------------

FAULTS = [
    *[(kind, fault) for kind in OURS for fault in ("dead", "silent", "garbage")],
    *[(kind, "certificate") for kind in OURS if kind not in {"radius", "tacacs-plain"}],
    *[(kind, "secret") for kind in OURS if kind != "tacacs"],
]
WORDS = {
    ("ldap", "dead"): ("route", "refuses connections: is the server running"),
    ("ldap", "silent"): ("tls", "did not answer in time"),
    ("ldap", "garbage"): ("tls", "does not speak TLS here"),
    ("ldap", "certificate"): ("tls", "not among the given ones"),
    ("ldap", "secret"): ("bind", "the service account's password is wrong"),
    ("radius", "dead"): ("route", "nothing listens at"),
    ("radius", "silent"): ("secret", "either no server listens there, or the shared secret is"),
    ("radius", "garbage"): ("secret", "does not speak RADIUS: is the port right"),
    ("radius", "secret"): ("secret", "signed with another secret|either no server listens"),
    ("radsec", "dead"): ("route", "refuses connections: is the server running"),
    ("radsec", "silent"): ("tls", "did not answer in time"),
    ("radsec", "garbage"): ("tls", "does not speak TLS here"),
    ("radsec", "certificate"): ("tls", "not among the given ones"),
    ("radsec", "secret"): ("secret", 'it is "radsec"|is not "radsec"'),
    ("tacacs", "dead"): ("route", "refuses connections: is the server running"),
    ("tacacs", "silent"): ("tls", "did not answer in time"),
    ("tacacs", "garbage"): ("tls", "does not speak TLS here"),
    ("tacacs", "certificate"): ("tls", "not among the given ones"),
    ("tacacs-plain", "dead"): ("route", "refuses connections: is the server running"),
    ("tacacs-plain", "silent"): ("route", "did not answer in time"),
    ("tacacs-plain", "garbage"): ("route", "TACACS"),
    ("tacacs-plain", "secret"): ("secret", "shared secret"),
}


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_failover_inside_a_group_and_the_dead_time(site: Site, kind: str, fault: str) -> None:
    bad, good = site.bad(kind, fault), site.good(kind)
    told = site.login({"one": [bad, good]})
    step, _ = WORDS[kind, fault]
    assert (told.kind, told.role, told.group, told.server) == ("accepted", "owner", "one", good)
    assert [(one["server"], one["step"]) for one in told.tries] == [(bad, step), (good, "")]
    assert list(told.dead) == [bad]
    assert 100 < told.dead[bad] <= 120
    again = site.login({"one": [bad, good]}, dead=told.dead)
    assert [one["server"] for one in again.tries] == [good]
    assert bad in again.dead
    # A no is a no: the one that works is not asked, though the other would say yes.
    refused = site.login({"one": [good], "two": [site.good(kind, "other")]}, password="wrong!")
    assert (refused.kind, [one["server"] for one in refused.tries]) == ("rejected", [good])


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_the_test_of_a_server_says_what_is_wrong(site: Site, kind: str, fault: str) -> None:
    step, words = WORDS[kind, fault]
    for login in ((), ("ada", PASSWORD)):
        began = time.monotonic()
        tested = site.test(site.bad(kind, fault), *login)
        assert time.monotonic() - began < 4, "a server has a second for each thing it is asked"
        failed = [(name, told) for name, ok, told in tested.steps if ok is False]
        assert [name for name, _ in failed] == [step], tested.steps
        assert re.search(words, failed[0][1]), failed
        assert tested.role == ""


@pytest.mark.parametrize("kind", OURS)
def test_the_test_of_a_good_server(site: Site, kind: str) -> None:
    good = site.good(kind)
    assert all(ok is not False for _, ok, _ in site.test(good).steps)
    tested = site.test(good, "ada", PASSWORD)
    assert tested.role == "owner"
    assert tested.steps[-1] == ("role", True, "The role would be owner.")
    assert all(ok is not False for _, ok, _ in tested.steps)
    wrong = site.test(good, "ada", "not this one")
    assert wrong.role == ""
    assert [name for name, ok, _ in wrong.steps if ok is False] == ["password"]


@pytest.mark.parametrize("fault", ["dead", "silent", "garbage"])
def test_fallback_from_group_to_group(site: Site, fault: str) -> None:
    bad = {kind: [site.bad(kind, fault)] for kind in ("tacacs", "radius")}
    told = site.login({**bad, "ldap": [site.good("ldap")]})
    assert (told.kind, told.group, told.role) == ("accepted", "ldap", "owner")
    assert sorted(told.dead) == sorted(name for names in bad.values() for name in names)
    told = site.login({**bad, "ldap": [site.good("ldap")]}, password="wrong in the directory")
    assert (told.kind, told.group) == ("rejected", "ldap")


def test_no_method_after_a_refusal(site: Site) -> None:
    ldap, radius = site.good("ldap"), site.good("radius")
    only_ldap = ("bob", OF_SLAPD["bob"])  # has another password in RADIUS
    groups = {"radius": [radius], "ldap": [ldap]}
    assert site.login({"ldap": [ldap]}, *only_ldap).kind == "accepted"
    for name, password in [only_ldap, ("小明", OF_SLAPD["小明"])]:
        told = site.login(groups, name, password)
        assert (told.kind, told.group, told.role) == ("rejected", "radius", "")
        assert [one["server"] for one in told.tries] == [radius]


@pytest.mark.parametrize("budget_s", [2, 5])
def test_the_budget_holds_when_all_are_silent(site: Site, budget_s: int) -> None:
    groups = {kind: [site.bad(kind, "silent")] for kind in OURS}
    told = site.login(groups, budget_s=budget_s)
    assert (told.kind, told.role) == ("unavailable", "")
    assert len(told.tries) == len(OURS), "everybody was given a chance"


# --- who gets which role -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "password", "role"),
    [
        ("ldap", "ada", PASSWORD, "owner"),  # staff, and staff are admins
        ("ldap", "o'neil (sales)", OF_SLAPD["o'neil (sales)"], ""),
        ("radius", "ada", PASSWORD, "owner"),
        ("radius", "bob", "bob-has-a-password", "viewer"),
        ("radius", "bare", "bare-password", ""),
        ("radsec", "root-by-service", "service-password", "owner"),
        ("tacacs", "ada", PASSWORD, "owner"),
        ("tacacs", "bob", "another password of his", "viewer"),
        ("tacacs-plain", "eve", "a third password, hers", ""),
    ],
)
def test_roles(site: Site, kind: str, name: str, password: str, role: str) -> None:
    told = site.login({"one": [site.good(kind)]}, name, password)
    assert (told.kind, told.role) == ("accepted" if role else "no-role", role)
    assert told.name == name
    second = site.good(kind, "second")
    groups = {"one": [site.good(kind)], "two": [second]}
    assert site.login(groups, name, password).group == "one", "no role is no reason to go on"
    tested = site.test(second, name, password)
    assert tested.role == role
    assert tested.steps[-1][:2] == ("role", bool(role))


@pytest.mark.parametrize("kind", OURS)
def test_names_and_passwords_in_other_scripts(site: Site, kind: str) -> None:
    name, password, _ = NON_LATIN[kind]
    told = site.login({"one": [site.good(kind)]}, name, password)
    assert (told.kind, told.name) == ("accepted", name)
    assert told.role == ("owner" if kind.startswith("tacacs") else "viewer")
    assert site.login({"one": [site.good(kind)]}, name, password + "ü").kind == "rejected"


@pytest.mark.parametrize("kind", OURS)
def test_a_password_is_right_in_whatever_form_the_directory_keeps_it(site: Site, kind: str) -> None:
    groups, typed = {"one": [site.good(kind)]}, "eine ½ davon"
    for name in ("hälfte", unicodedata.normalize("NFD", "hälfte"), "ganze"):
        told = site.login(groups, name, typed)
        assert told.kind in {"accepted", "no-role"}
        assert told.name == unicodedata.normalize("NFC", name)
        tested = site.test(site.good(kind), name, typed)
        assert [ok for step, ok, _ in tested.steps if step == "password"] == [True]
    told = site.login(groups, "ganze", typed + "!")
    assert (told.kind, len(told.tries)) == ("rejected", 1)


@pytest.mark.slow
def test_six_silent_servers_are_given_up_in_ten_seconds(site: Site) -> None:
    """With the start and the end of the child, as the administrator counts them."""
    port = site.proxy("silent").port
    names = [site.good("ldap", f"silent-{number}", port=port) for number in range(6)]
    began = time.monotonic()
    told = site.login({"one": names})
    assert time.monotonic() - began < 10
    assert (told.kind, len(told.tries)) == ("unavailable", 6)


def test_a_login_tells_of_a_certificate_that_ends_soon(
    site: Site, need: Callable[[str], str], tmp_path: Path
) -> None:
    authority, lasts = Authority(), timedelta(days=3)
    before = datetime.now(UTC) + lasts
    issued = authority.issue(lasts=lasts)
    after = datetime.now(UTC) + lasts
    with running_slapd(need, tmp_path, authority=authority, issued=issued) as ending:
        name = site.good("ldap", "ending", port=ending.tls_port, ca=authority.pem)
        for password in (PASSWORD, "wrong"):
            told = site.login({"one": [name]}, password=password)
            assert told.ending[name] in {f"{before:%Y-%m-%d}", f"{after:%Y-%m-%d}"}
            assert list(told.ending) == [name]
    for kind in ("ldap", "radsec", "tacacs"):
        told = site.login({"one": [site.good(kind)]})
        assert (told.kind, told.ending) == ("accepted", {})


@pytest.mark.parametrize("kind", OURS)
def test_a_login_does_not_take_long(
    site: Site, kind: str, record_property: Callable[[str, object], None]
) -> None:
    groups, times = {"one": [site.good(kind)]}, []
    for _ in range(5):
        began = time.monotonic()
        assert site.login(groups).kind == "accepted"
        times.append(time.monotonic() - began)
    record_property("median_login_s", median(times))
    assert median(times) < 3


@pytest.mark.parametrize("kind", THEIRS)
def test_somebody_elses_tacacs_server(with_tacquito: Site, kind: str) -> None:
    site = with_tacquito
    groups = {"one": [site.bad("tacacs", "dead"), site.good(kind)]}
    assert site.login(groups).role == "owner"
    assert site.login(groups, "bob", "another password of his").role == "viewer"
    assert site.login(groups, "eve", "a third password, hers").kind == "no-role"
    for name, password in [("ada", "wrong"), ("nobody", PASSWORD), ("ada*", PASSWORD)]:
        assert site.login(groups, name, password).kind == "rejected"
    assert site.test(site.good(kind), "ada", PASSWORD).role == "owner"


# --- what is never sent ------------------------------------------------------------------------


NEVER_SENT = [
    "", "\0", "ada\0", "\ud800", "a\udfff", "\n", "ada\r", "\x7f", "\x85", "x" * 257, "x" * 10**6,
]  # fmt: skip
ODD_BLANKS = [" ", "ada ", "o'neil  (sales)", "\u3000ada", "o'neil\u00a0 (sales)"]


@pytest.mark.parametrize(
    ("name", "password"),
    [
        *[(text, PASSWORD) for text in (*NEVER_SENT, *ODD_BLANKS)],
        *[("ada", text) for text in NEVER_SENT],
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_no_server_may_be_asked_is_a_no_at_once(site: Site, name: str, password: str) -> None:
    silent = site.proxy("silent")
    ldap = site.good("ldap", port=silent.port)
    groups = {"one": [ldap], "two": [site.good("ldap", "second")]}
    told = site.login(groups, name, password, dead={ldap: 50.0})
    assert (told.kind, told.role, told.tries) == ("rejected", "", ())
    assert told.dead == {ldap: 50.0}
    tested = site.test(ldap, name, password)
    assert [(step, ok) for step, ok, _ in tested.steps] == [("password", False)]
    assert silent.connections == 0


@pytest.mark.parametrize(("kind", "length"), [("radius", 129), ("tacacs", 256)])
def test_what_a_protocol_cannot_carry_is_a_no(site: Site, kind: str, length: int) -> None:
    groups = {"one": [site.good(kind)], "ldap": [site.good("ldap")]}
    told = site.login(groups, "long", "x" * length, dead={groups["one"][0]: 50.0})
    assert (told.kind, told.group) == ("rejected", "one")
    assert groups["one"][0] in told.dead, "it was not asked"


def test_256_characters_are_carried_where_the_protocol_can(site: Site) -> None:
    told = site.login({"ldap": [site.good("ldap")]}, "long", OF_SLAPD["long"])
    assert told.name == "long"
