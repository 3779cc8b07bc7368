"""The end of the tour: the device is reset with its button and gets another owner."""

import json
import secrets
from collections.abc import Callable

from holdfast.cli.demo.device import answers
from holdfast.cli.demo.looking import OWNER, having, hub_device_page
from holdfast.cli.demo.report import Step, must, until
from holdfast.cli.demo.site import Site
from holdfast.cli.demo.visitor import Page, Visitor
from holdfast.core.files import write_whole

_START_TIMEOUT_S = 30.0
_NEXT = ("bob", secrets.token_urlsafe(18))

Tell = Callable[[Step], None]


class Handover:
    """Somebody gives the device away."""

    def __init__(self, site: Site, *, staff: Visitor) -> None:
        self._site = site
        self._staff = staff
        self._device = site.device
        self._before = ""

    def all(self) -> list[tuple[str, Tell]]:
        """Name the steps in order."""
        return [
            ("The button, held for ten seconds at power-on, erases the owner", self._reset),
            ("The next owner claims it with the same label", self._claim),
        ]

    def _reset(self, step: Step) -> None:
        self._before = self._device.version()
        self._site.supervisor.stop(self._device.name)
        write_whole(self._device.button, b"1")
        self._start()
        self._device.button.unlink()
        page = self._visitor().get("/login")
        must("Set-up code" in page.text, f"somebody still owns it: {page.text[:200]}")
        step.saw("it shows its claim page; there is no account left that a password could open")
        kept = [path.name for path in (self._device.folder / "auth").iterdir()]
        must(
            not any("accounts" in name for name in kept) or not self._accounts(),
            f"auth still holds {kept}",
        )
        must(not answers(self._device.page_port), "its software answers before the claim")
        log = (self._device.folder / "run/boot.log").read_text()
        until(
            lambda: having(hub_device_page(self._staff), "Owner gets mail no"),
            what="the hub to forget the owner's address",
        )
        step.saw("the hub has forgotten the address: no mail goes to the last owner")
        step.saw(next(line for line in log.splitlines() if "factory reset" in line))

    def _claim(self, step: Step) -> None:
        owner = self._visitor()
        name, password = _NEXT
        page = owner.get("/")
        claimed = owner.submit(page, name=name, password=password, code=self._device.setup_code)
        must("Log out" in claimed.text, f"the claim failed: {claimed.text[:300]}")
        step.saw(f"claimed by {name} with the code and under the certificate of the old label")
        refused = self._logs_in(*OWNER)
        must("Log out" not in refused.text, "the password of the last owner still opens it")
        step.saw(f"the last owner's password is refused with {refused.status}")
        version = until(self._device.version, what="the device's page", timeout_s=_START_TIMEOUT_S)
        must(version == self._before, f"it ran {self._before} and runs {version} now")
        step.saw(f"it runs {version} as before: a reset takes no update away")

    def _logs_in(self, name: str, password: str) -> Page:
        stranger = Visitor(self._device.url, sha256=self._device.sha256)
        return stranger.submit(stranger.get("/login"), name=name, password=password)

    def _accounts(self) -> object:
        return json.loads((self._device.folder / "auth/accounts.json").read_text())["accounts"]

    def _visitor(self) -> Visitor:
        label = self._device.scanned()
        return Visitor(label.url, sha256=label.sha256)

    def _start(self) -> None:
        self._site.start_device()
        self._site.supervisor.wait(self._device.name)
