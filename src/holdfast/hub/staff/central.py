"""Central login on the hub: who staff are, as LDAP, RADIUS and TACACS+ servers say it.

The settings stand in hub.toml, the secrets in files that it names. Servers are asked in a process
of its own that ends with the answer; nothing of a password stays on the hub.
"""

import datetime as dt
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings

from holdfast.accounts.directories import asking
from holdfast.accounts.directories.settings import (
    CentralLogin,
    Methods,
    must_have_long_secrets,
    to_json,
)
from holdfast.accounts.errors import CentralSettingsError
from holdfast.accounts.hashing.slots import Slots
from holdfast.accounts.normal import folded
from holdfast.core.clock import now

log = structlog.get_logger()
SERVICE: Final = "hub"
_ASKED_AT_ONCE = 4
"""Each is a process for a few seconds, with the library of a protocol in it."""
_WAIT_S = 5.0
_LEAST_S = 1.0
_LONGEST_SECRET = 16_384
_asked = Slots(_ASKED_AT_ONCE, wait_s=_WAIT_S)
_dead_lock = threading.Lock()
_dead: dict[str, float] = {}
"""Moment of the monotonic clock until which a server is left out."""
_ending: dict[str, str] = {}
"""Last day of certificates that end soon, by server, as the last login over each saw it."""
_told: dict[str, dt.date] = {}
"""Day on which that was written to the log last."""


def central() -> CentralLogin:
    """Give the settings that are in force."""
    found: CentralLogin = settings.HUB.central_login
    return found


def methods() -> Methods:
    """Say how it is found out who somebody is; local accounts only, unless hub.toml says more."""
    return next(
        (each for each in central().methods if each.service == SERVICE), Methods(service=SERVICE)
    )


def is_emergency(name: str) -> bool:
    """Tell whether a name is that of an account which is local whatever servers say."""
    return folded(name) in {folded(each) for each in methods().local_names}


def ends_on(server: str) -> str:
    """Give the last day of a server's certificate if a login saw that it is near; else empty."""
    with _dead_lock:
        return _ending.get(server, "")


def is_set_up() -> bool:
    """Tell whether any server is asked."""
    return methods().order != ("local",)


def secrets() -> Mapping[str, str]:
    """Read the files with the secrets of all servers.

    Raises:
        CentralSettingsError: One cannot be read; it names the server, not the secret.
    """
    return {name: _content(name, path) for name, path in settings.HUB.central_login_secrets.items()}


def secrets_must_be_long() -> None:
    """Refuse to start with a shared secret that can be found out by trying.

    One that cannot be read now is told of when its server is asked: it may be there by then.

    Raises:
        CentralSettingsError: One is too short; it names the server.
    """
    found: dict[str, str | None] = {}
    for name, path in settings.HUB.central_login_secrets.items():
        with suppress(CentralSettingsError):
            found[name] = _content(name, path)
    must_have_long_secrets(central(), found)


def _content(name: str, path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST_SECRET).strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise CentralSettingsError(f"the secret of {name} in {path}: {reason}") from error


@cache
def _settings_json() -> bytes:
    return to_json(central())


def ask(
    groups: tuple[str, ...],
    *,
    name: str,
    password: str,
    source: str,
    budget_s: float | None = None,
) -> asking.Told:
    """Ask groups of servers who somebody is.

    Args:
        groups: Names of the groups, in their order.
        name: As typed.
        password: As typed.
        source: Address of the browser.
        budget_s: Seconds that are left for this login; None for all of them.

    Raises:
        DirectoryChildError: There was no answer.
        HashingBusyError: Too many ask at the same moment.
        CentralSettingsError: A secret cannot be read.
    """
    with _asked.taken():
        told = asking.login(
            _settings_json(),
            secrets(),
            name=name,
            password=password,
            source=source,
            groups=groups,
            dead=_left(),
            budget_s=max(_LEAST_S, central().budget_s if budget_s is None else budget_s),
        )
    _note_dead(told)
    _note_ending(told)
    return told


def try_out(server: str, *, name: str = "", password: str = "") -> asking.Tested:
    """Try one server step by step.

    Raises:
        DirectoryChildError: There was no answer.
    """
    with _asked.taken():
        return asking.try_out(
            _settings_json(),
            secrets(),
            server=server,
            name=name,
            password=password,
            budget_s=float(central().budget_s),
        )


def keeps_records(group: str) -> bool:
    """Tell whether the servers of a group want to know who came and left: those of TACACS+."""
    found = central()
    return any(
        found.server(each.servers[0]).protocol == "tacacs+"  # all of a group speak the same
        for each in found.groups
        if each.name == group
    )


def record(visit: asking.Visit, *, group: str) -> None:
    """Tell the accounting of a group of servers that somebody came or left.

    It keeps nobody waiting, and nothing that goes wrong with it changes a login.
    """

    def lost(reason: str) -> None:
        log.warning("login.unrecorded", visit=visit.kind, group=group, reason=reason)

    try:
        known, dead = secrets(), _left()
    except CentralSettingsError as error:
        lost(str(error))
        return
    if not asking.record_aside(
        _settings_json(), known, visit, groups=(group,), told=lost, dead=dead
    ):
        lost("too many are told at this moment")


def forget() -> None:
    """Begin as a process does that was just started."""
    _settings_json.cache_clear()
    with _dead_lock:
        for kept in (_dead, _ending, _told):
            kept.clear()


def _left() -> dict[str, float]:
    now_s = time.monotonic()
    with _dead_lock:
        return {name: until - now_s for name, until in _dead.items() if until > now_s}


def _note_dead(told: asking.Told) -> None:
    """Note what was learnt of the servers that were asked, and of no others.

    Logins of other people end meanwhile, and know more than this one did when it began.
    """
    now_s = time.monotonic()
    with _dead_lock:
        for name in {str(one["server"]) for one in told.tries}:
            _dead.pop(name, None)
            if name in told.dead:
                _dead[name] = now_s + told.dead[name]


def _note_ending(told: asking.Told) -> None:
    """Warn of certificates that end soon, of each once a day."""
    today = now().date()
    with _dead_lock:
        for name in {str(one["server"]) for one in told.tries if not one.get("step")}:
            _ending.pop(name, None)
        _ending.update(told.ending)
        due = [name for name in told.ending if _told.get(name) != today]
        _told.update(dict.fromkeys(due, today))
    for name in due:
        log.warning("central_login.certificate_ends", server=name, on=told.ending[name])
