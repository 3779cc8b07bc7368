"""Taking vulnerability data in: into a copy, all of it or nothing, sealed, and put in place."""

import fcntl
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from holdfast.audit.vulnerabilities.errors import DatabaseError
from holdfast.audit.vulnerabilities.identifiers import letters_of, number_of
from holdfast.audit.vulnerabilities.ranges import Statement
from holdfast.audit.vulnerabilities.schema import (
    APPLICATION_ID,
    EPSS_UNIT,
    SOURCES,
    TABLES,
    VERSION,
    seal,
    unseal,
    verify,
)
from holdfast.core.errors import BusyError
from holdfast.core.files import full_disk_named, sync_folder

MOST_TITLE_CHARS = 160
_BATCH = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one record says besides who is affected.

    Attributes:
        title: One line; the first sentence of the description where there is no title.
        title_rank: 2 for a title, 1 for a piece of a description, 0 for nothing.
        cvss: Base score.
        vector: CVSS vector.
        score_rank: The higher one counts when two sources score it.
    """

    title: str = ""
    title_rank: int = 0
    cvss: float | None = None
    vector: str = ""
    score_rank: int = 0


@dataclass(slots=True)
class Tally:
    """What an import did, for people.

    Attributes:
        records: Records taken in, by source.
        removed: Records that their publisher has withdrawn.
        skipped: Pieces that could not be read, the first of them with the reason.
        skipped_count: How many there were.
    """

    records: dict[str, int] = field(default_factory=dict)
    removed: int = 0
    skipped: list[str] = field(default_factory=list)
    skipped_count: int = 0


class Writer:
    """One import into a database that nobody else sees yet."""

    def __init__(self, path: Path, *, now: datetime) -> None:
        """Open a file for writing; made new if it is empty."""
        self._link = sqlite3.connect(path, isolation_level=None)
        self._now = now
        self.tally = Tally()
        self._encoder = msgspec.msgpack.Encoder()
        self._products: dict[str, int] = {}
        self._foreign: dict[str, int] = {}
        self._rows: list[tuple[int, int, int, bytes]] = []
        self._told: list[tuple[int, str, float | None, str, int, int]] = []
        self._published: dict[str, datetime] = {}
        self._empty: set[str] = set()
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            self._link.execute(f"PRAGMA {pragma}")
        if not path.stat().st_size:
            self._link.executescript(TABLES)
        (application,) = self._link.execute("PRAGMA application_id").fetchone()
        (version,) = self._link.execute("PRAGMA user_version").fetchone()
        if (application, version) != (APPLICATION_ID, VERSION):
            raise DatabaseError("the database was written by another version of Holdfast")
        self._link.execute("BEGIN")
        self._products = dict(self._link.execute("SELECT name, id FROM product"))
        self._foreign = dict(self._link.execute("SELECT name, id FROM foreign_id"))
        counts = dict(self._link.execute("SELECT source, count(*) FROM statement GROUP BY source"))
        self._empty = {name for place, name in enumerate(SOURCES) if not counts.get(place)}

    def start_over(self, source: str) -> None:
        """Forget all of a source that publishes itself whole each time."""
        if source == "kev":
            self._link.execute("DELETE FROM kev")
        elif source == "epss":
            self._link.execute("DELETE FROM epss")
        else:
            self._link.execute("DELETE FROM statement WHERE source = ?", (SOURCES.index(source),))

    def record(
        self, source: str, name: str, statements: Iterable[tuple[str, Statement]], told: Told
    ) -> None:
        """Take one record in, in place of what this source said before.

        Args:
            source: One of `SOURCES`.
            name: Its id.
            statements: Product name and statement, in any number.
            told: What else it says.
        """
        number = self._number_of(name)
        self.forget(source, number)
        place = SOURCES.index(source)
        self._rows.extend(
            (self._product_of(product), number, place, self._encoder.encode(statement))
            for product, statement in statements
        )
        self.tell(name, told)
        self.tally.records[source] = self.tally.records.get(source, 0) + 1
        if len(self._rows) >= _BATCH or len(self._told) >= _BATCH:
            self._flush()

    def tell(self, name: str, told: Told) -> None:
        """Note title and score of a record."""
        if told.title_rank or told.score_rank:
            title = " ".join(told.title.split())[:MOST_TITLE_CHARS]
            self._told.append(
                (
                    self._number_of(name), title, told.cvss, told.vector,
                    told.title_rank, told.score_rank,
                )
            )  # fmt: skip

    def withdraw(self, source: str, name: str) -> None:
        """Forget what a source said under an id that it has rejected."""
        self.forget(source, self._number_of(name))
        self.tally.removed += 1
        self.tally.records.setdefault(source, 0)

    def forget(self, source: str, number: int) -> None:
        """Forget what a source said of a record."""
        if source not in self._empty:
            self._flush_rows()
            self._link.execute(
                "DELETE FROM statement WHERE source = ? AND cve = ?",
                (SOURCES.index(source), number),
            )

    def exploited(self, rows: Iterable[Sequence[str]]) -> None:
        """Take the catalogue of known exploited vulnerabilities in, whole.

        Args:
            rows: CVE id, day, vendor, product, title, description.
        """
        self.start_over("kev")
        count = 0
        for cve, added, vendor, product, title, text in rows:
            if (number := number_of(cve)) is None:
                self.skip(f"kev: {cve[:40]!r} is no CVE id")
                continue
            count += 1
            self._link.execute(
                "INSERT OR REPLACE INTO kev VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, added, _makers_of(vendor), vendor, product, title, text[:2000]),
            )
        self.tally.records["kev"] = count

    def likely(self, rows: Iterable[tuple[int, float]]) -> None:
        """Take the scores of EPSS in, whole: number of the CVE and probability."""
        self.start_over("epss")
        self._link.executemany(
            "INSERT OR REPLACE INTO epss VALUES (?, ?)",
            ((number, round(score * EPSS_UNIT)) for number, score in rows),
        )
        (count,) = self._link.execute("SELECT count(*) FROM epss").fetchone()
        self.tally.records["epss"] = count

    def published(self, source: str, moment: datetime | None) -> None:
        """Note how new the data of a source is; the newest counts, but none from the future."""
        if moment is not None and moment <= self._now + timedelta(days=1):
            before = self._published.get(source)
            self._published[source] = moment if before is None else max(before, moment)

    def skip(self, reason: str) -> None:
        """Note a piece that could not be read."""
        self.tally.skipped_count += 1
        if len(self.tally.skipped) < 20:  # noqa: PLR2004 - nobody reads more
            self.tally.skipped.append(reason[:200])

    def finish(self) -> None:
        """Bring the whole import in, and say in the database what it holds."""
        self._flush()
        for source in self.tally.records:
            known = self._link.execute(
                "SELECT published FROM source WHERE name = ?", (source,)
            ).fetchone()
            moment = self._published.get(source)
            newest = max(
                filter(None, (known and known[0], moment and moment.isoformat())), default=""
            )
            self._link.execute(
                "INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?)",
                (source, self._count(source), newest, self._now.isoformat()),
            )
        self.note("made", self._now.isoformat())
        self._link.execute("COMMIT")

    def note(self, name: str, value: str) -> None:
        """Write a fact about the database itself."""
        self._link.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Let go of the file."""
        self._link.close()

    def _count(self, source: str) -> int:
        if source in {"kev", "epss"}:
            query, values = f"SELECT count(*) FROM {source}", ()  # noqa: S608 - one of two words
            return int(self._link.execute(query, values).fetchone()[0])
        return int(
            self._link.execute(
                "SELECT count(DISTINCT cve) FROM statement WHERE source = ?",
                (SOURCES.index(source),),
            ).fetchone()[0]
        )

    def _number_of(self, name: str) -> int:
        if (number := number_of(name)) is not None:
            return number
        if name not in self._foreign:
            self._foreign[name] = -1 - len(self._foreign)
            self._link.execute(
                "INSERT INTO foreign_id VALUES (?, ?)", (self._foreign[name], name[:100])
            )
        return self._foreign[name]

    def _product_of(self, name: str) -> int:
        if name not in self._products:
            self._products[name] = len(self._products) + 1
            self._link.execute("INSERT INTO product VALUES (?, ?)", (self._products[name], name))
        return self._products[name]

    def _flush_rows(self) -> None:
        if self._rows:
            self._link.executemany("INSERT INTO statement VALUES (?, ?, ?, ?)", self._rows)
            self._rows.clear()

    def _flush(self) -> None:
        self._flush_rows()
        self._link.executemany(
            "INSERT INTO cve VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET "
            "title = iif(?5 >= title_rank, ?2, title), title_rank = max(title_rank, ?5), "
            "cvss = iif(?6 >= score_rank, ?3, cvss), vector = iif(?6 >= score_rank, ?4, vector), "
            "score_rank = max(score_rank, ?6)",
            self._told,
        )
        self._told.clear()


