"""The GUI as one ASGI application: routes, templates, static files, the claim before all else."""

import hashlib
from collections.abc import Awaitable, Callable
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
from holdfast.device.gui.backends import Backends
from holdfast.device.gui.guard import App, Guard
from holdfast.device.gui.pages import Pages
from holdfast.device.gui.sessions import Sessions
from holdfast.device.gui.texts import translate

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
    *, agent: Path, auth: Path, folder: Path, now: Callable[[], datetime] = clock.now
) -> App:
    """Build the GUI.

    Args:
        agent: Socket of the agent.
        auth: Socket of auth.
        folder: Where sessions are kept.
        now: The present moment.
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
    backends = Backends(agent=agent, auth=auth)
    pages = Pages(
        backends=backends,
        sessions=Sessions(folder / "sessions.json", now=now),
        templates=templates,
        now=now,
    )

    def owned(page: Page) -> Page:
        async def answer(request: Request) -> Response:
            # Until the device has an owner nothing but the claim answers.
            if not await backends.claimed():
                return RedirectResponse("/claim", status_code=303)
            return await page(request)

        return answer

    both = ["GET", "POST"]
    routes = [
        Route("/static/{name}", static.answer),
        Route("/claim", pages.claim, methods=both),
        Route("/login", owned(pages.login), methods=both),
        Route("/logout", owned(pages.logout), methods=["POST"]),
        Route("/", owned(pages.home)),
        Route("/update/progress", owned(pages.progress)),
        Route("/update/install", owned(pages.install), methods=["POST"]),
        Route("/update/later", owned(pages.later), methods=["POST"]),
        Route("/update/check", owned(pages.check), methods=["POST"]),
        Route("/history", owned(pages.history)),
        Route("/settings", owned(pages.settings), methods=both),
        Route("/settings/address", owned(pages.subscribe), methods=["POST"]),
        Route("/settings/address/remove", owned(pages.unsubscribe), methods=["POST"]),
    ]
    return Guard(
        Starlette(
            routes=routes,
            exception_handlers={
                404: pages.missing,
                405: pages.missing,
                HoldfastError: pages.refused,
            },
        )
    )
