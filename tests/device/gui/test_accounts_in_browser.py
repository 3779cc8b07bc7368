"""Accounts in headless Chromium: two sizes, keyboard only, a real directory, no foreign bytes.

With HOLDFAST_PICTURES=FOLDER some pages are also kept as pictures (`script/pictures`).
"""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import base64
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from holdfast.accounts import totp
from tests.device.gui.browsing import SHOTS, chromium, context_of, page, size
from tests.servers.slapd import (
    GROUPS,
    PASSWORDS,
    PEOPLE,
    READER,
    READER_PASSWORD,
    Slapd,
    running_slapd,
)

__all__ = ["chromium", "page", "size"]
pytestmark = [pytest.mark.browser, pytest.mark.servers]

PASSWORD = "correct horse battery"
BETTER = "a lantern beside nine quiet otters"
CODE = "7K2M-XQ4R-9TBC"
PICTURES = os.environ.get("HOLDFAST_PICTURES")
SHOWN = {("central-test-failed", "phone"): "device-central-test.png"}
# What a screen reader could not name, and what a thumb could not hit.
NAMELESS = """() => [...document.querySelectorAll("main input:not([type=hidden]), main select,"
  + " main textarea, main button, main a")]
  .filter((one) => one.offsetParent !== null && !one.matches(".away"))
  .filter((one) => {
    const label = one.labels && one.labels.length ? one.labels[0].textContent : one.textContent;
    const box = one.getBoundingClientRect();
    const small = one.matches("button, .button, select") && box.height < 44;
    return small || !(label.trim() || one.getAttribute("aria-label"));
  })
  .map((one) => one.outerHTML)"""


def look(page: Page, name: str, size: str) -> None:
    """Nothing reaches over the edge, everything has a name; keep a picture if asked to."""
    page.wait_for_load_state()
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{name} is {wide} pixels too wide"
    assert page.evaluate(NAMELESS) == []
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}-{size}.png"), full_page=True)
    if PICTURES and (name, size) in SHOWN:
        page.screenshot(path=str(Path(PICTURES) / SHOWN[name, size]), full_page=True)


def log_in(page: Page, site: Any, *, name: str = "ada", password: str = PASSWORD) -> None:
    page.goto(site.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")


def code_of(secret: str, *, later: int = 0) -> str:
    seed = base64.b32decode(secret.replace(" ", ""))
    moment = datetime.now(UTC) + timedelta(seconds=30 * later)
    return totp.code_at(seed, totp.step_at(moment))


def to_button(page: Page, name: str) -> None:
    """Go to a button with the Tab key alone."""
    button = page.get_by_role("button", name=name, exact=True)
    for _ in range(60):
        page.keyboard.press("Tab")
        if button.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"no Tab leads to {name}")


def test_claim_with_the_suggestion_by_keyboard(page: Page, unclaimed: Any, size: str) -> None:
    page.goto(f"{unclaimed.url}/claim#code={CODE}")
    expect(page.get_by_label("Set-up code")).to_have_value(CODE)
    page.get_by_label("Your name on this device").focus()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    offered = page.locator("[data-words]").inner_text()
    page.keyboard.press("Enter")
    field = page.get_by_label("Choose a password")
    expect(field).to_have_value(offered)
    expect(field).to_be_focused()
    expect(page.get_by_role("status")).to_contain_text("nothing speaks against this one")
    look(page, "claim-taken", size)
    field.fill("lumenworkslumenworks")
    expect(page.get_by_role("status")).not_to_contain_text("nothing speaks against")
    expect(page.get_by_role("status")).not_to_have_text("")
    look(page, "claim-advice", size)
    field.fill(offered)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Everything is up to date")).to_be_visible()


def test_no_field_cuts_a_password_off(page: Page, site: Any, size: str) -> None:
    log_in(page, site)
    expect(page.get_by_role("heading", name="Everything is up to date")).to_be_visible()
    page.goto(f"{site.url}/account/password")
    field = page.get_by_label("New password")
    field.focus()
    page.keyboard.insert_text(150 * "\U0001f9a6")  # of two units each
    assert field.evaluate("(one) => [...one.value].length") == 150
    field.fill("")
    page.keyboard.insert_text(300 * "x")
    page.get_by_label("Old password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Too long: 300 of at most 256")
    look(page, "password-too-long", size)


