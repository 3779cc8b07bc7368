"""Accounts with a worker that keeps the contract of the real one, without its cost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from holdfast.accounts import cookies, recovery, totp
from holdfast.device.auth import setup_code
from holdfast.device.auth.accounts import Accounts
from holdfast.device.auth.care import Care
from holdfast.device.auth.entrance import Facts
from holdfast.device.auth.errors import SetupCodeError
from holdfast.device.auth.work import RefusedError, refusal_of
from holdfast.hardening import proof
from tests.device.auth.codes import code_at, seed_of
from tests.device.auth.running import auth, setup_hash, start

__all__ = ["auth", "setup_hash", "start"]

CODE = "7K2M-XQ4R-9TBC"
PASSWORD = "correct horse battery"
KEY = b"k" * 32


def refused(code: str, reason: str = "") -> RefusedError:
    return refusal_of({"code": code, "message": code, "hint": "", "reason": reason})


class PlainWork:
    """Does what the worker does, in this process, with a hash that hides nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask(self, do: str, *, now: datetime, **facts: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        self.asked.append(do)
        cookie = ""
        if facts.get("cookie_id"):
            cookie = cookies.made(
                KEY, name=facts["name"], cookie_id=facts["cookie_id"], until=now + cookies.LIFE
            )
        genuine = bool(facts.get("cookie")) and cookies.is_genuine(
            facts.get("cookie", ""), KEY, name=facts.get("name", ""), now=now
        )
        answer = getattr(self, do.replace(".", "_"))(now, facts)
        return {"cookie": cookie, "genuine": genuine, **answer}

    def claim(self, _now: datetime, facts: dict[str, Any]) -> dict[str, Any]:
        typed = setup_code.normalised(facts["code"])
        if facts["setup_hash"] != f"plain:{typed}":
            raise refused(SetupCodeError.code)
        return {"hash": f"plain:{facts['password']}"}

    def login(self, _now: datetime, facts: dict[str, Any]) -> dict[str, Any]:
        return {"matches": facts["stored"] == f"plain:{facts['password']}"}

    def second(self, now: datetime, facts: dict[str, Any]) -> dict[str, Any]:
        if facts.get("sealed"):
            seed = bytes.fromhex(facts["sealed"])
            step = totp.matching_step(seed, facts["code"], now=now, last_step=facts["last_step"])
            if step is not None:
                return {"step": step}
        struck = recovery.matching(facts["recovery"], facts["code"], KEY, name=facts["name"])
        return {"struck": struck} if struck is not None else {}

    def password(self, _now: datetime, facts: dict[str, Any]) -> dict[str, Any]:
        if len(facts["new"]) < 8:
            raise refused("accounts-password", "too-short")
        return {"hash": f"plain:{facts['new']}"}

    def check(self, _now: datetime, facts: dict[str, Any]) -> dict[str, Any]:
        if len(facts["password"]) < 15:
            raise refused("accounts-password", "too-short")
        return {}

    def cookie(self, _now: datetime, _facts: dict[str, Any]) -> dict[str, Any]:
        return {}

    def totp_begin(self, _now: datetime, facts: dict[str, Any]) -> dict[str, Any]:
        seed = totp.fresh_seed()
        address = totp.address(seed, name=facts["name"], issuer=facts["issuer"])
        return {"sealed": seed.hex(), "address": address}

    def recovery(self, _now: datetime, facts: dict[str, Any]) -> dict[str, Any]:
        codes = recovery.fresh()
        hashes = [recovery.hashed(code, KEY, name=facts["name"]) for code in codes]
        return {"codes": codes, "hashes": hashes}

    def prove(self, _now: datetime, facts: dict[str, Any]) -> dict[str, Any]:
        made = proof.made(
            bytes.fromhex(facts["key"]),
            verb=facts["verb"], args=facts["args"], by=facts["by"], now_s=0.0,
        )  # fmt: skip
        return {"proof": made}

    def unseal(self, _now: datetime, _facts: dict[str, Any]) -> dict[str, Any]:
        return {"secrets": {}}


class Clock:
    """A clock that only runs forward, and one on the wall that goes with it."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.began = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> float:
        return self.now_s

    def wall(self) -> datetime:
        return self.began + timedelta(seconds=self.now_s)

    def code(self, seed: bytes) -> str:
        """Give the code that an app shows now."""
        return code_at(seed, self.wall())


Opened = Callable[[], Accounts]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def work() -> PlainWork:
    return PlainWork()


@pytest.fixture
def opened(tmp_path: Path, clock: Clock, work: PlainWork) -> Opened:
    return lambda: Accounts(
        tmp_path,
        setup_hash=lambda: f"plain:{setup_code.normalised(CODE)}",
        work=work,
        facts=Facts(roles=("owner", "viewer"), methods=("local", "ldap")),
        now=clock.wall,
        monotonic=clock,
    )


@pytest.fixture
def accounts(opened: Opened) -> Accounts:
    """Claimed by ada."""
    made = opened()
    made.claim(code=CODE, name="ada", password=PASSWORD, source="192.0.2.1")
    return made


@pytest.fixture
def care(accounts: Accounts) -> Care:
    return Care(accounts, proof_key=KEY)


@pytest.fixture
def seed(care: Care, clock: Clock) -> bytes:
    """Give ada a second factor."""
    mine = {"name": "ada", "password": PASSWORD, "source": "192.0.2.1", "cookie": ""}
    made = seed_of(care.totp_begin(**mine))
    care.totp_confirm(name="ada", code=clock.code(made))
    clock.now_s += 60
    return made
