"""Central login as auth carries it out, with servers that a test answers for."""

import base64
from pathlib import Path
from typing import Any

import pytest

from holdfast.accounts.directories.asking import Told
from holdfast.accounts.errors import ThrottledError
from holdfast.core.errors import HoldfastError
from holdfast.device.auth.accounts import Accounts
from holdfast.device.auth.care import Care
from holdfast.device.auth.errors import CentralError, LastOwnerError, LoginError, OwnerOnlyError
from holdfast.hardening import proof

PASSWORD = "correct horse battery"
KEY = b"k" * 32
MINE = {"source": "192.0.2.1", "cookie": ""}


def set_up(accounts: Accounts, **changes: Any) -> None:  # noqa: ANN401 - any key
    kept = {
        "settings": {"servers": [{"name": "one"}]},
        "segments": [["people"], ["local"]],
        "local_names": ["ada"],
        "budget_s": 10,
        "secret_names": ["one"],
        **changes,
    }
    accounts.central.write({"settings": kept, "sealed": {}, "dropped": []}, epoch=7)


def told(kind: str, **changes: Any) -> Told:  # noqa: ANN401 - any field
    fields: dict[str, Any] = {
        "kind": kind, "name": "", "role": "", "group": "people", "server": "one", "reason": "",
        "tries": (), "dead": {},
    }  # fmt: skip
    return Told(**{**fields, **changes})


