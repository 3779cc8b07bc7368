"""What tests in a real browser share: sizes, a watcher, a camera, moving by keyboard."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page

SIZES = {"phone": (360, 740), "desk": (1280, 800)}
CHROMIUM = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
]  # fmt: skip


class Watcher:
    """Notes what a page must not do."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self._url = url
        context.on("console", self._heard)
        context.on("request", lambda request: self._asked(request.url))

    def _heard(self, message: ConsoleMessage) -> None:
        # A 4xx answer that the test provokes is told to the console as well.
        if message.type in {"error", "warning"} and "status of 4" not in message.text:
            self.complaints.append(message.text)

    def _asked(self, url: str) -> None:
        if not url.startswith(self._url + "/"):
            self.foreign.append(url)


class Camera:
    """Takes pictures of pages and looks whether they overflow."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, page: Page, what: str) -> None:
        wide = page.evaluate("document.documentElement.scrollWidth")
        shown = page.evaluate("document.documentElement.clientWidth")
        page.screenshot(path=self.folder / f"{self.name}-{what}.png", full_page=True)
        assert wide <= shown, f"{what} is {wide} wide on a screen of {shown}"


def by_keyboard(page: Page, words: str) -> None:
    """Move with Tab to the link or button with these words, see the focus, and press Enter."""
    seen = []
    for _step in range(60):
        page.keyboard.press("Tab")
        text = page.evaluate("document.activeElement?.innerText ?? ''").strip()
        seen.append(text)
        if text == words:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", f"{words} shows no focus"
            with page.expect_navigation():
                page.keyboard.press("Enter")
            return
    pytest.fail(f"{words} cannot be reached by keyboard; seen: {seen}")
