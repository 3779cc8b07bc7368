"""Passkeys, codes and the second step in a real browser, with a virtual authenticator."""

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from holdfast.accounts import totp
from holdfast.core.clock import now
from tests.hub.browsing import SIZES, Camera, by_keyboard, named, pictures, visit

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.slow]
Hub = Any  # of conftest.py, which cannot be imported


@pytest.fixture
def hub(start_hub: Callable[[], Hub], tmp_path: Path) -> Hub:
    named(tmp_path)
    return start_hub()


def virtual_authenticator(context: BrowserContext, page: Page) -> tuple[Any, str]:
    """Plug in a key that is built into the machine and knows its user."""
    session = context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session, made["authenticatorId"]


def take_the_offer(page: Page, link: str) -> str:
    page.goto(link)
    page.get_by_label("Name").fill("ada")
    offered = page.inner_text("[data-offer]")
    assert len(offered.split("-")) == 4
    page.get_by_role("button", name="Make the account with it").click()
    page.wait_for_selector("text=Five recommendations")
    return offered


def type_login(page: Page, password: str) -> None:
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")


class Visit:
    """Ada's way through the doors."""

    def __init__(self, hub: Hub, context: BrowserContext, camera: Camera) -> None:
        self.hub, self.camera, self.page = hub, camera, context.new_page()
        self.password = take_the_offer(self.page, hub.setup_link)
        self.session, self.key = virtual_authenticator(context, self.page)
        self.codes: list[str] = []

    def home(self) -> None:
        self.page.wait_for_selector("text=Five recommendations")

    def make_a_passkey(self) -> None:
        page, camera = self.page, self.camera
        page.goto(f"{self.hub.url}/account/")
        camera.take(page, "01-account")
        by_keyboard(page, "Add a passkey")
        page.get_by_label("Name of the passkey").fill("laptop")
        camera.take(page, "02-add-passkey")
        page.keyboard.press("Enter")
        page.wait_for_selector(".codes")
        self.codes = page.locator(".codes code").all_inner_texts()
        assert len(self.codes) == 10
        camera.take(page, "03-codes")
        by_keyboard(page, "I have them")
        assert "laptop" in page.inner_text("main")
        camera.take(page, "04-account-with-passkey")

    def log_in_by_it_alone(self) -> None:
        page, camera = self.page, self.camera
        by_keyboard(page, "Log out")
        camera.take(page, "05-login")
        by_keyboard(page, "Log in with a passkey")
        camera.take(page, "06-passkey")
        by_keyboard(page, "Show the passkey")
        self.home()

    def log_in_by_password_and_passkey(self) -> None:
        page = self.page
        by_keyboard(page, "Log out")
        type_login(page, self.password)
        page.wait_for_selector("text=Second step")
        self.camera.take(page, "07-second-step")
        page.get_by_role("button", name="Show the passkey").click()
        self.home()

    def be_refused_by_a_key_that_does_not_know_its_user(self) -> None:
        page = self.page
        by_keyboard(page, "Log out")
        unverified = {"authenticatorId": self.key, "isUserVerified": False}
        self.session.send("WebAuthn.setUserVerified", unverified)
        by_keyboard(page, "Log in with a passkey")
        page.get_by_role("button", name="Show the passkey").click()
        page.wait_for_selector("[data-trouble]:not([hidden])", timeout=90_000)
        self.camera.take(page, "08-no-passkey")

    def log_in_by_recovery_code(self) -> None:
        page = self.page
        page.goto(f"{self.hub.url}/login/")
        type_login(page, self.password)
        page.get_by_label("Code").fill(self.codes[0])
        page.keyboard.press("Enter")
        self.home()

    def keep_an_app(self) -> None:
        page = self.page
        page.goto(f"{self.hub.url}/account/app/")
        self.camera.take(page, "09-app")
        seed = base64.b32decode(page.inner_text("code.secret").replace(" ", ""))
        page.get_by_label("Code", exact=True).fill(totp.code_at(seed, totp.step_at(now())))
        page.keyboard.press("Enter")
        page.wait_for_selector("text=It is kept")

    def look_round(self) -> None:
        page, camera = self.page, self.camera
        page.goto(f"{self.hub.url}/accounts/")
        camera.take(page, "10-accounts")
        by_keyboard(page, "Central login")
        camera.take(page, "11-central")

    def choose_a_bad_password(self) -> None:
        page = self.page
        page.goto(f"{self.hub.url}/account/password/")
        offered = page.inner_text("[data-offer]")
        by_keyboard(page, "Suggest another")
        assert page.inner_text("[data-offer]") != offered
        page.get_by_text("Or choose one of your own").click()
        # Somebody with a second factor; advice comes while typing, and is no verdict.
        page.get_by_label("New password").press_sequentially("ábc🔑e")
        page.wait_for_selector("text=5 of 8 characters")
        page.get_by_label("New password").fill("password1234567")
        page.wait_for_selector("text=Long enough.")
        page.get_by_role("button", name="Show").nth(1).click()
        assert page.get_by_label("New password").get_attribute("type") == "text"
        page.get_by_label("Password until now").fill(self.password)
        page.get_by_label("The same once more").fill("password1234567")
        page.keyboard.press("Enter")
        page.wait_for_selector(".errorlist")
        self.camera.take(page, "12-refused")

    def confirm(self) -> None:
        page = self.page
        page.goto(f"{self.hub.url}/confirm/?next=/tokens/")
        self.camera.take(page, "13-confirm")
        page.get_by_label("Password", exact=True).fill(self.password)
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.name") == "code"  # which is asked for as well
        page.get_by_label("Code").fill(self.codes[1])
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/tokens/$"))


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_passkey_app_and_recovery_code(
    hub: Hub, chromium: Browser, tmp_path: Path, size: str, scheme: Literal["light", "dark"]
) -> None:
    with visit(chromium, hub.url, size=SIZES[size], color_scheme=scheme) as context:
        way = Visit(hub, context, Camera(pictures(tmp_path), f"login-{size}-{scheme}"))
        way.make_a_passkey()
        way.log_in_by_it_alone()
        way.log_in_by_password_and_passkey()
        way.be_refused_by_a_key_that_does_not_know_its_user()
        way.log_in_by_recovery_code()
        way.keep_an_app()
        way.look_round()
        way.choose_a_bad_password()
        way.confirm()
    assert hub.stop() == 0
