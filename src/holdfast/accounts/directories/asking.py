"""Has servers asked by a short-lived child; what auth and the hub call.

Only what the standard library has is imported, since auth stays resident on small devices.
"""

import json
import sys
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from threading import BoundedSemaphore, Thread
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from holdfast.accounts.errors import DirectoryChildError
from holdfast.accounts.normal import normalised
from holdfast.core.process import ProgramError, run

LONGEST_TEST_S = 9.0
"""Of a test of one server: so it is told within ten seconds."""
_OF_SERVERS = 0.9
"""Share of a budget that is for servers, with the start of the child in it; the rest is to end."""
_MARGIN_S = 5.0
"""A child that did not end by itself so long after its budget is ended."""
_KINDS = frozenset({"accepted", "rejected", "no-role", "unavailable"})
LONGEST = 256
"""Code points of a name or a password."""
RECORD_S = 5.0
MOST_RECORDS = 2
"""Records that are told at the same moment; each is a process."""
_recording = BoundedSemaphore(MOST_RECORDS)


class Told(NamedTuple):
    """What the child said of a login; see `chain.Outcome`.

    Attributes:
        kind: `accepted`, `rejected`, `no-role` or `unavailable`.
        name: As the directory spells it.
        role: Only if accepted.
        group: Group of servers that decided.
        server: Server that decided.
        reason: For an administrator.
        tries: Server, step, reason and seconds of every try.
        dead: Servers to be left out for so many seconds from now.
        is_spelt: False if no server told the name, and it is as it was typed.
        ending: Last day, as 2031-05-17, of certificates that end soon, by server that showed one.
    """

    kind: str
    name: str
    role: str
    group: str
    server: str
    reason: str
    tries: tuple[dict[str, Any], ...]
    dead: dict[str, float]
    is_spelt: bool = True
    ending: Mapping[str, str] = MappingProxyType({})


class Tested(NamedTuple):
    """How a test went.

    Attributes:
        steps: Name, ok (True, False or None) and a sentence, in their order.
        role: Role that the login would get; empty for none.
    """

    steps: tuple[tuple[str, bool | None, str], ...]
    role: str


class Visit(NamedTuple):
    """Somebody who came or left, for the accounting of a server.

    Attributes:
        kind: `start` for who came in, `stop` for who left.
        name: Who.
        task: The same for the start and the stop of one session; printable ASCII of 1 to 64
            characters that is no secret, so not the session's token.
        at_s: Seconds since 1970.
        source: Address of the browser.
        lasted_s: For a stop: length of the session.
    """

    kind: Literal["start", "stop"]
    name: str
    task: str
    at_s: int
    source: str = ""
    lasted_s: int = 0


