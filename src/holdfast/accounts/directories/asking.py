"""Has servers asked by a short-lived child; what auth and the hub call.

Only what the standard library has is imported, since auth stays resident on small devices.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from holdfast.accounts.errors import DirectoryChildError
from holdfast.core.process import ProgramError, run

_MARGIN_S = 5.0
"""To start Python and to end, beside the time that the servers get."""
_KINDS = frozenset({"accepted", "rejected", "no-role", "unavailable"})


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
    """

    kind: str
    name: str
    role: str
    group: str
    server: str
    reason: str
    tries: tuple[dict[str, Any], ...]
    dead: dict[str, float]


class Tested(NamedTuple):
    """How a test went.

    Attributes:
        steps: Name, ok (True, False or None) and a sentence, in their order.
        role: Role that the login would get; empty for none.
    """

    steps: tuple[tuple[str, bool | None, str], ...]
    role: str


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

    Args:
        settings: JSON of `settings.CentralLogin`.
        secrets: By name of the server, and `NAME.key` for keys of our own certificates.
        name: As typed.
        password: As typed, not empty.
        source: Address of the browser.
        groups: Groups of servers to ask, in this order (`chain.segments`).
        dead: What the last answer said of dead servers, less the time since.
        budget_s: Seconds for all of it.

    Raises:
        DirectoryChildError: The child gave no answer; to be taken for `unavailable`.
    """
    if not password or not all(map(_can_be_sent, (name, password, source))):
        # A no, not "unavailable": with such a name nobody may get on to the next method.
        return Told("rejected", "", "", "", "", "no server can be sent such a text", (), dict(dead))
    question = {
        "settings": json.loads(settings),
        "secrets": dict(secrets),
        "login": {"name": name, "password": password, "source": source},
        "groups": list(groups),
        "dead": dict(dead),
        "budget_s": budget_s,
    }
    answer = _answer(question, budget_s)
    if answer.get("kind") not in _KINDS:
        raise DirectoryChildError
    return Told(
        kind=str(answer["kind"]),
        name=str(answer["name"]),
        role=str(answer["role"]),
        group=str(answer["group"]),
        server=str(answer["server"]),
        reason=str(answer["reason"]),
        tries=tuple(dict(one) for one in answer["tries"]),
        dead={str(each): float(left) for each, left in answer["dead"].items()},
    )


def try_out(
    settings: bytes,
    secrets: Mapping[str, str],
    *,
    server: str,
    name: str = "",
    password: str = "",
    budget_s: float = 10.0,
) -> Tested:
    """Try one server step by step, with a login if a name is given.

    Raises:
        DirectoryChildError: The child gave no answer.
    """
    sendable = name and password and _can_be_sent(name) and _can_be_sent(password)
    known = {"name": name, "password": password} if sendable else None
    question = {
        "settings": json.loads(settings),
        "secrets": dict(secrets),
        "server": server,
        "login": known,
        "budget_s": budget_s,
    }
    answer = _answer(question, budget_s)
    if "steps" not in answer:
        raise DirectoryChildError(str(answer.get("error", "")))
    steps = tuple((str(one["name"]), one["ok"], str(one["told"])) for one in answer["steps"])
    return Tested(steps=steps, role=str(answer["role"]))


def _can_be_sent(text: str) -> bool:
    """Tell whether a text is one in UTF-8, which a lone surrogate is not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _answer(question: dict[str, Any], budget_s: float) -> dict[str, Any]:
    try:
        done = run(
            [sys.executable, "-I", "-m", "holdfast.accounts.directories.child"],
            stdin=json.dumps(question).encode(),
            timeout_s=budget_s + _MARGIN_S,
        )
        answer = json.loads(done.stdout)
    except (ProgramError, ValueError) as error:
        raise DirectoryChildError from error
    if not isinstance(answer, dict):
        raise DirectoryChildError
    return answer
