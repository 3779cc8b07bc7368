"""The pages about updates, and what every answer says when something goes wrong."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.core.errors import HoldfastError
from holdfast.device.gui import views
from holdfast.device.gui.answers import WORKING, State
from holdfast.device.gui.backends import Backends
from holdfast.device.gui.desk import (
    Desk,
    LoggedOutError,
    OwnerPageError,
    Shown,
    Trouble,
    shown,
    status_of,
    ticket_of,
    to,
)
from holdfast.device.gui.forms import FormError, one
from holdfast.device.gui.texts import translate as _

_HIGHEST_PAGE = 999
_NEXT_S = 3
_CHECK_TURNS, _CHECK_TURN_S = 8, 0.25


class Pages:
    """All pages about updates.

    Args:
        desk: What all pages share.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def _backends(self) -> Backends:
        return self._desk.backends

    # The update page.

    async def home(self, request: Request) -> Response:
        """Show what runs, what is new, or how far an installation is."""
        self._desk.inside(request)
        state = await self._state()
        if state.stage in WORKING:
            view = views.progress(state)
            return await self._desk.page(request, "progress.html", view=view, here="home")
        notes = await self._backends.notes() if state.offer is not None else ""
        shown = views.home(state, notes, now=self._desk.now())
        return await self._desk.page(request, "home.html", view=shown, here="home")

    async def progress(self, request: Request) -> Response:
        """Tell the script of the progress page how far it is."""
        if self._desk.sessions.find(ticket_of(request), use=False) is None:
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
        self._desk.ruling(request)
        await self._desk.session_form(request)
        before = (await self._state()).checked
        await self._backends.tell("update.check")
        # Most answers come at once, and then the page that follows already shows them.
        for _turn in range(_CHECK_TURNS):
            await asyncio.sleep(_CHECK_TURN_S)
            if (await self._state()).checked != before:
                break
        return to("/")

    async def later(self, request: Request) -> Response:
        """Put the offered release off."""
        self._desk.ruling(request)
        fields = await self._desk.session_form(request)
        days = one(fields, "days")
        if not (days.isascii() and days.isdecimal() and len(days) <= len("365")):
            raise FormError("The number of days cannot be read.")
        await self._backends.tell("update.later", {"days": int(days)})
        return to("/")

    async def history(self, request: Request) -> Response:
        """Tell what happened, newest first."""
        self._desk.inside(request)
        asked = request.query_params.get("page", "0")
        fits = asked.isascii() and asked.isdecimal() and len(asked) <= len(str(_HIGHEST_PAGE))
        page = int(asked) if fits else 0
        entries, pages = await self._backends.history(page)
        told = [views.past(entry) for entry in entries]
        return await self._desk.page(
            request, "history.html", entries=told, page=page, pages=pages, here="history"
        )

    # Settings.

    async def settings(self, request: Request) -> Response:
        """Show and change how updates are installed."""
        self._desk.ruling(request)
        if request.method != "POST":
            return await self._settings(request)
        fields = await self._desk.session_form(request)
        window = f"{one(fields, 'from')[:5]}-{one(fields, 'to')[:5]}"
        try:
            await self._backends.tell(
                "update.preferences", {"mode": one(fields, "mode"), "window": window}
            )
        except HoldfastError as error:
            return await self._settings(request, error=shown(error), status=status_of(error))
        return await self._settings(request, saved=_("Saved."))

    async def subscribe(self, request: Request) -> Response:
        """Hand the owner's address on to the hub."""
        self._desk.ruling(request)
        address = one(await self._desk.session_form(request), "address").strip()
        try:
            await self._backends.tell("owner.subscribe", {"address": address})
        except HoldfastError as error:
            wrong = shown(error)
            if wrong.field:
                wrong = Shown(
                    message=_("This e-mail address cannot be used."),
                    hint=_("Write it like this: ada@example.org"),
                    field="address",
                )
            return await self._settings(
                request, error=wrong, status=status_of(error), address=address[:254]
            )
        return await self._settings(
            request, saved=_("Done. Look into your mailbox: the mail holds a link to follow.")
        )

    async def unsubscribe(self, request: Request) -> Response:
        """Have the hub forget the address."""
        self._desk.ruling(request)
        await self._desk.session_form(request)
        await self._backends.tell("owner.unsubscribe")
        return await self._settings(request, saved=_("Done. No more mails will come."))

    # What goes wrong.

    async def missing(self, request: Request, _error: Exception) -> Response:
        """Answer an address that is no page."""
        link, link_text = await self._way_on()
        return await self._desk.trouble(
            request,
            Trouble(
                title=_("There is no such page"),
                lines=(_("The address may be mistyped."),),
                kind="note",
                link=link,
                link_text=link_text,
            ),
            status=404,
        )

    async def _way_on(self) -> tuple[str, str]:
        """Give where somebody goes from here, and what the link is called."""
        try:
            is_claimed = await self._backends.claimed()
        except HoldfastError:
            is_claimed = True  # nobody knows now; the page that is first asks again
        if is_claimed:
            return "/", _("Go to the update page")
        return "/claim", _("Claim this device")

    async def refused(self, request: Request, error: Exception) -> Response:
        """Show a refusal that no form shows."""
        assert isinstance(error, HoldfastError)  # noqa: S101 - registered for nothing else
        if request.url.path == "/update/progress":
            return JSONResponse({}, status_code=503)
        if isinstance(error, LoggedOutError):
            return to("/login")
        if isinstance(error, OwnerPageError):
            return await self._owners_only(request, error)
        if error.code in {"wire-unreachable", "gui-answer", "verb-rate", "busy", "verb-unknown"}:
            return await self._desk.trouble(
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
        link, link_text = await self._way_on()
        return await self._desk.trouble(
            request,
            Trouble(
                title=_("That did not work"),
                lines=tuple(line for line in (str(error), error.hint) if line),
                code=error.code,
                link=link,
                link_text=link_text,
            ),
            status=status_of(error),
        )

    async def _owners_only(self, request: Request, error: OwnerPageError) -> Response:
        trouble = Trouble(
            title=_("This is for owners"),
            lines=(str(error), error.hint),
            kind="note",
            link="/",
            link_text=_("Go to the update page"),
        )
        return await self._desk.trouble(request, trouble, status=403)

    # What the pages share.

    async def _told(self, request: Request, verb: str) -> Response:
        self._desk.ruling(request)
        await self._desk.session_form(request)
        await self._backends.tell(verb)
        return to("/")

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
        return await self._desk.page(
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
                "clock": views.own_clock(self._desk.now()),
            },
        )

    async def _state(self) -> State:
        return await self._desk.state()
