"""What all pages share: who asks, forms with their tokens, cookies, refusals, and templates."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from jinja2 import Environment
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from holdfast.accounts.cookies import LIFE
from holdfast.core.errors import HoldfastError
from holdfast.device.broker.wire import UnreachableError
from holdfast.device.gui.answers import State
from holdfast.device.gui.backends import Backends, Entered
from holdfast.device.gui.doorway import REGULARS
from holdfast.device.gui.forms import LONGEST_BODY, MOST_FIELDS, FormError, fields_of, one
from holdfast.device.gui.sessions import ABSOLUTE, COOKIE, Session, Sessions
from holdfast.device.gui.texts import LANGUAGE
from holdfast.device.gui.texts import translate as _

VISIT = "__Host-holdfast-visit"
DEVICE_COOKIE = "__Host-holdfast-device"
OWNER = "owner"
LOCAL = "local"
_LONGEST_VISIT = 64
_MOST_KEPT = 4
Thing = TypeVar("Thing")
_FIELD_OF = {
    "account-setup-code": "code",
    "account-name": "name",
    "account-taken": "name",
    "account-role": "role",
    "account-password": "password",
    "accounts-password": "password",
    "account-second": "code",
    "account-code-wanted": "code",
    "verb-argument": "password",
}
_UNREADY = frozenset({"wire-unreachable", "gui-answer"})
_CROWDED = frozenset({"verb-rate", "busy"})
_WRONG_SECRET = frozenset({"account-login", "account-second"})


class LoggedOutError(HoldfastError):
    """Nobody is logged in, or not any more."""

    code = "gui-logged-out"
    http_status = 401


class OwnerPageError(HoldfastError):
    """A page is for owners only."""

    code = "gui-owner-only"
    http_status = 403
    hint = "Ask an owner of the device to do it."

    def __init__(self) -> None:
        super().__init__(_("Only an owner of the device may do this."))


class MissingSecretError(HoldfastError):
    """Something was to be confirmed, and nothing was typed."""

    code = "gui-no-secret"
    http_status = 422
    hint = "Type your password, or a code if an app shows you codes."

    def __init__(self) -> None:
        super().__init__(_("This has to be confirmed."))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A refusal as a form shows it."""

    message: str
    hint: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A page that says what is the matter.

    Attributes:
        title: In a few words.
        lines: Sentences.
        kind: Colour, as of notices.
        code: For whoever asks the manufacturer.
        again_s: Seconds after which the browser tries again by itself; 0 for never.
        again_to: Where it goes then; empty for the same page.
        link: Where to go from here.
        link_text: What the link is called.
    """

    title: str
    lines: tuple[str, ...]
    kind: str = "warn"
    code: str = ""
    again_s: int = 0
    again_to: str = ""
    link: str = ""
    link_text: str = ""


class Kept(Generic[Thing]):
    """What belongs to sessions and goes with them: in memory only, and little of it."""

    def __init__(self) -> None:
        self._by_token: dict[str, Thing] = {}

    def find(self, token: str) -> Thing | None:
        """Find what a session has."""
        return self._by_token.get(token)

    def keep(self, token: str, thing: Thing) -> None:
        """Keep something; the oldest goes where there is too much."""
        self._by_token.pop(token, None)
        while len(self._by_token) >= _MOST_KEPT:
            del self._by_token[next(iter(self._by_token))]
        self._by_token[token] = thing

    def drop(self, token: str) -> None:
        """Forget what a session has."""
        self._by_token.pop(token, None)

    def keep_only(self, tokens: Callable[[], set[str]]) -> None:
        """Forget what belongs to no session any more."""
        if self._by_token:
            living = tokens()
            for token in set(self._by_token) - living:
                del self._by_token[token]


class Desk:
    """What all pages of one device share.

    Attributes:
        backends: The processes behind the pages.
        sessions: Who is logged in.
        now: The present moment.
        roles: Roles that accounts may have.
        protocols: Protocols of central login that this product speaks; none for no such page.
    """

    def __init__(
        self,
        *,
        backends: Backends,
        sessions: Sessions,
        templates: Environment,
        now: Callable[[], datetime],
        roles: tuple[str, ...],
        protocols: tuple[str, ...],
    ) -> None:
        self.backends = backends
        self.sessions = sessions
        self.now = now
        self.roles = roles
        self.protocols = protocols
        self._templates = templates
        self._product = ""
        self._kept: list[Kept[Any]] = []

    def kept(self) -> Kept[Any]:
        """Give a place for what goes with its session."""
        place: Kept[Any] = Kept()
        self._kept.append(place)
        return place

    def tidy(self) -> None:
        """Forget what belongs to sessions that are over, those that nobody came back to too."""
        self.sessions.end_spent()
        for place in self._kept:
            place.keep_only(lambda: {one.token for one in self.sessions.all()})

    # Who asks.

    def session(self, request: Request) -> Session | None:
        """Find the session of a request."""
        return self.sessions.find(ticket_of(request))

    def inside(self, request: Request) -> Session:
        """Give the session of a request.

        Raises:
            LoggedOutError: There is none.
        """
        session = self.session(request)
        if session is None:
            raise LoggedOutError
        return session

    def ruling(self, request: Request) -> Session:
        """Give the session of an owner.

        Raises:
            LoggedOutError: There is no session.
            OwnerPageError: It is not that of an owner.
        """
        session = self.inside(request)
        if session.role != OWNER:
            raise OwnerPageError
        return session

    async def still_holds(self, request: Request) -> None:
        """End the session of an account that was removed or changed meanwhile.

        The address of one that holds makes no room for strangers from then on.
        """
        self.tidy()
        session = self.sessions.find(ticket_of(request), use=False)
        if session is None:
            return
        try:
            epoch = await self.backends.epoch(name=session.name, method=session.method)
        except UnreachableError:  # it restarts; nobody was removed by that
            return
        if epoch != session.epoch:
            self.sessions.end(ticket_of(request))
            return
        regulars = request.scope.get("state", {}).get(REGULARS)
        if regulars is not None and request.client is not None:
            regulars.remember(request.client.host)

    def asker(self, request: Request, session: Session) -> dict[str, str]:
        """Say to auth who asks: name, address and device cookie."""
        return {"name": session.name, **self.origin(request)}

    def origin(self, request: Request) -> dict[str, str]:
        """Say to auth from where somebody asks."""
        return {
            "source": request.client.host if request.client is not None else "",
            "cookie": self.backends.cookie_form(request.cookies.get(DEVICE_COOKIE, "")),
        }

    async def proven(self, request: Request, verb: str, args: dict[str, Any], secret: str) -> str:
        """Have auth make the owner's proof for one call.

        Raises:
            MissingSecretError: Nothing was typed.
            HoldfastError: It is not his password, nor a code of his app.
        """
        session = self.ruling(request)
        if not secret:
            raise MissingSecretError
        return await self.backends.prove(
            verb, args, secret=secret, asker=self.asker(request, session)
        )

    # Forms.

    async def session_form(
        self, request: Request, *, longest: int = LONGEST_BODY, most: int = MOST_FIELDS
    ) -> dict[str, str]:
        """Read a form of somebody who is logged in.

        Raises:
            LoggedOutError: Nobody is.
            FormError: It is not from a page of this session.
        """
        session = self.inside(request)
        fields = await fields_of(request, longest=longest, most=most)
        if not hmac.compare_digest(one(fields, "token").encode(), session.token.encode()):
            raise FormError("This page had lain open for too long.")
        return fields

    async def visit_form(self, request: Request) -> dict[str, str]:
        """Read a form of somebody who is not logged in.

        Raises:
            FormError: It is not from a page that this browser was given.
        """
        fields = await fields_of(request)
        visit = request.cookies.get(VISIT, "")
        sent = one(fields, "token").encode()
        if not visit or not hmac.compare_digest(sent, _token_of_visit(visit).encode()):
            raise FormError("This page had lain open for too long, or cookies are switched off.")
        return fields

    # Answers.

    def begun(
        self, request: Request, entered: Entered, path: str = "/", *, renew: bool = False
    ) -> Response:
        """Begin a session in place of the one there was, and go to a page."""
        self.sessions.end(ticket_of(request))
        answer = to(path)
        if entered.cookie:
            keep_browser(answer, entered.cookie)
        ticket = self.sessions.begin(
            name=entered.name,
            role=entered.role,
            method=entered.method,
            epoch=entered.epoch,
            renew=renew,
            task=entered.task,
        )
        keep(answer, COOKIE, ticket, life_s=int(ABSOLUTE.total_seconds()))
        forget(answer, VISIT)
        return answer

    async def state(self) -> State:
        """Ask the agent what the update page shows."""
        state = await self.backends.state()
        self._product = state.product
        return state

    async def page(
        self, request: Request, template: str, *, status: int = 200, **values: object
    ) -> Response:
        """Show a page."""
        session = self.session(request)
        visit = request.cookies.get(VISIT, "")
        fresh = ""
        if session is None and not 0 < len(visit) <= _LONGEST_VISIT:
            visit = fresh = secrets.token_urlsafe(32)
        token = session.token if session is not None else _token_of_visit(visit)
        context: dict[str, Any] = {
            "session": session,
            "rules": session is not None and session.role == OWNER,
            "protocols": self.protocols,
            "here": "",
            "error": None,
            "language": LANGUAGE,
            "product": await self._name_of_product(),
            "token": lambda: Markup('<input type="hidden" name="token" value="{}">').format(token),
            **values,
        }
        answer = HTMLResponse(self._templates.get_template(template).render(context), status)
        if fresh:
            keep(answer, VISIT, fresh)
        return answer

    async def trouble(self, request: Request, trouble: Trouble, *, status: int) -> Response:
        """Show a page that says what is the matter."""
        return await self.page(request, "trouble.html", trouble=trouble, status=status)

    async def _name_of_product(self) -> str:
        if not self._product:
            try:
                self._product = (await self.backends.state()).product
            except HoldfastError:
                # A page without the product's name is better than none.
                return _("This device")
        return self._product


def keep(answer: Response, name: str, value: str, *, life_s: int | None = None) -> None:
    """Give a browser a cookie that only this very host gets back, and no script sees."""
    answer.set_cookie(
        name, value, max_age=life_s, path="/", httponly=True, secure=True, samesite="strict"
    )


def keep_browser(answer: Response, cookie: str) -> None:
    """Give a browser the cookie by which auth knows it again."""
    keep(answer, DEVICE_COOKIE, cookie, life_s=int(LIFE.total_seconds()))


def forget(answer: Response, name: str) -> None:
    """Have a browser forget a cookie."""
    answer.delete_cookie(name, path="/", httponly=True, secure=True, samesite="strict")


def ticket_of(request: Request) -> str | None:
    """Read the ticket of a session."""
    return request.cookies.get(COOKIE)


def to(path: str) -> RedirectResponse:
    """Send a browser on to a page."""
    return RedirectResponse(path, status_code=303)


def status_of(error: HoldfastError) -> int:
    """Choose the status of an answer that shows a refusal."""
    if error.code == "account-slow-down":
        return 429
    if error.code in {"account-busy", "accounts-busy", "account-unavailable"} | _UNREADY:
        return 503
    return error.http_status if error.http_status not in {409, 500} else 422


def shown(error: HoldfastError, *, field: str = "", by_code: bool | None = None) -> Shown:
    """Put a refusal into the words of a form.

    Args:
        error: The refusal.
        field: Field that it belongs to where its code does not tell.
        by_code: Where the form asks who is logged in to confirm: whether by a code, or a password.
    """
    if by_code is not None and error.code in _WRONG_SECRET:
        return Shown(
            message=_("This is not a code that your app shows now, nor a recovery code.")
            if by_code
            else _("This is not your password."),
            hint=_(
                "Your password does not count here; each code is good once. Nothing was changed."
            )
            if by_code
            else _("Capitals matter. Nothing was changed."),
            field="secret",
        )
    field = _FIELD_OF.get(error.code, field)
    if error.code == "verb-argument":
        return Shown(
            message=_("The name or the password has a sign in it that cannot be used."),
            hint=_("Use letters and digits in the name; the password may hold any visible sign."),
            field=field,
        )
    if error.code in _UNREADY:
        return Shown(
            message=_("A part of this device is not ready: it is starting, or it restarts."),
            hint=_("Wait a few seconds and try again."),
        )
    if error.code in _CROWDED:
        return Shown(message=_("Too many tries at once."), hint=_("Wait a minute, then try again."))
    return Shown(message=sentence(_(str(error))), hint=_(error.hint), field=field)


def sentence(text: str) -> str:
    """Begin a text with a capital, as a refusal that stands alone."""
    return text[:1].upper() + text[1:]


def _token_of_visit(visit: str) -> str:
    """Derive the token of forms that come before a session: nobody else can read the cookie."""
    return hashlib.sha256(f"visit {visit}".encode(errors="replace")).hexdigest()
