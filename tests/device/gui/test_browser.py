"""The pages in headless Chromium: every state, two sizes, keyboard only, no foreign bytes."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.device.gui.browsing import SHOTS, chromium, page, size

__all__ = ["chromium", "page", "size"]
pytestmark = [pytest.mark.browser, pytest.mark.servers]

PASSWORD = "correct horse battery"
CODE = "7K2M-XQ4R-9TBC"


def look(page: Page, name: str, size: str) -> None:
    """Nothing reaches over the edge; keep a picture if asked to."""
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, f"{name} is {wide} pixels too wide"
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}-{size}.png"), full_page=True)


def log_in(page: Page, site: Any) -> None:
    page.goto(site.url)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("link", name="Settings")).to_be_visible()


def test_claim_by_keyboard_alone(page: Page, unclaimed: Any, size: str) -> None:
    page.goto(f"{unclaimed.url}/settings")
    expect(page).to_have_url(f"{unclaimed.url}/claim")
    look(page, "claim", size)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("AAAA-AAAA-AAAA")
    page.keyboard.press("Tab")
    page.keyboard.type("Ada")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Take it")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Another one")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("too short")
    expect(page.get_by_role("status")).to_have_text("9 of 15 characters")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Too short: 9 of 15")
    look(page, "claim-short", size)
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_label("Choose a password")).to_have_attribute("type", "text")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the set-up code")
    expect(page.get_by_label("Your name on this device")).to_have_value("Ada")
    page.get_by_label("Set-up code").fill(CODE.lower())
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Everything is up to date")).to_be_visible()
    look(page, "current", size)


def test_login_refused_then_in(page: Page, site: Any, size: str) -> None:
    page.goto(site.url)
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    look(page, "login", size)
    log_in(page, site)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto(f"{site.url}/history")
    expect(page).to_have_url(f"{site.url}/login")


def test_offer_install_progress_done(page: Page, site: Any, size: str, words: Any) -> None:
    agent = site.agent
    agent.current(stage="offered", offer=words.offer())
    log_in(page, site)
    expect(page.get_by_role("heading", name="Version 1.1 is ready for you")).to_be_visible()
    expect(page.get_by_text("Serious: install it soon")).to_be_visible()
    page.get_by_text("Closes 3 known weaknesses").click()
    expect(page.get_by_text("CVE-2026-12345")).to_be_visible()
    look(page, "offer", size)
    agent.current(stage="downloading", offer=words.offer(), percent=37)
    page.get_by_role("button", name="Install now").click()
    assert agent.asked == [("update.install", {})]
    expect(page.get_by_role("heading", name="Downloading version 1.1")).to_be_visible()
    look(page, "progress", size)
    agent.current(stage="downloading", offer=words.offer(), percent=81)
    expect(page.get_by_role("status")).to_contain_text("81 % of 28.4 MB")
    agent.current(stage="installing", offer=words.offer())
    expect(page.get_by_role("heading", name="Installing version 1.1")).to_be_visible()
    agent.current(stage="restarting", offer=words.offer())
    expect(page.get_by_role("heading", name="Restarting with version 1.1")).to_be_visible()
    look(page, "restarting", size)
    site.stop()
    page.wait_for_timeout(1500)
    agent.current("1.1", last=words.past("installed", "1.1"))
    site.start()
    expect(page.get_by_text("was installed today")).to_be_visible()
    expect(page.get_by_role("heading", name="Everything is up to date")).to_be_visible()
    look(page, "done", size)


def test_later_and_scheduled(page: Page, site: Any, size: str, words: Any) -> None:
    agent = site.agent
    agent.current(stage="offered", offer=words.offer(severity="medium"))
    log_in(page, site)
    expect(page.get_by_text("If you do nothing, it is installed")).to_be_visible()
    page.get_by_label("Ask me again").select_option("2")
    agent.current(
        stage="deferred", offer=words.offer(severity="medium") | {"until_ms": words.ms(-2)}
    )
    page.get_by_role("button", name="Later").click()
    assert agent.asked == [("update.later", {"days": 2})]
    expect(page.get_by_role("heading", name="Version 1.1 waits")).to_be_visible()
    # At that moment the owner is asked again; nothing is installed.
    expect(page.get_by_text("If you do nothing, it is installed")).to_have_count(0)
    look(page, "deferred", size)
    agent.current(
        stage="scheduled",
        offer=words.offer(severity="low") | {"later": [], "until_ms": words.ms(-0.4)},
        preferences={"mode": "automatic", "window": "02:00-05:00"},
    )
    page.reload()
    expect(page.get_by_role("heading", name="will install itself")).to_be_visible()
    look(page, "scheduled", size)


def test_what_begins_in_a_moment_is_followed_by_itself(
    page: Page, site: Any, size: str, words: Any
) -> None:
    agent = site.agent
    coming = words.offer() | {"until_ms": None}
    agent.current(stage="scheduled", offer=coming)
    log_in(page, site)
    expect(page.get_by_text("It begins in a moment.")).to_be_visible()
    look(page, "about-to-begin", size)
    agent.current(stage="downloading", offer=coming, percent=3)
    expect(page.get_by_role("heading", name="Downloading version 1.1")).to_be_visible()


def test_refused_history_and_silence(page: Page, site: Any, size: str, words: Any) -> None:
    agent = site.agent
    refused = words.past(
        "refused",
        "1.2",
        code="update-tampered",
        sentence="The file is not the one that the manufacturer signed.",
        hint="It will be fetched again; if it stays so, tell the manufacturer.",
    )
    agent.current("1.1", last=refused)
    log_in(page, site)
    expect(page.get_by_role("heading", name="Version 1.2 was refused")).to_be_visible()
    expect(page.get_by_text("Version 1.1 goes on running")).to_be_visible()
    look(page, "refused", size)
    agent.history = [
        refused,
        words.past("installed", "1.1"),
        words.past("deferred", "1.1"),
        words.past("offered", "1.1"),
        words.past("failed", "", code="update-unhealthy", sentence="It went back by itself."),
    ] * 3
    page.get_by_role("link", name="History").click()
    expect(page.get_by_text("Version 1.1 was installed and works").first).to_be_visible()
    look(page, "history", size)
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("link", name="Newer")).to_be_visible()
    agent.current(
        hub={
            "answered_ms": words.ms(4),
            "silent_since_ms": words.ms(3.9),
            "turned_away": "",
        },
        clock="The clock of this device says 1 January 1970. Updates cannot be judged by it.",
    )
    page.get_by_role("link", name="Updates").click()
    expect(page.get_by_text("The update server does not answer")).to_be_visible()
    look(page, "silent", size)


def test_settings(page: Page, site: Any, size: str) -> None:
    log_in(page, site)
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("By itself").check()
    page.get_by_label("From").fill("01:30")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_have_text("Saved.")
    page.get_by_label("E-mail address").fill("ada@example.org")
    look(page, "settings", size)
    site.agent.state["address"] = "a…@example.org"
    page.get_by_role("button", name="Send me the mail").click()
    expect(page.get_by_role("status")).to_contain_text("Look into your mailbox")
    look(page, "settings-mail", size)
    assert site.agent.asked == [
        ("update.preferences", {"mode": "automatic", "window": "01:30-05:00"}),
        ("owner.subscribe", {"address": "ada@example.org"}),
    ]


def test_agent_away_is_said_calmly(page: Page, site: Any, size: str) -> None:
    log_in(page, site)
    site.stop_agent()
    (site.folder / "run" / "agent.sock").unlink()
    page.reload()
    expect(page.get_by_role("heading", name="One moment, please")).to_be_visible()
    look(page, "away", size)
    page.goto(f"{site.url}/nowhere")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_dark(chromium: Browser, site: Any, words: Any, tmp_path: Path) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    page = context.new_page()
    site.agent.current(stage="offered", offer=words.offer(severity="critical"))
    log_in(page, site)
    look(page, "offer-dark", "phone")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 26)"
    context.close()
    assert tmp_path
