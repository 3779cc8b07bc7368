"""Central login in the pages, without a script, and what is said about faulty settings."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.device.gui.central_draft import Draft, FieldError, fault_of, replaced
from holdfast.device.gui.central_forms import defaults_of, server_of, step_view, whole
from holdfast.device.gui.desk import Kept
from tests.device.visiting import FORM, PASSWORD, Visitor
from tests.servers.slapd import PASSWORDS, PEOPLE, READER, READER_PASSWORD, running_slapd

SECRET = "a shared secret of servers"
RADIUS = {
    "new": "yes",
    "protocol": "radius",
    "name": "office",
    "host": "radius.example.test",
    "transport": "plain",
    "shared": SECRET,
    "grouped": "yes",
    "do": "save",
}
LDAP = {
    "new": "yes",
    "protocol": "ldap",
    "name": "head",
    "host": "ldap.example.test",
    "transport": "starttls",
    "base": "ou=people,dc=example,dc=test",
    "bind_dn": "cn=reader,dc=example,dc=test",
    "shared": "password of the reader",
    "do": "save",
}


@pytest.fixture
def visitor(site: Any) -> Visitor:
    visitor = Visitor(site.url, site.sha256)
    visitor.log_in()
    return visitor


def save(visitor: Visitor, path: str, **fields: str) -> tuple[int, str]:
    status, text, _ = visitor.post(path, "/central", **fields)
    return status, html.unescape(text)


@pytest.mark.servers
def test_from_nothing_into_force(site: Any, visitor: Visitor) -> None:
    assert save(visitor, "/central/server", **RADIUS)[0] == 303
    _, text, _ = visitor.ask("GET", "/central")
    assert "Not in force yet" in text
    assert "secret is set" in text
    assert SECRET not in text
    assert SECRET not in visitor.ask("GET", "/central/server?name=office")[1]
    order = {"order0": "office", "order1": "local", "local_names": "ada", "budget_s": "7"}
    assert save(visitor, "/central/methods", **order)[0] == 303
    rule = {"role": "viewer", "by": "attribute", "attribute": "filter-id", "value": "look"}
    assert save(visitor, "/central/role", **rule)[0] == 303
    status, text = save(visitor, "/central/write", secret="wrong")
    assert status == 422
    assert "not your password" in text
    assert not (site.folder / "auth" / "central.json").exists()
    status, _ = save(visitor, "/central/write", secret=PASSWORD)
    assert status == 303
    kept = json.loads((site.folder / "auth" / "central.json").read_text())
    assert kept["segments"] == [["office"], ["local"]]
    assert kept["budget_s"] == 7
    assert SECRET not in json.dumps(kept)
    _, text, _ = visitor.ask("GET", "/central?done=written")
    assert "It is in force" in text
    assert "Not in force yet" not in text
    assert "secret is set" in text
    for file in site.folder.rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


@pytest.mark.servers
def test_a_draft_belongs_to_one_session(site: Any, visitor: Visitor) -> None:
    save(visitor, "/central/server", **RADIUS)
    other = Visitor(site.url, site.sha256)
    other.log_in()
    assert "Not in force yet" not in other.ask("GET", "/central")[1]
    assert "Not in force yet" in visitor.ask("GET", "/central")[1]
    assert save(visitor, "/central/drop")[0] == 303
    assert "Not in force yet" not in visitor.ask("GET", "/central")[1]


@pytest.mark.servers
@pytest.mark.parametrize("protocol", ["radius", "tacacs+"])
def test_a_shared_secret_that_can_be_tried_out_is_refused(visitor: Visitor, protocol: str) -> None:
    short = {**RADIUS, "protocol": protocol, "warned": "yes", "shared": "testing123"}
    status, text = save(visitor, "/central/server", **short)
    assert status == 422
    assert "Server office, Shared secret: has fewer than 16 characters" in text
    assert "type yours once more" in text
    assert re.search(r'name="shared"[^>]*aria-invalid="true"', text)
    assert "testing123" not in text
    # Nor by typing it for a server with TLS, where it does not count, and changing that one.
    quiet = {**short, "transport": "tls"}
    assert save(visitor, "/central/server", **quiet)[0] == 303
    changed = {**short, "new": "", "shared": ""}
    assert save(visitor, "/central/server", **changed)[0] == 422
    assert save(visitor, "/central/server", **{**changed, "shared": SECRET})[0] == 303


def test_what_belongs_to_a_session_goes_with_it() -> None:
    kept: Kept[str] = Kept()
    for number in range(9):
        kept.keep(f"token {number}", SECRET)
    assert [kept.find(f"token {number}") for number in (0, 8)] == [None, SECRET]
    kept.keep_only(lambda: {"token 7"})
    assert [kept.find(f"token {number}") for number in (7, 8)] == [SECRET, None]


@pytest.mark.servers
@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"name": "Not Small"}, "name", "Name"),
        ({"host": ""}, "host", "Host name or address"),
        ({"host": "a b"}, "host", "Host name or address"),
        ({"port": "http"}, "port", "whole number"),
        ({"port": "70000"}, "port", "Port"),
        ({"timeout_s": "99"}, "timeout_s", "Seconds for one try"),
        ({"ca": "no certificate"}, "ca", "certificates in PEM"),
        ({"base": ""}, "base", "is needed to search"),
        ({"bind_dn": ""}, "bind_dn", 'either this or "Pattern of the name to log in with"'),
        ({"user_filter": "(uid=ada)"}, "user_filter", "must contain {name}"),
        ({"transport": "plain"}, "transport", "ldap knows tls and starttls"),
    ],
)
def test_a_fault_names_its_field(
    visitor: Visitor, changes: dict[str, str], field: str, told: str
) -> None:
    status, text = save(visitor, "/central/server", **{**LDAP, **changes})
    assert status == 422
    assert told in text
    assert re.search(rf'name="{field}"[^>]*aria-invalid="true"', text), field
    assert 'value="ldap.example.test"' in text or "host" in changes
    assert LDAP["shared"] not in text
    assert "Secrets are not shown again: type yours once more." in text


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (
            "it is not ours: set tls_name to it",
            'it is not ours: set "Name in the certificate" to it',
        ),
        ("put the one that signs it into ca", 'signs it into "Certificate of the authority"'),
        ("Put the one that signs it into ca.", 'signs it into "Certificate of the authority"'),
        ("the server wants StartTLS: set transport to starttls", "choose StartTLS under"),
        ("nobody called set_name", "nobody called set_name"),
    ],
)
def test_a_step_speaks_of_what_stands_on_the_page(told: str, shown: str) -> None:
    assert shown in step_view({"name": "tls", "ok": False, "told": told}).told


@pytest.mark.servers
def test_plain_tacacs_only_after_the_warning(visitor: Visitor) -> None:
    fields = {
        "new": "yes",
        "protocol": "tacacs+",
        "name": "old",
        "host": "tac.example.test",
        "transport": "plain",
        "shared": SECRET,
        "do": "save",
    }
    status, text = save(visitor, "/central/server", **fields)
    assert status == 422
    assert "anybody on the way" in text
    assert save(visitor, "/central/server", **fields, warned="yes")[0] == 303
    assert "can turn a no into a yes" in visitor.ask("GET", "/central")[1]


@pytest.mark.servers
def test_servers_groups_and_rules_change_and_go(visitor: Visitor) -> None:
    save(visitor, "/central/server", **RADIUS)
    save(visitor, "/central/server", **{**RADIUS, "name": "second", "grouped": ""})
    both = {"name": "office", "rank-second": "1", "rank-office": "2", "dead_s": "60"}
    assert save(visitor, "/central/group", do="save", **both)[0] == 303
    assert "second, office" in visitor.ask("GET", "/central")[1]
    status, text = save(visitor, "/central/server", do="remove", name="second")
    assert status == 422
    assert "there is no server second" in text
    assert save(visitor, "/central/group", do="remove", name="office")[0] == 303
    assert save(visitor, "/central/server", do="remove", name="second")[0] == 303
    for value in ("one", "two"):
        rule = {"role": "viewer", "by": "attribute", "attribute": "class", "value": value}
        assert save(visitor, "/central/role", do="save", **rule)[0] == 303
    assert save(visitor, "/central/role?at=1", do="up")[0] == 303
    _, text, _ = visitor.ask("GET", "/central")
    assert text.index("class is two") < text.index("class is one")
    assert save(visitor, "/central/role?at=0", do="remove")[0] == 303
    assert "class is two" not in visitor.ask("GET", "/central")[1]
    status, text = save(visitor, "/central/role", role="viewer", by="level", level="16")
    assert status == 422
    assert "Lowest level" in text


@pytest.mark.servers
def test_what_auth_refuses_is_said(visitor: Visitor) -> None:
    save(visitor, "/central/server", **RADIUS)
    order = {"order0": "office", "local_names": ""}
    save(visitor, "/central/methods", **order)
    status, text = save(visitor, "/central/write", secret=PASSWORD)
    assert status == 422
    assert "No owner could log in" in text
    assert "Not in force yet" in text  # nothing that was typed is lost


@pytest.mark.servers
def test_there_is_one_order_and_older_ones_for_nothing_go(site: Any, visitor: Visitor) -> None:
    orders = [{"service": "shell", "order": ["local"], "local_names": []}]
    kept = {
        "settings": {"servers": [], "groups": [], "methods": orders, "roles": []},
        "segments": [["local"]], "local_names": [], "budget_s": 10, "secret_names": [],
    }  # fmt: skip
    site.auth._accounts.central.write({"settings": kept, "sealed": {}, "dropped": []}, epoch=1)
    assert "hell" not in visitor.ask("GET", "/central")[1].partition("3. Who is asked")[2]
    assert save(visitor, "/central/methods", order0="local", local_names="ada")[0] == 303
    assert save(visitor, "/central/write", secret=PASSWORD)[0] == 303
    plain = site.auth._accounts.central.settings.plain
    assert [one["service"] for one in plain["methods"]] == ["gui"]


@pytest.mark.servers
def test_nonsense_is_said_without_a_traceback(site: Any, visitor: Visitor) -> None:
    for host in ("\0", "\ud800".encode("utf-8", "surrogatepass"), "☂", "x" * 5000):
        body = urlencode({"token": visitor.token("/central"), **LDAP, "host": host})
        status, _, _ = visitor.ask(
            "POST", "/central/server", body, Content_Type=FORM["Content-Type"]
        )
        assert status in {400, 422}
    body = "token=" + "x" * 300_000
    sent = {"Content_Type": FORM["Content-Type"]}
    assert visitor.ask("POST", "/central/server", body, **sent)[0] == 413
    for path in ("/central/server?name=none", "/central/role?at=9", "/central/methods?at=9"):
        assert visitor.ask("GET", path)[0] in {200, 303}
    status, text, _ = visitor.post("/central/test", "/central", server="none")
    assert status == 422
    assert "no server with this name" in text
    (site.folder / "auth" / "central.json").write_bytes(b"{damaged")
    site.auth._opened = None
    other = Visitor(site.url, site.sha256)
    other.log_in()
    status, text, _ = other.ask("GET", "/central")
    assert status == 200
    assert "damaged" in text
    assert save(other, "/central/server", **RADIUS)[0] == 303
    assert save(other, "/central/write", secret=PASSWORD)[0] == 303
    assert "damaged" not in other.ask("GET", "/central")[1]


@pytest.mark.servers
def test_a_server_is_tried_with_its_secret_before_anybody_is_asked_of_it(
    site: Any, visitor: Visitor, need: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "slapd").mkdir()
    with running_slapd(need, tmp_path / "slapd") as slapd:
        changes = {
            "host": "127.0.0.1", "port": str(slapd.tls_port), "transport": "tls", "base": PEOPLE,
            "bind_dn": READER, "shared": READER_PASSWORD, "ca": slapd.authority.pem,
            "grouped": "yes",
        }  # fmt: skip
        assert save(visitor, "/central/server", **{**LDAP, **changes})[0] == 303
        _, text, _ = visitor.ask("GET", "/central")
        assert "in no order: only a test asks it" in text
        assert "put it into force like that to try it first" in text
        _, text, _ = visitor.ask("GET", "/central/test?server=head")
        assert "The server head is not in force yet, and its secret is not kept yet." in text
        assert save(visitor, "/central/write", secret=PASSWORD)[0] == 303
        bob = {"name": "bob", "password": PASSWORDS["bob"]}
        status, text = save(visitor, "/central/test", server="head", **bob)
        assert status == 200
        assert "No order names head: nothing but this test asks it" in text
        assert "Name and password: worked" in text
        assert READER_PASSWORD not in text
        stranger = Visitor(site.url, site.sha256)
        _, text, _ = stranger.post("/login", "/login", **bob)
        assert "do not belong together" in text
        in_order = {"order0": "head", "order1": "local", "local_names": "ada"}
        assert save(visitor, "/central/methods", **in_order)[0] == 303
        assert "in no order" not in visitor.ask("GET", "/central")[1]


@given(st.text(max_size=80), st.lists(st.dictionaries(st.text(max_size=5), st.integers())))
def test_every_refusal_becomes_words(message: str, elements: list[dict[str, int]]) -> None:
    fault = fault_of(message, {"servers": elements, "roles": elements})
    assert isinstance(str(fault), str)
    assert isinstance(fault.field, str)


def test_secrets_of_a_server_that_goes_are_dropped() -> None:
    plain = {"servers": [server_of({"host": "a"}, name="a", protocol="radius")]}
    draft = Draft(plain={}, known=("a",), before=plain)
    draft.change(plain)
    draft.secrets["a"] = SECRET
    assert SECRET not in repr(draft)
    draft.change(replaced(plain, "servers", 0, None))
    assert draft.secrets == {}


@pytest.mark.parametrize("protocol", ["ldap", "radius", "tacacs+"])
def test_forms_show_every_field_that_there_is(protocol: str) -> None:
    assert whole({"name": "a", "protocol": protocol}).keys() == defaults_of(protocol).keys()
    with pytest.raises(FieldError) as refused:
        server_of({"tries": "²"}, name="a", protocol=protocol)
    assert refused.value.field == "tries"
