"""Names of people inside names for the directory, and what is refused before anybody is asked."""

import re

import pytest
from cryptography.x509 import Name
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.accounts.directories.answers import Login, Rejected, Step, Unavailable
from holdfast.accounts.directories.ldap import LdapDirectory, names
from holdfast.accounts.directories.settings import Ldap, Server
from tests.servers.authority import Authority

SEARCH = Ldap(base="dc=x", bind_dn="cn=reader")
NEVER = -1.0
"""A moment that is long over: nothing is asked of any network."""


def directory(secret: str = "s", ldap: Ldap = SEARCH, **changes: str) -> LdapDirectory:
    fields = {"name": "d", "host": "192.0.2.1", **changes}
    return LdapDirectory(Server(protocol="ldap", ldap=ldap, **fields), secret)  # type: ignore[arg-type]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
@example("ada,dc=example")
@example("#ada")
@example(" ada ")
@example(" ")
@example('a"+,;<>\\=b')
@example("a\0b")
def test_a_name_stays_one_value_of_a_dn(name: str) -> None:
    read = Name.from_rfc4514_string(f"UID={names.escaped(name)},DC=x")

    assert [one.value for one in read] == ["x", name]
    assert next(iter(read.get_attributes_for_oid(NameOID.USER_ID))).value == name


@pytest.mark.parametrize(
    "name", ["ada@other.test", "OTHER\\ada", "a/b", "a b", "a,b", "a=b", "a\tb"]
)
def test_a_name_that_would_choose_another_domain_is_refused(name: str) -> None:
    assert not names.fits_account(name)


@pytest.mark.parametrize("name", ["ada", "Ünsal", "小明", "ada.lovelace", "o'neil"])
def test_names_of_accounts_fit(name: str) -> None:
    assert names.fits_account(name)


@pytest.mark.parametrize(
    ("name", "password", "why"),
    [
        ("ada", "", "empty"),
        ("", "x", "empty"),
        ("ada\0", "x", "never part"),
        ("ada", "x\0y", "never part"),
        ("ada\ud800", "x", "never part"),
        ("ada", "x\udfff", "never part"),
        ("ada\x1b[2J", "x", "never part"),
        ("ada\u202e", "x", "never part"),
        ("ada", "x\n", "never part"),
        ("a" * 257, "x", "longer"),
        ("ada", "x" * 257, "longer"),
    ],
)
def test_what_no_server_may_be_asked_is_refused_before(name: str, password: str, why: str) -> None:
    answer = directory().authenticate(Login(name=name, password=password), until=NEVER)

    assert isinstance(answer, Rejected)
    assert why in answer.reason


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (directory(secret=""), "the password of cn=reader is missing"),
        (
            directory(ldap=Ldap(base="dc=x", bind_dn="cn=r", user_filter="(uid={name}")),
            r"a \) is missing",
        ),
        (directory(ldap=Ldap(base="dc=x", bind_dn="cn=r", user_filter="(dn={dn}{name})")), "only"),
        (
            directory(
                ldap=Ldap(base="dc=x", bind_dn="cn=r", direct_dn="{name}", user_filter="(uid=ada)")
            ),
            "must compare",
        ),
        (directory(ldap=Ldap(base="dc=x", bind_dn="cn=r", group_filter="member={dn}")), r"a \( is"),
        (
            directory(client_certificate=Authority().issue(client=True).certificate),
            "key .* missing",
        ),
        (
            directory(ca="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "cannot be read",
        ),
    ],
)
def test_settings_that_cannot_work_are_named(asked: LdapDirectory, why: str) -> None:
    steps: list[Step] = []

    answer = asked.test(Login(name="ada", password="x"), until=NEVER, tell=steps.append)

    assert isinstance(answer, Unavailable)
    assert answer.step == "settings"
    assert [(one.name, one.ok) for one in steps] == [("settings", False)]
    assert re.search(why, answer.reason)


def test_no_secret_is_shown() -> None:
    assert "sesame" not in repr(directory(secret="sesame"))
