"""How the tour looks at pages and mails."""

import secrets
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

from holdfast.cli.demo.report import must, until
from holdfast.cli.demo.site import DEVICE
from holdfast.cli.demo.visitor import Page, VisitError, Visitor

# Made anew for each tour, as every password of a demonstration.
OWNER = ("ada", secrets.token_urlsafe(18))
STAFF = ("grace", secrets.token_urlsafe(18))
_OWNER_TIMEOUT_S = 30.0
_WRONG = 400


def having(page: Page, *words: str) -> Page | None:
    """Return the page if it shows all the words."""
    return page if all(word in page.text for word in words) else None


def around(text: str, words: str, length: int = 160) -> str:
    """Cut out what stands behind some words, to quote it."""
    start = max(0, text.find(words))
    return f"“{text[start : start + length].strip()} …”"


def text_of(mail: EmailMessage) -> str:
    """Return the plain text of a mail."""
    part = mail.get_body(("plain",))
    return str(part.get_content()) if part is not None else ""


def short(word: object) -> str:
    """Write a path on the command line by its last part."""
    return word.name if isinstance(word, Path) else str(word)


def hub_device_page(staff: Visitor) -> Page:
    """Open the hub's page about the device, as staff."""
    page = staff.get("/devices/")
    return staff.get(page.links[DEVICE])


def owner_page(owner: Visitor, path: str) -> Page:
    """Open a page of the device as its owner: waits while it restarts, logs in if needed.

    Raises:
        TourError: The page does not come.
    """

    def look() -> Page | None:
        try:
            page = owner.get(path)
            if any("password" in form.fields for form in page.forms):
                name, password = OWNER
                owner.submit(page, name=name, password=password)
                page = owner.get(path)
        except VisitError:
            return None
        return page if page.status < _WRONG and "Log out" in page.text else None

    return until(look, what=f"the device's page {path}", timeout_s=_OWNER_TIMEOUT_S)


def choose_hours(owner: Visitor) -> str:
    """Let the owner choose installation by itself in hours that hold the present; gives them.

    Raises:
        TourError: The settings are not taken.
    """
    here = datetime.now().astimezone()
    begin, end = (f"{here + timedelta(hours=hours):%H:%M}" for hours in (-1, 2))
    page = owner_page(owner, "/settings")
    saved = owner.submit(page, "mode", press="Save", mode="automatic", **{"from": begin, "to": end})
    must(saved.status < _WRONG, f"the settings were not taken: {saved.text[:200]}")
    return f"{begin} to {end}"
