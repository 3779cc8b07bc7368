"""Every verb that crosses a privilege border on the device: the table that is enforced and audited.

No path, address, unit name or command ever crosses; an argument is a short text of a given
pattern, a bounded number or one of a few words. Standard library only.

Source:
    OpenSSH README.privsep: a small monitor that does only what a closed table names.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from holdfast.hardening.arguments import Argument, Choice, Number, Text
from holdfast.hardening.errors import ArgumentError, CallerError, UnknownVerbError

AGENT, AUTH, GUI, ROOT = "agent", "auth", "gui", "root"


class Verb(NamedTuple):
    """One thing that a caller may ask of a more privileged process.

    Attributes:
        purpose: What it does, for people.
        callers: Names of the processes that may use it.
        args: Arguments by name.
        optional: Those of them that may be left out; each is then an empty text.
        calls: Calls allowed to one caller within `per_s` seconds.
        per_s: Seconds over which `calls` are counted.
        slow: Whether it takes longer than a moment and runs in a thread of its own.
        quiet: Whether it only reads, so that repeated calls are counted, not written singly.
        proof_of: Callers from whom it demands the owner's proof (`hardening.proof`).
    """

    purpose: str
    callers: frozenset[str]
    args: Mapping[str, Argument] = MappingProxyType({})
    calls: int = 20
    per_s: float = 60
    slow: bool = False
    quiet: bool = False
    proof_of: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

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
            if name not in args and name in self.optional:
                continue
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
        callers=frozenset({AGENT, GUI, ROOT}),
        calls=10,
        proof_of=frozenset({GUI}),
    ),
}

_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_WINDOW = f"{_TIME}-{_TIME}"

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

_PEOPLE = frozenset({GUI, ROOT})
_ANY_NAME = Text(longest=128, is_free=True)
_NEW_NAME = Text(longest=32, pattern=r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PASSWORD = Text(longest=1024, secret=True, is_free=True)
_CODE = Text(longest=64, secret=True, is_free=True)
_SETUP_CODE = Text(longest=64, pattern=r"[A-Za-z0-9 -]+", secret=True)
_ROLE = Text(longest=32, pattern=r"[a-z0-9][a-z0-9-]*")
_SOURCE = Text(longest=64, pattern=r"[0-9A-Za-z.:%\[\]]*")
_COOKIE = Text(longest=128, pattern=r"[0-9a-f.]*", secret=True)
_PENDING = Text(longest=64, pattern=r"[0-9a-f]+", secret=True)
_PAGE = Number(lowest=0, highest=999)
_SOURCED = frozenset({"source", "cookie"})
_BY_BOTH = {
    "name": _ANY_NAME,
    "password": _PASSWORD,
    "code": _CODE,
    "source": _SOURCE,
    "cookie": _COOKIE,
}
# Strangers and the owner come through the same gui: what slows strangers is the throttle, which
# tells them apart, and not a bound that they could use up for everybody.
_GUESSED_S = 0.2

AUTH_VERBS: Mapping[str, Verb] = {
    "account.state": Verb(
        purpose="Say whether this device has an owner.",
        callers=_PEOPLE,
        calls=100,
        per_s=5,
        quiet=True,
    ),
    "account.who": Verb(
        purpose="Say role and epoch of an account; a session of another epoch is over.",
        callers=_PEOPLE,
        args={"name": _ANY_NAME, "method": Text(longest=32)},
        optional=frozenset({"method"}),
        calls=100,
        per_s=5,
        quiet=True,
    ),
    "account.suggest": Verb(
        purpose="Make a passphrase that nobody knows.",
        callers=_PEOPLE,
        calls=30,
        slow=True,
        quiet=True,
    ),
    "account.check": Verb(
        purpose="Judge a password that is being typed; only advice.",
        callers=_PEOPLE,
        args={"name": _ANY_NAME, "password": _PASSWORD},
        calls=60,
        slow=True,
        quiet=True,
    ),
    "account.claim": Verb(
        purpose="Make the owner's account with the set-up code, once.",
        callers=_PEOPLE,
        args={
            "code": _SETUP_CODE,
            "name": Text(longest=64, is_free=True),
            "password": _PASSWORD,
            "source": _SOURCE,
        },
        optional=_SOURCED,
        calls=100,
        per_s=_GUESSED_S,
        slow=True,
    ),
    "account.login": Verb(
        purpose="Say who somebody is by name and password, or that a second factor is wanted.",
        callers=_PEOPLE,
        args={"name": _ANY_NAME, "password": _PASSWORD, "source": _SOURCE, "cookie": _COOKIE},
        optional=_SOURCED,
        calls=100,
        per_s=_GUESSED_S,
        slow=True,
    ),
    "account.route": Verb(
        purpose="Say whether a login is decided by servers, and whether its browser is known.",
        callers=_PEOPLE,
        args={"name": _ANY_NAME, "cookie": _COOKIE},
        optional=frozenset({"cookie"}),
        calls=100,
        per_s=_GUESSED_S,
        quiet=True,
    ),
    "account.second": Verb(
        purpose="Finish a login with a code of the app, or with a recovery code.",
        callers=_PEOPLE,
        args={"pending": _PENDING, "code": _CODE},
        calls=100,
        per_s=_GUESSED_S,
        slow=True,
    ),
    "account.left": Verb(
        purpose="Tell the server that keeps records that the visit of a login is over.",
        callers=_PEOPLE,
        args={"task": Text(longest=64, pattern=r"[0-9a-f]+")},
        calls=60,
        slow=True,
        quiet=True,
    ),
    "account.unlock": Verb(
        purpose="Make a browser known with a recovery code, so that its passwords are heard.",
        callers=_PEOPLE,
        args={"name": _ANY_NAME, "code": _CODE, "source": _SOURCE},
        optional=_SOURCED,
        calls=100,
        per_s=_GUESSED_S,
        slow=True,
    ),
    "account.password": Verb(
        purpose="Change one's own password; all sessions of the account are over then.",
        callers=_PEOPLE,
        args={
            "name": _ANY_NAME,
            "old": _PASSWORD,
            "new": _PASSWORD,
            "code": _CODE,
            "source": _SOURCE,
            "cookie": _COOKIE,
        },
        optional=_SOURCED | {"code"},
        slow=True,
    ),
    "account.prove": Verb(
        purpose="Make the owner's proof for one call: by a code, or by the password without one.",
        callers=_PEOPLE,
        args={
            "name": _ANY_NAME,
            "secret": _PASSWORD,
            "verb": Text(longest=32, pattern=r"[a-z]+(\.[a-z]+)*"),
            "args": Text(longest=1024, secret=True, is_free=True),
            "source": _SOURCE,
            "cookie": _COOKIE,
        },
        optional=_SOURCED,
        slow=True,
    ),
    "account.totp.begin": Verb(
        purpose="Make a seed for an app that shows codes; nothing is asked of it yet.",
        callers=_PEOPLE,
        args={"name": _ANY_NAME, "password": _PASSWORD, "source": _SOURCE, "cookie": _COOKIE},
        optional=_SOURCED,
        slow=True,
    ),
    "account.totp.confirm": Verb(
        purpose="Ask for codes of the app from now on; gives recovery codes.",
        callers=_PEOPLE,
        args={"name": _ANY_NAME, "code": _CODE},
        slow=True,
    ),
    "account.totp.remove": Verb(
        purpose="Ask for codes no more; needs the password and a code.",
        callers=_PEOPLE,
        args=_BY_BOTH,
        optional=_SOURCED,
        slow=True,
    ),
    "account.recovery": Verb(
        purpose="Make ten new recovery codes; the old ones are worth nothing then.",
        callers=_PEOPLE,
        args=_BY_BOTH,
        optional=_SOURCED | {"code"},
        slow=True,
    ),
    "account.logins": Verb(
        purpose="Tell who logged in and who failed to, a page at a time, newest first.",
        callers=_PEOPLE,
        args={"kind": Choice(words=("in", "failed")), "page": _PAGE},
        calls=100,
        per_s=5,
        quiet=True,
    ),
    "account.known.forget": Verb(
        purpose="Forget all known browsers of one's own account.",
        callers=_PEOPLE,
        args=_BY_BOTH,
        optional=_SOURCED | {"code"},
        slow=True,
    ),
    "account.list": Verb(
        purpose="Tell all accounts, a page at a time.",
        callers=_PEOPLE,
        args={"page": _PAGE},
        calls=100,
        per_s=5,
        quiet=True,
    ),
    "account.add": Verb(
        purpose="Make a further account with a role of the profile.",
        callers=_PEOPLE,
        args={"name": _NEW_NAME, "password": _PASSWORD, "role": _ROLE},
        slow=True,
        proof_of=frozenset({GUI}),
    ),
    "account.remove": Verb(
        purpose="Remove an account; the last owner stays.",
        callers=_PEOPLE,
        args={"name": _NEW_NAME},
        proof_of=frozenset({GUI}),
    ),
    "account.import": Verb(
        purpose="Take an account over from an older product, with its password hash.",
        callers=_PEOPLE,
        args={
            "name": _NEW_NAME,
            "role": _ROLE,
            "hash": Text(longest=512, secret=True),
            "days": Number(lowest=1, highest=365),
        },
        calls=60,
        slow=True,
        proof_of=frozenset({GUI}),
    ),
    "keys.rotate": Verb(
        purpose="Make a new device key, and seal anew with it; old hashes follow at each login.",
        callers=frozenset({ROOT}),
        calls=4,
        slow=True,
    ),
    "central.read": Verb(
        purpose="Tell the settings of central login, without secrets, in parts.",
        callers=_PEOPLE,
        args={"part": Number(lowest=0, highest=127)},
        calls=100,
        per_s=1,
        quiet=True,
    ),
    "central.stage": Verb(
        purpose="Take one part of new settings of central login, base64; nothing changes yet.",
        callers=_PEOPLE,
        args={
            "part": Number(lowest=0, highest=127),
            "parts": Number(lowest=1, highest=128),
            "text": Text(longest=1024, pattern=r"[A-Za-z0-9+/=]+", secret=True),
        },
        calls=100,
        per_s=1,
        quiet=True,
    ),
    "central.write": Verb(
        purpose="Replace the settings of central login by what was staged.",
        callers=_PEOPLE,
        args={"sha256": Text(longest=64, pattern=r"[0-9a-f]{64}")},
        slow=True,
        proof_of=frozenset({GUI}),
    ),
    "central.test": Verb(
        purpose="Try one server step by step, with a login if one is given.",
        callers=_PEOPLE,
        args={"server": Text(longest=32), "name": _ANY_NAME, "password": _PASSWORD},
        optional=frozenset({"name", "password"}),
        calls=10,
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
