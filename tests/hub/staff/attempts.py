"""What tests of logins share: trying one, a clock that is set, an app for codes."""

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from django.test import RequestFactory

from holdfast.accounts import totp
from holdfast.core.clock import now
from holdfast.hub.staff import brake, entrance, factors
from holdfast.hub.staff.models import Account, Brake

STRANGER = "198.51.100.7"


class Clock:
    """Stands in for the clock of the brake."""

    def __init__(self) -> None:
        self.now_s = 1e6

    def monotonic(self) -> float:
        return self.now_s


def enter(name: str, password: str, address: str = STRANGER, cookie: str = "") -> Account | None:
    """Try a name and a password."""
    attempt = entrance.Attempt.of(name=name, password=password, address=address, cookie=cookie)
    found = entrance.enter(attempt)
    return found.account if found else None


def forget_failures() -> None:
    brake.forget()
    Brake.objects.all().delete()


def app_of(account: Account) -> bytes:
    """Set up an app for codes; the code of this very moment is unused. Gives its seed."""
    seed = totp.fresh_seed()
    with context.request_context(RequestFactory().get("/")):
        session: dict[str, Any] = {"staff_totp_seed": get_adapter().encrypt(seed.hex())}
        factors.add_app(account, session, code_of(seed))
    Account.objects.filter(pk=account.pk).update(totp_step=0)
    return seed


def code_of(seed: bytes) -> str:
    """Give what the app shows now."""
    return totp.code_at(seed, totp.step_at(now()))