def _makers_of(vendor: str) -> str:
    """Write `D-Link and TRENDnet` as `|dlink|trendnet|`, to be searched."""
    names = [letters_of(one) for one in re.split(r",|/| and | & ", vendor)]
    return "|" + "|".join(filter(None, names)) + "|"


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Let only one program at a time change the database.

    Raises:
        BusyError: Another one does so.
        DatabaseError: Its folder is closed to us, or cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(
            path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        failure = DatabaseError(f"{path} cannot be written: {error.filename}: {error.strerror}")
        failure.hint = "Name a place that you may write to with --db."
        raise failure from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"another program is changing {path}") from error
        yield
    finally:
        os.close(lock)


@contextmanager
def put_in_place(path: Path) -> Iterator[Path]:
    """Give a new file to write; afterwards seal it and exchange the old one for it.

    Who reads the old one goes on reading it. After a fault the old one is untouched.

    Raises:
        NoSpaceError: The disk is full.
    """
    fresh = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    with full_disk_named(path):
        try:
            fresh.touch(mode=0o600)
            yield fresh
            seal(fresh)
            fresh.chmod(0o644)
            fresh.replace(path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(28, "No space left on device") from error
            raise
        finally:
            with suppress(FileNotFoundError):
                fresh.unlink()
        sync_folder(path.parent)


@contextmanager
def taking_in(path: Path, *, now: datetime) -> Iterator[Writer]:
    """Open a copy of a database for an import, and put it in place if nothing went wrong.

    Args:
        path: The database; made if there is none.
        now: The moment of the import.

    Raises:
        DatabaseError: The one that is there is damaged, or of another version.
        BusyError: Another program is changing it.
        NoSpaceError: The disk is full.
    """
    with alone(path), put_in_place(path) as fresh:
        if path.exists():
            verify(path)
            shutil.copyfile(path, fresh)
            unseal(fresh)
        writer = Writer(fresh, now=now)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()
