"""From a right password to a session: the second factor where there is one, then the log.

Between the two steps nobody is logged in: a short-lived session only remembers whose turn it is.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from holdfast.hub.errors import ConfirmError
from holdfast.hub.moments import MINUTE_MS, now_ms
from holdfast.hub.staff import factors, known, logins, sessions, visitors, visits
from holdfast.hub.staff.errors import StepLostError
from holdfast.hub.staff.models import Account
from holdfast.hub.staff.services import record

STEP_MS = 5 * MINUTE_MS
MOST_BEGUN = 20_000
"""Sessions of people who are not known yet."""
_BEGUN = timedelta(milliseconds=2 * STEP_MS)
_SOME = 50
"""So many more go at once, so that not each new one has to look for the oldest."""
_PENDING = "pending_login"


def hold(request: HttpRequest) -> None:
    """Let an anonymous session live for minutes only, and only so many of them.

    Beyond that the oldest ones go, and with them logins that somebody began and did not end: who
    begins them by the thousand must not keep out everybody with a passkey.
    """
    if request.user.is_authenticated:
        return
    if request.session.session_key is None or not request.session.exists(
        request.session.session_key
    ):
        Session.objects.filter(expire_date__lt=timezone.now()).delete()
        # A session of somebody who is logged in is kept for hours, and never among these.
        begun = Session.objects.filter(expire_date__lte=timezone.now() + _BEGUN)
        surplus = begun.count() - MOST_BEGUN + 1
        if surplus > 0:
            oldest = begun.order_by("expire_date").values_list("pk", flat=True)
            Session.objects.filter(pk__in=list(oldest[: surplus + _SOME])).delete()
    request.session.set_expiry(_BEGUN)


def first_step_done(
    request: HttpRequest, account: Account, *, how: str, back: str, proved: bool = True
) -> HttpResponse:
    """Go on once somebody's password, directory or provider said yes."""
    visits.left(request)
    if not factors.of(account):
        return welcome(request, account, how=how, back=back, proved=proved)
    request.session.flush()
    request.session[_PENDING] = {
        "account": account.pk,
        "epoch": account.epoch,
        "how": how,
        "back": back,
        "proved": proved,
        "at_ms": now_ms(),
    }
    request.session.set_expiry(_BEGUN)
    return redirect("staff:second")


def pending(request: HttpRequest) -> tuple[Account, dict[str, Any]]:
    """Tell whose second step it is.

    Raises:
        StepLostError: Nobody's, or not any more.
    """
    found = request.session.get(_PENDING)
    if found is not None and 0 <= now_ms() - found["at_ms"] <= STEP_MS:
        account = Account.objects.filter(
            pk=found["account"], epoch=found["epoch"], is_active=True
        ).first()
        if account is not None:
            return account, found
    raise StepLostError("the first step of this login is too long ago, or was never done")


def second_step_done(request: HttpRequest, *, how: str) -> HttpResponse:
    """Log in whose second factor was right as well."""
    account, found = pending(request)
    return welcome(
        request,
        account,
        how=f"{found['how']} + {how}"[:64],
        back=found["back"],
        proved=found.get("proved", False),
    )


def second_step_failed(request: HttpRequest) -> None:
    """Note that the second factor was wrong although the first was right."""
    account, found = pending(request)
    logins.note(
        account,
        how=f"{found['how']} + code"[:64],
        address=visitors.address_of(request),
        success=False,
    )


def welcome(
    request: HttpRequest, account: Account, *, how: str, back: str, proved: bool = True
) -> HttpResponse:
    """Begin a session, write it down, and make the browser known."""
    address, cookie = visitors.address_of(request), known.cookie_of(request)
    visits.left(request)
    with transaction.atomic():
        is_known = bool(known.id_for(cookie, account.name))
        new_source = not is_known and logins.is_new_source(account, address)
        sessions.begin(request, account, proved=proved)
        logins.note(account, how=how, address=address, success=True, new_source=new_source)
        facts = {"how": how, "new_source": new_source}
        record(by=account.name, what="account.logged_in", subject=account.name, facts=facts)
        shown = known.remember(account, cookie)
    visits.came(request, account)
    answer = redirect(back)
    known.set_cookie(answer, shown)
    return answer


def confirmed(request: HttpRequest, account: Account, *, fresh: bool, back: str) -> HttpResponse:
    """Note that somebody who is logged in came back from a provider.

    Raises:
        ConfirmError: It was another person, or the provider did not ask.
    """
    if request.user.pk != account.pk:
        raise ConfirmError("the provider knows you as somebody else than who is logged in")
    if not fresh:
        raise ConfirmError("the provider did not ask you again who you are")
    if factors.of(account):
        sessions.prove_half(request)
        return redirect(sessions.confirm_path(back))
    sessions.prove(request)
    record(by=account.name, what="account.confirmed", subject=account.name)
    return redirect(back)


def is_secure_enough() -> bool:
    """Tell whether browsers offer passkeys on this hub's address."""
    possible: bool = settings.HUB.passkeys
    return possible
