"""Cuts the power of the device at many points of an installation, and looks what starts after."""

import contextlib
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.cli.demo.attacker import StolenHub
from holdfast.cli.demo.device import Device
from holdfast.cli.demo.faults import FaultyNetwork
from holdfast.cli.demo.maker import GATEWAY
from holdfast.cli.demo.report import TourError, must, until
from holdfast.cli.demo.site import Site
from holdfast.cli.demo.supervisor import with_children
from holdfast.core.process import run
from holdfast.device.boot import boot_file
from holdfast.device.broker import state as boot_state
from holdfast.device.broker import tree

_COPY_TIMEOUT_S = 60.0
_BOOT_TIMEOUT_S = 20.0
_WHOLE_TIMEOUT_S = 60.0
# The last cuts come when the new system has proved itself, also on a machine that gets slower.
_BEYOND = 1.1


@dataclass(slots=True)
class Outcome:
    """What the power cuts led to.

    Attributes:
        whole_s: Seconds that an undisturbed installation takes from its first byte.
        started: How often each version started afterwards.
        cut_in: How far the installation was when the power went.
    """

    whole_s: float = 0.0
    started: Counter[str] = field(default_factory=Counter)
    cut_in: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Outcome") -> "Outcome":
        """Put together what two devices went through."""
        return Outcome(
            whole_s=max(self.whole_s, other.whole_s),
            started=self.started + other.started,
            cut_in=self.cut_in + other.cut_in,
        )


def cut_off(lanes: Sequence["Lane"], points: int) -> Outcome:
    """Cut the power at so many points spread over an installation.

    The devices take turns at the points and work at the same time. Each must be switched off.

    Args:
        lanes: One for each device.
        points: How many cuts in all.

    Raises:
        TourError: After a cut neither the old nor the new system was there whole.
    """
    shares = [[k / points for k in range(n, points, len(lanes))] for n in range(len(lanes))]
    with ThreadPoolExecutor(max_workers=len(lanes)) as pool:
        outcomes = list(pool.map(lambda lane, share: lane.go(share), lanes, shares))
    return sum(outcomes, Outcome())


