"""Login with a real OpenID provider, in a real browser: the provider is another site."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.hub.browsing import Camera, named, pictures

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.slow]
Hub = Any  # of conftest.py, which cannot be imported
HERE = Path(__file__).resolve().parents[1] / "servers/openid"
SECRET = "a secret that is only known to tests"


@pytest.fixture
def hub(start_hub: Callable[[], Hub], tmp_path: Path, need: Callable[[str], str]) -> Iterator[Hub]:
    """Start a provider, and a hub under a name that knows it."""
    node = need("node")
    if not (HERE / "node_modules").is_dir():
        pytest.skip("the OpenID provider is not installed: script/install dev")
    config = tmp_path / "hub.toml"
    url = named(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        issuer = f"http://127.0.0.1:{probe.getsockname()[1]}"
    (tmp_path / "openid-secret").write_text(SECRET + "\n")
    config.write_text(
        config.read_text()
        + f"""
[[openid]]
name = "corp"
label = "Acme"
issuer = "{issuer}"
client_id = "hub"
secret_file = "openid-secret"
role_claim = "groups"
staff = ["hub-staff"]
"""
    )
    with (tmp_path / "provider.log").open("w") as log:
        provider = subprocess.Popen(
            [node, str(HERE / "provider.mjs"), issuer, f"{url}/login/with/corp/callback/"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        answers(f"{issuer}/.well-known/openid-configuration")
        yield start_hub()
    finally:
        provider.terminate()
        provider.wait(10)


def answers(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the provider did not answer")


def at_the_provider(page: Page, name: str, *, first: bool = True) -> None:
    """Log in on the provider's own pages, and the first time allow the hub to know it."""
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("anything")
    page.locator("button[type=submit]").click()
    if first:
        page.get_by_role("button", name="Continue").click()


def test_staff_of_the_provider_come_in_and_others_do_not(
    hub: Hub, chromium: Browser, tmp_path: Path
) -> None:
    camera = Camera(pictures(tmp_path), "openid")
    context = chromium.new_context(locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(f"{hub.url}/trail/")
    camera.take(page, "01-login")
    page.get_by_role("button", name="Log in with Acme").click()
    at_the_provider(page, "ada")
    # The way leads where it was to lead, as a person of its own.
    page.wait_for_url(f"{hub.url}/trail/")
    assert "ada@corp came by central login" in page.inner_text("main")
    page.goto(f"{hub.url}/account/")
    assert "corp" in page.inner_text("main")
    camera.take(page, "02-account")

    # Nothing dangerous before the provider has asked afresh, and says so.
    page.goto(f"{hub.url}/tokens/")
    assert "/confirm/" in page.url
    camera.take(page, "03-confirm")
    page.get_by_role("button", name="Log in with corp once more").click()
    at_the_provider(page, "ada", first=False)
    page.wait_for_url(f"{hub.url}/tokens/")

    # Asked to show it again, somebody else comes back: that proves nothing.
    page.goto(f"{hub.url}/confirm/?next=/tokens/")
    page.get_by_role("button", name="Log in with corp once more").click()
    at_the_provider(page, "bob")
    page.wait_for_selector("text=you are not staff of this hub")
    context.close()

    stranger = chromium.new_context(locale="en-GB")
    page = stranger.new_page()
    page.set_default_timeout(10_000)
    page.goto(f"{hub.url}/login/")
    page.get_by_role("button", name="Log in with Acme").click()
    at_the_provider(page, "bob")
    page.wait_for_selector("text=you are not staff of this hub")
    camera.take(page, "04-no-access")
    page.goto(f"{hub.url}/")
    assert "/login/" in page.url

    # A way back that was never set out on.
    page.goto(f"{hub.url}/login/with/corp/callback/?code=x&state=y")
    page.wait_for_selector("text=That did not work")
    page.goto(f"{hub.url}/login/with/nobody/callback/?code=x&state=y")
    page.wait_for_selector("text=there is nothing at this address", timeout=5000)
    stranger.close()
    assert hub.stop() == 0
