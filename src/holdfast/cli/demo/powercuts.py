"""Cuts the power of the device at many points of an installation, and looks what starts after."""

import contextlib
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.cli.demo.attacker import StolenHub
from holdfast.cli.demo.maker import GATEWAY
from holdfast.cli.demo.report import TourError, must, until
from holdfast.cli.demo.site import DEVICE, Site, page_version
from holdfast.core.process import run
from holdfast.device.boot import boot_file
from holdfast.device.broker import state as boot_state
from holdfast.device.broker import tree

_COPY_TIMEOUT_S = 60.0
_BOOT_TIMEOUT_S = 20.0
_WHOLE_TIMEOUT_S = 60.0
# The last cuts come when the new system has proved itself, also on a machine that gets slower.
_BEYOND = 1.25


@dataclass(slots=True)
class Outcome:
    """What fifty power cuts led to.

    Attributes:
        whole_s: Seconds that an undisturbed installation takes from its first byte.
        started: How often each version started afterwards.
        cut_in: How far the installation was when the power went.
    """

    whole_s: float = 0.0
    started: Counter[str] = field(default_factory=Counter)
    cut_in: Counter[str] = field(default_factory=Counter)


class PowerCuts:
    """Repeats one installation from the same beginning, each time cut off a little later."""

    def __init__(self, site: Site, *, old: str, new: str) -> None:
        self._site = site
        self._device = site.places.device
        self._kept = site.places.state / "device-before"
        self._thief = StolenHub(site.places)
        self._old, self._new = old, new
        self._worked_on = ""

    def run(self, points: int, say: Callable[[int], None]) -> Outcome:
        """Cut the power at so many points spread over the installation.

        Args:
            points: How many cuts.
            say: Told the number of each cut.

        Raises:
            TourError: After a cut neither the old nor the new system was there whole.
        """
        outcome = Outcome()
        self._site.supervisor.stop("device")
        self._keep()
        self._rewind()
        outcome.whole_s = self._whole()
        for number in range(points):
            say(number)
            self._rewind()
            self._offer()
            self._start()
            self._wait_for_begin()
            time.sleep(outcome.whole_s * _BEYOND * number / points)
            self.cut()
            outcome.cut_in[self._phase()] += 1
            self._start()
            outcome.started[self._what_started(number)] += 1
            self.cut()
        self._rewind()
        self._thief.withdraw(DEVICE)
        self._site.start_device()
        self._site.supervisor.wait("device")
        return outcome

    def cut(self) -> None:
        """Kill every process of the device at once, as a power cut does."""
        launcher = self._site.supervisor.services["device"].process
        if launcher is None:
            raise TourError("the device was not running")
        for pid in _tree(launcher.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while left := _naming(self._device):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._site.supervisor.stop("device", kill=True)

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
        self._before = found.good
        self._worked_on = "b" if found.good == "a" else "a"
        shutil.rmtree(self._kept, ignore_errors=True)
        self._kept.mkdir()
        # The slots are large and never written in place: hard links are a copy of them.
        run(["cp", "-al", self._device / "slots", self._kept], timeout_s=_COPY_TIMEOUT_S)
        for name in self._small():
            run(["cp", "-a", self._device / name, self._kept], timeout_s=_COPY_TIMEOUT_S)

    def _rewind(self) -> None:
        """Put everything back as it was before the installation, without writing large files."""
        slot = f"slots/{self._worked_on}"
        record = f"slots/{self._before}/slot.json"
        for name in (*self._small(), slot):
            shutil.rmtree(self._device / name, ignore_errors=True)
        (self._device / record).unlink()
        small = [self._kept / name for name in self._small()]
        run(["cp", "-a", *small, self._device], timeout_s=_COPY_TIMEOUT_S)
        run(["cp", "-al", self._kept / slot, self._device / "slots"], timeout_s=_COPY_TIMEOUT_S)
        os.link(self._kept / record, self._device / record)

    def _small(self) -> list[str]:
        return ["agent", "auth", "boot", "broker", "gui", "verifier"]

    def _offer(self) -> int:
        return self._thief.offer(GATEWAY, self._new, DEVICE)

    def _start(self) -> None:
        (self._device / "run/page.json").unlink(missing_ok=True)
        self._site.start_device()

    def _state(self) -> boot_state.BootState:
        return boot_state.read(boot_file(self._device))

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
            "being verified": any((self._device / "broker/incoming").iterdir()),
            "being downloaded": self._has_begun(),
        }
        return next((name for name, seen in signs.items() if seen), "not begun")

    def _has_begun(self) -> bool:
        staging = self._device / "agent/staging"
        return staging.is_dir() and any(path.is_file() for path in staging.iterdir())

    def _what_started(self, number: int) -> str:
        """Wait for the page of whatever started, and hold its files against what was signed."""
        version = until(
            lambda: page_version(self._device),
            what=f"a system that starts after cut {number + 1}",
            timeout_s=_BOOT_TIMEOUT_S,
        )
        must(
            version in {self._old, self._new},
            f"after cut {number + 1} version {version} started, neither old nor new",
        )
        found = self._state()
        slot = self._device / "slots" / (found.booted or found.good)
        must(
            tree.digest(slot / "rootfs") == found.slots[found.booted or found.good].tree,
            f"after cut {number + 1} the files of version {version} are not whole",
        )
        return version


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError, ValueError):
            words = Path(f"/proc/{one}/task/{one}/children").read_text().split()
            found.extend(int(word) for word in words)
    return found


def _naming(folder: Path) -> list[int]:
    """Find processes that name a folder on their command line: the device's own."""
    wanted = os.fsencode(folder)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
    return found
