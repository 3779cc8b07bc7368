"""Accounts of another product: taken over wrapped, made anew at the first login, over in time."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import override_settings

from holdfast.accounts.errors import ExpiredHashError
from holdfast.core.clock import now
from holdfast.core.process import run
from holdfast.hub.staff import brake, entrance, taking_over
from holdfast.hub.staff.models import Account, Entry
from tests.hub.doors import REAL_HASHERS

OLD = "the old password"
HASHES = {
    # Of `openssl passwd -1, -5 and -6 -salt saltsalt`, and of Django.
    "md5": "$1$saltsalt$",
    "sha256": "$5$saltsalt$",
    "sha512": "$6$saltsalt$",
}


def of_openssl(prefix: str, need: str) -> str:
    made = run([need, "passwd", f"-{prefix[1]}", "-salt", "saltsalt", OLD], timeout_s=20)
    return made.stdout.decode().strip()


def enter(name: str, password: str) -> Account | None:
    brake.forget()
    attempt = entrance.Attempt.of(name=name, password=password, address="192.0.2.1")
    found = entrance.enter(attempt)
    return found.account if found else None


@pytest.mark.servers
@pytest.mark.parametrize("scheme", list(HASHES))
def test_the_old_password_opens_once_and_is_hashed_anew(
    db: Path, need: object, scheme: str
) -> None:
    del db
    openssl = need("openssl")  # type: ignore[operator]  # the fixture is not typed here
    line = f"old:{of_openssl(HASHES[scheme], openssl)}:19000:0:99999:7:::\n"
    with override_settings(PASSWORD_HASHERS=REAL_HASHERS):
        deadline = now() + timedelta(days=30)
        done = taking_over.take_over(line, kind="shadow", deadline=deadline, by="system")
        assert done.names == ("old",)
        stored = Account.objects.get().password
        assert stored.startswith("holdfast$holdfast-wrapped$")
        assert HASHES[scheme] not in stored
        assert enter("old", "wrong") is None
        assert enter("old", OLD) is not None
        assert Account.objects.get().password.startswith("holdfast$holdfast-argon2id$")
        assert enter("old", OLD) is not None
    assert Entry.objects.filter(what="account.taken_over").count() == 1


@pytest.mark.servers
def test_after_the_deadline_it_opens_nothing(db: Path, need: object) -> None:
    del db
    openssl = need("openssl")  # type: ignore[operator]  # the fixture is not typed here
    text = json.dumps([{"name": "old", "hash": of_openssl("$6$", openssl)}])
    with override_settings(PASSWORD_HASHERS=REAL_HASHERS):
        deadline = now() - timedelta(seconds=1)
        taking_over.take_over(text, kind="json", deadline=deadline, by="system")
        assert enter("old", "wrong") is None
        with pytest.raises(ExpiredHashError):
            enter("old", OLD)


@pytest.mark.parametrize(
    "line",
    [
        "system:$6$saltsalt$" + "x" * 86,
        "ada:$6$saltsalt$" + "x" * 86,
        "Odd Name:$6$saltsalt$" + "x" * 86,
        "plain:password",
        "des:abJnggxhB/yWI",
        "greedy:$6$rounds=999999999$saltsalt$" + "x" * 86,
        "\0",
        ":::",
    ],
)
def test_what_cannot_be_taken_over_is_told(ada: Account, line: str) -> None:
    del ada
    deadline = now() + timedelta(days=30)
    done = taking_over.take_over(line + "\n", kind="htpasswd", deadline=deadline, by="system")
    assert not done.names
    assert done.faults
    assert Account.objects.count() == 1
