"""Sessions in the database under a digest: who reads the tables cannot take over a session.

A session ends when it was not used for a while, and after twelve hours whatever happens. It knows
when somebody last proved who he is: dangerous pages ask again after ten minutes.
"""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from holdfast.hub.moments import HOUR_MS, MINUTE_MS, now_ms
from holdfast.hub.staff import visits
from holdfast.hub.staff.models import Account

LONGEST_MS = 12 * HOUR_MS
PROOF_MS = 10 * MINUTE_MS
BACKEND = "django.contrib.auth.backends.ModelBackend"
HALF_MS = 5 * MINUTE_MS
_BORN, _SEEN, _PROVED, _HALF = "born_ms", "seen_ms", "proved_ms", "half_proved_ms"
_CLOCK_MS = 5 * MINUTE_MS
"""A clock that was put right by so much ends no session."""

_KEPT_DIGITS = 40
"""Width of Django's column: 160 bits of the digest."""


def kept(key: str) -> str:
    """Return what is kept of the key in a session's cookie."""
    return hashlib.sha256(key.encode()).hexdigest()[:_KEPT_DIGITS]


class SessionStore(db.SessionStore):
    """Django's sessions in the database, with the digest of the key in the place of the key."""

    def _get_session_from_db(self) -> AbstractBaseSession | None:
        found = self.model.objects.filter(
            session_key=kept(str(self.session_key)), expire_date__gt=timezone.now()
        ).first()
        if found is None:
            self._session_key = None
        return found

    def exists(self, session_key: str) -> bool:
        """Tell whether there is a session with this key."""
        return super().exists(kept(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        """Make the row of this session."""
        row = super().create_model_instance(data)
        row.session_key = kept(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        """Delete a session; this one unless another is named."""
        key = session_key or self.session_key
        if key is not None:
            super().delete(kept(key))


def begin(request: HttpRequest, account: Account, *, proved: bool = True) -> None:
    """Log somebody in: a new session key, and nothing kept that was there before.

    Args:
        request: Of whom.
        account: As whom.
        proved: Whether he has just shown who he is, and not only some time ago elsewhere.
    """
    request.session.flush()
    auth.login(request, account, backend=BACKEND)
    at = now_ms()
    request.session[_BORN] = request.session[_SEEN] = at
    if proved:
        request.session[_PROVED] = at


def go_on(request: HttpRequest, account: Account) -> None:
    """Keep this session, under a new key, where all others of the account have ended."""
    auth.update_session_auth_hash(request, account)


def prove(request: HttpRequest) -> None:
    """Note that who is logged in has just shown it again."""
    request.session[_PROVED] = now_ms()
    request.session.pop(_HALF, None)


def is_proved(request: HttpRequest) -> bool:
    """Tell whether that was within the last ten minutes."""
    return _is_lately(request, _PROVED, PROOF_MS)


def prove_half(request: HttpRequest) -> None:
    """Note that a provider has just said who this is; the second factor is still to come."""
    request.session[_HALF] = now_ms()


def is_half_proved(request: HttpRequest) -> bool:
    """Tell whether that was within the last five minutes."""
    return _is_lately(request, _HALF, HALF_MS)


def _is_lately(request: HttpRequest, what: str, most_ms: int) -> bool:
    at: int = request.session.get(what, 0)
    return -_CLOCK_MS <= now_ms() - at <= most_ms


def has_ended(request: HttpRequest) -> bool:
    """Tell whether a session is too old, or was not used for too long."""
    session, at = request.session, now_ms()
    born, seen = session.get(_BORN, at), session.get(_SEEN, at)
    idle_ms = settings.HUB.accounts.idle_minutes * MINUTE_MS
    ended = not -_CLOCK_MS <= at - born <= LONGEST_MS or not -_CLOCK_MS <= at - seen <= idle_ms
    if not ended and (_SEEN not in session or at - seen > MINUTE_MS) and _by_a_person(request):
        session[_SEEN] = at
        session.setdefault(_BORN, at)
    return ended


def _by_a_person(request: HttpRequest) -> bool:
    """Tell a click from a page that loads itself again: that keeps no session alive."""
    headers = request.headers
    moved = request.method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate"
    return not moved or headers.get("Sec-Fetch-User") == "?1"


def _needs_new_password(request: HttpRequest) -> bool:
    """Tell whether somebody got in with an old password that would not be allowed today."""
    user = request.user
    if not isinstance(user, Account) or not user.is_taken_over:
        return False
    return request.path not in {reverse("staff:password"), reverse("staff:logout")}


class SessionLimitMiddleware:
    """Ends sessions that are over, and holds up who first needs a new password."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Log out who stayed away for too long."""
        if request.user.is_authenticated and has_ended(request):
            visits.left(request, at_ms=request.session.get(_SEEN))
            auth.logout(request)
            request.session.set_expiry(PROOF_MS // 1000)
            messages.info(request, _("You were logged out because nothing was done for a while."))
        if _needs_new_password(request):
            return redirect("staff:password")
        return self.get_response(request)


_More = ParamSpec("_More")
_View = Callable[Concatenate[HttpRequest, _More], HttpResponse]


def proved(view: _View[_More]) -> _View[_More]:
    """Ask who has not shown lately who he is to do so first, and lead back afterwards."""

    @wraps(view)
    def asking(request: HttpRequest, /, *args: _More.args, **kwargs: _More.kwargs) -> HttpResponse:
        if is_proved(request):
            return view(request, *args, **kwargs)
        return ask_first(request)

    return asking


def ask_first(request: HttpRequest) -> HttpResponse:
    """Lead to the page that asks, and from there back."""
    # What was sent with a form is not kept: it is sent again after the proof.
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else _page_of(request)
    return redirect(confirm_path(back))


def confirm_path(back: str) -> str:
    """Give the address of the page that asks, with the one to which it leads."""
    return f"{reverse('staff:confirm')}?{urlencode({'next': back})}"


def _page_of(request: HttpRequest) -> str:
    """Find the page on which a form stood."""
    sent_from = request.headers.get("Referer", "")
    if sent_from.startswith(settings.HUB.url + "/"):
        return sent_from.removeprefix(settings.HUB.url)
    return reverse("staff:home")
