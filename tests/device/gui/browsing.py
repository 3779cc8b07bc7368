"""What tests of the device's pages in a real browser share: Chromium, two sizes, a watcher."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    sync_playwright,
)

from tests.device.pinning import chromium_pin

SIZES = {"phone": (360, 740), "desk": (1280, 800)}
SHOTS = os.environ.get("HOLDFAST_SCREENSHOTS")
OPTIONS = (
    *(["--no-sandbox"] if os.getuid() == 0 else []),
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)


@pytest.fixture(scope="module")
def chromium(need: Callable[[str], str], identity: Path) -> Iterator[Browser]:
    program = need("chromium")
    pin = chromium_pin(identity / "factory/tls-certificate.pem")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*OPTIONS, pin])
        yield browser
        browser.close()


def context_of(chromium: Browser, size: str, **more: Any) -> BrowserContext:  # noqa: ANN401 - any option
    width, height = SIZES[size]
    return chromium.new_context(viewport={"width": width, "height": height}, **more)


@pytest.fixture(params=SIZES, ids=list(SIZES))
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(chromium: Browser, size: str) -> Iterator[Page]:
    """Give a page; nothing on it may complain, and nothing may be asked of anybody else."""
    context = context_of(chromium, size)
    page = context.new_page()
    page.set_default_timeout(15_000)
    complaints: list[str] = []
    asked: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or message.type == "error":
            complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    known = ("Failed to load resource", "net::ERR")
    assert [line for line in complaints if not line.startswith(known)] == []
    assert [url for url in asked if not url.startswith("https://127.0.0.1:")] == []
    context.close()
