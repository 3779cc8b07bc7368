"""The agent's memory survives what files go through."""

import json
import tempfile
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
    ],
)
def test_damage_is_put_aside(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(damage)
    assert Keeper(path).memory == Memory()
    assert (tmp_path / "state.damaged").read_text() == damage


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
