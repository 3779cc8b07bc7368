"""What the bootloader would keep: which slot is good, which is being tried, what each holds.

Written whole by the broker and by the boot code, never by both at once: the boot code writes
while no broker runs. Standard library only.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, cast, get_args

from holdfast.core.files import write_whole
from holdfast.device.broker.errors import StateError

SCHEMA = 1
NAMES = ("a", "b")
TRIES = 3
"""Starts that a new slot is given: a power cut during the first is not the release's fault."""

_LONGEST_TEXT = 500
_LONGEST_FILE_BYTES = 64 << 10

Kind = Literal["empty", "writing", "ready", "trying", "good", "bad"]
"""`writing`: being unpacked, holds nothing of use. `ready`: whole, never started."""


class Slot(NamedTuple):
    """What one slot directory holds.

    Attributes:
        state: How far it is trusted.
        version: Version label of the release in it; empty if none.
        sha256: Digest of the image it was unpacked from.
        tree: Digest of the unpacked tree.
        floor: Security floor of that release: no device that ran it goes below.
        made: When the release was made, RFC 3339 in UTC; the clock cannot be before it.
        reason: Why it is bad or empty, for the owner.
    """

    state: Kind = "empty"
    version: str = ""
    sha256: str = ""
    tree: str = ""
    floor: str = "0.0"
    made: str = ""
    reason: str = ""


class BootState(NamedTuple):
    """The whole of `boot.json`.

    Attributes:
        good: Slot that proved itself last.
        trying: Slot that is to prove itself, None if none is.
        tries_left: Starts that it still has.
        booted: Slot that runs now or ran last; empty before the first start.
        boot_id: Random name of that start.
        floor: Highest security floor of all releases that ever proved themselves here.
        slots: Both slots by name.
        note: What the boot code found wrong and repaired, for the owner; empty if nothing.
    """

    good: str
    trying: str | None = None
    tries_left: int = 0
    booted: str = ""
    boot_id: str = ""
    floor: str = "0.0"
    slots: Mapping[str, Slot] = MappingProxyType(dict.fromkeys(NAMES, Slot()))
    note: str = ""

    @property
    def running(self) -> Slot:
        """The slot that runs now."""
        return self.slots[self.booted]

    @property
    def other(self) -> str:
        """Name of the slot that does not run."""
        return NAMES[1 - NAMES.index(self.booted)]

    @property
    def proving(self) -> bool:
        """Whether the slot that runs is being tried."""
        return self.trying is not None and self.trying == self.booted

    def with_slot(self, name: str, slot: Slot) -> "BootState":
        """Give the same state with another content of one slot."""
        return self._replace(slots={**self.slots, name: slot})

    def given_up(self, name: str, reason: str) -> "BootState":
        """Give the state after a slot failed its trial."""
        bad = self.slots[name]._replace(state="bad", reason=clean(reason))
        return self.with_slot(name, bad)._replace(trying=None, tries_left=0)


def number(label: str) -> tuple[int, ...]:
    """Make a version label comparable; `1.2` and `1.2.0` are the same.

    Raises:
        StateError: It is not two or three numbers.
    """
    parts = label.split(".")
    if not 2 <= len(parts) <= 3 or not all(  # noqa: PLR2004 - two or three, as it says
        part.isascii() and part.isdigit() and len(part) <= 3  # noqa: PLR2004 - up to 999
        for part in parts
    ):
        raise StateError(f"{label[:40]!r} is not a version")
    return (*(int(part) for part in parts), 0)[:3]


def highest(*labels: str) -> str:
    """Choose the highest of version labels."""
    return max(labels, key=number)


def clean(text: str) -> str:
    """Make foreign text printable, on one line and bounded."""
    words = "".join(mark if mark.isprintable() else " " for mark in text).split()
    return " ".join(words)[:_LONGEST_TEXT]


def read(path: Path) -> BootState:
    """Read `boot.json`.

    Raises:
        StateError: It is missing, damaged, or contradicts itself.
    """
    try:
        with path.open("rb") as file:
            raw = json.loads(file.read(_LONGEST_FILE_BYTES + 1).decode())
    except FileNotFoundError as error:
        raise StateError(f"{path.name} is missing") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StateError(f"{path.name} cannot be read") from error
    try:
        return _checked(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"{path.name} makes no sense") from error


def _checked(raw: dict[str, Any]) -> BootState:
    if raw["schema"] != SCHEMA or set(raw["slots"]) != set(NAMES):
        raise ValueError
    slots = {name: slot_of(raw["slots"][name]) for name in NAMES}
    state = BootState(
        good=raw["good"],
        trying=raw["trying"],
        tries_left=raw["tries_left"],
        booted=raw["booted"],
        boot_id=_text(raw["boot_id"]),
        floor=raw["floor"],
        slots=slots,
        note=_text(raw.get("note", "")),
    )
    number(state.floor)
    if state.good not in NAMES or slots[state.good].state != "good":
        raise ValueError
    if state.booted not in ("", *NAMES) or type(state.tries_left) is not int:
        raise ValueError
    if state.trying is not None:
        if state.trying not in NAMES or state.trying == state.good:
            raise ValueError
        if slots[state.trying].state != "trying":
            raise ValueError
    return state


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def slot_of(raw: Mapping[str, Any]) -> Slot:
    """Read what one slot holds.

    Raises:
        ValueError: A value makes no sense.
        TypeError: A value is no text.
    """
    values = {name: _text(raw.get(name, "")) for name in Slot._fields}
    values["floor"] = values["floor"] or "0.0"
    number(values["floor"])
    if values["version"]:
        number(values["version"])
    state = values.pop("state")
    if state not in get_args(Kind):
        raise ValueError
    return Slot(state=cast("Kind", state), **values)


def write(path: Path, state: BootState) -> None:
    """Replace `boot.json` at once.

    Raises:
        NoSpaceError: The disk is full; the old state still holds.
    """
    slots = {name: slot._asdict() for name, slot in state.slots.items()}
    whole = {"schema": SCHEMA, **state._asdict(), "slots": slots}
    write_whole(path, json.dumps(whole, indent=1).encode() + b"\n")


class SlotRecord(NamedTuple):
    """The whole of `slot.json` beside an unpacked tree: what boot.json is found again from.

    Attributes:
        slot: What the slot holds.
        confirmed: Whether it ever proved itself on this device.
    """

    slot: Slot
    confirmed: bool


def read_record(folder: Path) -> SlotRecord | None:
    """Read `slot.json` of a slot folder; None if it is missing or damaged."""
    try:
        with (folder / "slot.json").open("rb") as file:
            raw = json.loads(file.read(_LONGEST_FILE_BYTES + 1).decode())
        slot = slot_of(raw["slot"])
        number(slot.version)
        return SlotRecord(slot=slot, confirmed=raw["confirmed"] is True)
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, StateError,
    ):  # fmt: skip
        return None


def write_record(folder: Path, record: SlotRecord) -> None:
    """Replace `slot.json` of a slot folder at once.

    Raises:
        NoSpaceError: The disk is full.
    """
    whole = {"slot": record.slot._asdict(), "confirmed": record.confirmed}
    write_whole(folder / "slot.json", json.dumps(whole, indent=1).encode() + b"\n")
