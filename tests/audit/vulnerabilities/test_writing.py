"""The database as a file: whole or absent, sealed, one writer at a time."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.vulnerabilities import database as databases
from holdfast.audit.vulnerabilities.database import Database
from holdfast.audit.vulnerabilities.errors import DatabaseError, SealError
from holdfast.audit.vulnerabilities.schema import seal, unseal, verify
from holdfast.audit.vulnerabilities.writing import alone, taking_in
from holdfast.core.errors import BusyError
from tests.audit.vulnerabilities import records as make

Take = Callable[..., Path]


def test_the_seal_holds_until_a_byte_changes(take: Take) -> None:
    path = take(make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    digest = verify(path)
    assert len(digest) == 64
    content = path.read_bytes()
    for place in (0, 100, len(content) // 2, len(content) - 80, len(content) - 1):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(SealError):
            verify(path)
    for cut in (content[:-1], content[:100], b"", content + b"x"):
        path.write_bytes(cut)
        with pytest.raises(SealError):
            verify(path)
    path.write_bytes(content)
    assert verify(path) == digest


def test_the_seal_is_no_hindrance_to_sqlite(take: Take) -> None:
    path = take(make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    link = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    assert link.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    link.close()
    before = path.read_bytes()
    unseal(path)
    assert len(path.read_bytes()) < len(before)
    seal(path)
    assert path.read_bytes() == before


def test_there_is_none(tmp_path: Path) -> None:
    for attempt in (verify, Database):
        with pytest.raises(DatabaseError, match="there is no"):
            attempt(tmp_path / "none.sqlite")


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000, b"SQLite format 3\0" + b"\0" * 4000])
def test_another_file_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(DatabaseError):
        Database(path)


def test_a_damaged_database_is_not_imported_into(take: Take) -> None:
    path = take(make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(SealError):
        take(make.kev(("CVE-2024-1001", "PHP", "PHP", "x")))


def test_a_fault_leaves_the_old_one(take: Take) -> None:
    path = take(make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    before = path.read_bytes()

    def fail() -> None:
        with taking_in(path, now=make.now) as writer:
            writer.start_over("kev")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == before


def test_who_reads_goes_on_reading(take: Take) -> None:
    with Database(take(make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))) as database:
        take(make.kev(("CVE-2024-1001", "Samba", "Samba", "x")))
        assert [one.vendor for one in database.exploited("php")] == ["PHP"]


def test_only_one_writes(take: Take) -> None:
    path = take(make.kev(("CVE-2024-1000", "PHP", "PHP", "x")))
    with alone(path), pytest.raises(BusyError):
        take(make.kev(("CVE-2024-1001", "PHP", "PHP", "x")))


def test_it_is_read_behind_walls(take: Take) -> None:
    """Read only: a folder that nobody may write to, and no right to write."""
    path = take(make.kev(("CVE-2024-1000", "D-Link and TRENDnet", "Routers", "x")))
    path.chmod(0o444)
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from holdfast.audit.vulnerabilities.database import Database\n"
        "with Database(Path(sys.argv[1])) as database:\n"
        "    print(len(database.exploited('trendnet')), len(database.exploited('trend')))\n"
    )
    before = sorted(one.name for one in path.parent.iterdir())
    answer = subprocess.check_output(
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert answer.split() == [b"1", b"0"]
    assert sorted(one.name for one in path.parent.iterdir()) == before


def test_counts_and_moments(take: Take) -> None:
    path = take(
        make.kev(("CVE-2024-1000", "PHP", "PHP", "x"), ("CVE-2024-1001", "PHP", "PHP", "x"))
    )
    path = take(b"CVE-2024-1000,0.5,0.5\n")
    with Database(path) as database:
        ages = {one.source: one for one in database.ages()}
        assert database.meta("made") == make.now.isoformat()
    assert ages["kev"].entries == 2
    assert ages["epss"].entries == 1
    assert ages["epss"].published is None
    assert ages["kev"].imported == make.now


def test_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert databases.default_path() == tmp_path / "holdfast" / "vulnerabilities.sqlite"
