"""The stand-in for the bootloader: it always finds a whole slot to start, whatever is damaged."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.core.errors import NoSpaceError
from holdfast.device import boot
from holdfast.device.boot import BootError, boot_file
from holdfast.device.broker import state, tree
from holdfast.device.broker.errors import StateError
from holdfast.device.broker.state import BootState, Kind, Slot, SlotRecord


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a device whose slot a holds 1.0, confirmed, and whose slot b is empty."""
    (tmp_path / "boot").mkdir()
    first = filled(tmp_path, "a", "1.0", kind="good", confirmed=True)
    (tmp_path / "slots/b").mkdir()
    state.write(boot_file(tmp_path), BootState(good="a", slots={"a": first, "b": Slot()}))
    return tmp_path


def filled(
    folder: Path, name: str, version: str, *, kind: Kind, confirmed: bool, floor: str = "0.0"
) -> Slot:
    root = folder / "slots" / name / "rootfs"
    (root / "www").mkdir(parents=True)
    (root / "www" / "version.txt").write_text(version)
    slot = Slot(state=kind, version=version, sha256="0" * 64, tree=tree.digest(root), floor=floor)
    state.write_record(root.parent, SlotRecord(slot=slot, confirmed=confirmed))
    return slot


def on_trial(folder: Path, version: str = "1.1", tries_left: int = state.TRIES) -> None:
    slot = filled(folder, "b", version, kind="trying", confirmed=False)
    before = state.read(boot_file(folder))
    state.write(
        boot_file(folder),
        before.with_slot("b", slot)._replace(trying="b", tries_left=tries_left),
    )


def test_good_slot_starts(folder: Path) -> None:
    found = boot.choose(folder)
    assert (found.booted, found.proving, found.note) == ("a", False, "")
    assert state.read(boot_file(folder)) == found


def test_every_start_has_a_name_of_its_own(folder: Path) -> None:
    assert boot.choose(folder).boot_id != boot.choose(folder).boot_id


def test_new_slot_is_tried_a_few_times_and_then_given_up(folder: Path) -> None:
    on_trial(folder)
    for left in reversed(range(state.TRIES)):
        found = boot.choose(folder)
        assert (found.booted, found.tries_left, found.proving) == ("b", left, True)
    found = boot.choose(folder)
    assert (found.booted, found.trying) == ("a", None)
    assert found.slots["b"].state == "bad"
    assert "3 starts" in found.slots["b"].reason


def test_failed_trial_falls_back_at_once(folder: Path) -> None:
    on_trial(folder)
    boot.choose(folder)
    boot.give_up(folder, "its health check ended with 1")
    found = boot.choose(folder)
    assert found.booted == "a"
    assert found.slots["b"].reason == "its health check ended with 1"


def test_giving_up_never_touches_a_good_slot(folder: Path) -> None:
    boot.choose(folder)
    boot.give_up(folder, "nonsense")
    assert state.read(boot_file(folder)).slots["a"].state == "good"


def test_half_written_slot_is_empty_after_the_next_start(folder: Path) -> None:
    before = state.read(boot_file(folder))
    state.write(boot_file(folder), before.with_slot("b", Slot(state="writing", version="1.1")))
    found = boot.choose(folder)
    assert (found.booted, found.slots["b"].state) == ("a", "empty")
    assert "cut off" in found.slots["b"].reason


def remove(path: Path) -> None:
    path.unlink()


def damage(content: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_bytes(content)

    return change


def contradict(**changes: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoil",
    [
        remove,
        damage(b""),
        damage(b"\0" * 300),
        damage(b'{"schema": 1'),
        damage(b"[]"),
        damage(b"[" * 5000),
        damage(b"x" * 100_000),
        contradict(schema=2),
        contradict(good="b"),
        contradict(good="c"),
        contradict(good=None),
        contradict(trying="a"),
        contradict(trying="b"),
        contradict(tries_left="3"),
        contradict(tries_left=True),
        contradict(booted="../a"),
        contradict(floor="high"),
        contradict(slots={}),
        contradict(slots={"a": {"state": "fine"}, "b": {}}),
        contradict(slots=[]),
    ],
)
def test_damaged_state_is_found_again_from_the_slots(
    folder: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(boot_file(folder))
    with pytest.raises(StateError):
        state.read(boot_file(folder))
    found = boot.choose(folder)
    assert found.booted == "a"
    assert found.running.version == "1.0"
    assert "found again" in found.note
    assert state.read(boot_file(folder)) == found


def test_confirmed_slot_goes_before_a_newer_one_that_never_proved_itself(folder: Path) -> None:
    filled(folder, "b", "1.1", kind="ready", confirmed=False)
    boot_file(folder).unlink()
    found = boot.choose(folder)
    assert found.booted == "a"
    assert found.slots["b"].state == "ready"


def test_newer_of_two_confirmed_slots_starts_and_its_floor_holds(folder: Path) -> None:
    filled(folder, "b", "1.10", kind="good", confirmed=True, floor="1.9")
    boot_file(folder).unlink()
    found = boot.choose(folder)
    assert (found.booted, found.floor) == ("b", "1.9")


def test_damaged_tree_is_not_taken_for_whole(folder: Path) -> None:
    filled(folder, "b", "1.1", kind="good", confirmed=True)
    (folder / "slots/b/rootfs/www/version.txt").write_text("1.2")
    boot_file(folder).unlink()
    assert boot.choose(folder).booted == "a"


def test_good_slot_without_files_gives_way_to_the_other(folder: Path) -> None:
    filled(folder, "b", "1.1", kind="good", confirmed=True)
    (folder / "slots/a/rootfs").rename(folder / "gone")
    found = boot.choose(folder)
    assert found.booted == "b"
    assert "slot a is empty" in found.note


def test_no_whole_slot_is_said_and_not_guessed(folder: Path) -> None:
    boot_file(folder).unlink()
    (folder / "slots/a/slot.json").write_text("{}")
    with pytest.raises(BootError) as refused:
        boot.choose(folder)
    assert refused.value.hint


def test_trial_whose_files_are_gone_is_not_started(folder: Path) -> None:
    on_trial(folder)
    (folder / "slots/b/rootfs").rename(folder / "gone")
    found = boot.choose(folder)
    assert (found.booted, found.trying) == ("a", None)


@pytest.mark.parametrize(
    ("lower", "higher"), [("1.2", "1.10"), ("1.2", "1.2.1"), ("0.999.999", "1.0")]
)
def test_versions_count_as_numbers(lower: str, higher: str) -> None:
    assert state.highest(lower, higher, lower) == higher


@pytest.mark.parametrize("label", ["", "1", "1.2.3.4", "1.x", "1.-2", "1.1000", "\u0661.1"])
def test_other_texts_are_no_versions(label: str) -> None:
    with pytest.raises(StateError):
        state.number(label)


def test_trial_that_cannot_be_counted_on_a_full_disk_is_not_begun(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_trial(folder)

    def full(_path: Path, _state: BootState) -> None:
        raise NoSpaceError("no space left")

    monkeypatch.setattr(state, "write", full)
    found = boot.choose(folder)
    assert found.booted == "a"
    assert "disk full" in found.note
