"""The main job as people see it: in a real browser, with every program running.

With HOLDFAST_PICTURES=FOLDER the pages are also kept as pictures (`script/pictures`).
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from holdfast.cli.demo.places import Places, Ports
from holdfast.cli.demo.site import Site
from holdfast.cli.demo.visitor import links_in
from tests.device.pinning import chromium_pin

pytestmark = [pytest.mark.servers, pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
PASSWORD = "four quiet geese at dawn"
ARGUMENTS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
INSTALL_MS = 60_000
# What the documents show; the other pages are only measured.
SHOWN = {"device-claim-phone", "device-progress", "device-update", "hub-device", "hub-home"}


@pytest.fixture(scope="module")
def browser(need: Callable[[str], str], site: Site) -> Iterator[Browser]:
    pin = chromium_pin(site.device.folder / "factory/tls-certificate.pem")
    arguments = [*ARGUMENTS, pin, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=need("chromium"), args=arguments)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def site(open_ground: Path, need: Callable[[str], str]) -> Iterator[Site]:
    for program in ("mksquashfs", "unsquashfs", "apt-get", "dpkg-deb"):
        need(program)
    folder = open_ground / "site"  # the device's users pass through
    folder.mkdir()
    (ROOT / "var/images").mkdir(parents=True, exist_ok=True)
    (folder / "images").symlink_to(ROOT / "var/images")
    site = Site(Places(folder / "demo"), Ports.free())
    with site.held():
        site.found()
        site.start_device()
        site.supervisor.wait(site.device.name)
        yield site


def keep(page: Page, name: str, *, full: bool = False) -> None:
    overflow = page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
    assert not overflow, f"{name} is wider than the window"
    folder = os.environ.get("HOLDFAST_PICTURES")
    if folder and name in SHOWN:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=full)


def watched(browser: Browser, size: dict[str, int], faults: list[str]) -> Page:
    context = browser.new_context(
        viewport={"width": size["width"], "height": size["height"]}, locale="en-GB"
    )
    page = context.new_page()
    page.on(
        "console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None
    )
    page.on(
        "request",
        lambda asked: (
            None if re.match(r"https?://127\.0\.0\.1:", asked.url) else faults.append(asked.url)
        ),
    )
    return page


def make_account(site: Site, staff: Page) -> None:
    log = site.supervisor.log_of("hub").read_text()
    staff.goto(next(link for link in reversed(links_in(log)) if "/setup/" in link))
    staff.get_by_label("Name").first.fill("grace")
    staff.get_by_text("Or choose one of your own").click()
    staff.get_by_label("New password").fill(PASSWORD)
    staff.get_by_label("The same once more").fill(PASSWORD)
    staff.get_by_role("button", name="Use my own").click()
    expect(staff.get_by_role("heading", level=1)).to_be_visible()


def claim(site: Site, owner: Page) -> None:
    owner.goto(site.device.url)
    keep(owner, "device-claim-phone", full=True)
    owner.goto("about:blank")
    owner.goto(json.loads(site.device.label.read_text())["qr"])  # as a telephone's camera does
    code = site.device.setup_code.replace("-", "")
    expect(owner.get_by_label("Set-up code")).to_have_value(code)
    expect(owner).to_have_url(f"{site.device.url}/claim")  # the code is out of the address
    owner.get_by_label("Your name on this device").fill("ada")
    owner.get_by_label("Choose a password").fill(PASSWORD)
    owner.get_by_role("button", name="Make it mine").click()
    expect(owner.get_by_role("heading", level=1)).to_contain_text("up to date")


def offer(site: Site, staff: Page, version: str) -> None:
    site.publish(site.maker.release(site.draft(version)))
    staff.goto(f"{site.hub_url}/releases/")
    staff.get_by_role("link", name=re.compile(re.escape(version))).first.click()
    staff.get_by_role("button", name="Offer to all devices of this product").click()
    keep(staff, "hub-release", full=True)


def install(site: Site, owner: Page) -> None:
    owner.get_by_role("button", name="Look for updates now").click()
    button = owner.get_by_role("button", name="Install now")
    for _ in range(20):
        if button.is_visible():
            break
        owner.wait_for_timeout(500)
        owner.goto(site.device.url)
    keep(owner, "device-update-phone", full=True)
    owner.set_viewport_size({"width": 1000, "height": 760})
    keep(owner, "device-update")
    button.focus()
    owner.keyboard.press("Enter")
    expect(owner.locator("progress, .steps").first).to_be_visible()
    keep(owner, "device-progress")
    expect(owner.get_by_role("heading", level=1)).to_contain_text("up to date", timeout=INSTALL_MS)
    owner.goto(f"{site.device.url}/history")
    expect(owner.get_by_text("1.1 was installed and works")).to_be_visible()


def look_around(site: Site, staff: Page) -> None:
    staff.goto(f"{site.hub_url}/devices/")
    staff.get_by_role("link", name="gateway-0001").click()
    expect(staff.get_by_text("Confirmed: its running system reports 1.1.")).to_be_visible()
    keep(staff, "hub-device", full=True)
    for path in ("/", "/products/", "/releases/", "/devices/", "/mails/", "/trail/", "/tokens/"):
        for size in (DESK, PHONE):
            staff.set_viewport_size({"width": size["width"], "height": size["height"]})
            staff.goto(f"{site.hub_url}{path}")
            expect(staff.get_by_role("heading", level=1)).to_be_visible()
            keep(staff, "hub-home" if (path, size) == ("/", DESK) else "hub")


def test_from_the_first_link_to_a_confirmed_release(site: Site, browser: Browser) -> None:
    faults: list[str] = []
    staff = watched(browser, DESK, faults)
    owner = watched(browser, PHONE, faults)
    make_account(site, staff)
    claim(site, owner)
    offer(site, staff, "1.1")
    install(site, owner)
    look_around(site, staff)
    assert faults == []