class Lane:
    """One device; repeats one installation from the same beginning, cut off at given moments."""

    def __init__(self, site: Site, device: Device, network: FaultyNetwork, *, new: str) -> None:
        self._site = site
        self._device = device
        self._network = network
        self._folder = device.folder
        self._kept = device.folder.with_name(f"{device.folder.name}-before")
        self._thief = StolenHub(site.places)
        self._new = new
        self._old = ""
        self._before = self._worked_on = ""

    def go(self, moments: Sequence[float]) -> Outcome:
        """Cut the power at moments of the installation, each from 0 to 1.

        Raises:
            TourError: After a cut neither the old nor the new system was there whole.
        """
        outcome = Outcome()
        self._keep()
        self._rewind()
        outcome.whole_s = self._whole()
        for moment in moments:
            self._rewind()
            self._offer()
            self._start()
            self._wait_for_begin()
            time.sleep(outcome.whole_s * _BEYOND * moment)
            self.cut()
            outcome.cut_in[self._phase()] += 1
            # What starts now is only looked at: the hub shall not hear of a system that the next
            # round puts back.
            self._network.harm("down")
            self._start()
            outcome.started[self._what_started(moment)] += 1
            self.cut()
            self._network.harm("none")
        self._rewind()
        self._thief.withdraw(self._device.name)
        return outcome

    def cut(self) -> None:
        """Kill every process of the device at once, as a power cut does."""
        launcher = self._site.supervisor.services[self._device.name].process
        if launcher is None:
            raise TourError("the device was not running")
        for pid in with_children(launcher.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while left := _naming(self._folder):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._site.supervisor.stop(self._device.name, kill=True)

    def _whole(self) -> float:
        """Let one installation run to its end; gives its duration from the first byte."""
        number = self._offer()
        self._start()
        self._wait_for_begin()
        begun = time.monotonic()
        until(
            lambda: self._state().good != self._before and self._state().trying is None,
            what=f"offer {number} to be installed and to prove itself",
            timeout_s=_WHOLE_TIMEOUT_S,
        )
        took_s = time.monotonic() - begun
        self.cut()
        return took_s

    def _keep(self) -> None:
        found = self._state()
        self._before, self._old = found.good, found.slots[found.good].version
        self._worked_on = "b" if found.good == "a" else "a"
        shutil.rmtree(self._kept, ignore_errors=True)
        self._kept.mkdir()
        # The slots are large and never written in place: hard links are a copy of them.
        run(["cp", "-al", self._folder / "slots", self._kept], timeout_s=_COPY_TIMEOUT_S)
        for name in self._small():
            run(["cp", "-a", self._folder / name, self._kept], timeout_s=_COPY_TIMEOUT_S)

    def _rewind(self) -> None:
        """Put everything back as it was before the installation, without writing large files."""
        slot = f"slots/{self._worked_on}"
        record = f"slots/{self._before}/slot.json"
        for name in (*self._small(), slot):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        (self._folder / record).unlink()
        small = [self._kept / name for name in self._small()]
        run(["cp", "-a", *small, self._folder], timeout_s=_COPY_TIMEOUT_S)
        run(["cp", "-al", self._kept / slot, self._folder / "slots"], timeout_s=_COPY_TIMEOUT_S)
        os.link(self._kept / record, self._folder / record)

    def _small(self) -> list[str]:
        return ["agent", "auth", "boot", "broker", "gui", "verifier"]

    def _offer(self) -> int:
        until(
            lambda: not self._thief.unheard(self._device.name),
            what="the worker to handle what the device reported",
            timeout_s=_WHOLE_TIMEOUT_S,
            pause_s=0.02,
        )
        return self._thief.offer(GATEWAY, self._new, self._device.name)

    def _start(self) -> None:
        (self._folder / "run/page.json").unlink(missing_ok=True)
        self._site.start_device(self._device)

    def _state(self) -> boot_state.BootState:
        return boot_state.read(boot_file(self._folder))

    def _wait_for_begin(self) -> None:
        until(
            self._has_begun,
            what="the device to begin the download",
            timeout_s=_BOOT_TIMEOUT_S,
            pause_s=0.01,
        )

    def _phase(self) -> str:
        """Say in a word how far the installation was; what lies on the disk tells."""
        found = self._state()
        slot = found.slots[self._worked_on]
        signs = {
            "proved": found.good != self._before,
            "on trial": found.trying is not None,
            "being written": slot.state == "writing",
            "written": slot.version == self._new,
            "being verified": any((self._folder / "broker/incoming").iterdir()),
            "being downloaded": self._has_begun(),
        }
        return next((name for name, seen in signs.items() if seen), "not begun")

    def _has_begun(self) -> bool:
        staging = self._folder / "agent/staging"
        return staging.is_dir() and any(path.is_file() for path in staging.iterdir())

    def _what_started(self, moment: float) -> str:
        """Wait for the page of whatever started, and hold its files against what was signed."""
        cut = f"the cut at {moment:.0%}"
        version = until(
            self._device.version,
            what=f"a system that starts after {cut}",
            timeout_s=_BOOT_TIMEOUT_S,
        )
        must(
            version in {self._old, self._new},
            f"after {cut} version {version} started, neither old nor new",
        )
        found = self._state()
        booted = found.booted or found.good
        must(
            tree.digest(self._folder / "slots" / booted / "rootfs") == found.slots[booted].tree,
            f"after {cut} the files of version {version} are not whole",
        )
        return version


def _naming(folder: Path) -> list[int]:
    """Find processes that name a folder on their command line: the device's own."""
    wanted = os.fsencode(folder) + b"/"
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found
