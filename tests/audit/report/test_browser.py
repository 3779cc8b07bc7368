"""The page in headless Chromium: from a file, on phone and desk, by keyboard, without a script.

With HOLDFAST_PICTURES=FOLDER a page is also kept as a picture (`script/pictures`).
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from holdfast.audit.report.page import render
from tests.audit.report.sample import fine, hostile, sample

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.slow]

SIZES = {"phone": (375, 740), "desk": (1280, 800)}
SHOTS = os.environ.get("HOLDFAST_SCREENSHOTS")
PICTURES = os.environ.get("HOLDFAST_PICTURES")
OPTIONS = [
    "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-quic",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium(need: Callable[[str], str]) -> Iterator[Browser]:
    program = need("chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*sandbox, *OPTIONS])
        yield browser
        browser.close()


Open = Callable[..., Page]


@pytest.fixture
def show(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a report's page as a file; afterwards it must not have complained or asked for more."""
    reports = {"sample": sample, "fine": fine, "hostile": hostile}
    complaints: list[str] = []
    asked: list[str] = []
    contexts = []

    def open_page(
        name: str = "sample",
        size: str = "desk",
        scheme: Literal["light", "dark"] = "light",
        *,
        script: bool = True,
    ) -> Page:
        path = tmp_path / f"{name}.html"
        path.write_bytes(render(reports[name]()))
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            java_script_enabled=script,
            offline=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not url.startswith(("file://", "data:"))] == []


@pytest.mark.parametrize("name", ["sample", "fine", "hostile"])
@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_reaches_over_the_edge(
    show: Open, name: str, size: str, scheme: Literal["light", "dark"]
) -> None:
    page = show(name, size, scheme)
    expect(page).to_have_title(re.compile(r"^(Fails|Passes): "))
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= page.evaluate("document.documentElement.clientWidth")
    if SHOTS:
        page.reload()
        folder = Path(SHOTS)
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"audit-{name}-{size}-{scheme}.png", full_page=True)


def shown(page: Page) -> list[str]:
    ids = page.locator("details.check:visible").evaluate_all("all => all.map(one => one.id)")
    return [str(each).removeprefix("check-") for each in ids]


def test_filters_narrow_and_let_go(show: Open) -> None:
    page = show()
    status = page.locator("#shown")
    expect(status).to_have_text("All 16 checks")
    page.get_by_label("Fails", exact=True).check()
    expect(status).to_have_text("11 of 16 checks")
    page.get_by_label("critical", exact=True).check()
    page.get_by_label("high", exact=True).check()
    expect(status).to_have_text("6 of 16 checks")
    page.get_by_label("2 Passwords that hold").check()
    assert shown(page) == ["password-not-default", "password-not-empty"]
    page.get_by_role("searchbox", name="Find").fill("DEFAULTVALUE password")
    assert shown(page) == ["password-not-empty"]
    page.get_by_role("searchbox", name="Find").fill("nothing like that")
    expect(page.get_by_text("No check is like that.")).to_be_visible()
    expect(page.get_by_role("heading", name="Fails")).to_be_hidden()
    page.get_by_role("button", name="Show all").click()
    expect(status).to_have_text("All 16 checks")
    assert len(shown(page)) == 16


def test_undecided_checks_can_be_listed(show: Open) -> None:
    page = show()
    page.get_by_label("Could not be decided", exact=True).check()
    assert shown(page) == ["update-verified", "storage-encrypted"]


def test_folding(show: Open) -> None:
    page = show()
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.locator("details.check[open]").count() == 0
    page.get_by_role("button", name="Unfold all").click()
    assert page.locator("details.check[open]").count() == 16


def test_a_link_unfolds_what_it_leads_to_even_if_filtered_away(show: Open) -> None:
    page = show()
    page.get_by_label("Holds", exact=True).check()
    expect(page.locator("#check-telnet-off")).to_be_hidden()
    page.get_by_role("link", name="starts telnetd with a fixed user name").click()
    expect(page.locator("#check-telnet-off .about")).to_be_visible()
    expect(page.locator("#shown")).to_have_text("All 16 checks")


def test_by_keyboard_alone(show: Open) -> None:
    page = show()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("searchbox", name="Find").focus()
    page.keyboard.type("telnetd")
    expect(page.locator("#shown")).to_have_text("2 of 16 checks")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.get_by_label("Fails", exact=True)).to_be_checked()
    outline = page.evaluate(
        "getComputedStyle(document.activeElement.nextElementSibling).outlineStyle"
    )
    assert outline == "solid"
    summary = page.locator("#check-telnet-off > summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#check-telnet-off .about")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("#check-telnet-off .about")).to_be_visible()
    page.locator(".scroll").focus()
    assert page.evaluate("document.activeElement.className") == "scroll"


def test_without_a_script_everything_is_there(show: Open) -> None:
    page = show(script=False)
    expect(page.locator("#filters")).to_be_hidden()
    assert page.locator("details.check").count() == 16
    page.locator("#check-ssh-off > summary").click()
    expect(page.locator("#check-ssh-off .findings")).to_be_visible()


def test_on_paper_nothing_stays_folded(show: Open) -> None:
    page = show()
    folded = page.locator("details:not([open])").count()
    assert folded > 5
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == folded
    page.emulate_media(media="print")
    expect(page.locator("#filters")).to_be_hidden()


def test_targets_are_large_enough_for_fingers(show: Open) -> None:
    page = show(size="phone")
    small = page.evaluate(
        """[...document.querySelectorAll('button, .contents a, summary, .pick')]
        .filter(one => one.offsetParent && one.getBoundingClientRect().height < 24)
        .map(one => one.textContent.trim())"""
    )
    assert small == []


def test_on_a_phone_the_drawing_begins_at_what_listens(show: Open) -> None:
    page = show(size="phone")
    assert page.evaluate("document.querySelector('.scroll').scrollLeft") > 100
    page.locator(".scroll").scroll_into_view_if_needed()
    expect(page.locator(".node.listener").first).to_be_in_viewport()


def test_a_hostile_report_takes_nothing_over(show: Open) -> None:
    page = show("hostile")
    title = page.title()
    assert title.startswith("Fails: </script><script>")
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1


def test_a_picture_for_the_documents(show: Open) -> None:
    page = show()
    expect(page.get_by_role("heading", name="Five recommendations")).to_be_visible()
    drawing = page.locator("#start .scroll")
    expect(drawing).to_be_visible()
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / "audit-report.png")
        drawing.screenshot(path=Path(PICTURES) / "audit-start-up.png")
