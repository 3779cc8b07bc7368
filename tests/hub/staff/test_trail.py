"""The audit trail: whoever changes it is found out."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from holdfast.core.errors import UsageError
from holdfast.hub.staff import trail
from holdfast.hub.staff.models import Entry
from holdfast.hub.staff.services import record
from holdfast.hub.staff.trail import Head, TrailError

UNLOCK = "DROP TRIGGER staff_entry_no_update; DROP TRIGGER staff_entry_no_delete;"
SWAP = """
UPDATE staff_entry SET seq=99 WHERE seq=3;
UPDATE staff_entry SET seq=3 WHERE seq=4;
UPDATE staff_entry SET seq=4 WHERE seq=99;
"""


def write(count: int) -> None:
    for number in range(1, count + 1):
        record(by="ada", what="release.withdrawn", subject=f"camera 1.{number}", why="ü reason")


def verify() -> Head:
    return trail.verify(settings.HUB.trail_head)


def tamper(statement: str) -> None:
    """Change the file as somebody with a copy of sqlite3 would, triggers or not."""
    connection.close()
    other = sqlite3.connect(settings.HUB.database)
    other.executescript(UNLOCK + statement)
    other.commit()
    other.close()


def test_a_whole_trail_is_whole(db: Path) -> None:
    assert verify() == Head()
    write(5)
    assert verify().seq == 5
    assert json.loads((db / "trail-head.json").read_text())["seq"] == 5


def test_an_entry_goes_with_the_transaction_that_it_tells_of(db: Path) -> None:
    del db
    write(1)
    with transaction.atomic():
        write(1)
        transaction.set_rollback(True)
    assert verify().seq == 1


@pytest.mark.parametrize(
    "statement", ["UPDATE staff_entry SET by='eve'", "DELETE FROM staff_entry"]
)
def test_the_database_refuses_changes(db: Path, statement: str) -> None:
    del db
    write(2)
    with pytest.raises(DatabaseError, match="append-only"), connection.cursor() as cursor:
        cursor.execute(statement)
    with pytest.raises(DatabaseError, match="append-only"):
        Entry.objects.all().delete()
    assert verify().seq == 2


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE staff_entry SET by='eve' WHERE seq=3", "entry 3 was changed"),
        ("UPDATE staff_entry SET at_ms=at_ms+1 WHERE seq=3", "entry 3 was changed"),
        ("UPDATE staff_entry SET why='' WHERE seq=1", "entry 1 was changed"),
        ("UPDATE staff_entry SET facts='{\"a\":1}' WHERE seq=5", "entry 5 was changed"),
        ("UPDATE staff_entry SET digest='x' WHERE seq=5", "entry 5 was changed"),
        ("DELETE FROM staff_entry WHERE seq=1", "entry 1 is missing"),
        ("DELETE FROM staff_entry WHERE seq=3", "entry 3 is missing"),
        ("DELETE FROM staff_entry WHERE seq>3", "entries 4 to 5 were cut off"),
        ("DELETE FROM staff_entry", "entries 1 to 5 were cut off"),
        ("UPDATE staff_entry SET seq=9 WHERE seq=5", "entry 5 is missing"),
        (
            SWAP,
            "entry 3 does not follow entry 2",
        ),
    ],
)
def test_tampering_with_the_file_is_found(db: Path, statement: str, complaint: str) -> None:
    del db
    write(5)
    tamper(statement)
    with pytest.raises(TrailError, match=complaint):
        verify()


def rewrite_from(seq: int) -> None:
    """Forge the rest of the chain so that every digest fits again."""
    tamper("")
    Entry.objects.filter(seq=seq).update(by="eve")
    previous = Entry.objects.get(seq=seq - 1).digest
    for entry in Entry.objects.filter(seq__gte=seq).order_by("seq"):
        entry.previous = previous
        entry.digest = previous = trail.digest_of(entry)
        entry.save()


def test_a_forged_chain_is_found_by_the_head_outside(db: Path) -> None:
    del db
    write(5)
    rewrite_from(3)
    with pytest.raises(TrailError, match="entry 5 was replaced"):
        verify()


def test_a_head_kept_elsewhere_finds_what_a_forged_head_file_hides(db: Path) -> None:
    write(5)
    kept = verify()
    rewrite_from(3)
    newest = Entry.objects.get(seq=5)
    (db / "trail-head.json").write_text(json.dumps({"seq": 5, "digest": newest.digest}))
    assert verify().seq == 5
    with pytest.raises(TrailError, match="entry 5 was replaced"):
        trail.verify(settings.HUB.trail_head, expected=kept)


def test_writing_on_does_not_heal_a_cut_off_trail(db: Path) -> None:
    del db
    write(5)
    tamper("DELETE FROM staff_entry WHERE seq>2")
    write(1)
    with pytest.raises(TrailError, match="entries 4 to 5 were cut off"):
        verify()
    write(7)
    with pytest.raises(TrailError, match="entry 5 was replaced"):
        verify()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda path: path.unlink(), "is gone"),
        (lambda path: path.write_text("{"), "cannot be understood"),
        (lambda path: path.write_text('{"seq": "x"}'), "cannot be understood"),
    ],
)
def test_a_spoilt_head_file_is_no_green_light(
    db: Path, spoil: Callable[[Path], object], complaint: str
) -> None:
    write(2)
    spoil(db / "trail-head.json")
    with pytest.raises(TrailError, match=complaint):
        verify()


def test_a_crash_between_commit_and_head_file_is_no_alarm(db: Path) -> None:
    write(3)
    head = (db / "trail-head.json").read_bytes()
    write(1)
    (db / "trail-head.json").write_bytes(head)
    assert verify().seq == 4


@pytest.mark.parametrize("text", ["", "5", "x:" + "0" * 64, "5:abc"])
def test_a_head_must_be_a_head(text: str) -> None:
    with pytest.raises(UsageError):
        trail.parse_head(text)
