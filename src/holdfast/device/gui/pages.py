"""The pages: each reads its request, asks agent or auth, and answers."""

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from holdfast.core.errors import HoldfastError
from holdfast.device.gui import views
from holdfast.device.gui.answers import WORKING, State
from holdfast.device.gui.backends import Backends
from holdfast.device.gui.forms import FormError, fields_of, one
from holdfast.device.gui.sessions import ABSOLUTE, COOKIE, Session, Sessions
from holdfast.device.gui.texts import LANGUAGE
from holdfast.device.gui.texts import translate as _

VISIT = "holdfast-visit"
_LONGEST_VISIT = 64
_HIGHEST_PAGE = 999
_FIELD_OF = {
    "account-setup-code": "code",
    "account-name": "name",
    "account-password": "password",
    "verb-argument": "password",
}
_NEXT_S = 3
_CHECK_TURNS, _CHECK_TURN_S = 8, 0.25


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
        link: Where to go from here.
        link_text: What the link is called.
    """

    title: str
    lines: tuple[str, ...]
    kind: str = "warn"
    code: str = ""
    again_s: int = 0
    link: str = ""
    link_text: str = ""


class Pages:
    """All pages of one device."""

    def __init__(
        self,
        *,
        backends: Backends,
        sessions: Sessions,
        templates: Environment,
        now: Callable[[], datetime],
    ) -> None:
        self._backends = backends
        self._sessions = sessions
        self._templates = templates
        self._now = now
        self._product = ""

    # Before the claim, and logging in.

    async def claim(self, request: Request) -> Response:
        """Let the owner claim the device; gone for ever afterwards."""
        if await self._backends.claimed():
            return _to("/login")
        if request.method != "POST":
            return await self._page(request, "claim.html", entered={"code": "", "name": ""})
        fields = await self._visit_form(request)
        name, password = one(fields, "name"), one(fields, "password")
        try:
            who, role = await self._backends.claim(
                code=one(fields, "code"), name=name, password=password
            )
        except HoldfastError as error:
            return await self._page(
                request,
                "claim.html",
                error=_shown(error),
                status=_status(error),
                entered={"code": one(fields, "code"), "name": name},
            )
        return self._begun(who, role)

    async def login(self, request: Request) -> Response:
        """Let somebody log in."""
        if self._session(request) is not None:
            return _to("/")
        if request.method != "POST":
            return await self._page(request, "login.html", entered={"name": ""})
        fields = await self._visit_form(request)
        try:
            who, role = await self._backends.login(
                name=one(fields, "name"), password=one(fields, "password")
            )
        except HoldfastError as error:
            return await self._page(
                request,
                "login.html",
                error=_shown(error),
                status=_status(error),
                entered={"name": one(fields, "name")},
            )
        return self._begun(who, role)

    async def logout(self, request: Request) -> Response:
        """End the session."""
        if self._session(request) is None:
            return _to("/login")
        await self._session_form(request)
        self._sessions.end(request.cookies.get(COOKIE))
        answer = _to("/login")
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    # The update page.

    async def home(self, request: Request) -> Response:
        """Show what runs, what is new, or how far an installation is."""
        if self._session(request) is None:
            return _to("/login")
        state = await self._state()
        if state.stage in WORKING:
            view = views.progress(state)
            return await self._page(request, "progress.html", view=view, here="home")
        notes = await self._backends.notes() if state.offer is not None else ""
        shown = views.home(state, notes, now=self._now())
        return await self._page(request, "home.html", view=shown, here="home")

    async def progress(self, request: Request) -> Response:
        """Tell the script of the progress page how far it is."""
        if self._sessions.find(request.cookies.get(COOKIE), use=False) is None:
            return JSONResponse({}, status_code=401)
        state = await self._state()
        if state.stage not in WORKING:
            return JSONResponse({"stage": state.stage})
        view = views.progress(state)
        return JSONResponse(
            {
                "stage": view.stage,
                "headline": view.headline,
                "sentence": view.sentence,
                "percent": view.percent,
            }
        )

    async def install(self, request: Request) -> Response:
        """Install the offered release now."""
        return await self._told(request, "update.install")

    async def check(self, request: Request) -> Response:
        """Ask the hub now."""
        if self._session(request) is None:
            return _to("/login")
        await self._session_form(request)
        before = (await self._state()).checked
        await self._backends.tell("update.check")
        # Most answers come at once, and then the page that follows already shows them.
        for _turn in range(_CHECK_TURNS):
            await asyncio.sleep(_CHECK_TURN_S)
            if (await self._state()).checked != before:
                break
        return _to("/")

    async def later(self, request: Request) -> Response:
        """Put the offered release off."""
        if self._session(request) is None:
            return _to("/login")
        fields = await self._session_form(request)
        days = one(fields, "days")
        if not (days.isascii() and days.isdecimal() and len(days) <= len("365")):
            raise FormError("The number of days cannot be read.")
        await self._backends.tell("update.later", {"days": int(days)})
        return _to("/")

    async def history(self, request: Request) -> Response:
        """Tell what happened, newest first."""
        if self._session(request) is None:
            return _to("/login")
        asked = request.query_params.get("page", "0")
        fits = asked.isascii() and asked.isdecimal() and len(asked) <= len(str(_HIGHEST_PAGE))
        page = int(asked) if fits else 0
        entries, pages = await self._backends.history(page)
        told = [views.past(entry) for entry in entries]
        return await self._page(
            request, "history.html", entries=told, page=page, pages=pages, here="history"
        )

    # Settings.

    async def settings(self, request: Request) -> Response:
        """Show and change how updates are installed."""
        if self._session(request) is None:
            return _to("/login")
        if request.method != "POST":
            return await self._settings(request)
        fields = await self._session_form(request)
        window = f"{one(fields, 'from')[:5]}-{one(fields, 'to')[:5]}"
        try:
            await self._backends.tell(
                "update.preferences", {"mode": one(fields, "mode"), "window": window}
            )
        except HoldfastError as error:
            return await self._settings(request, error=_shown(error), status=_status(error))
        return await self._settings(request, saved=_("Saved."))

    async def subscribe(self, request: Request) -> Response:
        """Hand the owner's address on to the hub."""
        if self._session(request) is None:
            return _to("/login")
        address = one(await self._session_form(request), "address").strip()
        try:
            await self._backends.tell("owner.subscribe", {"address": address})
        except HoldfastError as error:
            shown = _shown(error)
            if shown.field:
                shown = Shown(
                    message=_("This e-mail address cannot be used."),
                    hint=_("Write it like this: ada@example.org"),
                    field="address",
                )
            return await self._settings(
                request, error=shown, status=_status(error), address=address[:254]
            )
        return await self._settings(
            request, saved=_("Done. Look into your mailbox: the mail holds a link to follow.")
        )

    async def unsubscribe(self, request: Request) -> Response:
        """Have the hub forget the address."""
        if self._session(request) is None:
            return _to("/login")
        await self._session_form(request)
        await self._backends.tell("owner.unsubscribe")
        return await self._settings(request, saved=_("Done. No more mails will come."))

    # What goes wrong.

    async def missing(self, request: Request, _error: Exception) -> Response:
        """Answer an address that is no page."""
        return await self.trouble(
            request,
            Trouble(
                title=_("There is no such page"),
                lines=(_("The address may be mistyped."),),
                kind="note",
                link="/",
                link_text=_("Go to the update page"),
            ),
            status=404,
        )

    async def refused(self, request: Request, error: Exception) -> Response:
        """Show a refusal that no form shows."""
        assert isinstance(error, HoldfastError)  # noqa: S101 - registered for nothing else
        if request.url.path == "/update/progress":
            return JSONResponse({}, status_code=503)
        if error.code in {"wire-unreachable", "gui-answer", "verb-rate", "busy", "verb-unknown"}:
            return await self.trouble(
                request,
                Trouble(
                    title=_("One moment, please"),
                    lines=(
                        _("A part of this device is not ready: it is starting, or it restarts."),
                        _(
                            "This page tries again by itself. If it stays like this for five"
                            " minutes, disconnect the device from power and connect it again."
                        ),
                    ),
                    kind="note",
                    code=error.code,
                    again_s=_NEXT_S if request.method != "POST" else 0,
                    link="/",
                    link_text=_("Try again now"),
                ),
                status=503,
            )
        return await self.trouble(
            request,
            Trouble(
                title=_("That did not work"),
                lines=tuple(line for line in (str(error), error.hint) if line),
                code=error.code,
                link="/",
                link_text=_("Go to the update page"),
            ),
            status=_status(error),
        )

    async def trouble(self, request: Request, trouble: Trouble, *, status: int) -> Response:
        """Show a page that says what is the matter."""
        return await self._page(request, "trouble.html", trouble=trouble, status=status)

    # What the pages share.

    async def _told(self, request: Request, verb: str) -> Response:
        if self._session(request) is None:
            return _to("/login")
        await self._session_form(request)
        await self._backends.tell(verb)
        return _to("/")

    async def _settings(
        self,
        request: Request,
        *,
        error: Shown | None = None,
        saved: str = "",
        status: int = 200,
        address: str = "",
    ) -> Response:
        state = await self._state()
        owner = ""
        if state.address:
            owner = _(
                "Asked for {address}. Mails come once the link in the first one was followed."
            ).format(address=state.address)
        return await self._page(
            request,
            "settings.html",
            status=status,
            here="settings",
            error=error,
            saved=saved,
            owner=owner,
            entered={"address": address},
            chosen={
                "mode": state.mode,
                "start": state.window[:5],
                "end": state.window[6:],
                "clock": views.own_clock(self._now()),
            },
        )

    async def _state(self) -> State:
        state = await self._backends.state()
        self._product = state.product
        return state

    def _session(self, request: Request) -> Session | None:
        return self._sessions.find(request.cookies.get(COOKIE))

    def _begun(self, name: str, role: str) -> Response:
        answer = _to("/")
        answer.set_cookie(
            COOKIE,
            self._sessions.begin(name=name, role=role),
            max_age=int(ABSOLUTE.total_seconds()),
            path="/",
            httponly=True,
            samesite="strict",
        )
        answer.delete_cookie(VISIT, path="/", httponly=True, samesite="strict")
        return answer

    async def _session_form(self, request: Request) -> dict[str, str]:
        session = self._session(request)
        fields = await fields_of(request)
        sent = one(fields, "token").encode()
        if session is None or not hmac.compare_digest(sent, session.token.encode()):
            raise FormError("This page had lain open for too long.")
        return fields

    async def _visit_form(self, request: Request) -> dict[str, str]:
        fields = await fields_of(request)
        visit = request.cookies.get(VISIT, "")
        sent = one(fields, "token").encode()
        if not visit or not hmac.compare_digest(sent, _token_of_visit(visit).encode()):
            raise FormError("This page had lain open for too long, or cookies are switched off.")
        return fields

    async def _name_of_product(self) -> str:
        if not self._product:
            try:
                self._product = (await self._backends.state()).product
            except HoldfastError:
                # A page without the product's name is better than none.
                return _("This device")
        return self._product

    async def _page(
        self, request: Request, template: str, *, status: int = 200, **values: object
    ) -> Response:
        session = self._session(request)
        visit = request.cookies.get(VISIT, "")
        fresh = ""
        if session is None and not 0 < len(visit) <= _LONGEST_VISIT:
            visit = fresh = secrets.token_urlsafe(32)
        token = session.token if session is not None else _token_of_visit(visit)
        context: dict[str, Any] = {
            "session": session,
            "here": "",
            "error": None,
            "language": LANGUAGE,
            "product": await self._name_of_product(),
            "token": lambda: Markup('<input type="hidden" name="token" value="{}">').format(token),
            **values,
        }
        answer = HTMLResponse(self._templates.get_template(template).render(context), status)
        if fresh:
            answer.set_cookie(VISIT, fresh, path="/", httponly=True, samesite="strict")
        return answer


def _token_of_visit(visit: str) -> str:
    """Derive the token of forms that come before a session: nobody else can read the cookie."""
    return hashlib.sha256(f"visit {visit}".encode(errors="replace")).hexdigest()


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303)


def _status(error: HoldfastError) -> int:
    if error.code == "account-slow-down":
        return 429
    if error.code in {"account-busy", "wire-unreachable", "gui-answer"}:
        return 503
    return error.http_status if error.http_status not in {409, 500} else 422


def _shown(error: HoldfastError) -> Shown:
    field = _FIELD_OF.get(error.code, "")
    if error.code == "verb-argument":
        return Shown(
            message=_("The name or the password has a sign in it that cannot be used."),
            hint=_("Use letters and digits in the name; the password may hold any visible sign."),
            field=field,
        )
    if error.code in {"wire-unreachable", "gui-answer"}:
        return Shown(
            message=_("A part of this device is not ready: it is starting, or it restarts."),
            hint=_("Wait a few seconds and try again."),
        )
    if error.code in {"verb-rate", "busy"}:
        return Shown(message=_("Too many tries at once."), hint=_("Wait a minute, then try again."))
    return Shown(message=_(str(error)), hint=_(error.hint), field=field)
