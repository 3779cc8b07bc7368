"""The agent's memory survives what files go through."""

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.device.agent import memory as memory_file
from holdfast.device.agent.keeper import Keeper
from holdfast.device.agent.memory import Memory, Work
from holdfast.device.agent.reports import feedback, masked, refusal


def work() -> Work:
    return Work(
        id=7,
        revision="1",
        forced=False,
        skip=False,
        target="camera/1.1/image",
        version="1.1",
        download="/file",
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    kept = Memory(work=work(), window="02:00-05:00")
    kept.note("offered", at_ms=5, version="1.1")
    kept.report("POST", "deploymentBase/7/feedback", feedback(7, "download"))
    memory_file.write(tmp_path / "state.json", kept)
    assert memory_file.read(tmp_path / "state.json") == (kept, "")
    assert (tmp_path / "state.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "7",
        "{}",
        '{"schema": 9}',
        '{"schema": 1, "work": 7}',
        '{"schema": 1, "work": null, "reports": [1]}',
        '{"schema": 1, "work": null, "odd": 1}',
        '{"schema": 1, "work": null, "answered_ms": "noon"}',
        '{"schema": 1, "work": null, "answered_ms": true}',
        '{"schema": 1, "work": null, "stale": []}',
        '{"schema": 1, "work": null, "history": [{"at_ms": 1, "kind": "installed"}]}',
        "[" * 100_000,
    ],
    ids=range(14),
)
def test_damage_is_put_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(damage)
    fresh = Keeper(path).memory
    assert [entry["kind"] for entry in fresh.history] == ["damaged"]  # the owner is told
    assert replace(fresh, history=[]) == Memory()
    assert (tmp_path / "state.damaged").read_text() == damage


@pytest.mark.parametrize("field", [name for name in asdict(work()) if name != "told"])
@pytest.mark.parametrize("value", [None, 7, "x", [1], {"version": 1}, 1.5], ids=repr)
def test_an_offer_of_wrong_types_is_put_aside_or_makes_sense(
    tmp_path: Path, field: str, value: object
) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps({"schema": 1, "work": {**asdict(work()), field: value}}))
    kept, fault = memory_file.read(path)
    fits = {
        int: ("id", "first_seen_ms", "later_until_ms", "received", "empty_tries", "clean_tries"),
        type(None): ("release", "later_until_ms"),
    }.get(type(value), ())
    if isinstance(value, str):
        texts = ("revision", "target", "version", "download", "tag", "slot", "boot_id")
        fits = texts
    assert (fault == "") == (field in fits), fault
    assert (kept.work is not None) == (field in fits)


def test_times_of_a_wrong_clock_move_with_it() -> None:
    day = 86_400_000
    wrong, right = 3 * day, 20_000 * day
    kept = Memory(work=work(), silent_since_ms=2 * day, answered_ms=19_000 * day)
    assert kept.work
    kept.work.first_seen_ms, kept.work.later_until_ms = 2 * day, 5 * day
    kept.clock_was_set(before_ms=wrong, by_ms=right - wrong)
    assert kept.work.first_seen_ms == right - day
    assert kept.work.later_until_ms == right + 2 * day
    assert kept.silent_since_ms == right - day
    assert kept.answered_ms == 19_000 * day  # written by a better clock


@given(
    st.dictionaries(st.sampled_from(["schema", "work", "reports", "history"]), st.integers(0, 2))
)
def test_no_content_breaks_the_start(content: dict[str, int]) -> None:
    path = Path(tempfile.mkdtemp()) / "state.json"
    path.write_text(json.dumps(content))
    try:
        memory_file.read(path)
    finally:
        path.unlink()
        path.parent.rmdir()


def test_the_end_of_an_offer_is_never_dropped() -> None:
    kept = Memory()
    kept.report("POST", "a", refusal(1, "update-tampered", "changed"))
    for number in range(500):
        kept.report("POST", "b", feedback(number, "proceeding"))
    assert len(kept.reports) == 200
    assert kept.reports[0]["body"]["id"] == "1"


def test_addresses_are_masked() -> None:
    assert masked("ada.lovelace@example.org") == "a…@example.org"