def test_advice_on_what_was_typed_before_the_script_came(page: Page, site: Any) -> None:
    log_in(page, site)
    expect(page.get_by_role("heading", name="Everything is up to date")).to_be_visible()
    held: list[Route] = []

    def hold(route: Route) -> None:  # Playwright counts a handler's arguments
        held.append(route)

    page.route("**/advice.js*", hold)
    page.goto(f"{site.url}/account/password", wait_until="commit")
    page.get_by_label("New password").fill(BETTER)
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    expect(page.get_by_role("status")).to_contain_text("nothing speaks against")


def test_claim_without_scripts(chromium: Browser, unclaimed: Any) -> None:
    context = context_of(chromium, "phone", java_script_enabled=False)
    page = context.new_page()
    page.goto(unclaimed.url)
    page.get_by_label("Set-up code").fill(CODE)
    page.get_by_label("Your name on this device").fill("ada")
    before = page.locator("[data-words]").inner_text()
    page.get_by_role("button", name="Another one").click()
    offered = page.locator("[data-words]").inner_text()
    assert offered != before
    expect(page.get_by_label("Your name on this device")).to_have_value("ada")
    page.get_by_role("button", name="Take it").click()
    expect(page.get_by_label("Choose a password")).to_have_value(offered)
    page.get_by_label("Choose a password").press("Enter")
    expect(page.get_by_role("heading", name="Everything is up to date")).to_be_visible()
    context.close()


def test_app_set_up_and_login_by_keyboard(page: Page, site: Any, size: str) -> None:
    log_in(page, site)
    page.get_by_role("link", name="Account").click()
    look(page, "account", size)
    page.get_by_role("link", name="Set up an app").click()
    page.get_by_label("Your password").focus()
    page.keyboard.type(PASSWORD)
    to_button(page, "Show me the QR code")
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = page.locator(".secret").inner_text()
    look(page, "account-app", size)
    page.get_by_label("Code that the app shows now").fill("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the code")
    page.get_by_label("Code that the app shows now").fill(code_of(secret))
    page.keyboard.press("Enter")
    expect(page.locator(".codes li")).to_have_count(10)
    codes = page.locator(".codes li").all_inner_texts()
    assert len(set(codes)) == 10
    look(page, "account-codes", size)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("status")).to_contain_text("a code of your app is asked for")
    page.get_by_role("button", name="Log out").click()
    log_in(page, site)
    expect(page.get_by_role("heading", name="Your code")).to_be_visible()
    expect(page).to_have_url(f"{site.url}/login/second")
    page.get_by_label("Code of the app").fill(code_of(secret, later=1))
    look(page, "login-second", size)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Everything is up to date")).to_be_visible()
    for name in ("app", "codes", "password"):
        page.goto(f"{site.url}/account/{name}")
        look(page, f"account-{name}-with-app", size)
    page.get_by_role("link", name="Account", exact=True).click()
    page.get_by_role("link", name="Forget all").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("Code of the app").fill(codes[1])
    look(page, "browsers-forget", size)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("No browser is known any more")
    page.get_by_role("link", name="Ask for no codes any more").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_label("Code of the app").fill(codes[0])
    look(page, "account-app-off", size)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("No code is asked for")


def test_password_people_log_and_restart(page: Page, site: Any, size: str) -> None:
    log_in(page, site)
    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Change the password").click()
    page.get_by_label("Old password").fill(PASSWORD)
    page.get_by_label("New password").fill(BETTER)
    expect(page.get_by_role("status")).to_contain_text("nothing speaks against")
    look(page, "account-password", size)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Your password was changed")
    page.get_by_role("link", name="Other people").click()
    page.get_by_role("link", name="Add somebody").click()
    page.get_by_label("Name", exact=True).fill("bob")
    page.get_by_role("button", name="Take it").click()
    page.get_by_label("Your password").fill(BETTER)
    look(page, "people-add", size)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("was added")
    look(page, "people", size)
    page.get_by_role("link", name="Remove bob").click()
    page.get_by_label("Your password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not your password")
    look(page, "people-remove", size)
    page.get_by_label("Your password").fill(BETTER)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("was removed")
    page.get_by_role("link", name="Account", exact=True).click()
    page.get_by_role("link", name="Who logged in").click()
    expect(page.get_by_text("ada logged in").first).to_be_visible()
    look(page, "logins", size)
    page.get_by_role("link", name="Failed").click()
    expect(page.get_by_text("Wrong password for ada")).to_be_visible()
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("link", name="Restart the device").click()
    page.get_by_label("Your password").fill(BETTER)
    look(page, "restart", size)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The device restarts")).to_be_visible()
    assert site.restarts == ["ada"]