def login(
    settings: bytes,
    secrets: Mapping[str, str],
    *,
    name: str,
    password: str,
    source: str,
    groups: Sequence[str],
    dead: Mapping[str, float],
    budget_s: float,
) -> Told:
    """Ask groups of servers who somebody is.

    All protocols get the same: the name in the form NFKC, and the password as it was typed. If that
    is refused and NFKC would make another password of it, the same server is asked for that too
    (`forms`): nobody knows in which form a directory took it when it was set.

    Args:
        settings: JSON of `settings.CentralLogin`.
        secrets: By name of the server, and `NAME.key` for keys of our own certificates.
        name: As typed, without blanks around it.
        password: As typed.
        source: Address of the browser; left out if it is no text that can be sent.
        groups: Groups of servers to ask, in this order (`chain.segments`).
        dead: What the last answer said of dead servers, less the time since.
        budget_s: Seconds for all of it, from now.

    Raises:
        DirectoryChildError: The child gave no answer; to be taken for `unavailable`.
    """
    name = _form_of(name)
    trouble = _trouble(name, password)
    if trouble:
        # A no, not "unavailable": with such a name nobody may get on to the next method.
        return Told("rejected", "", "", "", "", trouble, (), dict(dead))
    question = {
        "settings": _plain(settings),
        "secrets": dict(secrets),
        "login": {"name": name, "password": password, "source": _source(source)},
        "groups": list(groups),
        "dead": dict(dead),
        "until": _until(_OF_SERVERS * budget_s),
    }
    answer = _answer(question, budget_s)
    if answer.get("kind") not in _KINDS:
        raise DirectoryChildError(str(answer.get("error", "")))
    try:
        return Told(
            kind=str(answer["kind"]),
            name=str(answer["name"]),
            role=str(answer["role"]),
            group=str(answer["group"]),
            server=str(answer["server"]),
            reason=str(answer["reason"]),
            tries=tuple(dict(one) for one in answer["tries"]),
            dead={str(each): float(left) for each, left in answer["dead"].items()},
            is_spelt=bool(answer["is_spelt"]),
            ending={str(each): str(day) for each, day in answer["ending"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DirectoryChildError from error


def try_out(
    settings: bytes,
    secrets: Mapping[str, str],
    *,
    server: str,
    name: str = "",
    password: str = "",
    budget_s: float = 10.0,
) -> Tested:
    """Try one server step by step, with a login if a name or a password is given.

    Raises:
        DirectoryChildError: The child gave no answer.
    """
    name = _form_of(name)
    trouble = _trouble(name, password) if name or password else ""
    if trouble:
        # Never a test without the login instead: that would look like one with it.
        return Tested(steps=(("password", False, trouble),), role="")
    question = {
        "settings": _plain(settings),
        "secrets": dict(secrets),
        "server": server,
        "login": {"name": name, "password": password} if name else None,
        "until": _until(min(_OF_SERVERS * budget_s, LONGEST_TEST_S)),
    }
    answer = _answer(question, budget_s)
    try:
        steps = tuple((str(one["name"]), one["ok"], str(one["told"])) for one in answer["steps"])
        return Tested(steps=steps, role=str(answer["role"]))
    except (KeyError, TypeError) as error:
        raise DirectoryChildError(str(answer.get("error", ""))) from error


def record(
    settings: bytes,
    secrets: Mapping[str, str],
    visit: Visit,
    *,
    groups: Sequence[str],
    dead: Mapping[str, float] | None = None,
    budget_s: float = RECORD_S,
) -> str:
    """Tell the accounting of a TACACS+ server that somebody came or left.

    It raises nothing, and no login may depend on it. Groups of other protocols keep no records:
    for them nothing is started.

    Args:
        settings: JSON of `settings.CentralLogin`.
        secrets: As for `login`.
        visit: Who came or left.
        groups: The group that let this person in (`Told.group`); the first server that answers
            notes it.
        dead: Servers that are asked last.
        budget_s: Seconds for all of it.

    Returns:
        Why nobody noted it, for a log; empty if somebody did, or nobody keeps records.
    """
    try:
        plain = _plain(settings)
        if not _keep_records(plain, groups):
            return ""
        question = {
            "settings": plain,
            "secrets": dict(secrets),
            "record": {**visit._asdict(), "source": _source(visit.source)},
            "groups": list(groups),
            "dead": dict(dead or {}),
            "until": _until(_OF_SERVERS * budget_s),
        }
        answer = _answer(question, budget_s)
    except DirectoryChildError as error:
        return str(error)
    reason = "" if answer.get("noted_by") else answer.get("reason") or answer.get("error")
    return str(reason or "")


def record_aside(
    settings: bytes,
    secrets: Mapping[str, str],
    visit: Visit,
    *,
    groups: Sequence[str],
    told: Callable[[str], object],
    dead: Mapping[str, float] | None = None,
) -> bool:
    """Do the same as `record` without keeping the caller waiting.

    Args:
        settings: As for `record`.
        secrets: As for `record`.
        visit: Who came or left.
        groups: As for `record`.
        told: Called from another thread with a reason, if nobody noted it.
        dead: As for `record`.

    Returns:
        Whether it is on its way; False if so many are that this one is left out.
    """
    if not _recording.acquire(blocking=False):
        return False

    def tell() -> None:
        try:
            reason = record(settings, secrets, visit, groups=groups, dead=dead)
            if reason:
                told(reason)
        finally:
            _recording.release()

    Thread(target=tell, daemon=True, name="login-record").start()
    return True


def _keep_records(settings: dict[str, Any], groups: Sequence[str]) -> bool:
    """Tell whether any server of the groups is of a protocol that has records."""
    try:
        names = {
            name
            for group in settings["groups"]
            if group["name"] in groups
            for name in group["servers"]
        }
        return any(
            one["name"] in names and one["protocol"] == "tacacs+" for one in settings["servers"]
        )
    except (KeyError, TypeError):
        return False


def _trouble(name: str, password: str) -> str:
    """Say why no server of any protocol may be asked; empty if one may."""
    for what, text in (("name", name), ("password", password)):
        if not text:
            return f"the {what} is empty, and servers may say yes to that"
        if len(text) > LONGEST:
            return f"the {what} has more than {LONGEST} characters"
        if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
            return f"the {what} holds characters that are never part of one"
    if " ".join(name.split()) != name:
        # LDAP takes several blanks for one: each spelling would be counted as another person.
        return "the name has blanks around it, or several in a row"
    return ""


def _form_of(name: str) -> str:
    """Give the form of a name that is asked for; one that is too long stays so."""
    return normalised(name) if len(name) <= LONGEST else name


def _until(seconds: float) -> float:
    """Give the moment of a clock that runs alike in all processes, so a slow start counts too."""
    return time.monotonic() + seconds


def _source(text: str) -> str:
    """Leave out what is no address; it is only for the log of the server."""
    return text if text.isascii() and text.isprintable() and len(text) <= LONGEST else ""


def _plain(settings: bytes) -> dict[str, Any]:
    """Read the settings.

    Raises:
        DirectoryChildError: They are damaged.
    """
    try:
        plain = json.loads(settings)
    except (ValueError, RecursionError) as error:
        raise DirectoryChildError("the settings cannot be read") from error
    if not isinstance(plain, dict):
        raise DirectoryChildError("the settings cannot be read")
    return plain


def _answer(question: dict[str, Any], budget_s: float) -> dict[str, Any]:
    try:
        done = run(
            [sys.executable, "-I", "-m", "holdfast.accounts.directories.child"],
            stdin=json.dumps(question).encode(),
            timeout_s=budget_s + _MARGIN_S,
        )
        answer = json.loads(done.stdout)
    except (ProgramError, ValueError, RecursionError) as error:
        raise DirectoryChildError from error
    if not isinstance(answer, dict):
        raise DirectoryChildError
    return answer
