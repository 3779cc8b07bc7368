"""Settings of central login: what is wrong is named with its place, nothing is passed over."""

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.directories.settings import (
    CentralLogin,
    must_have_long_secrets,
    of_json,
    of_plain,
    to_json,
)
from holdfast.accounts.errors import CentralSettingsError
from holdfast.core.config import parse

GOOD = """
budget_s = 8

[[servers]]
name = "tac-1"
protocol = "tacacs+"
host = "tac-1.example.test"

[[servers]]
name = "ad"
protocol = "ldap"
host = "2001:db8::1"
transport = "starttls"
ldap = { base = "dc=example,dc=test", direct_dn = "{name}@example.test", nested = "ad" }

[[groups]]
name = "switches"
servers = ["tac-1"]

[[groups]]
name = "directory"
servers = ["ad"]
dead_s = 60

[[methods]]
service = "gui"
order = ["switches", "directory", "local"]
local_names = ["break-glass"]

[[roles]]
role = "owner"
level = 15
"""


def test_the_same_shape_is_read_from_toml_and_from_json() -> None:
    of_toml = parse(GOOD, CentralLogin, name="x.toml")
    assert of_plain(tomllib.loads(GOOD)) == of_toml
    assert of_json(to_json(of_toml)) == of_toml
    assert of_toml.server("ad").address == "[2001:db8::1]:389"
    assert of_toml.server("tac-1").address == "tac-1.example.test:300"
    assert of_toml.methods_of("gui").order == ("switches", "directory", "local")
    assert of_toml.methods_of("api").order == ("local",)


@pytest.mark.parametrize(
    ("where", "value", "told"),
    [
        (("servers", 0, "protocol"), "kerberos", "servers[0].protocol"),
        (("servers", 0, "hots"), "x", "servers[0].hots is not known"),
        (("servers", 0, "port"), 70000, "port"),
        (("servers", 0, "host"), "a b", "host"),
        (("servers", 0, "transport"), "plain", "anybody on the way can change a no into a yes"),
        (("servers", 0, "transport"), "starttls", "tacacs+ knows tls and plain"),
        (("servers", 0, "ca"), "nonsense", "is not a list of certificates in PEM"),
        (("servers", 1, "ldap"), None, "belongs to LDAP servers"),
        (("servers", 1, "ldap", "direct_dn"), "uid=x", "must contain {name}"),
        (("servers", 1, "ldap", "direct_dn"), "", "either this or direct_dn is needed"),
        (("servers", 1, "name"), "tac-1", "servers[1].name: is there already"),
        (("groups", 0, "servers"), ["nobody"], "groups[0].servers[0]: there is no server nobody"),
        (("groups", 0, "servers"), ["tac-1", "ad"], "must all speak the same protocol"),
        (("groups", 0, "name"), "local", "local means the accounts kept here"),
        (("methods", 0, "order"), ["nowhere"], "methods[0].order[0]: there is no group nowhere"),
        (("servers", 1, "ldap", "user_filter"), "(uid={name}", "servers[1].ldap.user_filter: a )"),
        (("servers", 1, "ldap", "user_filter"), "(member={dn}{name})", "user_filter: knows only"),
        (("servers", 1, "ldap", "group_filter"), "member", "servers[1].ldap.group_filter: a ("),
        (("roles", 0, "methods"), ["nowhere"], "roles[0].methods[0]: there is no group nowhere"),
        (("roles", 0, "group"), "admins", "exactly one of group, attribute and level"),
        (("budget_s",), 3600, "budget_s"),
    ],
)
def test_what_is_wrong_is_named(where: tuple[Any, ...], value: object, told: str) -> None:
    plain: Any = tomllib.loads(GOOD)
    place = plain
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    with pytest.raises(CentralSettingsError) as caught:
        of_json(json.dumps(plain))
    assert told.replace("[", "").replace("]", "") in str(caught.value).replace("[", "").replace(
        "]", ""
    )
    assert caught.value.hint


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_nonsense_is_refused_as_such(content: bytes) -> None:
    try:
        of_json(content)
    except CentralSettingsError:
        return
    assert isinstance(json.loads(content), dict)


def test_deep_nonsense_is_refused() -> None:
    with pytest.raises(CentralSettingsError):
        of_json(b"[" * 200_000)


@pytest.mark.parametrize(
    ("server", "secret", "fits"),
    [
        ({"protocol": "tacacs+", "transport": "plain", "warned": True}, "fifteen letters", False),
        ({"protocol": "tacacs+", "transport": "plain", "warned": True}, "sixteen letters!", True),
        ({"protocol": "tacacs+", "transport": "plain", "warned": True}, None, True),  # dropped
        ({"protocol": "tacacs+"}, "unused", True),  # under TLS
        ({"protocol": "radius", "transport": "plain"}, "testing123", False),
        ({"protocol": "radius", "transport": "plain"}, "ein Geheimnis: ä", True),
        ({"protocol": "radius"}, "radsec", True),
        (
            {"protocol": "ldap", "ldap": {"direct_dn": "{name}@example.test"}},
            "a bind password",
            True,
        ),
    ],
)
def test_a_shared_secret_is_too_long_to_be_tried_out(
    server: dict[str, Any], secret: str | None, *, fits: bool
) -> None:
    settings = of_plain({"servers": [{"name": "one", "host": "192.0.2.1", **server}]})
    if fits:
        must_have_long_secrets(settings, {"one": secret, "one.key": "short"})
        return
    with pytest.raises(CentralSettingsError) as caught:
        must_have_long_secrets(settings, {"one": secret})
    assert "servers[0].shared: has fewer than 16 characters" in str(caught.value)
    assert str(secret) not in str(caught.value)
