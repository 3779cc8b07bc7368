"""People whom servers know: asking for them, trying a server, and telling its accounting."""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from threading import Lock
from typing import Any, NamedTuple, Protocol

from holdfast.accounts import cookies
from holdfast.accounts.directories import asking
from holdfast.accounts.errors import DirectoryChildError
from holdfast.accounts.throttle import Who
from holdfast.core.errors import HoldfastError
from holdfast.device.auth.central import Central, Settings
from holdfast.device.auth.counters import Counters
from holdfast.device.auth.entrance import Entrance, Facts
from holdfast.device.auth.errors import CentralError, LoginError
from holdfast.device.auth.names import typed_form
from holdfast.device.auth.turns import Turns
from holdfast.device.service import say

MOST_VISITS = 64
_LONGEST_TOLD = 260
_TASK_BYTES = 8
_WITH_RECORDS = "tacacs+"


class Typed(NamedTuple):
    """What somebody typed, and from where."""

    name: str
    password: str
    source: str
    cookie: str


class _Visit(NamedTuple):
    name: str
    group: str
    source: str
    began_s: float


class Inside(Protocol):
    """What of `accounts.Accounts` is needed here."""

    facts: Facts
    central: Central
    counters: Counters
    turns: Turns

    def now(self) -> datetime:
        """Give the present moment."""
        ...

    def monotonic(self) -> float:
        """Give seconds of a clock that only runs forward."""
        ...

    def ask(self, do: str, **facts: object) -> dict[str, Any]:
        """Have the worker do something."""
        ...

    def doubted(self, who: Who, *, genuine: bool) -> Who:
        """Treat a browser whose cookie was forged as a stranger."""
        ...

    def refused(self, who: Who, source: str, result: str, *, method: str = ...) -> None:
        """Count and note a failure."""
        ...

    def failed(self, who: Who) -> None:
        """Count a failure."""
        ...


