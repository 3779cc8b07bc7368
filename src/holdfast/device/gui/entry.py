"""Pages for whoever is not logged in: the claim, logging in, codes, and a lost password."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.core.errors import HoldfastError
from holdfast.device.gui.backends import Backends
from holdfast.device.gui.desk import (
    DEVICE_COOKIE,
    Desk,
    Trouble,
    forget,
    keep,
    keep_browser,
    sentence,
    shown,
    status_of,
    ticket_of,
    to,
)
from holdfast.device.gui.forms import one
from holdfast.device.gui.sessions import COOKIE
from holdfast.device.gui.texts import translate as _

PENDING = "__Host-holdfast-pending"
_PENDING_S = 300
_LONGEST_SUGGESTION = 128
TOO_SHORT = "too-short"
_SLOWED = "account-slow-down"


class Entry:
    """Everything that happens before somebody is logged in.

    Args:
        desk: What all pages share.
        is_in_time: Whether the device was switched on recently enough to be claimed.
    """

    def __init__(self, desk: Desk, *, is_in_time: Callable[[], bool]) -> None:
        self._desk = desk
        self._is_in_time = is_in_time

    @property
    def _backends(self) -> Backends:
        return self._desk.backends

    # The claim.

    async def claim(self, request: Request) -> Response:
        """Let the owner claim the device; gone for ever afterwards."""
        if await self._backends.claimed():
            return to("/login")
        if not self._is_in_time():
            return await self._too_late(request)
        if request.method != "POST":
            return await self._claim(request, {})
        fields = await self._desk.visit_form(request)
        if one(fields, "do") in {"take", "another"}:
            return await self._claim(request, fields)
        try:
            entered = await self._backends.claim(
                code=one(fields, "code"),
                name=one(fields, "name"),
                password=one(fields, "password"),
                source=self._desk.origin(request)["source"],
            )
        except HoldfastError as error:
            return await self._claim(request, fields, error=error)
        return self._desk.begun(request, entered)

    async def _claim(
        self, request: Request, fields: dict[str, str], *, error: HoldfastError | None = None
    ) -> Response:
        suggestion, taken = await offered(self._backends, fields)
        return await self._desk.page(
            request,
            "claim.html",
            error=shown(error) if error is not None else None,
            status=status_of(error) if error is not None else 200,
            entered={"code": one(fields, "code"), "name": one(fields, "name")},
            suggestion=suggestion,
            taken=taken,
        )

    async def _too_late(self, request: Request) -> Response:
        trouble = Trouble(
            title=_("Switch this device off and on again"),
            lines=(
                _("It was switched on too long ago to be claimed."),
                _(
                    "Disconnect it from power, connect it again, and open this page within the"
                    " next minutes. That shows that you have it in your hands."
                ),
            ),
            kind="note",
            link="/claim",
            link_text=_("I have done so"),
        )
        return await self._desk.trouble(request, trouble, status=403)

    async def advice(self, request: Request) -> Response:
        """Judge a password that is being typed; only advice, the server decides later."""
        desk = self._desk
        if not await self._backends.claimed():
            fields, has_second = await desk.visit_form(request), False
        else:
            fields = await desk.session_form(request)
            has_second = one(fields, "second") == "yes"
        try:
            told = await self._backends.ask(
                "account.check",
                {"name": one(fields, "name")[:128], "password": one(fields, "password")},
                slow=True,
            )
        except HoldfastError:
            return JSONResponse({}, status_code=503)
        message, hint = str(told.get("message", "")), str(told.get("hint", ""))
        if has_second and told.get("reason") == TOO_SHORT:
            message = hint = ""
        return JSONResponse({"message": sentence(_(message)), "hint": _(hint)})

    # Logging in.

    async def login(self, request: Request) -> Response:
        """Let somebody log in."""
        desk = self._desk
        if desk.session(request) is not None:
            return to("/")
        if request.method != "POST":
            return await self._login(request)
        fields = await desk.visit_form(request)
        try:
            entered = await self._backends.login(
                name=one(fields, "name"), password=one(fields, "password"), **desk.origin(request)
            )
        except HoldfastError as error:
            return await self._login(request, name=one(fields, "name"), error=error)
        if entered.pending:
            answer = to("/login/second")
            keep(answer, PENDING, entered.pending, life_s=_PENDING_S)
            return answer
        return desk.begun(request, entered, renew=entered.renew)

    async def _login(
        self,
        request: Request,
        *,
        name: str = "",
        error: HoldfastError | None = None,
        saved: str = "",
    ) -> Response:
        return await self._desk.page(
            request,
            "login.html",
            error=shown(error) if error is not None else None,
            status=status_of(error) if error is not None else 200,
            slowed=error is not None and error.code == _SLOWED,
            is_known=bool(request.cookies.get(DEVICE_COOKIE)),
            saved=saved,
            entered={"name": name},
        )

    async def second(self, request: Request) -> Response:
        """Ask for a code of the app, or for a recovery code."""
        desk, pending = self._desk, request.cookies.get(PENDING, "")
        if desk.session(request) is not None:
            return to("/")
        if not pending:
            return to("/login")
        if request.method != "POST":
            return await desk.page(request, "second.html")
        fields = await desk.visit_form(request)
        try:
            entered = await self._backends.second(pending=pending, code=one(fields, "code"))
        except HoldfastError as error:
            if error.code != "account-pending":
                return await desk.page(
                    request, "second.html", error=shown(error), status=status_of(error)
                )
            answer = await self._login(request, error=error)
            forget(answer, PENDING)
            return answer
        answer = desk.begun(request, entered, renew=entered.renew)
        forget(answer, PENDING)
        return answer

    async def recover(self, request: Request) -> Response:
        """Make a browser known with a recovery code, so that its password is heard."""
        desk = self._desk
        if desk.session(request) is not None:
            return to("/")
        entered = {"name": ""}
        if request.method != "POST":
            return await desk.page(request, "recover.html", entered=entered)
        fields = await desk.visit_form(request)
        name = one(fields, "name")
        try:
            cookie = await self._backends.unlock(
                name=name, code=one(fields, "code"), source=desk.origin(request)["source"]
            )
        except HoldfastError as error:
            return await desk.page(
                request,
                "recover.html",
                error=shown(error),
                status=status_of(error),
                entered={"name": name},
            )
        answer = await self._login(
            request, name=name, saved=_("This browser is known now. Log in with your password.")
        )
        keep_browser(answer, cookie)
        return answer

    async def logout(self, request: Request) -> Response:
        """End the session."""
        desk = self._desk
        if desk.session(request) is None:
            return to("/login")
        await desk.session_form(request)
        desk.sessions.end(ticket_of(request))
        desk.tidy()
        answer = to("/login")
        forget(answer, COOKIE)
        return answer

    async def reset_help(self, request: Request) -> Response:
        """Say how a lost password is overcome, and how the device is given away."""
        return await self._desk.page(request, "reset.html")


async def offered(backends: Backends, fields: dict[str, str]) -> tuple[str, str]:
    """Choose what a form for a new password offers.

    Returns:
        A passphrase that nobody knows, and the one that was taken; empty if none was.
    """
    before = one(fields, "suggestion")[:_LONGEST_SUGGESTION]
    if one(fields, "do") == "take" and before:
        return before, before
    if before and one(fields, "do") != "another":
        return before, ""
    return await backends.suggestion(), ""
