"""Central login on the device: its settings, its sealed secrets, and whom it asks."""

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple

from holdfast.accounts.directories import asking
from holdfast.accounts.directories.asking import Told
from holdfast.core.files import write_whole
from holdfast.device.auth.errors import CentralError, CentralFileError

LOCAL = "local"
PART_BYTES = 2000
MOST_PARTS = 128
_FILE_MODE = 0o600
_MOST_BYTES = 1 << 20
_STAGED_S = 300.0


class Settings(NamedTuple):
    """What auth has to know of the settings without reading them.

    Attributes:
        plain: JSON of `accounts.directories.settings.CentralLogin`.
        segments: Groups to ask, cut where the local accounts stand.
        local_names: Emergency accounts, folded.
        budget_s: Seconds for one login altogether.
        sealed: Sealed secrets by name.
        epoch: Changes whenever they are written; sessions of an older one are over.
        is_damaged: Whether they stand in for settings that cannot be read.
    """

    plain: Mapping[str, Any]
    segments: tuple[tuple[str, ...], ...] = ((LOCAL,),)
    local_names: tuple[str, ...] = ()
    budget_s: int = 10
    sealed: Mapping[str, str] = MappingProxyType({})
    epoch: int = 0
    is_damaged: bool = False

    @property
    def asks_servers(self) -> bool:
        """Whether anybody beside this device is asked."""
        return any(segment != (LOCAL,) for segment in self.segments)


class Central:
    """The settings of central login of one device.

    Args:
        path: The file; 0600.
        monotonic: A clock that only runs forward.
    """

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._staged: dict[int, str] = {}
        self._staged_at = 0.0
        self._dead: dict[str, float] = {}
        self._warned: dict[str, date] = {}
        # Parts are staged by one thread and put into force by another.
        self._lock = Lock()
        self._read: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force; local accounts only where there are none.

        Raises:
            CentralFileError: They are damaged. Only local accounts are heard then.
        """
        with self._lock:
            if self._read is None:
                self._read = _read(self._path)
            return self._read

    def settings_or_local(self) -> Settings:
        """Give them; local accounts alone where they are damaged."""
        try:
            return self.settings
        except CentralFileError:
            return Settings(plain={}, is_damaged=True)

    def part(self, number: int) -> tuple[str, int]:
        """Give one part of the settings as JSON, and how many there are; no secret is in them."""
        found = self.settings
        told = {"settings": found.plain, "secrets": sorted(found.sealed)}
        # ASCII, so that a part is as long in a packet as it is here, but for its quotes.
        text = base64.b64encode(json.dumps(told).encode()).decode()
        parts = max(1, -(-len(text) // PART_BYTES))
        return text[number * PART_BYTES : (number + 1) * PART_BYTES], parts

    def stage(self, *, part: int, parts: int, text: str) -> None:
        """Take one part of new settings; with the first, what was staged before is dropped.

        Raises:
            CentralError: They do not come in their order.
        """
        now_s = self._monotonic()
        with self._lock:
            if part == 0 or now_s - self._staged_at > _STAGED_S:
                self._staged.clear()
            if part >= parts or part != len(self._staged):
                self._staged.clear()
                raise CentralError("The parts of the settings must come in their order.")
            self._staged[part] = text
            self._staged_at = now_s

    def staged(self) -> str:
        """Give what was staged, once.

        Raises:
            CentralError: It is nothing, or no text.
        """
        with self._lock:
            text = "".join(self._staged.values())
            self._staged.clear()
        try:
            return base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise CentralError("The settings cannot be read.") from error

    def write(self, judged: Mapping[str, Any], *, epoch: int) -> None:
        """Put settings into force that the worker judged and whose secrets it sealed.

        Raises:
            NoSpaceError: The disk is full; the old settings stay in force.
        """
        kept = judged["settings"]
        try:
            before = dict(self.settings.sealed)
        except CentralFileError:
            before = {}
        sealed = {
            name: text
            for name, text in {**before, **judged["sealed"]}.items()
            if name in kept["secret_names"] and name not in judged["dropped"]
        }
        content = {"schema": 1, "epoch": epoch, "sealed": sealed, **kept}
        with self._lock:
            write_whole(self._path, json.dumps(content).encode(), mode=_FILE_MODE)
            self._read = None
            self._dead = {}
            self._warned = {}

    def reseal(self, sealed: Mapping[str, str]) -> None:
        """Keep the same secrets, sealed anew; names that are not known any more are left out.

        Raises:
            NoSpaceError: The disk is full; the old ones stay in force.
            CentralFileError: The settings are damaged.
        """
        if _known(self.settings.sealed, sealed) == {}:
            return
        with self._lock:
            found = json.loads(self._path.read_bytes())
            found["sealed"] = {**found["sealed"], **_known(found["sealed"], sealed)}
            write_whole(self._path, json.dumps(found).encode(), mode=_FILE_MODE)
            self._read = None

    def ask(
        self, settings: Settings, secrets: Mapping[str, str],
        *, name: str, password: str, source: str, groups: tuple[str, ...],
    ) -> Told:  # fmt: skip
        """Ask groups of servers who somebody is.

        Args:
            settings: Of which the secrets are: never those that were put into force since.
            secrets: By name.
            name: As typed.
            password: As typed.
            source: Address of the browser.
            groups: Groups of servers, in this order.

        Raises:
            DirectoryChildError: There was no answer.
        """
        now_s = self._monotonic()
        told = asking.login(
            json.dumps(settings.plain).encode(),
            secrets,
            name=name,
            password=password,
            source=source,
            groups=groups,
            dead={one: until - now_s for one, until in self._dead.items() if until > now_s},
            budget_s=float(settings.budget_s),
        )
        now_s = self._monotonic()
        self._dead = {one: now_s + left_s for one, left_s in told.dead.items()}
        return told

    def endings(self, told: Told, *, today: date) -> dict[str, str]:
        """Give the last days of certificates that end soon, of each server once a day."""
        due = {one: day for one, day in told.ending.items() if self._warned.get(one) != today}
        self._warned.update(dict.fromkeys(due, today))
        return due

    def try_out(
        self, settings: Settings, secrets: Mapping[str, str],
        *, server: str, name: str, password: str,
    ) -> asking.Tested:  # fmt: skip
        """Try one server step by step, with settings and secrets of the same time.

        Raises:
            DirectoryChildError: There was no answer.
        """
        return asking.try_out(
            json.dumps(settings.plain).encode(),
            secrets,
            server=server,
            name=name,
            password=password,
            budget_s=float(settings.budget_s),
        )


def _known(before: Mapping[str, str], sealed: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in sealed.items() if name in before}


def _read(path: Path) -> Settings:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return Settings(plain={})
    except OSError as error:
        raise CentralFileError(_DAMAGED) from error
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        found = json.loads(text)
        if found["schema"] == 1:
            return Settings(
                plain=dict(found["settings"]),
                segments=tuple(tuple(str(one) for one in each) for each in found["segments"]),
                local_names=tuple(str(name) for name in found["local_names"]),
                budget_s=int(found["budget_s"]),
                sealed={str(name): str(each) for name, each in found["sealed"].items()},
                epoch=int(found["epoch"]),
            )
    raise CentralFileError(_DAMAGED)


_DAMAGED = "The settings of central login are damaged or cannot be read."
