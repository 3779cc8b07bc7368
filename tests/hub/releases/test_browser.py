"""The audit of a release in a real browser: every state on phone and desk, and the report."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, Page

from holdfast import product as profiles
from holdfast.audit import child
from holdfast.audit.child import Settings
from holdfast.audit.report.shapes import Report, Unopened
from holdfast.hub.releases import judgements
from holdfast.hub.releases.models import Release
from holdfast.hub.staff.services import make_setup_link
from tests.audit.shipped import shipped
from tests.hub.browsing import Camera, pictures, visit
from tests.hub.releases.test_audited import free_port
from tests.hub.test_browser import PASSWORD, set_up

Result = TypeVar("Result")

pytestmark = [pytest.mark.browser, pytest.mark.servers, pytest.mark.slow]

SIZES = {"small": (320, 640), "phone": (375, 740), "desk": (1280, 800)}
HOSTILE = "usr/\x1b[2J\u202e<img src=x onerror=alert(1)>" + "wide" * 300
# What a screen reader needs, in the words of WCAG: names, labels, headings in order, no twin ids.
FAULTS = """() => {
  const faults = [];
  for (const one of document.querySelectorAll('input:not([type=hidden]), textarea, select'))
    if (!one.labels.length) faults.push('no label: ' + one.outerHTML);
  for (const one of document.querySelectorAll('progress, nav, section'))
    if (!one.ariaLabel && !one.getAttribute('aria-labelledby') && !one.labels?.length)
      faults.push('no name: ' + one.outerHTML.slice(0, 80));
  for (const one of document.querySelectorAll('button, a[href], summary'))
    if (!one.textContent.trim() && !one.ariaLabel) faults.push('no words: ' + one.outerHTML);
  for (const one of document.querySelectorAll('th'))
    if (!one.scope) faults.push('no scope: ' + one.outerHTML);
  let level = 0;
  for (const one of document.querySelectorAll('main h1, main h2, main h3, main h4')) {
    const next = Number(one.tagName[1]);
    if (next > level + 1) faults.push('heading skipped: ' + one.innerText);
    level = next;
  }
  const ids = [...document.querySelectorAll('[id]')].map(one => one.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push('twice: ' + id);
  return faults;
}"""


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A real report, of an image with something hostile in it."""
    folder = tmp_path_factory.mktemp("image")
    image, profile = shipped(folder, "Telnet")
    report = child.judge(image, Settings(profile=profiles.read(profile)))
    piece = Unopened(where=HOSTILE, offset=0, size_bytes=9, entropy=7.9, why="nothing knows it")
    opened = replace(report.opened, complete=False, unopened=(piece,))
    return replace(report, opened=opened)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Report:
    image, profile = shipped(tmp_path_factory.mktemp("image"))
    return child.judge(image, Settings(profile=profiles.read(profile)))


@pytest.fixture
def served(db: Path, tmp_path: Path) -> Iterator[str]:
    """Serve the test's own database."""
    port = free_port()
    config = tmp_path / "hub.toml"
    config.write_text(f'state = "{db.absolute()}"\nlisten = "127.0.0.1:{port}"\n')
    command = [sys.executable, "-c", "from holdfast.cli import main; main()", "hub", "serve"]
    with (tmp_path / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--json", "-c", str(config)], stdout=subprocess.PIPE, stderr=log,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline(), (tmp_path / "hub.log").read_text()
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(15)
    process.stdout.close()


def aside(work: Callable[..., Result], *words: object, **named: object) -> Result:
    """Do something with the database in a thread of its own: the browser's driver has a loop."""

    def done() -> Result:
        try:
            return work(*words, **named)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(done).result()


def make_account(page: Page, url: str) -> None:
    path = urlsplit(aside(make_setup_link)).path
    set_up(page, f"{url}{path}")


class Look:
    """Looks at the page of a release, and takes a picture."""

    def __init__(self, page: Page, camera: Camera, url: str) -> None:
        self.page, self.camera, self.url = page, camera, url

    def at(self, what: str, *words: str) -> str:
        self.page.goto(self.url)
        text = self.page.inner_text("main")
        self.camera.take(self.page, what)
        assert self.page.evaluate(FAULTS) == []
        for each in words:
            assert each in text, text
        return text


@pytest.mark.parametrize("look_of", [("small", "dark"), ("phone", "light"), ("desk", "light")])
def test_every_state_of_an_audit(
    served: str,
    release: Callable[..., Release],
    chromium: Browser,
    bad: Report,
    good: Report,
    look_of: tuple[str, Literal["light", "dark"]],
    tmp_path: Path,
) -> None:
    size, scheme = look_of
    found = aside(release, judged=False)
    camera = Camera(pictures(tmp_path), f"audit-{size}-{scheme}")
    with visit(chromium, served, size=SIZES[size], color_scheme=scheme) as context:
        look = Look(context.new_page(), camera, f"{served}/releases/{found.pk}/?stay=1")
        make_account(look.page, served)
        see_it_through(look, found, bad, good)
        assert len(list(settings.HUB.reports.iterdir())) == 1


def see_it_through(look: Look, found: Release, bad: Report, good: Report) -> None:
    """Follow a release from not asked for to passed, through every state of its audit."""
    page, camera = look.page, look.camera
    look.at("1-not-asked", "not asked for yet")
    judgement = aside(judgements.ask, found)
    look.at("2-waiting", "waits for its audit", "before the audit is over")
    aside(judgements.want_offered, found, by="token:build-server")
    aside(judgements.begin, judgement)
    aside(judgements.note_progress, judgement, "facts", 0.4)
    text = look.at("3-running", "is being audited", "facts", "token:build-server")
    assert "Offer to all devices" not in text
    aside(judgements.finish, judgement, bad)
    text = look.at("4-refused", "failed its audit", "telnet-off", "Let it pass all the same")
    assert r"\x1b[2J\u202e<img src=x onerror=alert(1)>" in text
    page.get_by_text("Let it pass all the same").click()
    camera.take(page, "4a-form")
    page.locator("details").get_by_label("Reason").fill("No.")
    page.locator("details").get_by_role("button").click()
    assert page.locator("details").get_by_label("Reason").is_visible()
    page.goto(f"{look.url.partition('?')[0]}audit/")
    camera.take(page, "5-report")
    look_into_the_report(page)
    aside(judgements.waive, found, by="ada", why="The console is inside the sealed case.")
    look.at("6-waived", "ada let it pass", "telnet-off", "Offer to all devices")
    aside(judgements.give_up, judgement, "[audit-child] the confined child ended without an answer")
    look.at("7-broken", "could not be audited", "without an answer")
    aside(judgements.finish, judgement, good)
    text = look.at("8-passed", "passed its audit", "Offer to all devices")
    assert "What speaks against it" not in text


def look_into_the_report(page: Page) -> None:
    """Its own script works under the policy that the hub sends with it."""
    assert page.locator("img").count() == 0
    before = page.locator("main").inner_text()
    page.locator("input[type=search]").first.fill("telnet")
    page.wait_for_function(
        "before => document.querySelector('main').innerText !== before", arg=before
    )
    assert "telnet" in page.locator("main").inner_text().lower()


def test_a_script_that_is_not_the_reports_own_does_not_run(
    served: str,
    release: Callable[..., Release],
    chromium: Browser,
    bad: Report,
) -> None:
    found = aside(release, judged=False)
    judgement = aside(judgements.ask, found)
    aside(judgements.finish, judgement, bad)
    page = chromium.new_page()
    make_account(page, served)
    page.goto(f"{served}/releases/{found.pk}/audit/")
    page.evaluate("""() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
    }""")
    assert page.evaluate("window.ran") is None
    assert PASSWORD not in page.content()
