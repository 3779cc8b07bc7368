"""The log of logins that the owner reads: when, from where, how, and how it ended.

It is kept on his own device, with addresses. What strangers type as a name is never kept: it is
sometimes a password. Lean on purpose: a resident process of the device carries this module.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from holdfast.accounts.throttle import source_of

MOST_BYTES = 64 << 10
"""Length of one file of the log; the one before it is kept as well."""
LONGEST_LINE = 1100
PAGE = 6
UNKNOWN = ""
RESULTS = frozenset(
    {
        "in",
        "wrong",
        "wrong-second",
        "wrong-recovery",
        "too-known",
        "second-wanted",
        "slowed",
        "no-role",
        "unavailable",
        "recovered",
    }
)
_LONGEST_NAME = 64
_MOST_REPEATS = 256
_WRITTEN_SINGLY = 3


class Entry(NamedTuple):
    """One line of the log.

    Attributes:
        at: Moment, aware, in UTC.
        name: Account; empty for a name that this device does not know.
        source: Address, as the pages saw it.
        method: `local`, or the group of servers that decided; empty if none did.
        result: One of RESULTS.
        is_new: Whether this account was never used from there before.
        is_emergency: Whether it was an emergency account although central login is set up.
        is_recovery: Whether it took a recovery code.
        times: How often the same happened in a row, up to now.
    """

    at: datetime
    name: str
    source: str
    method: str
    result: str
    is_new: bool = False
    is_emergency: bool = False
    is_recovery: bool = False
    times: int = 1

    def plain(self) -> dict[str, Any]:
        """Give it as JSON knows it."""
        return {**self._asdict(), "at": self.at.isoformat(timespec="seconds")}


class Repeats:
    """Counts what repeats, so that a flood of failures cannot push older lines out."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, str], int] = {}

    def worth_writing(self, entry: Entry) -> Entry | None:
        """Give the entry with its count; None where only counting is needed.

        Written are the first three, and then whenever the number has doubled. Somebody getting in
        is always written.
        """
        if entry.result in {"in", "recovered"}:
            self._seen.clear()
            return entry
        # One address of IPv6 may stand for endlessly many.
        key = (entry.name, source_of(entry.source), entry.result)
        times = self._seen.get(key, 0) + 1
        if times == 1 and len(self._seen) >= _MOST_REPEATS:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = times
        if times <= _WRITTEN_SINGLY or times & (times - 1) == 0:
            return entry._replace(times=times)
        return None


def line_of(entry: Entry) -> bytes:
    """Write one line."""
    short = entry._replace(name=entry.name[:_LONGEST_NAME])  # or it could not be read again
    return json.dumps(short.plain(), separators=(",", ":")).encode() + b"\n"


def entries_of(lines: Iterable[bytes]) -> Iterator[Entry]:
    """Read lines; what is damaged is left out, as after a power cut."""
    for line in lines:
        entry = _entry_of(line)
        if entry is not None:
            yield entry


def _entry_of(line: bytes) -> Entry | None:
    try:
        raw: Any = json.loads(line[:LONGEST_LINE])
        at = datetime.fromisoformat(raw["at"])
        if at.tzinfo is None or raw["result"] not in RESULTS:
            return None
        return Entry(
            at=at.astimezone(UTC),
            name=str(raw["name"])[:_LONGEST_NAME],
            source=str(raw["source"])[:64],
            method=str(raw["method"])[:32],
            result=raw["result"],
            is_new=raw["is_new"] is True,
            is_emergency=raw["is_emergency"] is True,
            is_recovery=raw.get("is_recovery") is True,  # older lines do not say so
            times=int(raw["times"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
