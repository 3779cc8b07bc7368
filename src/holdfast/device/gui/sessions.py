"""Who is logged in: random tickets in cookies, only their hashes kept, across a restart."""

import hashlib
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from holdfast.core.errors import NoSpaceError
from holdfast.core.files import write_whole

# Source: RFC 6265bis 4.1.3.2; only this very host can set it, and only over TLS.
COOKIE = "__Host-holdfast-session"
IDLE = timedelta(minutes=15)
ABSOLUTE = timedelta(hours=12)
_MOST = 32
_SAVE_EVERY = timedelta(minutes=2)
_TICKET_BYTES = 32
_LONGEST_TICKET = 64
_FILE_MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody who logged in.

    Attributes:
        name: Account name.
        role: What auth said, such as `owner`.
        method: Who let him in: `local`, or a group of servers.
        epoch: Of the account when he logged in; the session is over when it has changed.
        token: Every form of this session carries it, so that no other site can send one.
        began: Moment of logging in, aware, in UTC.
        used: Moment of the last request, aware, in UTC.
        renew: Whether nothing goes on before a new password is chosen.
        task: Not empty: auth is told this when the session is over, for a server keeps records.
    """

    name: str
    role: str
    token: str
    began: datetime
    used: datetime
    method: str = "local"
    epoch: int = 0
    renew: bool = False
    task: str = ""

    def is_spent(self, now: datetime) -> bool:
        """Whether it is too old, or was left alone for too long."""
        return now >= self.began + ABSOLUTE or now >= self.used + IDLE

    def holds(self, now: datetime) -> bool:
        """Whether it counts; a clock that was turned back ends sessions too.

        Nobody can say how old they are then.
        """
        return self.began <= now and not self.is_spent(now)


def _hash(ticket: str) -> str:
    return hashlib.sha256(ticket.encode(errors="replace")).hexdigest()


class Sessions:
    """The sessions of one device.

    Args:
        path: Where they are kept, 0600.
        now: The present moment.
        left: Told the task of each session that is over, if it has one; it must not wait.
    """

    def __init__(
        self,
        path: Path,
        *,
        now: Callable[[], datetime],
        left: Callable[[str], None] = lambda _task: None,
    ) -> None:
        self._path = path
        self._now = now
        self._left = left
        self._saved = now()
        self._by_hash = _read(path)

    def begin(
        self,
        *,
        name: str,
        role: str,
        method: str = "local",
        epoch: int = 0,
        renew: bool = False,
        task: str = "",
    ) -> str:
        """Begin a session and return its ticket, 256 random bits."""
        ticket = secrets.token_urlsafe(_TICKET_BYTES)
        now = self._now()
        self._by_hash[_hash(ticket)] = Session(
            name=name,
            role=role,
            token=secrets.token_urlsafe(_TICKET_BYTES),
            began=now,
            used=now,
            method=method,
            epoch=epoch,
            renew=renew,
            task=task,
        )
        while len(self._by_hash) > _MOST:
            self._drop(min(self._by_hash, key=lambda key: self._by_hash[key].used))
        self._save()
        return ticket

    def find(self, ticket: str | None, *, use: bool = True) -> Session | None:
        """Find the session of a ticket, if it still holds.

        Args:
            ticket: From the cookie.
            use: Whether a person asked; the page that follows an update by itself does not count.
        """
        if not ticket or len(ticket) > _LONGEST_TICKET:
            return None
        key = _hash(ticket)
        session = self._by_hash.get(key)
        if session is None:
            return None
        now = self._now()
        if not session.holds(now):
            self.end(ticket)
            return None
        if use:
            session = replace(session, used=max(session.used, now))
            self._by_hash[key] = session
            if now - self._saved >= _SAVE_EVERY:
                self._save()
        return session

    def end(self, ticket: str | None) -> None:
        """End a session."""
        if ticket and _hash(ticket) in self._by_hash:
            self._drop(_hash(ticket))
            self._save()

    def end_spent(self) -> None:
        """End the sessions that nobody came back to."""
        now = self._now()
        spent = [key for key, one in self._by_hash.items() if one.is_spent(now)]
        for key in spent:
            self._drop(key)
        if spent:
            self._save()

    def all(self) -> list[Session]:
        """Give the sessions that still hold, the latest first."""
        now = self._now()
        found = [one for one in self._by_hash.values() if one.holds(now)]
        return sorted(found, key=lambda one: one.used, reverse=True)

    def end_others(self, *, name: str, but: str | None, method: str = "local") -> None:
        """End all sessions of an account but one, as after a change of its password."""
        kept = _hash(but) if but else ""
        for key, one in list(self._by_hash.items()):
            if (one.name, one.method) == (name, method) and key != kept:
                self._drop(key)
        self._save()

    def _drop(self, key: str) -> None:
        task = self._by_hash.pop(key).task
        if task:
            self._left(task)

    def _save(self) -> None:
        """Keep them over a restart; on a full disk they are only not kept."""
        self._saved = self._now()
        rows = {
            key: {**asdict(one), "began": one.began.isoformat(), "used": one.used.isoformat()}
            for key, one in self._by_hash.items()
        }
        with suppress(OSError, NoSpaceError):
            write_whole(self._path, json.dumps(rows).encode(), mode=_FILE_MODE)


def _read(path: Path) -> dict[str, Session]:
    """Read what was kept; a damaged file only means that people log in again."""
    try:
        rows: Any = json.loads(path.read_bytes())
        return {
            str(key): Session(
                name=str(row["name"]),
                role=str(row["role"]),
                token=str(row["token"]),
                began=_moment(row["began"]),
                used=_moment(row["used"]),
                method=str(row.get("method", "local")),
                epoch=int(row.get("epoch", 0)),
                renew=row.get("renew") is True,
                task=str(row.get("task", "")),
            )
            for key, row in rows.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _moment(text: str) -> datetime:
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        raise ValueError(text)
    return read
