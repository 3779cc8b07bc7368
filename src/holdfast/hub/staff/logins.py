"""The log of logins that everybody reads about the own account, and the mail about a new source."""

from datetime import timedelta

from django.db import transaction

from holdfast.accounts.throttle import source_of
from holdfast.core.clock import now
from holdfast.hub.moments import now_ms, to_ms
from holdfast.hub.staff import jobs
from holdfast.hub.staff.models import Account, Login, Notice

MOST_OF_AN_ACCOUNT = 200
SHOWN = 30
_FAILURES_KEPT = 100
_KEPT = timedelta(days=365)
_SAME_AGAIN_MS = 60_000


@transaction.atomic
def note(
    account: Account, *, how: str, address: str, success: bool, new_source: bool = False
) -> None:
    """Keep a line about an attempt on an account that exists, bounded for each account.

    A flood of failures pushes out older failures and no login: they have separate shares.

    Args:
        account: Which.
        how: With what; see `Login`.
        address: Where the request came from.
        success: Whether it led to a session.
        new_source: Whether neither browser nor address was known; then a mail is written.
    """
    at = now_ms()
    source = source_of(address)
    own = Login.objects.filter(account=account, success=success)
    if not success and own.filter(address=source, at_ms__gt=at - _SAME_AGAIN_MS).exists():
        return
    line = Login.objects.create(
        account=account, at_ms=at, address=source, how=how, success=success, new_source=new_source
    )
    share = MOST_OF_AN_ACCOUNT - _FAILURES_KEPT if success else _FAILURES_KEPT
    kept = list(own.values_list("pk", flat=True)[:share])
    own.exclude(pk__in=kept).delete()
    if new_source and account.email:
        notice = Notice.objects.create(login=line, created_ms=at)
        jobs.enqueue(notice)


def is_new_source(account: Account, address: str) -> bool:
    """Tell whether somebody got into an account from elsewhere only; not for the first login."""
    past = Login.objects.filter(account=account, success=True)
    return past.exists() and not past.filter(address=source_of(address)).exists()


def latest(account: Account) -> list[Login]:
    """Return the newest lines about an account."""
    return list(Login.objects.filter(account=account)[:SHOWN])


def forget_old() -> None:
    """Delete what is older than a year; called now and then."""
    Login.objects.filter(at_ms__lt=to_ms(now() - _KEPT)).delete()
