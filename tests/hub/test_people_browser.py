"""The pages about all accounts and about servers, by keyboard, on phone and desk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from holdfast.core.process import run
from tests.hub.browsing import SIZES, Camera, by_keyboard, pictures, to_by_keyboard, visit
from tests.servers.tacacs import User, tacacs_server

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.slow]
Hub = Any  # of conftest.py, which cannot be imported
KEY = "a shared secret of 36 characters...."
THEIRS = "correct horse battery staple"
OWN = "seven plain words nobody would guess"
SETTINGS = """
[[central_login.servers]]
name = "tac"
protocol = "tacacs+"
host = "127.0.0.1"
port = {port}
transport = "plain"
warned = true
[[central_login.groups]]
name = "corp"
servers = ["tac"]
[[central_login.methods]]
service = "hub"
order = ["corp", "local"]
local_names = ["breakglass"]
[[central_login.roles]]
role = "staff"
level = 15
[central_login_secrets]
tac = "tac"
"""


def log_in(page: Page, url: str, name: str, password: str) -> None:
    page.goto(f"{url}/login/")
    to_by_keyboard(page, "Name")
    page.keyboard.type(name)
    to_by_keyboard(page, "Password")
    page.keyboard.type(password)
    page.keyboard.press("Enter")


def change(page: Page, name: str, why: str, button: str) -> None:
    """Do something to an account; by the button, or with Enter in the field without one."""
    to_by_keyboard(page, f"Change something: {name}")
    page.keyboard.press("Enter")
    to_by_keyboard(page, "Reason")
    page.keyboard.type(why)
    if button:
        by_keyboard(page, button)
    else:
        with page.expect_navigation():
            page.keyboard.press("Enter")
    page.wait_for_selector("text=It is done.")


def look_after_accounts(page: Page, camera: Camera) -> None:
    by_keyboard(page, "Accounts")
    camera.take(page, "01-accounts")
    by_keyboard(page, "Make a set-up link for one more")
    assert "/setup/" in page.inner_text("code.secret")
    camera.take(page, "02-link")
    change(page, "bob", "left", "Switch off")
    assert "switched off" in page.inner_text("main")
    camera.take(page, "03-switched-off")
    # Enter alone harms nobody: whoever wanted another button presses that.
    change(page, "bob", "he wrote", "")
    assert page.inner_text("main").count("switched off") == 1
    change(page, "bob", "came back", "Switch on")
    assert "switched off" not in page.inner_text("main")


def try_the_server(page: Page, camera: Camera) -> None:
    by_keyboard(page, "Central login")
    camera.take(page, "04-central")
    by_keyboard(page, "Test this server tac")
    to_by_keyboard(page, "Name")
    page.keyboard.type("ada")
    to_by_keyboard(page, "Password")
    page.keyboard.type(THEIRS)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The role would be staff")
    assert THEIRS not in page.content()
    camera.take(page, "05-tested")
    by_keyboard(page, "Back to all servers")


def see_it_written_down(page: Page, url: str, camera: Camera) -> None:
    page.goto(f"{url}/trail/")
    written = page.inner_text("main")
    for line in ("bob was switched off", "bob was opened", "bob was switched on", "he wrote"):
        assert line in written
    camera.take(page, "06-trail")


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_administrator_without_a_mouse(
    start_hub: Callable[[], Hub], need: Callable[[str], str], chromium: Browser, tmp_path: Path,
    size: str, scheme: Literal["light", "dark"],
) -> None:  # fmt: skip
    """Somebody whom the directory knows looks after the accounts of the others."""
    config = tmp_path / "hub.toml"
    with tacacs_server({"ada": User(THEIRS)}, key=KEY) as server:
        (tmp_path / "tac").write_text(KEY + "\n")
        config.write_text(config.read_text() + SETTINGS.format(port=server.port))
        for name in ("bob", "breakglass"):
            add = [need("holdfast"), "hub", "accounts", "add", name, "-c", str(config)]
            run(add, stdin=f"{OWN}\n".encode(), timeout_s=60)
        hub = start_hub()
        camera = Camera(pictures(tmp_path), f"people-{size}-{scheme}")
        with visit(chromium, hub.url, size=SIZES[size], color_scheme=scheme) as context:
            page = context.new_page()
            log_in(page, hub.url, "ada", THEIRS)
            page.wait_for_selector("text=ada@corp")
            look_after_accounts(page, camera)
            try_the_server(page, camera)
            see_it_written_down(page, hub.url, camera)
        assert hub.stop() == 0
