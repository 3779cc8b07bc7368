"""The whole story without a person: what should happen happens, and nothing else does."""

import contextlib
import email
import email.policy
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from holdfast.audit.gate import GateError
from holdfast.cli.demo.attacks import Attacks
from holdfast.cli.demo.device import answers
from holdfast.cli.demo.faults import FaultyNetwork
from holdfast.cli.demo.handover import Handover
from holdfast.cli.demo.looking import (
    OWNER,
    STAFF,
    around,
    choose_hours,
    having,
    hub_device_page,
    owner_page,
    short,
    text_of,
)
from holdfast.cli.demo.maker import GATEWAY
from holdfast.cli.demo.pinned import PinError
from holdfast.cli.demo.places import Places, Ports
from holdfast.cli.demo.planted import plant
from holdfast.cli.demo.report import Report, Step, must, until
from holdfast.cli.demo.site import FIXES, NOTES, SEVERITIES, Site, free_port
from holdfast.cli.demo.visitor import Visitor, links_in
from holdfast.core.errors import HoldfastError
from holdfast.core.process import run as run_program
from holdfast.updates.release import Severity

_ADDRESS = "ada@example.org"
_COMMAND_TIMEOUT_S = 60.0
_INSTALL_TIMEOUT_S = 60.0
MB = 1_000_000


def run(places: Places, console: Console, *, points: int) -> dict[str, Any]:
    """Go through the story; stops at the first step that does not hold.

    Args:
        places: A fresh state.
        console: Where the steps are printed.
        points: How many power cuts.

    Returns:
        `holds`, `took_s`, and the `steps` with their evidence.
    """
    started = time.monotonic()
    report = Report(console)
    holds = False
    try:
        _Tour(places, report).go(points)
        holds = True
    except HoldfastError as error:
        console.print(Text.assemble(("The tour stops: ", "bold red"), str(error)), soft_wrap=True)
        if error.hint:
            console.print(Text.assemble(("  → ", "cyan"), error.hint), soft_wrap=True)
    took_s = time.monotonic() - started
    verdict = "All of it holds." if holds else "Not all of it holds."
    console.print(
        Text.assemble(
            "\n", (verdict, "bold green" if holds else "bold red"),
            f" {len(report.steps)} steps in {took_s:.0f} s; the logs are in {places.logs}",
        ),
        soft_wrap=True,
    )  # fmt: skip
    return {"holds": holds, "took_s": round(took_s, 1), "steps": [asdict(s) for s in report.steps]}


