"""The broker's journal: every call accounted for, bounded, without secrets."""

import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.device.broker import journal
from holdfast.device.broker.journal import Journal
from holdfast.device.broker.wire import Peer
from holdfast.hardening.verbs import AUTH_VERBS, BROKER

PEER = Peer(uid=61002, pid=17, names=frozenset({"agent"}))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_calls_that_change_something_are_written_one_by_one(tmp_path: Path) -> None:
    kept = Journal(tmp_path / "journal.jsonl", BROKER)
    for _ in range(10):
        kept.call(PEER, "slot.install", {"version": "1.1"}, "ok")
    assert len(lines(kept.path)) == 10
    assert lines(kept.path)[0]["args"] == {"version": "1.1"}


def test_flood_is_counted_and_pushes_nothing_out(tmp_path: Path) -> None:
    kept = Journal(tmp_path / "journal.jsonl", BROKER)
    kept.call(PEER, "slot.rollback", {"reason": "broken"}, "ok")
    for _ in range(5000):
        kept.call(PEER, "(malformed)", {}, "verb-malformed")
        kept.call(PEER, "status", {}, "ok")
    kept.flush()
    written = lines(kept.path)
    assert written[0]["verb"] == "slot.rollback"
    assert len(written) == 1 + 2 * (3 + 1)
    assert sorted(line["further"] for line in written if "further" in line) == [4997, 4997]


def test_secrets_are_left_out(tmp_path: Path) -> None:
    kept = Journal(tmp_path / "journal.jsonl", AUTH_VERBS)
    kept.call(PEER, "account.login", {"name": "ada", "password": "hunter2"}, "ok")
    assert "hunter2" not in kept.path.read_text()
    assert lines(kept.path)[0]["args"] == {"name": "ada"}


def test_full_journal_is_put_aside_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LONGEST_FILE_BYTES", 2000)
    kept = Journal(tmp_path / "journal.jsonl", BROKER)
    for _ in range(100):
        kept.call(PEER, "reboot", {}, "ok")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "journal.1.jsonl", "journal.jsonl",
    ]  # fmt: skip
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())


def test_line_cut_by_a_power_failure_does_not_spoil_the_next(tmp_path: Path) -> None:
    kept = Journal(tmp_path / "journal.jsonl", BROKER)
    kept.path.write_text('{"at":"2026-01-0')
    kept.call(PEER, "reboot", {}, "ok")
    assert json.loads(kept.path.read_text().splitlines()[1])["verb"] == "reboot"


def test_link_in_place_of_the_journal_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("")
    (tmp_path / "journal.jsonl").symlink_to(victim)
    Journal(tmp_path / "journal.jsonl", BROKER).call(PEER, "reboot", {}, "ok")
    assert victim.read_text() == ""
