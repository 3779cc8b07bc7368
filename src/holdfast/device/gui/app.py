"""The GUI as one ASGI application: routes, templates, static files, the claim before all else."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.core import clock
from holdfast.core.errors import HoldfastError
from holdfast.device.gui.account import AccountPages
from holdfast.device.gui.backends import Backends
from holdfast.device.gui.central import CentralPages
from holdfast.device.gui.central_forms import PROTOCOLS
from holdfast.device.gui.desk import Desk
from holdfast.device.gui.entry import Entry
from holdfast.device.gui.guard import App, Guard
from holdfast.device.gui.pages import Pages
from holdfast.device.gui.ruling import RulingPages
from holdfast.device.gui.sessions import Sessions
from holdfast.device.gui.texts import translate
from holdfast.device.settings import Settings

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STAMP_LENGTH = 12
Page = Callable[[Request], Awaitable[Response]]


class Static:
    """The few files that pages need, held in memory."""

    def __init__(self, folder: Path) -> None:
        self._files = {file.name: file.read_bytes() for file in folder.iterdir()}

    def address(self, name: str) -> str:
        """Give the address of a file; it changes with the content, so browsers keep it long."""
        stamp = hashlib.sha256(self._files[name]).hexdigest()[:_STAMP_LENGTH]
        return f"/static/{name}?{stamp}"

    async def answer(self, request: Request) -> Response:
        """Serve a file."""
        name = request.path_params["name"]
        content = self._files.get(name)
        if content is None:
            raise HTTPException(404)
        return Response(
            content,
            media_type=_TYPES[Path(name).suffix],
            headers={"cache-control": "public, max-age=31536000, immutable"},
        )


def application(
    config: Settings,
    *,
    now: Callable[[], datetime] = clock.now,
    is_in_time: Callable[[], bool] = lambda: True,
) -> App:
    """Build the GUI.

    Args:
        config: Settings of the device: sockets, names, roles and methods.
        now: The present moment.
        is_in_time: Whether the device was switched on recently enough to be claimed.
    """
    static = Static(_HERE / "static")
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals.update(_=translate, asset=static.address)
    backends = Backends(
        agent=config.agent_socket, auth=config.auth_socket, broker=config.broker_socket
    )
    desk = Desk(
        backends=backends,
        sessions=Sessions(config.folder / "gui" / "sessions.json", now=now, left=backends.left),
        templates=templates,
        now=now,
        roles=config.roles,
        protocols=tuple(name for name in PROTOCOLS if name in config.methods),
    )
    pages = Pages(desk)
    return Guard(
        Starlette(
            routes=[
                Route("/static/{name}", static.answer),
                *_first(desk, Entry(desk, is_in_time=is_in_time)),
                *_about_updates(desk, pages),
                *_about_accounts(desk, AccountPages(desk), RulingPages(desk)),
                *(_about_central(desk, CentralPages(desk)) if desk.protocols else ()),
            ],
            exception_handlers={
                404: pages.missing,
                405: pages.missing,
                HoldfastError: pages.refused,
            },
        ),
        names=config.names,
    )


_BOTH = ("GET", "POST")
_POST = ("POST",)
_GET = ("GET",)
# Where somebody may go whose password must be changed first.
_RENEWAL = frozenset({"/account/password", "/logout"})


def _owned(desk: Desk, path: str, page: Page, methods: tuple[str, ...] = _GET) -> Route:
    """Let a page answer only once the device has an owner, and only to sessions that hold."""

    async def answer(request: Request) -> Response:
        if not await desk.backends.claimed():
            return RedirectResponse("/claim", status_code=303)
        await desk.still_holds(request)
        session = desk.session(request) if path not in _RENEWAL else None
        if session is not None and session.renew:
            return RedirectResponse("/account/password", status_code=303)
        return await page(request)

    return Route(path, answer, methods=list(methods))


def _first(desk: Desk, entry: Entry) -> Iterator[Route]:
    yield Route("/claim", entry.claim, methods=list(_BOTH))
    yield Route("/password/check", entry.advice, methods=list(_POST))
    yield _owned(desk, "/login", entry.login, _BOTH)
    yield _owned(desk, "/login/second", entry.second, _BOTH)
    yield _owned(desk, "/login/recovery", entry.recover, _BOTH)
    yield _owned(desk, "/reset-help", entry.reset_help)
    yield _owned(desk, "/logout", entry.logout, _POST)


def _about_updates(desk: Desk, pages: Pages) -> Iterator[Route]:
    yield _owned(desk, "/", pages.home)
    yield _owned(desk, "/update/progress", pages.progress)
    yield _owned(desk, "/update/install", pages.install, _POST)
    yield _owned(desk, "/update/later", pages.later, _POST)
    yield _owned(desk, "/update/check", pages.check, _POST)
    yield _owned(desk, "/history", pages.history)
    yield _owned(desk, "/settings", pages.settings, _BOTH)
    yield _owned(desk, "/settings/address", pages.subscribe, _POST)
    yield _owned(desk, "/settings/address/remove", pages.unsubscribe, _POST)


def _about_accounts(desk: Desk, own: AccountPages, ruling: RulingPages) -> Iterator[Route]:
    yield _owned(desk, "/account", own.account)
    yield _owned(desk, "/account/password", own.password, _BOTH)
    yield _owned(desk, "/account/app", own.app, _BOTH)
    yield _owned(desk, "/account/app/remove", own.app_off, _BOTH)
    yield _owned(desk, "/account/codes", own.codes, _BOTH)
    yield _owned(desk, "/account/browsers/forget", own.forget, _BOTH)
    yield _owned(desk, "/account/sessions/end", own.end_others, _POST)
    yield _owned(desk, "/account/logins", own.logins)
    yield _owned(desk, "/people", ruling.people)
    yield _owned(desk, "/people/add", ruling.add, _BOTH)
    yield _owned(desk, "/people/remove", ruling.remove, _BOTH)
    yield _owned(desk, "/restart", ruling.restart, _BOTH)


def _about_central(desk: Desk, central: CentralPages) -> Iterator[Route]:
    yield _owned(desk, "/central", central.central)
    yield _owned(desk, "/central/write", central.write, _POST)
    yield _owned(desk, "/central/drop", central.drop, _POST)
    yield _owned(desk, "/central/server", central.server, _BOTH)
    yield _owned(desk, "/central/group", central.group, _BOTH)
    yield _owned(desk, "/central/methods", central.methods, _BOTH)
    yield _owned(desk, "/central/role", central.role, _BOTH)
    yield _owned(desk, "/central/test", central.test, _BOTH)
