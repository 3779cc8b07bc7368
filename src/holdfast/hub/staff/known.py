"""Browsers in which somebody logged in before, and how they show it."""

from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from holdfast.accounts import cookies
from holdfast.accounts.cookies import LIFE, MOST_OF_A_NAME
from holdfast.core.clock import now
from holdfast.hub.moments import now_ms
from holdfast.hub.staff.hashers import keys
from holdfast.hub.staff.models import Account, Browser

_PURPOSE = "device cookie"


def cookie_name() -> str:
    """Name the cookie; `__Host-` keeps other hosts of the domain from setting it."""
    return "__Host-hub-known" if settings.HUB.secure else "hub-known"


def id_for(cookie: str, name: str) -> str:
    """Give the id of a browser that is known for an account; empty for all others."""
    cookie_id = cookies.id_of(cookie)
    if (
        not cookie_id
        or not Browser.objects.filter(cookie_id=cookie_id, account__name=name).exists()
    ):
        return ""
    genuine = any(
        cookies.is_genuine(cookie, key.derived(_PURPOSE), name=name, now=now())
        for key in keys().keys
    )
    return cookie_id if genuine else ""


def remember(account: Account, cookie: str) -> str:
    """Make a browser known for an account, or note that it was there again.

    Returns:
        The cookie to set.
    """
    at = now_ms()
    cookie_id = id_for(cookie, account.name) or cookies.fresh_id()
    Browser.objects.update_or_create(
        cookie_id=cookie_id,
        defaults={"account": account, "seen_ms": at},
        create_defaults={"account": account, "seen_ms": at, "made_ms": at},
    )
    kept = account.browsers.values_list("pk", flat=True)[:MOST_OF_A_NAME]
    account.browsers.exclude(pk__in=list(kept)).delete()
    return cookies.made(
        keys().newest.derived(_PURPOSE),
        name=account.name,
        cookie_id=cookie_id,
        until=now() + LIFE,
    )


def cookie_of(request: HttpRequest) -> str:
    """Read the cookie of a request."""
    return str(request.COOKIES.get(cookie_name(), ""))


def set_cookie(response: HttpResponse, cookie: str) -> None:
    """Hand the cookie to the browser."""
    response.set_cookie(
        cookie_name(),
        cookie,
        max_age=timedelta(days=LIFE.days),
        secure=settings.HUB.secure,
        httponly=True,
        samesite="Strict",
    )