def set_up(page: Page, slapd: Slapd, size: str) -> None:
    """Make a server, an order and a rule, and put them into force."""
    page.get_by_role("link", name="Account").click()
    page.get_by_role("link", name="Central login").click()
    look(page, "central-empty", size)
    page.get_by_role("link", name="Add LDAP").click()
    page.get_by_label("Name", exact=True).fill("directory")
    page.get_by_label("Host name or address").fill("127.0.0.1")
    page.get_by_label("Where people are searched").fill(PEOPLE)
    page.get_by_label("Account that searches", exact=True).fill(READER)
    page.get_by_label("Password of the account").fill(READER_PASSWORD)
    page.get_by_label("Certificate of the authority").fill(slapd.authority.pem)
    page.get_by_text("More settings").click()
    page.get_by_label("Port").fill(str(slapd.tls_port))
    page.get_by_label("Where groups are searched").fill(GROUPS)
    look(page, "central-server", size)
    page.get_by_role("button", name="Keep this for now").click()
    page.get_by_role("link", name="Change These pages").click()
    page.get_by_label("First").select_option("directory")
    page.get_by_label("Then").first.select_option("local")
    expect(page.get_by_label("Emergency accounts")).to_have_value("ada")
    look(page, "central-order", size)
    page.get_by_role("button", name="Keep this for now").click()
    page.get_by_role("link", name="Add a rule").click()
    page.get_by_label("Gives the role").select_option("viewer")
    page.get_by_label("Group", exact=True).fill("staff")
    look(page, "central-rule", size)
    page.get_by_role("button", name="Keep this for now").click()
    page.get_by_label("Your password").fill(PASSWORD)
    look(page, "central", size)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("It is in force")


def try_out(page: Page, size: str) -> None:
    """Test the server with a right and with a wrong password."""
    page.get_by_role("link", name="Test directory").click()
    page.get_by_label("Name of a login").fill("bob")
    page.get_by_label("Its password").fill(PASSWORDS["bob"])
    page.get_by_role("button", name="Test this server").click()
    expect(page.get_by_role("status")).to_contain_text("with the role: Viewer")
    expect(page.get_by_text("Name and password: worked")).to_be_visible()
    expect(page.get_by_label("Its password")).to_have_value("")
    assert PASSWORDS["bob"] not in page.content()
    look(page, "central-test", size)
    page.get_by_label("Name of a login").fill("bob")
    page.get_by_label("Its password").fill("wrong")
    page.get_by_role("button", name="Test this server").click()
    expect(page.get_by_text("Name and password: failed")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("would not get in")
    look(page, "central-test-failed", size)


def test_central_login_with_a_real_directory(
    page: Page, site: Any, size: str, need: Callable[[str], str], tmp_path: Path
) -> None:
    folder = tmp_path / "slapd"
    folder.mkdir()
    with running_slapd(need, folder) as slapd:
        log_in(page, site)
        set_up(page, slapd, size)
        try_out(page, size)
        page.get_by_role("button", name="Log out").click()
        log_in(page, site, name="bob", password=PASSWORDS["bob"])
        page.get_by_role("link", name="Account").click()
        expect(page.get_by_text("A server of your organisation keeps this account")).to_be_visible()
        expect(page.get_by_role("link", name="Central login")).to_have_count(0)
        look(page, "account-central", size)
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    log_in(page, site, name="bob", password=PASSWORDS["bob"])
    # Nobody answers, and this device keeps no such account.
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    log_in(page, site)  # the emergency account, with the directory gone
    expect(page.get_by_role("link", name="Settings")).to_be_visible()
    page.goto(f"{site.url}/account/logins")
    expect(page.get_by_text("Emergency account").first).to_be_visible()
    look(page, "logins-emergency", size)


def test_throttled_login_in_the_dark(chromium: Browser, site: Any) -> None:
    context = context_of(chromium, "phone", color_scheme="dark")
    page = context.new_page()
    for _ in range(5):
        log_in(page, site, password="wrong")
        expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"heard in \d+ seconds?"))
    look(page, "login-slowed", "dark")
    page.get_by_role("link", name="use a recovery code").click()
    look(page, "login-recovery", "dark")
    context.close()
