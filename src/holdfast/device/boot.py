"""Stand-in for the bootloader: chooses the slot to start, and finds lost state again.

Standard library only.
"""

import os
from contextlib import suppress
from pathlib import Path

from holdfast.core.errors import HoldfastError, NoSpaceError
from holdfast.device.broker import state, tree
from holdfast.device.broker.errors import StateError
from holdfast.device.broker.state import NAMES, BootState, Slot, SlotRecord
from holdfast.hardening.confine import StartError

_CUT_OFF = "the installation was cut off"


class BootError(HoldfastError):
    """No slot holds a whole system."""

    code = "device-no-slot"
    hint = "Make the device anew with `holdfast device new`, or restore its folder from a backup."


def boot_file(folder: Path) -> Path:
    """Name the file in which the state of the slots is kept."""
    return folder / "boot" / "boot.json"


def choose(folder: Path) -> BootState:
    """Decide which slot starts now, and note the decision before anything of it runs.

    Args:
        folder: Folder of the device.

    Raises:
        BootError: Neither slot holds a whole system.
    """
    note = ""
    try:
        found = state.read(boot_file(folder))
        _must_have_tree(folder, found.good)
    except StateError as error:
        found = recover(folder)
        note = f"{error}; the state was found again from the slots"
    found = _tidied(folder, found)._replace(note=note, boot_id=os.urandom(16).hex())
    if found.trying is None:
        return _noted(folder, found._replace(booted=found.good))
    if not found.tries_left:
        reason = f"it did not prove itself in {state.TRIES} starts"
        given_up = found.given_up(found.trying, reason)
        return _noted(folder, given_up._replace(booted=found.good))
    trying = found._replace(booted=found.trying, tries_left=found.tries_left - 1)
    try:
        state.write(boot_file(folder), trying)
    except NoSpaceError:
        # A try that cannot be counted might be repeated for ever.
        return found._replace(booted=found.good, note="disk full: the new version was not tried")
    return trying


def give_up(folder: Path, reason: str) -> None:
    """Mark the running slot bad after a failed trial, so that the good one starts next."""
    with suppress(StateError):
        found = state.read(boot_file(folder))
        if found.proving:
            with suppress(NoSpaceError):  # then the counted tries end the trial
                state.write(boot_file(folder), found.given_up(found.booted, reason))


def recover(folder: Path) -> BootState:
    """Find the state again from what is in the slots: whole trees, confirmed ones first.

    Raises:
        BootError: Neither slot holds a whole system.
    """
    records = {name: _whole(folder / "slots" / name) for name in NAMES}
    found = {name: record for name, record in records.items() if record is not None}
    if not found:
        raise BootError("neither slot holds a whole system")
    good = max(
        found, key=lambda name: (found[name].confirmed, state.number(found[name].slot.version))
    )
    slots = {name: Slot(reason=_CUT_OFF) for name in NAMES}
    for name, record in found.items():
        kept = "good" if record.confirmed or name == good else "ready"
        slots[name] = record.slot._replace(state="good" if kept == "good" else "ready", reason="")
    floors = [record.slot.floor for record in found.values() if record.confirmed]
    return BootState(good=good, slots=slots, floor=state.highest("0.0", *floors))


def _whole(folder: Path) -> SlotRecord | None:
    record = state.read_record(folder)
    if record is None:
        return None
    try:
        same = tree.digest_apart(folder / "rootfs") == record.slot.tree
    except (OSError, StartError):
        return None
    return record if same else None


def _has_tree(folder: Path, name: str) -> bool:
    return (folder / "slots" / name / "rootfs").is_dir()


def _must_have_tree(folder: Path, name: str) -> None:
    if not _has_tree(folder, name):
        raise StateError(f"slot {name} is empty")


def _tidied(folder: Path, found: BootState) -> BootState:
    for name, slot in found.slots.items():
        if slot.state == "writing":
            found = found.with_slot(name, Slot(reason=_CUT_OFF))
        elif slot.state != "empty" and not _has_tree(folder, name):
            lost = Slot(state="empty", reason="its files are gone")
            found = found.with_slot(name, lost)
            if found.trying == name:
                found = found._replace(trying=None, tries_left=0)
    return found


def _noted(folder: Path, found: BootState) -> BootState:
    try:
        state.write(boot_file(folder), found)
    except NoSpaceError:
        return found._replace(note="disk full: this start could not be noted")
    return found