@pytest.fixture
def servers(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Say what the servers answer, by name of who logs in."""
    answers: dict[str, Any] = {}

    def login(_settings: bytes, _secrets: object, **facts: Any) -> Told:  # noqa: ANN401 - see asking
        answers.setdefault("asked", []).append((facts["name"], facts["groups"], facts["dead"]))
        found = answers.get(facts["name"], told("unavailable", dead={"one": 60.0}))
        assert isinstance(found, Told)
        return found

    monkeypatch.setattr("holdfast.device.auth.central.asking.login", login)
    set_up(accounts)
    return answers


def test_a_directory_lets_somebody_in_with_a_role_of_the_profile(
    accounts: Accounts, servers: dict[str, Any]
) -> None:
    servers["Käthe"] = told("accepted", name="Käthe", role="viewer")
    entered = accounts.login(name=" Käthe ", password="anything")
    assert (entered.name, entered.role, entered.method) == ("Käthe", "viewer", "people")
    assert accounts.role_and_epoch("Käthe", "people") == ("", entered.epoch)
    assert entered.cookie
    servers["rob"] = told("accepted", name="rob", role="root")
    with pytest.raises(LoginError):
        accounts.login(name="rob", password="anything")
    # The server knew him, so it is no password that was typed as a name.
    failed = accounts.book.page("failed", 0)[0][0]
    assert (failed.result, failed.name, failed.method) == ("no-role", "rob", "people")
    servers["my secret password"] = told("rejected")
    with pytest.raises(LoginError):
        accounts.login(name="my secret password", password="x")
    assert accounts.book.page("failed", 0)[0][0].name == ""


def test_a_certificate_that_ends_soon_is_told_once_a_day(
    accounts: Accounts,
    servers: dict[str, Any],
    clock: Any,  # noqa: ANN401 - of conftest.py
    capfd: pytest.CaptureFixture[str],
) -> None:
    servers["vera"] = told("accepted", name="vera", role="viewer", ending={"one": "2031-05-17"})
    for _ in range(3):
        accounts.login(name="vera", password="anything")
    assert capfd.readouterr().err.count("auth.certificate-ends server=one on=2031-05-17") == 1
    clock.now_s += 86_400
    accounts.login(name="vera", password="anything")
    assert "auth.certificate-ends server=one" in capfd.readouterr().err


def test_after_a_no_nobody_else_is_asked(
    accounts: Accounts, care: Care, servers: dict[str, Any]
) -> None:
    care.add(name="vera", password=PASSWORD, role="viewer")
    servers["vera"] = told("rejected")
    with pytest.raises(LoginError):
        accounts.login(name="vera", password=PASSWORD)
    del servers["vera"]
    assert accounts.login(name="vera", password=PASSWORD).method == "local"  # unavailable
    assert not accounts.book.page("in", 0)[0][0].is_emergency  # she is none of local_names
    assert servers["asked"][-1] == ("vera", ("people",), {})
    accounts.login(name="vera", password=PASSWORD)
    assert servers["asked"][-1][2] == {"one": 60.0}  # what was dead a moment ago is told


def test_the_emergency_account_is_local_whatever_servers_say(
    accounts: Accounts, servers: dict[str, Any]
) -> None:
    servers["ada"] = told("rejected")
    assert accounts.login(name="ADA", password=PASSWORD).method == "local"
    assert "asked" not in servers
    assert accounts.book.page("in", 0)[0][0].is_emergency


def test_without_local_in_the_order_silence_is_no_yes_and_no_wrong_password(
    accounts: Accounts, servers: dict[str, Any]
) -> None:
    assert servers == {}
    set_up(accounts, segments=[["people"]])
    with pytest.raises(HoldfastError) as caught:
        accounts.login(name="vera", password=PASSWORD)
    assert caught.value.code == "account-unavailable"
    assert accounts.login(name="ada", password=PASSWORD).role == "owner"


def test_local_first_knows_its_own_and_asks_for_others(
    accounts: Accounts, servers: dict[str, Any]
) -> None:
    set_up(accounts, segments=[["local"], ["people"]], local_names=[])
    servers["ada"] = servers["vera"] = told("accepted", name="vera", role="viewer")
    with pytest.raises(LoginError):
        accounts.login(name="ada", password="wrong")
    assert accounts.login(name="vera", password="x").method == "people"


def test_a_name_that_this_device_knows_first_waits_for_no_servers(
    accounts: Accounts, care: Care, servers: dict[str, Any]
) -> None:
    care.add(name="vera", password=PASSWORD, role="viewer")
    waits = accounts.asks_servers_first
    assert [waits(name) for name in ("ada", "vera", "carol")] == [False, True, True]
    set_up(accounts, segments=[["local"], ["people"]], local_names=[])
    assert [waits(name) for name in ("ada", "vera", "carol")] == [False, False, True]
    set_up(accounts, segments=[["local"]], local_names=[])
    assert [waits(name) for name in ("ada", "vera", "carol")] == [False, False, False]
    assert "asked" not in servers


def test_servers_are_asked_only_after_the_throttle(
    accounts: Accounts, servers: dict[str, Any]
) -> None:
    servers["vera"] = told("rejected")
    for _ in range(3):
        with pytest.raises(LoginError):
            accounts.login(name="vera", password="wrong")
    asked = len(servers["asked"])
    with pytest.raises(ThrottledError):
        accounts.login(name="vera", password="wrong")
    with pytest.raises(LoginError):
        accounts.login(name="carol", password="")  # would be an anonymous bind
    assert len(servers["asked"]) == asked


def test_damaged_settings_leave_the_local_accounts(
    servers: dict[str, Any],
    tmp_path: Path,
    opened: Any,  # noqa: ANN401
) -> None:
    assert servers == {}
    (tmp_path / "central.json").write_text('{"schema": 1')
    again = opened()
    assert again.login(name="ada", password=PASSWORD).role == "owner"
    with pytest.raises(HoldfastError) as caught:
        again.central.part(0)
    assert caught.value.code == "account-central-file"


def test_an_outside_proof_needs_the_role_of_an_owner(care: Care, servers: dict[str, Any]) -> None:
    servers["vera"] = told("accepted", name="vera", role="viewer")
    servers["olga"] = told("accepted", name="olga", role="owner")
    call = {"secret": "x", "verb": "reboot", "args": "{}", **MINE}
    text = care.prove(name="olga", **call)
    assert proof.checked(text, KEY, verb="reboot", args={}, now_s=0.0).by == "olga"
    with pytest.raises(OwnerOnlyError):
        care.prove(name="vera", **call)


def test_the_last_way_in_is_not_removed(
    accounts: Accounts, care: Care, servers: dict[str, Any]
) -> None:
    assert servers == {}
    care.add(name="olga", password=PASSWORD, role="owner")
    with pytest.raises(LastOwnerError):  # olga is no emergency account
        care.remove(name="ada")
    set_up(accounts, segments=[["local"]], local_names=[])
    care.remove(name="ada")


def test_parts_come_in_their_order_or_not_at_all(accounts: Accounts, clock: Any) -> None:  # noqa: ANN401
    central = accounts.central
    text = base64.b64encode(b'{"settings": {}}').decode()
    central.stage(part=0, parts=2, text=text[:8])
    central.stage(part=1, parts=2, text=text[8:])
    assert central.staged() == '{"settings": {}}'
    assert central.staged() == ""  # once
    for part, parts in ((1, 2), (2, 2), (0, 0)):
        with pytest.raises(CentralError):
            central.stage(part=part, parts=parts, text="AAAA")
    central.stage(part=0, parts=2, text="AAAA")
    clock.now_s += 301
    with pytest.raises(CentralError):
        central.stage(part=1, parts=2, text="AAAA")
    central.stage(part=0, parts=1, text="A")
    with pytest.raises(CentralError):
        central.staged()
