"""What tests in a real browser share: sizes, a watcher, a camera, moving by keyboard."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

SIZES = {"phone": (360, 740), "desk": (1280, 800)}
CHROMIUM = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
]  # fmt: skip


def pictures(tmp_path: Path) -> Path:
    """Name the folder for pictures: the one that script/pictures wants, or one that goes away."""
    return Path(os.environ.get("HOLDFAST_SCREENSHOTS", str(tmp_path / "shots")))


def named(tmp_path: Path) -> str:
    """Give the hub that starts next a name: browsers allow passkeys on `localhost`, on no address.

    Returns:
        Its address.
    """
    config = tmp_path / "hub.toml"
    text = config.read_text()
    port = re.search(r"127\.0\.0\.1:(\d+)", text)
    assert port
    url = f"http://localhost:{port[1]}"
    config.write_text(text + f'public_url = "{url}"\n')
    return url


@contextmanager
def visit(
    chromium: Browser,
    url: str,
    *,
    size: tuple[int, int],
    **more: Any,  # noqa: ANN401 - of a context
) -> Iterator[BrowserContext]:
    """Open the hub on one size of screen; what a page did that it must not fails in the end."""
    width, height = size
    context = chromium.new_context(
        viewport={"width": width, "height": height}, locale="en-GB", **more
    )
    context.set_default_timeout(10_000)
    watcher = Watcher(context, url)
    yield context
    # A key that refuses says so on the console, too.
    assert not [text for text in watcher.complaints if "NotAllowedError" not in text]
    assert not watcher.foreign
    context.close()


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


def to_by_keyboard(page: Page, words: str) -> None:
    """Move with Tab to the link, button or label with these words, and see the focus."""
    seen = []
    for _step in range(60):
        page.keyboard.press("Tab")
        text = page.evaluate(
            "(document.activeElement.labels?.[0] ?? document.activeElement).textContent"
        )
        text = " ".join(text.split())
        seen.append(text)
        if text == words:
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", f"{words} shows no focus"
            return
    pytest.fail(f"{words} cannot be reached by keyboard; seen: {seen}")


def by_keyboard(page: Page, words: str) -> None:
    """Move to the link or button with these words, and press Enter."""
    to_by_keyboard(page, words)
    with page.expect_navigation():
        page.keyboard.press("Enter")
