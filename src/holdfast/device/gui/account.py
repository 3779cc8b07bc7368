"""Pages about one's own account: password, app, recovery codes, browsers, sessions, log."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from holdfast.core.errors import HoldfastError
from holdfast.device.gui import accounts, qr
from holdfast.device.gui.backends import Backends, text_of
from holdfast.device.gui.desk import (
    LOCAL,
    Desk,
    Kept,
    Shown,
    shown,
    status_of,
    ticket_of,
    to,
)
from holdfast.device.gui.entry import offered
from holdfast.device.gui.forms import one
from holdfast.device.gui.sessions import Session
from holdfast.device.gui.texts import near
from holdfast.device.gui.texts import translate as _

_LEAST, _LEAST_WITH_SECOND = 15, 8
_LONGEST_CODE = 64
_HIGHEST_PAGE = 999
_SET = "account-second-set"
_SAVED = {
    "password": "Your password was changed. All other sessions and known browsers are over.",
    "browsers": "No browser is known any more.",
    "sessions": "All other sessions are over.",
    "app": "No code is asked for any more.",
    "ready": "From now on a code of your app is asked for at each login.",
    "codes": "The new recovery codes count; the old ones are worth nothing.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionView:
    """A session as the page shows it."""

    text: str
    is_this: bool


class AccountPages:
    """The pages of one's own account.

    Args:
        desk: What all pages share.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # Addresses for apps that are being set up; a page is shown again after a wrong code.
        self._begun: Kept[str] = desk.kept()

    @property
    def _backends(self) -> Backends:
        return self._desk.backends

    async def account(self, request: Request) -> Response:
        """Show one's own account."""
        session = self._desk.inside(request)
        saved = _SAVED.get(request.query_params.get("done", ""), "")
        return await self._account(request, session, saved=_(saved))

    async def _account(
        self, request: Request, session: Session, *, saved: str = "", status: int = 200,
        error: Shown | None = None,
    ) -> Response:  # fmt: skip
        now = self._desk.now()
        whose = (session.name, session.method)
        own = [one for one in self._desk.sessions.all() if (one.name, one.method) == whose]
        return await self._desk.page(
            request,
            "account.html",
            status=status,
            here="account",
            error=error,
            saved=saved,
            row=await accounts.own(self._backends, session),
            role_text=accounts.role_text(session.role),
            sessions=[_session(one, session, now) for one in own],
        )

    # The password.

    async def password(self, request: Request) -> Response:
        """Change one's own password."""
        desk = self._desk
        session = desk.inside(request)
        if session.method != LOCAL:
            return to("/account")
        if request.method != "POST":
            return await self._password(request, session, {})
        fields = await desk.session_form(request)
        if one(fields, "do") in {"take", "another"}:
            return await self._password(request, session, fields)
        try:
            entered = await self._backends.password(
                old=one(fields, "old"),
                new=one(fields, "password"),
                code=one(fields, "code"),
                asker=desk.asker(request, session),
            )
        except HoldfastError as error:
            told = shown(error)
            if error.code == "account-login":
                told = Shown(
                    message=_("The old password is not right."),
                    hint=_("Capitals matter. Nothing was changed."),
                    field="old",
                )
            return await self._password(
                request, session, fields, told=told, status=status_of(error)
            )
        self._backends.forget_epochs()
        desk.sessions.end_others(name=session.name, but=None)
        return desk.begun(request, entered, "/account?done=password")

    async def _password(
        self, request: Request, session: Session, fields: dict[str, str],
        *, told: Shown | None = None, status: int = 422,
    ) -> Response:  # fmt: skip
        suggestion, taken = await offered(self._backends, fields)
        has_second = await accounts.has_second(self._backends, session)
        return await self._desk.page(
            request,
            "password.html",
            error=told,
            status=status if told is not None else 200,
            here="account",
            suggestion=suggestion,
            taken=taken,
            has_second=has_second,
            least=_LEAST_WITH_SECOND if has_second else _LEAST,
        )

    # The second factor.

    async def app(self, request: Request) -> Response:
        """Set an app up that shows codes: password first, then a code as the test."""
        desk = self._desk
        session = desk.inside(request)
        if session.method != LOCAL:
            return to("/account")
        if request.method != "POST":
            self._begun.drop(session.token)
            return await self._app_first(request, session)
        fields = await desk.session_form(request)
        if one(fields, "do") == "confirm":
            return await self._confirm(request, session, one(fields, "code"))
        try:
            told = await self._backends.ask(
                "account.totp.begin",
                {**desk.asker(request, session), "password": one(fields, "password")},
                slow=True,
            )
            address = text_of(told, "address")
        except HoldfastError as error:
            return await self._app_first(request, session, error=error)
        self._begun.keep(session.token, address)
        return await self._app(request, address)

    async def _app_first(
        self, request: Request, session: Session, *, error: HoldfastError | None = None
    ) -> Response:
        """Ask for the password, or say that the app of now has to go first."""
        is_set = error is not None and error.code == _SET
        return await self._desk.page(
            request,
            "app.html",
            here="account",
            is_set=is_set or await accounts.has_second(self._backends, session),
            error=_wrong_password(error) if error is not None and not is_set else None,
            status=status_of(error) if error is not None else 200,
        )

    async def _app(
        self, request: Request, address: str, *, error: HoldfastError | None = None
    ) -> Response:
        secret = parse_qs(urlsplit(address).query).get("secret", [""])[0]
        return await self._desk.page(
            request,
            "app_code.html",
            here="account",
            error=_wrong_first_code(error) if error is not None else None,
            status=status_of(error) if error is not None else 200,
            address=address,
            secret=" ".join(re.findall(".{1,4}", secret)),
            picture=qr.drawn(address),
        )

    async def _confirm(self, request: Request, session: Session, code: str) -> Response:
        address = self._begun.find(session.token)
        if address is None:
            return to("/account/app")
        args = {"name": session.name, "code": code.strip()[:_LONGEST_CODE]}
        try:
            told = await self._backends.ask("account.totp.confirm", args, slow=True)
        except HoldfastError as error:
            if error.code in {"account-pending", _SET}:
                self._begun.drop(session.token)
                return await self._app_first(request, session, error=error)
            return await self._app(request, address, error=error)
        self._begun.drop(session.token)
        return await self._codes(request, told, title=_("Your app is ready"), done="ready")

    async def app_off(self, request: Request) -> Response:
        """Ask for codes no more."""
        desk = self._desk
        session = desk.inside(request)
        if session.method != LOCAL:
            return to("/account")
        if request.method != "POST":
            return await desk.page(request, "app_off.html", here="account")
        fields = await desk.session_form(request)
        args = {
            **desk.asker(request, session),
            "password": one(fields, "password"),
            "code": one(fields, "code").strip()[:_LONGEST_CODE],
        }
        try:
            await self._backends.ask("account.totp.remove", args, slow=True)
        except HoldfastError as error:
            told = _wrong_password(error)
            if error.code == "accounts-password":
                told = Shown(
                    message=_("Alone, your password would be too weak: {reason}").format(
                        reason=str(error)
                    ),
                    hint=_("Change it first, then take the app away."),
                    field="password",
                )
            return await desk.page(
                request, "app_off.html", here="account", error=told, status=status_of(error)
            )
        return to("/account?done=app")

    async def codes(self, request: Request) -> Response:
        """Make ten new recovery codes and show them once."""
        desk = self._desk
        session = desk.inside(request)
        if session.method != LOCAL:
            return to("/account")
        if request.method != "POST":
            return await self._by_both(request, session, "codes_new.html")
        fields = await desk.session_form(request)
        try:
            told = await self._confirmed(request, session, "account.recovery", fields)
        except HoldfastError as error:
            return await self._by_both(request, session, "codes_new.html", error=error)
        return await self._codes(request, told, title=_("Your new recovery codes"), done="codes")

    async def _codes(
        self, request: Request, told: dict[str, Any], *, title: str, done: str
    ) -> Response:
        found = told.get("codes")
        codes = [str(each) for each in found] if isinstance(found, list) else []
        return await self._desk.page(
            request, "codes.html", here="account", title=title, codes=codes, done=done
        )

    async def _confirmed(
        self, request: Request, session: Session, verb: str, fields: dict[str, str]
    ) -> dict[str, Any]:
        """Ask auth for something that needs the password, and a code where there is an app."""
        args = {
            **self._desk.asker(request, session),
            "password": one(fields, "password"),
            **self._backends.code_form(one(fields, "code")),
        }
        return await self._backends.ask(verb, args, slow=True)

    async def _by_both(
        self, request: Request, session: Session, template: str,
        *, error: HoldfastError | None = None,
    ) -> Response:  # fmt: skip
        """Show a form that asks for the password, and for a code where there is an app."""
        return await self._desk.page(
            request,
            template,
            here="account",
            has_second=await accounts.has_second(self._backends, session),
            error=_wrong_password(error) if error is not None else None,
            status=status_of(error) if error is not None else 200,
        )

    # Browsers, sessions, log.

    async def forget(self, request: Request) -> Response:
        """Forget all known browsers."""
        session = self._desk.inside(request)
        if request.method != "POST":
            return await self._by_both(request, session, "browsers.html")
        fields = await self._desk.session_form(request)
        try:
            await self._confirmed(request, session, "account.known.forget", fields)
        except HoldfastError as error:
            return await self._by_both(request, session, "browsers.html", error=error)
        return to("/account?done=browsers")

    async def end_others(self, request: Request) -> Response:
        """End all sessions but this one."""
        session = self._desk.inside(request)
        await self._desk.session_form(request)
        self._desk.sessions.end_others(
            name=session.name, but=ticket_of(request), method=session.method
        )
        return to("/account?done=sessions")

    async def logins(self, request: Request) -> Response:
        """Show who logged in and who failed to."""
        self._desk.ruling(request)
        kind = "failed" if request.query_params.get("kind") == "failed" else "in"
        page = page_of(request)
        entries, pages = await accounts.logins(
            self._backends, kind=kind, page=page, now=self._desk.now()
        )
        return await self._desk.page(
            request,
            "logins.html",
            here="account",
            entries=entries,
            kind=kind,
            number=page,
            pages=pages,
        )


def page_of(request: Request) -> int:
    """Read which page of a list is asked for; the first for nonsense."""
    asked = request.query_params.get("page", "0")
    fits = asked.isascii() and asked.isdecimal() and len(asked) <= len(str(_HIGHEST_PAGE))
    return int(asked) if fits else 0


def _session(one: Session, own: Session, now: datetime) -> SessionView:
    text = _("began {began}, last used {used}").format(
        began=near(one.began, now=now), used=near(one.used, now=now)
    )
    return SessionView(text=text, is_this=one.token == own.token)


def _wrong_first_code(error: HoldfastError) -> Shown:
    if error.code == "account-second":
        return Shown(
            message=_("This is not the code that the app shows now."),
            hint=_("Type the newest one. Refused again? Compare the clocks of phone and device."),
            field="code",
        )
    return shown(error)


def _wrong_password(error: HoldfastError) -> Shown:
    if error.code == "account-login":
        return Shown(
            message=_("This is not your password."),
            hint=_("Capitals matter. Nothing was changed."),
            field="password",
        )
    return shown(error)