class Outside:
    """Asks servers, one login or test at a time.

    Args:
        accounts: Counts, settings, and the worker.
    """

    def __init__(self, accounts: Inside) -> None:
        self._accounts = accounts
        self._turns = Turns()
        self._lock = Lock()
        self._visits: dict[str, _Visit] = {}

    def asked(
        self, who: Who, typed: Typed, settings: Settings, groups: tuple[str, ...]
    ) -> tuple[Entrance, Who] | None:
        """Ask servers who somebody is; None if none of them could be relied on.

        Args:
            who: As whom it is counted.
            typed: What was typed.
            settings: In force when this login began: secrets and addresses must be of one time.
            groups: Groups of servers, in this order.

        Raises:
            LoginError: They say no, or give no role; it is counted and noted.
        """
        accounts = self._accounts
        if not (typed.name and typed.password):  # an empty password would be an anonymous bind
            accounts.refused(who, typed.source, "wrong")
            raise LoginError
        with self._turns.taken(first=bool(who.known)):
            accounts.counters.passwords.must_wait(who, now_s=accounts.monotonic())
            cookie_id = "" if who.known else cookies.fresh_id()
            opened = self._opened(
                settings,
                first=bool(who.known),
                name=who.name,
                cookie=typed.cookie if who.known else "",
                cookie_id=cookie_id,
            )
            who = accounts.doubted(who, genuine=opened["genuine"])
            try:
                told = accounts.central.ask(
                    settings,
                    opened["secrets"],
                    name=typed.name,
                    password=typed.password,
                    source=typed.source,
                    groups=groups,
                )
            except DirectoryChildError:
                return None
            ending = accounts.central.endings(told, today=accounts.now().date())
            for server, day in ending.items():
                say("auth.certificate-ends", server=server, on=day)
            if told.kind == "unavailable":
                return None
            if told.kind != "accepted" or told.role not in accounts.facts.roles:
                result = "wrong" if told.kind == "rejected" else "no-role"
                accounts.refused(who, typed.source, result, method=told.group)
                raise LoginError
        entrance = Entrance(
            name=typed_form(told.name) or typed.name,
            role=told.role,
            method=told.group,
            epoch=settings.epoch,
            cookie=opened["cookie"] if cookie_id else "",
        )
        return entrance, who

    def tried(self, who: Who | None, *, server: str, name: str, password: str) -> dict[str, Any]:
        """Try one server step by step; a wrong login counts like any other.

        Args:
            who: As whom a login is counted; None for a test without one.
            server: Name of a server of the settings in force.
            name: Who logs in.
            password: Of him.

        Raises:
            HoldfastError: Too many failures, or the server could not be tried.
        """
        accounts = self._accounts
        with self._turns.taken(first=True):
            if who is not None:  # whoever waited here may have been overtaken by failures
                accounts.counters.passwords.must_wait(who, now_s=accounts.monotonic())
            settings = accounts.central.settings
            if server not in {one.get("name") for one in settings.plain.get("servers", ())}:
                raise CentralError("There is no server with this name in the settings.")
            opened = self._opened(settings, first=True)
            tested = accounts.central.try_out(
                settings, opened["secrets"], server=server, name=typed_form(name), password=password
            )
            wrong = any(step == "password" and ok is False for step, ok, _told in tested.steps)
            if who is not None and wrong:
                accounts.failed(who)
        steps = [{"name": step, "ok": ok, "told": _short(told)} for step, ok, told in tested.steps]
        return {"steps": steps, "role": tested.role}

    def came(self, entrance: Entrance, source: str) -> str:
        """Tell the accounting of a server that somebody came; gives the name of this visit.

        Empty where no server keeps records. Nothing that goes wrong here changes a login.
        """
        accounts = self._accounts
        settings = accounts.central.settings_or_local()
        if not _keeps_records(settings.plain, entrance.method):
            return ""
        task = os.urandom(_TASK_BYTES).hex()
        visit = _Visit(
            name=entrance.name, group=entrance.method, source=source, began_s=accounts.monotonic()
        )
        with self._lock:
            while len(self._visits) >= MOST_VISITS:
                del self._visits[next(iter(self._visits))]
            self._visits[task] = visit
        self._record(task, visit, "start")
        return task

    def left(self, task: str) -> None:
        """Tell it that somebody left; only for a visit that `came` has named, and once."""
        with self._lock:
            visit = self._visits.pop(task, None)
        if visit is not None:
            self._record(task, visit, "stop")

    def _record(self, task: str, visit: _Visit, kind: str) -> None:
        accounts = self._accounts
        lasted_s = int(accounts.monotonic() - visit.began_s)
        try:
            settings = accounts.central.settings_or_local()
            if not _keeps_records(settings.plain, visit.group):
                return
            begun = asking.record_aside(
                json.dumps(settings.plain).encode(),
                self._opened(settings, first=True)["secrets"],
                asking.Visit(
                    kind="stop" if kind == "stop" else "start",
                    name=visit.name,
                    task=task,
                    at_s=int(accounts.now().timestamp()),
                    source=visit.source,
                    lasted_s=lasted_s if kind == "stop" else 0,
                ),
                groups=(visit.group,),
                told=lambda reason: say("auth.unrecorded", visit=kind, reason=reason),
            )
            if not begun:
                say("auth.unrecorded", visit=kind, reason="too many are told at this moment")
        except HoldfastError as error:
            say("auth.unrecorded", visit=kind, reason=error)

    def _opened(self, settings: Settings, *, first: bool, **facts: object) -> dict[str, Any]:
        with self._accounts.turns.taken(first=first):
            return self._accounts.ask("unseal", sealed=dict(settings.sealed), **facts)


def _keeps_records(plain: Mapping[str, Any], method: str) -> bool:
    """Whether the group of servers that let somebody in knows accounting."""
    names = [
        each
        for group in plain.get("groups", ())
        if group.get("name") == method
        for each in group.get("servers", ())
    ]
    return any(
        server.get("name") in names and server.get("protocol") == _WITH_RECORDS
        for server in plain.get("servers", ())
    )


def _short(told: str) -> str:
    """Cut a text so that it shows that it was cut."""
    return told if len(told) <= _LONGEST_TOLD else told[: _LONGEST_TOLD - 1] + "…"
