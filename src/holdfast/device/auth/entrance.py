"""What the parts of auth tell each other about somebody who gets in."""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from holdfast.accounts.throttle import Who
from holdfast.device.auth.central import LOCAL
from holdfast.device.auth.errors import PendingError
from holdfast.device.auth.store import OWNER

PENDING_S = 300.0
MOST_PENDING = 32
MOST_TRIES = 5
_PENDING_BYTES = 16


class Asks(Protocol):
    """Does what needs secrets; `work.Worker`."""

    def ask(self, do: str, *, now: datetime, **facts: object) -> dict[str, Any]:
        """Have one thing done."""
        ...


class Facts(NamedTuple):
    """What the product profile says, as far as accounts are concerned.

    Attributes:
        roles: Roles that accounts may have.
        methods: Ways to find out who somebody is.
        words: Vendor, product, name, model and serial: bad passwords for everybody who reads them.
        blocklists: Files of further block lists, from the operator.
        blocklist_keys: Public keys whose lists are believed.
    """

    roles: tuple[str, ...] = (OWNER,)
    methods: tuple[str, ...] = (LOCAL,)
    words: Mapping[str, str] = MappingProxyType({})
    blocklists: tuple[str, ...] = ()
    blocklist_keys: tuple[str, ...] = ()


class Entrance(NamedTuple):
    """Somebody got in, or half of the way.

    Attributes:
        name: As it is shown.
        role: From the account, or from the rules of central login.
        method: `local`, or the group of servers that decided.
        epoch: The session ends when `account.who` tells another one.
        cookie: Device cookie to be set; empty if the browser keeps the one it has.
        pending: Not empty: a second factor is wanted, and nothing else in here counts yet.
        renew: Whether the password comes from an older product and would be refused today: a new
            one must be chosen.
        task: Not empty: a server keeps records, and is told of the end of this visit by
            `account.left`.
    """

    name: str = ""
    role: str = ""
    method: str = LOCAL
    epoch: int = 0
    cookie: str = ""
    pending: str = ""
    renew: bool = False
    task: str = ""


class Waiting(NamedTuple):
    """A login whose password was right, and that lacks a code.

    Attributes:
        who: As whom it is counted.
        source: Address of the browser.
        until_s: Moment of the clock that only runs forward at which it is over.
        epoch: Of the account; with another one it is over as well.
        tries: Codes that were tried.
    """

    who: Who
    source: str
    until_s: float
    epoch: int = 0
    tries: int = 0


class Hall:
    """Logins that wait for a second factor: few, for a few minutes, in memory only.

    Args:
        monotonic: A clock that only runs forward.
    """

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._waiting: dict[str, Waiting] = {}

    def enter(self, who: Who, source: str, *, epoch: int) -> str:
        """Let somebody wait; gives the token with which he goes on."""
        token, now_s = os.urandom(_PENDING_BYTES).hex(), self._monotonic()
        with self._lock:
            self._waiting = {key: one for key, one in self._waiting.items() if now_s < one.until_s}
            while len(self._waiting) >= MOST_PENDING:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[token] = Waiting(
                who=who, source=source, until_s=now_s + PENDING_S, epoch=epoch
            )
        return token

    def take(self, token: str) -> Waiting:
        """Find who waits, and count a try; after five tries he starts anew.

        Raises:
            PendingError: Nobody waits with this token any more.
        """
        with self._lock:
            found = self._waiting.get(token)
            if found is None or self._monotonic() >= found.until_s:
                self._waiting.pop(token, None)
                raise PendingError
            self._waiting[token] = found._replace(tries=found.tries + 1)
            if found.tries + 1 >= MOST_TRIES:
                del self._waiting[token]
        return found

    def leave(self, token: str) -> None:
        """Forget a token."""
        with self._lock:
            self._waiting.pop(token, None)
