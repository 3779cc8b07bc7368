"""Every verb that crosses a privilege border on the device: the table that is enforced and audited.

No path, address, unit name or command ever crosses; an argument is a short text of a given
pattern, a bounded number or one of a few words. Standard library only.

Source:
    OpenSSH README.privsep: a small monitor that does only what a closed table names.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from holdfast.hardening.errors import ArgumentError, CallerError, UnknownVerbError

AGENT, AUTH, GUI, ROOT = "agent", "auth", "gui", "root"


class Text(NamedTuple):
    """A text argument.

    Attributes:
        longest: Characters allowed at most.
        pattern: Regular expression that the whole text matches.
        secret: Whether the journal must not repeat it.
    """

    longest: int
    pattern: str = r"[^\x00-\x1f\x7f]+"
    secret: bool = False

    def fault(self, value: object) -> str:
        """Say what is wrong with a value; empty if nothing."""
        if not isinstance(value, str):
            return "must be a text"
        if len(value) > self.longest:
            return f"must have {self.longest} characters at most"
        if not re.fullmatch(self.pattern, value) or not value.isprintable():
            return "has a form that is not allowed"
        return ""


class Number(NamedTuple):
    """A whole number between `lowest` and `highest`, both included."""

    lowest: int
    highest: int
    secret: bool = False

    def fault(self, value: object) -> str:
        """Say what is wrong with a value; empty if nothing."""
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be a whole number"
        if not self.lowest <= value <= self.highest:
            return f"must lie between {self.lowest} and {self.highest}"
        return ""


class Choice(NamedTuple):
    """One of a few fixed words."""

    words: tuple[str, ...]
    secret: bool = False

    def fault(self, value: object) -> str:
        """Say what is wrong with a value; empty if nothing."""
        if not isinstance(value, str) or value not in self.words:
            return f"must be one of {', '.join(self.words)}"
        return ""


Argument = Text | Number | Choice


class Verb(NamedTuple):
    """One thing that a caller may ask of a more privileged process.

    Attributes:
        purpose: What it does, for people.
        callers: Names of the processes that may use it.
        args: Arguments by name; all of them are required.
        calls: Calls allowed to one caller within `per_s` seconds.
        per_s: Seconds over which `calls` are counted.
        slow: Whether it takes longer than a moment and runs in a thread of its own.
        quiet: Whether it only reads, so that repeated calls are counted, not written singly.
    """

    purpose: str
    callers: frozenset[str]
    args: Mapping[str, Argument] = MappingProxyType({})
    calls: int = 20
    per_s: int = 60
    slow: bool = False
    quiet: bool = False

    def check(self, args: Mapping[str, Any]) -> None:
        """Refuse arguments that the table does not describe exactly.

        Raises:
            ArgumentError: One is missing, unknown, of another type or out of bounds.
        """
        unknown = sorted(set(args) - set(self.args))
        if unknown:
            allowed = ", ".join(sorted(self.args)) or "none"
            raise ArgumentError(f"unknown argument {unknown[0][:40]!r}; allowed: {allowed}")
        for name, rule in self.args.items():
            if name not in args:
                raise ArgumentError(f"argument {name} is missing")
            if fault := rule.fault(args[name]):
                raise ArgumentError(f"argument {name} {fault}")


VERSION = Text(longest=11, pattern=r"[0-9]{1,3}(\.[0-9]{1,3}){1,2}")

BROKER: Mapping[str, Verb] = {
    "status": Verb(
        purpose="Say which slot runs, what each slot holds and how far an installation is.",
        callers=frozenset({AGENT, GUI, ROOT}),
        calls=100,
        per_s=5,
        quiet=True,
    ),
    "slot.install": Verb(
        purpose="Have the staged release verified, then write it to the slot that does not run.",
        callers=frozenset({AGENT, ROOT}),
        args={"version": VERSION},
        calls=30,
        slow=True,
    ),
    "slot.activate": Verb(
        purpose="Try the freshly written slot at the next restart.",
        callers=frozenset({AGENT, ROOT}),
    ),
    "slot.confirm": Verb(
        purpose="Keep the running slot that is being tried: it proved itself.",
        callers=frozenset({AGENT, ROOT}),
    ),
    "slot.rollback": Verb(
        purpose="Give up the running slot that is being tried and restart with the good one.",
        callers=frozenset({AGENT, ROOT}),
        args={"reason": Text(longest=400)},
    ),
    "reboot": Verb(
        purpose="Restart the device.",
        callers=frozenset({AGENT, ROOT}),
        calls=10,
    ),
}

_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_WINDOW = f"{_TIME}-{_TIME}"

NAME = Text(longest=64, pattern=r"[A-Za-z0-9][A-Za-z0-9._@+-]*")
PASSWORD = Text(longest=1024, pattern=r"[^\x00-\x1f\x7f]+", secret=True)

AGENT_VERBS: Mapping[str, Verb] = {
    "update.state": Verb(
        purpose="Tell everything that the update page shows.",
        callers=frozenset({GUI, ROOT}),
        calls=100,
        per_s=5,
        quiet=True,
    ),
    "update.notes": Verb(
        purpose="Tell the notes of the offered release, in parts that fit a packet.",
        callers=frozenset({GUI, ROOT}),
        args={"part": Number(lowest=0, highest=31)},
        calls=100,
        per_s=5,
    ),
    "update.history": Verb(
        purpose="Tell what happened before, a page at a time, newest first.",
        callers=frozenset({GUI, ROOT}),
        args={"page": Number(lowest=0, highest=999)},
        calls=100,
        per_s=5,
    ),
    "update.check": Verb(purpose="Ask the hub now.", callers=frozenset({GUI, ROOT})),
    "update.install": Verb(
        purpose="Install the offered release now.", callers=frozenset({GUI, ROOT})
    ),
    "update.later": Verb(
        purpose="Put the offered release off, within the bounds of its profile.",
        callers=frozenset({GUI, ROOT}),
        args={"days": Number(lowest=1, highest=365)},
    ),
    "update.preferences": Verb(
        purpose="Choose whether updates install by themselves, and when.",
        callers=frozenset({GUI, ROOT}),
        args={
            "mode": Choice(words=("ask", "automatic")),
            "window": Text(longest=11, pattern=_WINDOW),
        },
    ),
    "owner.subscribe": Verb(
        purpose="Ask the hub to mail the owner about releases.",
        callers=frozenset({GUI, ROOT}),
        args={"address": Text(longest=254, pattern=r"[^\s@]{1,64}@[^\s@]{1,189}", secret=True)},
    ),
    "owner.unsubscribe": Verb(
        purpose="Ask the hub to forget the owner's address.", callers=frozenset({GUI, ROOT})
    ),
}

AUTH_VERBS: Mapping[str, Verb] = {
    "account.state": Verb(
        purpose="Say whether this device has an owner.",
        callers=frozenset({GUI, ROOT}),
        calls=100,
        per_s=5,
        quiet=True,
    ),
    "account.claim": Verb(
        purpose="Make the owner's account with the set-up code, once.",
        callers=frozenset({GUI, ROOT}),
        args={
            "code": Text(longest=64, pattern=r"[A-Za-z0-9 -]+", secret=True),
            "name": NAME,
            "password": PASSWORD,
        },
        slow=True,
    ),
    "account.login": Verb(
        purpose="Say who somebody is by name and password.",
        callers=frozenset({GUI, ROOT}),
        args={"name": NAME, "password": PASSWORD},
        calls=30,
        slow=True,
    ),
}


def allow(
    table: Mapping[str, Verb], verb: str, args: Mapping[str, Any], callers: frozenset[str]
) -> Verb:
    """Find a verb and refuse a call that the table does not allow.

    Args:
        table: The closed table of the called process.
        verb: Name as it was sent.
        args: Arguments as they were sent.
        callers: Names that the peer's uid stands for.

    Raises:
        UnknownVerbError: The table has no such verb.
        CallerError: None of `callers` may use it.
        ArgumentError: The arguments are not exactly those of the table.
    """
    rule = table.get(verb)
    if rule is None:
        raise UnknownVerbError(f"there is no verb {verb[:40]!r}")
    if not rule.callers & callers:
        who = "/".join(sorted(callers)) or "a stranger"
        raise CallerError(f"{verb} may not be used by {who}")
    rule.check(args)
    return rule
