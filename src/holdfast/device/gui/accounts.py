"""What auth says about accounts and logins, read strictly and put into words."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from holdfast.core.errors import HoldfastError
from holdfast.device.gui.answers import AnswerError
from holdfast.device.gui.backends import Backends
from holdfast.device.gui.desk import LOCAL
from holdfast.device.gui.sessions import Session
from holdfast.device.gui.texts import near
from holdfast.device.gui.texts import translate as _

_MOST_PAGES = 16
_ROLES = {"owner": "Owner", "viewer": "Viewer"}
_TITLES = {
    "in": "{name} logged in",
    "wrong": "Wrong password for {name}",
    "wrong-second": "Right password, wrong code for {name}",
    "wrong-recovery": "Wrong recovery code for {name}",
    "too-known": "Right password for {name}, but one that everybody tries: not let in",
    "second-wanted": "Right password for {name}; a code was asked for",
    "slowed": "A try for {name} came too early and was not heard",
    "no-role": "{name} is known to the servers, but no rule gives a role",
    "unavailable": "No server answered for {name}",
    "recovered": "A recovery code of {name} made a browser known",
}
_NAMELESS = {
    "wrong": "Wrong password for a name that this device does not know",
    "no-role": "Somebody is known to the servers, but no rule gives a role",
    "unavailable": "No server answered for somebody",
    "too-known": "Right password for an account that is gone, but one that everybody tries",
    "wrong-recovery": "Wrong recovery code for a name that this device does not know",
}
_KINDS = {
    "in": "calm",
    "recovered": "calm",
    "wrong": "bad",
    "wrong-second": "bad",
    "wrong-recovery": "bad",
    "too-known": "bad",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An account that this device keeps.

    Attributes:
        name: Its name.
        role: Its role, as auth calls it.
        role_text: The same for people.
        has_second: Whether codes of an app are asked for.
        recovery: How many recovery codes are left.
        browsers: How many browsers are known.
        is_old: Whether its password was taken over and not typed here yet.
    """

    name: str
    role: str
    role_text: str
    has_second: bool
    recovery: int
    browsers: int
    is_old: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """One line of the log of logins.

    Attributes:
        title: What happened.
        when: The moment for people.
        at: The moment for programs.
        where: From where, and who decided.
        marks: What is remarkable, in words.
        kind: Colour of its dot; the title says the same.
    """

    title: str
    when: str
    at: str
    where: str
    marks: tuple[str, ...]
    kind: str


def role_text(role: str) -> str:
    """Name a role for people."""
    return _(_ROLES.get(role, role[:1].upper() + role[1:]))


async def rows(backends: Backends) -> list[Row]:
    """Ask for all accounts.

    Raises:
        AnswerError: The answer makes no sense.
    """
    found: list[Row] = []
    page, pages = 0, 1
    while page < min(pages, _MOST_PAGES):
        answer = await backends.ask("account.list", {"page": page})
        try:
            found += [_row(one) for one in answer["accounts"]]
            pages = int(answer["pages"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise AnswerError("The list of accounts cannot be read.") from error
        page += 1
    return found


async def own(backends: Backends, session: Session) -> Row | None:
    """Ask for the account of a session; None if a directory keeps it."""
    if session.method != LOCAL:
        return None
    return next((one for one in await rows(backends) if one.name == session.name), None)


async def has_second(backends: Backends, session: Session) -> bool:
    """Whether codes of an app are asked for where something is to be confirmed."""
    try:
        row = await own(backends, session)
    except HoldfastError:
        return False  # the page is of more use than what a field on it is called
    return row is not None and row.has_second


async def logins(
    backends: Backends, *, kind: str, page: int, now: datetime
) -> tuple[list[LoginView], int]:
    """Ask for one page of the log, newest first, and the number of pages.

    Raises:
        AnswerError: The answer makes no sense.
    """
    answer = await backends.ask("account.logins", {"kind": kind, "page": page})
    try:
        return [_login(one, now=now) for one in answer["entries"]], int(answer["pages"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise AnswerError("The log of logins cannot be read.") from error


def _row(one: dict[str, Any]) -> Row:
    return Row(
        name=str(one["name"]),
        role=str(one["role"]),
        role_text=role_text(str(one["role"])),
        has_second=one["second"] is True,
        recovery=int(one["recovery"]),
        browsers=int(one["browsers"]),
        is_old=one["taken_over"] is True,
    )


def _login(one: dict[str, Any], *, now: datetime) -> LoginView:
    at = datetime.fromisoformat(one["at"])
    if at.tzinfo is None:
        raise ValueError(one)
    name, result, times = str(one["name"]), str(one["result"]), int(one["times"])
    title = _TITLES.get(result, result) if name else _NAMELESS.get(result, _TITLES["wrong"])
    source = str(one["source"]) or _("an unknown place")
    method = str(one["method"])
    where = _("From {source}").format(source=source)
    if result == "in":
        decided = _("this device") if method == LOCAL else method
        where = _("From {source}; {who} checked the password").format(source=source, who=decided)
    marks = []
    if one["is_new"]:
        marks.append(_("A new place or browser"))
    if one["is_emergency"]:
        marks.append(_("Emergency account"))
    if one["is_recovery"]:
        marks.append(_("With a recovery code"))
    if times > 1:
        marks.append(_("{count} times in a row").format(count=times))
    return LoginView(
        title=_(title).format(name=name or _("somebody")),
        when=near(at, now=now),
        at=at.astimezone(UTC).isoformat(timespec="seconds"),
        where=where,
        marks=tuple(marks),
        kind="warn" if one["is_new"] and result == "in" else _KINDS.get(result, ""),
    )
