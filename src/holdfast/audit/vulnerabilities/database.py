"""The vulnerability database as the confined child reads it: whole, and never written to."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote

import msgspec

from holdfast.audit.vulnerabilities.errors import DatabaseError
from holdfast.audit.vulnerabilities.identifiers import cve_of
from holdfast.audit.vulnerabilities.ranges import Statement
from holdfast.audit.vulnerabilities.schema import APPLICATION_ID, EPSS_UNIT, SOURCES, VERSION
from holdfast.audit.vulnerabilities.shapes import DataAge

_AT_ONCE = 500  # names in one query
_FILE = "vulnerabilities.sqlite"
_Value = TypeVar("_Value")


def default_path() -> Path:
    """Say where the database lies unless told: below `$XDG_DATA_HOME`."""
    home = os.environ.get("XDG_DATA_HOME") or str(Path("~/.local/share").expanduser())
    return Path(home) / "holdfast" / _FILE


class Found(NamedTuple):
    """A statement about one product.

    Attributes:
        cve: Number of the record, see `identifiers.number_of`.
        source: One of `schema.SOURCES`.
        product: The name that it was found by.
        statement: What it says.
    """

    cve: int
    source: str
    product: str
    statement: Statement


class Scores(NamedTuple):
    """What is known of one record besides who is affected.

    Attributes:
        name: Its id.
        title: One line.
        cvss: Base score, None if not scored.
        vector: CVSS vector.
        kev: Day of listing as exploited, "" if it is not.
        epss: Probability, None if not scored.
    """

    name: str
    title: str = ""
    cvss: float | None = None
    vector: str = ""
    kev: str = ""
    epss: float | None = None


class Exploited(NamedTuple):
    """An entry in the catalogue of known exploited vulnerabilities."""

    cve: int
    added: str
    vendor: str
    product: str
    title: str
    text: str


class Database:
    """A database that is open for reading."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            DatabaseError: There is none, or it is not one that this program can read.
        """
        self._path = path
        if not path.exists():
            raise DatabaseError(f"there is no vulnerability database {path}")
        try:
            # Immutable: no lock, no journal, no write, so that it works behind every wall.
            self._link = sqlite3.connect(
                f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True
            )
            self._link.execute("PRAGMA trusted_schema = OFF")
            (application,) = self._link.execute("PRAGMA application_id").fetchone()
            (version,) = self._link.execute("PRAGMA user_version").fetchone()
        except sqlite3.Error as error:
            raise DatabaseError(f"{path} is no vulnerability database: {error}") from error
        if application != APPLICATION_ID:
            self.close()
            raise DatabaseError(f"{path} is no vulnerability database")
        if version != VERSION:
            self.close()
            raise DatabaseError(f"{path} was written by another version of Holdfast")
        self._decoder = msgspec.msgpack.Decoder(Statement)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._link.close()

    def statements(self, names: Iterable[str]) -> Iterator[Found]:
        """Give everything that is said about these products, by name, source and id."""
        for some in _portions(sorted(set(names))):
            rows = self._ask(
                "SELECT p.name, s.cve, s.source, s.body FROM product p "  # noqa: S608 - marks only
                "JOIN statement s ON s.product = p.id "
                f"WHERE p.name IN ({_marks(some)}) ORDER BY p.name, s.source, s.cve",
                some,
            )
            for name, cve, source, body in rows:
                try:
                    statement = self._decoder.decode(body)
                    yield Found(cve, SOURCES[source], name, statement)
                except (msgspec.MsgspecError, IndexError) as error:
                    raise DatabaseError(f"{self._path} is damaged: {error}") from error

    def scores(self, cves: Iterable[int]) -> Mapping[int, Scores]:
        """Look up name, title and scores of records."""
        wanted = sorted(set(cves))
        found: dict[int, Scores] = {}
        for some in _portions(wanted):
            names = dict(
                self._ask(f"SELECT id, name FROM foreign_id WHERE id IN ({_marks(some)})", some)  # noqa: S608
            )
            for number in some:
                found[number] = Scores(names.get(number) or cve_of(abs(number)))
            for number, title, cvss, vector in self._ask(
                f"SELECT id, title, cvss, vector FROM cve WHERE id IN ({_marks(some)})",  # noqa: S608
                some,
            ):
                found[number] = found[number]._replace(title=title, cvss=cvss, vector=vector)
            for number, added in self._ask(
                f"SELECT cve, added FROM kev WHERE cve IN ({_marks(some)})",  # noqa: S608
                some,
            ):
                found[number] = found[number]._replace(kev=added)
            for number, score in self._ask(
                f"SELECT cve, score FROM epss WHERE cve IN ({_marks(some)})",  # noqa: S608
                some,
            ):
                found[number] = found[number]._replace(epss=score / EPSS_UNIT)
        return found

    def exploited(self, maker: str) -> list[Exploited]:
        """List what is exploited in the products of a maker, `identifiers.letters_of` its name."""
        return [
            Exploited(*row)
            for row in self._ask(
                "SELECT cve, added, vendor, product, title, text FROM kev WHERE instr(maker, ?) "
                "ORDER BY cve",
                (f"|{maker}|",),
            )
        ]

    def names_from(self, beginning: str) -> list[str]:
        """List the product names that begin so, at most 200."""
        rows = self._ask(
            "SELECT name FROM product WHERE name >= ? AND name < ? ORDER BY name LIMIT 200",
            (beginning, beginning + "\U0010ffff"),
        )
        return [name for (name,) in rows]

    def ages(self) -> tuple[DataAge, ...]:
        """Say what is in it, and how old that is."""
        rows = self._ask("SELECT name, entries, published, imported FROM source", ())
        ages = [
            DataAge(
                source=name,
                entries=entries,
                published=_moment(published) if published else None,
                imported=_moment(imported),
            )
            for name, entries, published, imported in rows
        ]
        return tuple(sorted(ages, key=lambda age: SOURCES.index(age.source)))

    def meta(self, name: str) -> str:
        """Look up a fact about the database itself; "" if it has none of that name."""
        for (value,) in self._ask("SELECT value FROM meta WHERE name = ?", (name,)):
            return str(value)
        return ""

    def _ask(self, query: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._link.execute(query, values)
        except sqlite3.Error as error:
            raise DatabaseError(f"{self._path} is damaged: {error}") from error


def _portions(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
