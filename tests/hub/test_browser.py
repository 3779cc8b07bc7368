"""The hub in a real browser: from the set-up link to a withdrawn release, on phone and desk."""

import hashlib
import json
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.hub.browsing import SIZES, Camera, by_keyboard, pictures, visit

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.slow]

# Of conftest.py, which cannot be imported.
Maker = Any
Hub = Any
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PASSWORD = "seven plain words nobody would guess"


def set_up(page: Page, link: str) -> None:
    page.goto(link)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_label("Name").focus()
    page.keyboard.type("ada")
    page.get_by_text("Or choose one of your own").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.get_by_label("The same once more").focus()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Five recommendations")


def log_in(page: Page) -> None:
    page.get_by_label("Name").focus()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Five recommendations")


class Machine:
    """Publishes over HTTP, as the maker's machine does."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token

    def send(self, method: str, path: str, body: bytes | None = None) -> object:
        request = urllib.request.Request(  # noqa: S310 - our own address
            self._url + path,
            data=body,
            method=method,
            headers={"Authorization": f"Bearer {self._token}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return json.loads(answer.read())

    def publish(self, maker: Maker, version: str) -> None:
        files = maker.release(version)
        for content in files.values():
            self.send("PUT", f"/api/uploads/{hashlib.sha256(content).hexdigest()}", content)
        self.send("POST", "/api/releases", json.dumps(maker.publication(files)).encode())


class Visit:
    """One person's way through the pages, with a camera and a watcher."""

    def __init__(self, hub: Hub, context: BrowserContext, camera: Camera, folder: Path) -> None:
        self.hub = hub
        self.camera = camera
        self.folder = folder
        self.page = context.new_page()

    def first_account(self) -> None:
        page, camera = self.page, self.camera
        page.goto(self.hub.url)
        camera.take(page, "01-no-account")
        page.goto(self.hub.setup_link)
        camera.take(page, "02-setup")
        set_up(page, self.hub.setup_link)
        camera.take(page, "03-empty-home")
        page.goto(self.hub.setup_link)
        assert "was used already" in page.inner_text("main")
        camera.take(page, "04-link-used")

    def out_and_in_again(self) -> None:
        page, camera = self.page, self.camera
        page.goto(self.hub.url)
        by_keyboard(page, "Log out")
        camera.take(page, "05-login")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password", exact=True).fill("wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector(".notice.error")
        camera.take(page, "06-login-wrong")
        page.goto(self.hub.url)
        log_in(page)

    def add_product(self) -> None:
        page, camera = self.page, self.camera
        example = EXAMPLES / "home-gateway/product.toml"
        by_keyboard(page, "Add a product")
        broken = self.folder / "broken.toml"
        broken.write_text(example.read_text() + "\nnonsense = 1\n")
        page.set_input_files("input[type=file]", broken)
        page.get_by_role("button", name="Check and keep it").click()
        page.wait_for_selector(".errorlist")
        camera.take(page, "07-faulty-profile")
        page.set_input_files("input[type=file]", example)
        page.get_by_role("button", name="Check and keep it").click()
        page.wait_for_url(re.compile("/products/home-gateway/$"))
        camera.take(page, "08-product")

    def publish(self, make_maker: Callable[[bytes], Maker]) -> None:
        page = self.page
        by_keyboard(page, "Tokens")
        page.get_by_label("What is it for?").fill("build-server")
        page.keyboard.press("Enter")
        page.wait_for_selector(".secret")
        self.camera.take(page, "09-token")
        machine = Machine(self.hub.url, page.inner_text(".secret"))
        maker = make_maker(json.dumps(machine.send("GET", "/api/online-keys")).encode())
        lists = json.dumps({"metadata": maker.lists()}).encode()
        machine.send("POST", "/api/repository", lists)
        for version in ("1.0", "1.1"):
            machine.publish(maker, version)

    def look_round(self) -> None:
        page, camera = self.page, self.camera
        by_keyboard(page, "Home")
        camera.take(page, "10-home")
        by_keyboard(page, "Products")
        camera.take(page, "11-products")
        by_keyboard(page, "Releases")
        camera.take(page, "12-releases")
        page.get_by_role("link", name=re.compile("1.1")).first.click()
        camera.take(page, "13-release")

    def audit(self, worker: Callable[[Path], None]) -> None:
        """See the hub's audit wait, run and say no; waive it."""
        page, camera = self.page, self.camera
        assert "waits for its audit" in page.inner_text("main")
        camera.take(page, "13a-audit-waits")
        worker(self.hub.config)
        # The page comes again by itself.
        page.wait_for_selector("text=failed its audit", timeout=60_000)
        assert "there is no root file system in the image" in page.inner_text("main")
        camera.take(page, "13b-audit-refuses")
        page.get_by_role("link", name="Whole report").click()
        page.wait_for_selector("h1")
        camera.take(page, "13c-report")
        page.go_back()
        page.get_by_text("Let it pass all the same").click()
        page.locator("details").get_by_label("Reason").fill("It is no image but a test.")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=ada let it pass")
        camera.take(page, "13d-audit-waived")

    def withdraw(self) -> None:
        page, camera = self.page, self.camera
        by_keyboard(page, "Offer to all devices of this product")
        assert "Offered to 0 devices." in page.inner_text("main")
        page.get_by_label("Reason").fill("It drains the battery.")
        page.keyboard.press("Enter")
        page.wait_for_selector(".notice.bad")
        camera.take(page, "14-withdrawn")
        by_keyboard(page, "Keys")
        camera.take(page, "15-keys")
        by_keyboard(page, "Trail")
        assert "It drains the battery." in page.inner_text("main")
        camera.take(page, "16-trail")
        page.goto(f"{self.hub.url}/nothing-here")
        camera.take(page, "17-not-found")
        page.goto(f"{self.hub.url}/account/")
        camera.take(page, "18-account")


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_whole_way(
    start_hub: Callable[[], Hub],
    chromium: Browser,
    make_maker: Callable[[bytes], Maker],
    start_worker: Callable[[Path], None],
    tmp_path: Path,
    size: str,
    scheme: Literal["light", "dark"],
) -> None:
    hub = start_hub()
    with visit(chromium, hub.url, size=SIZES[size], color_scheme=scheme) as context:
        way = Visit(hub, context, Camera(pictures(tmp_path), f"{size}-{scheme}"), tmp_path)
        way.first_account()
        way.out_and_in_again()
        way.add_product()
        way.publish(make_maker)
        way.look_round()
        way.audit(start_worker)
        way.withdraw()
    assert hub.stop() == 0
