"""One person of a directory is one account of the hub, and never somebody else's."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings

from holdfast.accounts.directories.asking import Told
from holdfast.accounts.directories.settings import CentralLogin, Group, Methods, Server
from holdfast.accounts.errors import HashingBusyError
from holdfast.hub.errors import NoAccessError
from holdfast.hub.staff import central, entrance
from holdfast.hub.staff.models import Account, Origin
from tests.hub.staff.attempts import forget_failures

LOCAL = "seven plain words nobody would guess"
Says = Callable[..., None]


@pytest.fixture
def says(db: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Says]:
    """Let the child of central login accept everybody, under the name that the server spells."""
    del db
    made = CentralLogin(
        servers=(Server(name="tac", protocol="tacacs+", host="192.0.2.9"),),
        groups=(Group(name="corp", servers=("tac",)),),
        methods=(Methods(service="hub", order=("corp", "local")),),
    )
    monkeypatch.setattr(settings, "HUB", replace(settings.HUB, central_login=made))
    central.forget()

    def answer(name: str, *, is_spelt: bool = True) -> None:
        told = Told("accepted", name, "staff", "corp", "tac", "", (), {}, is_spelt)
        monkeypatch.setattr(central, "ask", lambda _groups, **_: told)

    yield answer
    central.forget()


def enter(name: str) -> entrance.Entered | None:
    forget_failures()
    return entrance.enter(entrance.Attempt.of(name=name, password=LOCAL, address="192.0.2.1"))


def test_a_switched_off_account_does_not_come_back_in_capitals(says: Says) -> None:
    says("ada")
    assert enter("ada") is not None
    Account.objects.update(is_active=False)
    says("ADA")
    assert enter("ADA") is None
    assert [account.name for account in Account.objects.all()] == ["ada@corp"]


ALIKE = ["ada", "CORP\\ada", "ada@corp", "Ada@CORP.example", "corp/ada", "ada%corp"]


@pytest.mark.parametrize("first", ALIKE)
@pytest.mark.parametrize("second", ALIKE)
def test_one_person_does_not_become_two_by_another_realm(
    says: Says, first: str, second: str
) -> None:
    """A server that tells no spelling takes all of these; who was switched off stays out."""
    says(first, is_spelt=False)
    assert enter(first) is not None
    Account.objects.update(is_active=False)
    says(second, is_spelt=False)
    if first.lower() == second.lower():
        assert enter(second) is None
    else:
        with pytest.raises(NoAccessError, match="a name like this") as caught:
            enter(second)
        assert "as you did the first time" in caught.value.hint
    assert Account.objects.count() == 1


@pytest.mark.parametrize("other", ["ada2", "an-ada", "adaa@corp", "CORP\\bo", "@", "\\"])
def test_people_of_other_names_are_other_people(says: Says, other: str) -> None:
    for name in ("ada", other):
        says(name, is_spelt=False)
        assert enter(name) is not None
    assert Account.objects.count() == 2


def test_a_server_that_tells_its_spelling_is_believed(says: Says) -> None:
    """It has two people of nearly the same name, and says which one this is."""
    for name in ("ada@north.example", "ada@south.example"):
        says(name)
        assert enter(name) is not None
    assert Account.objects.count() == 2


@pytest.mark.parametrize("name", ["ada\ue000", "a" * 65, "ada\u2028"])
def test_a_name_that_cannot_be_kept_whole_is_refused(says: Says, name: str) -> None:
    says(name)
    with pytest.raises(NoAccessError):
        enter("ada")
    assert not Account.objects.exists()


def test_the_account_of_another_origin_is_not_taken_over(says: Says) -> None:
    Account.objects.create(name="ada@corp", origin=Origin.OPENID, created_ms=1)
    says("ada")
    with pytest.raises(NoAccessError, match="another account"):
        enter("ada")


def test_a_flood_opens_no_way_to_the_next_method(
    says: Says, monkeypatch: pytest.MonkeyPatch
) -> None:
    says("ada")
    account = Account(name="ada", origin=Origin.LOCAL, created_ms=1)
    account.set_password(LOCAL)
    account.save()

    def busy(_groups: tuple[str, ...], **_: object) -> Told:
        raise HashingBusyError

    monkeypatch.setattr(central, "ask", busy)
    with pytest.raises(HashingBusyError):
        enter("ada")


def test_what_other_logins_learnt_of_servers_is_kept() -> None:
    central.forget()
    tried = ({"server": "a", "step": "route", "reason": "", "seconds": 1.0},)
    central._note_dead(Told("unavailable", "", "", "", "", "", tried, {"a": 60.0}))
    central._note_dead(Told("accepted", "x", "staff", "g", "b", "", ({"server": "b"},), {}))
    assert set(central._left()) == {"a"}
    central._note_dead(Told("accepted", "x", "staff", "g", "a", "", ({"server": "a"},), {}))
    assert central._left() == {}
