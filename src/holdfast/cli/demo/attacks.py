"""The attacks of the tour: each tried for real, each refused with its reason."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace

from holdfast.cli.demo.attacker import StolenHub
from holdfast.cli.demo.device import Device
from holdfast.cli.demo.faults import FaultyNetwork
from holdfast.cli.demo.looking import (
    OWNER,
    around,
    choose_hours,
    having,
    hub_device_page,
    owner_page,
)
from holdfast.cli.demo.maker import CAMERA, GATEWAY, Draft
from holdfast.cli.demo.powercuts import Lane, cut_off
from holdfast.cli.demo.report import Step, TourError, must, until
from holdfast.cli.demo.site import DEVICE, FACTORY, Site, free_port
from holdfast.cli.demo.visitor import Visitor
from holdfast.core.errors import HoldfastError
from holdfast.core.process import run
from holdfast.device.config import read as read_config
from holdfast.updates.release import Severity

_REFUSAL_TIMEOUT_S = 60.0
_INSTALL_TIMEOUT_S = 60.0
_COMMAND_TIMEOUT_S = 20.0
_SMALL_DISK = "8m"
_SECOND = "gateway-0002"
BROKEN = "1.6"
MIB = 1 << 20

Tell = Callable[[Step], None]


class Attacks:
    """Somebody owns the network or the hub; the device runs 1.2 and installs by itself."""

    def __init__(
        self, site: Site, network: FaultyNetwork, *, staff: Visitor, owner: Visitor
    ) -> None:
        self._site = site
        self._network = network
        self._staff = staff
        self._owner = owner
        self._thief = StolenHub(site.places)
        self._runs = "1.2"
        self._points = 0

    def all(self, points: int) -> list[tuple[str, Tell]]:
        """Return the attacks in their order.

        Args:
            points: How many times the power is cut.
        """
        self._points = points
        return [
            ("One byte of the image is flipped on the way", self._flipped),
            ("The hub is stolen and offers the release of another product", self._other_product),
            ("The hub offers a release for another hardware revision", self._other_hardware),
            ("The hub offers an older version", self._rollback),
            ("The hub keeps serving yesterday's news", self._frozen),
            ("The hub mixes lists of different days", self._mixed),
            ("The list of releases is signed with a foreign key", self._foreign_key),
            ("The list of releases lacks one of its two signatures", self._below_threshold),
            ("The download is cut off in the middle", self._truncated),
            ("The download never ends", self._endless),
            ("The device's disk is full", self._full_disk),
            (f"The power is cut at {points} points of an installation", self._power),
            ("A release that starts but is not healthy", self._unhealthy),
            ("The audit trail tells all of it, unbroken", self._trail),
        ]

    # Attacks on the network and on the choice of the release.

    def _flipped(self, step: Step) -> None:
        self._site.publish(self._site.maker.release(self._site.draft("1.3")))
        self._network.harm("flip", after_bytes=10 * MIB, times=10)
        self._refused(step, "1.3", "update-tampered")
        self._network.harm("none")

    def _other_product(self, step: Step) -> None:
        draft = Draft(
            version="2.0",
            image=self._site.image("1.2"),
            severity=Severity.LOW,
            notes="Software of the camera.",
            product=CAMERA,
            hardware=("a",),
        )
        self._site.publish(self._site.maker.release(draft))
        self._refused(step, "2.0", "update-wrong-product", product=CAMERA)

    def _other_hardware(self, step: Step) -> None:
        draft = replace(self._site.draft("1.3"), version="1.4", hardware=("b",))
        self._site.publish(self._site.maker.release(draft))
        self._refused(step, "1.4", "update-wrong-hardware")

    def _rollback(self, step: Step) -> None:
        self._refused(step, "1.0", "update-rollback")

    # Attacks on the signed lists: 1.5 is published, and no device has seen the new list yet.

    def _frozen(self, step: Step) -> None:
        self._site.publish(self._site.maker.release(self._site.draft("1.5")))
        with self._thief.undone(GATEWAY):
            self._thief.freeze()
            self._refused(step, "1.5", "update-expired")

    def _mixed(self, step: Step) -> None:
        with self._thief.undone(GATEWAY):
            self._thief.mix(GATEWAY)
            self._refused(step, "1.5", "update-mixed-metadata")

    def _foreign_key(self, step: Step) -> None:
        with self._thief.undone(GATEWAY):
            self._thief.sign_with_own_key(GATEWAY)
            self._refused(step, "1.5", "update-foreign-key")

    def _below_threshold(self, step: Step) -> None:
        draft = replace(self._site.draft("1.5"), version="1.5.1")
        try:
            self._site.publish(self._site.maker.half_signed(draft))
        except HoldfastError as error:
            step.saw(f"the hub does not take it: [{error.code}] {error}")
        else:
            raise TourError("the hub took a release with one signature of two")
        with self._thief.undone(GATEWAY):
            self._thief.keep_one_signature(GATEWAY)
            self._refused(step, "1.5", "update-below-threshold")

    # Harm without malice.

    def _truncated(self, step: Step) -> None:
        self._network.harm("cut", after_bytes=12 * MIB, times=1)
        self._thief.offer(GATEWAY, "1.3", DEVICE)
        self._until_runs("1.3")
        resumed = [each for each in self._network.ranges if each]
        must(resumed, "the download began anew")
        size = self._site.image("1.3").stat().st_size
        step.saw(
            f"cut after 12 MiB; the device asked on with Range: {resumed[0]} and got "
            f"{self._network.sent_bytes / MIB:.1f} MiB in all for an image of {size / MIB:.1f}"
        )
        must(self._network.sent_bytes < size + 2 * MIB, "more was sent than was missing")
        step.saw("the device runs 1.3")

    def _endless(self, step: Step) -> None:
        self._network.harm("endless", times=100)
        self._refused(step, "1.5", "update-too-long")
        step.saw(f"cut off after {self._network.sent_bytes / MIB:.1f} MiB")
        self._network.harm("none")

    def _full_disk(self, step: Step) -> None:
        must(os.geteuid() == 0, "a full disk can only be made by root here: run the tour as root")
        with self._small_disk():
            self._refused(step, "1.5", "no-space")
        step.saw(f"the place for downloads was a disk of {_SMALL_DISK}")

    def _power(self, step: Step) -> None:
        site = self._site
        second = replace(
            site.device,
            name=_SECOND,
            folder=site.places.state / "device-2",
            port=free_port(),
            page_port=free_port(),
            gateway_port=free_port(),
        )
        network = FaultyNetwork(
            port=second.gateway_port, upstream=f"http://127.0.0.1:{site.ports.gateway}"
        )
        with contextlib.closing(network):
            self._make_another(second)
            site.supervisor.stop(site.device.name, second.name)
            lanes = [
                Lane(site, site.device, self._network, new="1.5"),
                Lane(site, second, network, new="1.5"),
            ]
            outcome = cut_off(lanes, self._points)
        self._restart_device()
        step.saw(f"two devices in turn, from {self._runs} and from {FACTORY} to 1.5")
        step.saw(f"an undisturbed installation takes {outcome.whole_s:.1f} s from its first byte")
        told = ", ".join(f"{count} {name}" for name, count in sorted(outcome.cut_in.items()))
        step.saw(f"where the cuts fell: {told}")
        told = ", ".join(f"{n} times {version}" for version, n in sorted(outcome.started.items()))
        step.saw(f"started afterwards, every file whole: {told}; never neither")
        must(sum(outcome.started.values()) == self._points, "not every cut was looked at")

    def _make_another(self, device: Device) -> None:
        """Make a second device, claim it, and let it install by itself."""
        self._site.make_device(device)
        self._site.start_device(device)
        self._site.supervisor.wait(device.name)
        owner = Visitor(device.url, sha256=device.sha256)
        name, password = OWNER
        owner.submit(owner.get("/"), name=name, password=password, code=device.setup_code)
        choose_hours(owner)

    def _unhealthy(self, step: Step) -> None:
        draft = Draft(
            version=BROKEN,
            image=self._site.image(BROKEN, broken=True),
            severity=Severity.LOW,
            notes="A release in which somebody forgot a library.",
        )
        self._site.publish(self._site.maker.release(draft))
        self._refused(step, BROKEN, "update-unhealthy", "fell back")
        facts = self._site.device.facts()
        slots = facts["slots"]
        told = {name: f"{s['version']} {s['state']}" for name, s in slots.items()}
        step.saw(f"the device runs {facts['version']} again; slots: {told}")

    def _trail(self, step: Step) -> None:
        told = self._site.hub_command("verify-trail")
        step.saw(told.strip().replace("\n", " "))

    # What every attack needs.

    def _refused(
        self, step: Step, version: str, code: str, *words: str, product: str = GATEWAY
    ) -> None:
        """Offer a release as the thief does; it must be refused everywhere for this reason."""
        number = self._thief.offer(product, version, DEVICE)
        state, found, reason = until(
            lambda: self._ended(number),
            what=f"an end of the offer of {product} {version}",
            timeout_s=_REFUSAL_TIMEOUT_S,
        )
        must(
            (found, state in {"refused", "failed"}) == (code, True),
            f"expected a refusal with {code}; the offer is {state}: [{found}] {reason}",
        )
        page = until(
            lambda: having(hub_device_page(self._staff), version, *words),
            what="the refusal on the hub's page",
        )
        must(
            reason.split(".")[0][:40] in page.text or reason[:40] in page.text,
            f"the hub's page does not give the reason: {reason}",
        )
        mine = until(
            lambda: having(owner_page(self._owner, "/history"), code),
            what=f"{code} in the device's own history",
        )
        step.saw(f"device: {around(mine.text, version if version in mine.text else code)}")
        step.saw(f"hub: [{found}] {reason}")
        runs = until(self._site.device.version, what="the device's page")
        must(runs == self._runs, f"the device runs {runs}, not {self._runs} as before")

    def _ended(self, number: int) -> tuple[str, str, str] | None:
        found = self._thief.state_of(number)
        return found if found[0] in {"refused", "failed", "confirmed", "cancelled"} else None

    def _until_runs(self, version: str) -> None:
        until(
            lambda: self._site.device.version() == version,
            what=f"the device to run {version}",
            timeout_s=_INSTALL_TIMEOUT_S,
        )
        until(
            lambda: having(hub_device_page(self._staff), f"Runs {version}", "confirmed"),
            what=f"the hub to confirm {version}",
        )
        self._runs = version

    @contextlib.contextmanager
    def _small_disk(self) -> Iterator[None]:
        """Put a small file system where downloads go, while the device is off."""
        config = read_config(self._site.device.config)
        agent = config.uids.agent
        self._site.supervisor.stop(self._site.device.name)
        config.staging.mkdir(exist_ok=True)
        os.chown(config.staging, agent, agent)
        options = f"size={_SMALL_DISK},uid={agent},gid={agent},mode=0755,nosuid,nodev,noexec"
        run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", config.staging],
            timeout_s=_COMMAND_TIMEOUT_S,
        )
        try:
            self._restart_device()
            yield
        finally:
            self._site.supervisor.stop(self._site.device.name)
            run(["umount", config.staging], timeout_s=_COMMAND_TIMEOUT_S)
            self._restart_device()

    def _restart_device(self) -> None:
        self._site.start_device()
        self._site.supervisor.wait(self._site.device.name)