class _Tour:
    """One device, its owner, the maker, and the hub between them."""

    def __init__(self, places: Places, report: Report) -> None:
        self._report = report
        network_port = free_port()
        self.site = Site(places, Ports.free(), device_gateway_port=network_port)
        self._network_port = network_port
        self.staff = Visitor(self.site.hub_url)
        self.owner = Visitor(self.site.device.url)

    def go(self, points: int) -> None:
        """Tell the story in order."""
        network = FaultyNetwork(
            port=self._network_port, upstream=f"http://127.0.0.1:{self.site.ports.gateway}"
        )
        with contextlib.closing(network), self.site.held():
            self._report.chapter("The main job")
            for title, tell in self._main_job():
                with self._report.step(title) as step:
                    tell(step)
            attacks = Attacks(self.site, network, staff=self.staff, owner=self.owner)
            self._report.chapter("Attacks, each refused with its reason")
            for title, tell in attacks.all(points):
                with self._report.step(title) as step:
                    tell(step)
            self._report.chapter("The device changes hands")
            for title, tell in Handover(self.site, staff=self.staff).all():
                with self._report.step(title) as step:
                    tell(step)

    def _main_job(self) -> list[tuple[str, Callable[[Step], None]]]:
        return [
            ("Start hub, gateway, worker and a device that was never used", self._begin),
            ("Staff make their account with the one-time link", self._staff_account),
            ("The owner claims the device with the code of its label", self._claim),
            ("The owner leaves an e-mail address, and confirms it", self._address),
            ("The maker builds, signs and publishes 1.1", lambda step: self._publish(step, "1.1")),
            ("Staff offer 1.1 to all devices", lambda step: self._offer(step, "1.1")),
            ("The owner gets one mail about 1.1", self._mail),
            ("One click installs 1.1", self._click),
            ("1.1 is confirmed by the system that runs it", lambda s: self._confirmed(s, "1.1")),
            ("1.2 installs by itself in the owner's hours", self._by_itself),
            ("An image with a back door is not signed, and not offered", self._backdoor),
            ("The device's processes stay small, each with its own user", self._processes),
        ]

    # Each step, in the order of the story.

    def _begin(self, step: Step) -> None:
        begun = time.monotonic()
        self.site.found()
        self.site.start_device()
        self.site.supervisor.wait(self.site.device.name)
        label = self.site.device.scanned()
        self.owner = Visitor(label.url, sha256=label.sha256)
        step.saw(f"hub {self.site.hub_url}, device {self.site.device.url}")
        step.saw(f"up in {time.monotonic() - begun:.1f} s; every key is for demonstration only")
        page = self.owner.get("/")
        must("Set-up code" in page.text, "the new device shows something else than its claim page")
        must(not answers(self.site.device.page_port), "its software answers before the claim")
        step.saw("before the claim the device answers with nothing but its claim page")

    def _staff_account(self, step: Step) -> None:
        log = self.site.supervisor.log_of("hub").read_text()
        link = [each for each in links_in(log) if "/setup/" in each][-1]
        name, password = STAFF
        page = self.staff.get(link)
        page = self.staff.submit(
            page, press="Use my own", name=name, password=password, again=password
        )
        must("/login/" not in page.url, f"the account could not be made: {page.text[:200]}")
        again = Visitor(self.site.hub_url).get(link)
        must(not again.forms, "the one-time link works a second time")
        step.saw(f"logged in as {name}; the link answers {again.status} the second time")

    def _claim(self, step: Step) -> None:
        label = self.site.device.scanned()
        step.saw(f"the QR code leads to {label.url} and names the certificate {label.sha256[:16]}…")
        try:
            Visitor(label.url, sha256="0" * 64).get("/")
        except PinError as error:
            step.saw(f"with the certificate of another label: [{error.code}]")
        else:
            must(False, "a foreign certificate was believed")  # noqa: FBT003 - as below
        name, password = OWNER
        page = self.owner.get("/")
        wrong = self.owner.submit(page, name=name, password=password, code="AAAA-AAAA-AAAA")
        must("Set-up code" in wrong.text, "a wrong code was accepted")
        step.saw(f"a wrong code is refused with {wrong.status}")
        page = self.owner.submit(wrong, name=name, password=password, code=label.code)
        must("Log out" in page.text, f"the claim failed: {page.text[:300]}")
        step.saw(f"claimed by {name}; the page says: {page.text[:110]}")

    def _address(self, step: Step) -> None:
        page = self.owner.get("/settings")
        self.owner.submit(page, address=_ADDRESS)
        (mail,) = until(
            lambda: self._mails_about("confirm", "/o/c/"), what="the mail with the link"
        )
        link = next(each for each in links_in(text_of(mail)) if "/o/c/" in each)
        reader = Visitor(self.site.hub_url)
        page = reader.get(link)
        page = reader.submit(page, press="Yes, send me mail")
        step.saw(f"mail: {mail['Subject']}")
        step.saw(f"after the press on the page behind its link: {page.text[:120]}")

    def _publish(self, step: Step, version: str) -> None:
        folder = self.site.places.maker / "by-hand" / version
        folder.mkdir(parents=True)
        notes = folder / "notes.md"
        notes.write_text(NOTES[version])
        release = folder / "release"
        fixes = [word for cve in FIXES.get(version, ()) for word in ("--fixes", cve)]
        self._holdfast(
            step,
            "release", "build", "--profile", self.site.maker.profile(GATEWAY),
            "--artifact", self.site.image(version), "--version", version, "--changelog", notes,
            "--severity", SEVERITIES[version], *fixes, "--floor", "1.0", "--out", release,
        )  # fmt: skip
        for key in self.site.maker.key_files(GATEWAY):
            self._holdfast(
                step,
                "release", "sign", release, "--workshop", self.site.places.workshop, "--key", key,
                "--passphrase-file", self.site.places.passphrase,
            )  # fmt: skip
        self._holdfast(
            step,
            "release", "publish", release, "--hub", self.site.hub_url,
            "--token-file", self.site.places.api_token,
        )  # fmt: skip

    def _offer(self, step: Step, version: str) -> None:
        page = self.staff.get("/releases/")
        link = next(href for words, href in page.links.items() if words.endswith(version))
        page = self.staff.submit(self.staff.get(link), press="Offer to all devices of this product")
        must(page.status < 400, f"the hub answers {page.status}: {page.text[:200]}")  # noqa: PLR2004
        step.saw(f"pressed on {page.url}")

    def _mail(self, step: Step) -> None:
        (mail,) = until(lambda: self._mails_about("1.1", "/o/u/"), what="the mail about 1.1")
        text = " ".join(text_of(mail).split())
        must(NOTES["1.1"][:40] in text, "the mail does not say what changes")
        must("One-Click" in str(mail["List-Unsubscribe-Post"]), "no one-click unsubscribe")
        step.saw(f"mail: {mail['Subject']}: {text[:160]} ...")

    def _click(self, step: Step) -> None:
        page = until(
            lambda: having(self.owner.get("/"), "What is new in 1.1", "Install now"),
            what="the device to show 1.1",
        )
        step.saw(f"the page says: {around(page.text, 'What is new in 1.1')}")
        self.owner.submit(page, press="Install now")

    def _confirmed(self, step: Step, version: str) -> None:
        until(
            lambda: self.site.device.version() == version,
            what=f"the device to run {version}",
            timeout_s=_INSTALL_TIMEOUT_S,
        )
        page = until(
            lambda: having(hub_device_page(self.staff), f"Runs {version}", "confirmed"),
            what=f"the hub to confirm {version}",
        )
        facts = self.site.device.facts()
        step.saw(f"the device runs {version} from slot {facts['booted']}")
        step.saw(f"the hub says: {around(page.text, f'It runs {version}', 160)}")
        mine = until(
            lambda: having(owner_page(self.owner, "/history"), version),
            what="the device's own history",
        )
        step.saw(f"the device says: {around(mine.text, version, 120)}")

    def _by_itself(self, step: Step) -> None:
        hours = choose_hours(self.owner)
        self.site.publish(self.site.maker.release(self.site.draft("1.2")), offer=True)
        step.saw(f"the owner chose: by itself, {hours}; nobody clicks")
        self._confirmed(step, "1.2")
        count = len(self._mails_about("update 1.1 is there", "/o/u/"))
        must(count == 1, f"by now the owner got {count} mails about 1.1")
        step.saw("the owner got one mail about 1.1 up to now, not a second")

    def _backdoor(self, step: Step) -> None:
        image = self.site.places.maker / "planted.tar"
        plant(image)
        folder = image.with_name("planted")
        notes = image.with_name("planted.md")
        notes.write_text("A supplier asked for it.\n")
        self._holdfast(
            step,
            "release", "build", "--profile", self.site.maker.profile(GATEWAY),
            "--artifact", image, "--version", "1.2.1", "--changelog", notes,
            "--severity", Severity.LOW, "--floor", "1.0", "--out", folder,
        )  # fmt: skip
        command: list[str | Path] = [
            sys.executable, "-I", "-m", "holdfast.cli", "release", "sign", folder,
            "--workshop", self.site.places.workshop,
            "--key", self.site.maker.key_files(GATEWAY)[0],
            "--passphrase-file", self.site.places.passphrase,
        ]  # fmt: skip
        done = run_program(command, timeout_s=_COMMAND_TIMEOUT_S, check=False, env=dict(os.environ))
        said = done.stderr.decode()
        must(done.exit_code == 1 and "bind-shell-absent" in said, f"it was signed: {said[-300:]}")
        step.saw("the signer is told: bind-shell-absent, telnet-off and more; nothing is signed")
        draft = replace(self.site.draft("1.2"), version="1.2.1", image=image)
        # Whoever signs with tools of his own meets the hub's audit.
        try:
            self.site.publish(self.site.maker.release(draft), offer=True, wait=True)
        except GateError as error:
            step.saw(f"the hub says: {str(error)[:200]}")
        else:
            must(False, "the hub let it pass")  # noqa: FBT003 - that it passed is the failure
        must(self.site.device.version() == "1.2", "the device runs something else than 1.2")
        step.saw("no device was offered it")

    def _processes(self, step: Step) -> None:
        facts = self.site.device.facts()
        total = 0
        for process in facts["processes"]:
            if process["running"]:
                total += process["rss_bytes"]
                size = process["rss_bytes"] / MB
                step.saw(f"{process['name']:9} user {process['uid']:<6} {size:5.1f} MB")
            for missing in process["missing"]:
                step.saw(f"{process['name']:9} is missing: {missing}")
        step.saw(f"together {total / MB:.1f} MB")
        must(total < 100 * MB, "they take more than 100 MB together")

    # What several steps need.

    def _mails_about(self, words: str, link: str) -> list[EmailMessage]:
        found = []
        for path in sorted(self.site.places.mails.glob("*.eml")):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if isinstance(mail, EmailMessage) and link in text_of(mail):
                said = f"{mail['Subject']} {text_of(mail)}"
                if words in said:
                    found.append(mail)
        return found

    def _holdfast(self, step: Step, *words: object) -> None:
        command = [sys.executable, "-I", "-m", "holdfast.cli", *map(str, words)]
        done = run_program(command, timeout_s=_COMMAND_TIMEOUT_S, env=dict(os.environ))
        shown = " ".join(short(word) for word in words)
        step.saw(f"$ holdfast {shown}")
        step.saw(f"  {done.stdout.decode().strip().splitlines()[-1]}")
