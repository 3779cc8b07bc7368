"""What a directory answers: yes with claims, no, or nothing that can be relied on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["group", "attribute", "level"]
StepName = Literal[
    "settings", "name", "route", "tls", "secret", "bind", "search", "password", "role"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody who wants in.

    Attributes:
        name: As typed, without blanks around it, NFKC.
        password: As it is sent, never trimmed; never empty (who asks a directory has refused that).
            `forms.TwoForms` asks for a second form of it.
        source: Address of the browser, for the server's own log; may be empty.
    """

    name: str
    password: str
    source: str = ""

    def __repr__(self) -> str:
        """Show nothing of the password."""
        return f"Login(name={self.name!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One thing that a directory says about somebody, from which a role may follow.

    Attributes:
        kind: `group` (LDAP), `attribute` (LDAP, RADIUS, TACACS+), or `level` (a privilege level).
        name: Attribute name in lower case, such as `filter-id`; empty for groups and levels.
        value: DN or name of the group, value of the attribute, or level 0 to 15 in digits.
    """

    kind: Kind
    name: str = ""
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Name and password belong together.

    Attributes:
        name: As the directory spells it.
        claims: Read from an acceptance only, never from a refusal.
        server: Address of the server that said so.
        is_spelt: False if the server told no name, and this one is as it was typed: other
            spellings may be the same person.
    """

    name: str
    claims: tuple[Claim, ...] = ()
    server: str = ""
    is_spelt: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The server answered no; no other method may be asked.

    Attributes:
        reason: For the log of an administrator, never for who tries to log in.
        server: Address of the server that said so; empty if no server had to be asked.
    """

    reason: str
    server: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """Nothing that could be relied on came back; the next server or method is asked.

    Attributes:
        step: Where it failed.
        reason: A sentence for an administrator that says what to look at; no secret in it.
    """

    step: StepName
    reason: str
    server: str = ""


Answer = Accepted | Rejected | Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of "test this server".

    Attributes:
        name: Which.
        ok: Whether it worked; None where it was not reached, or cannot be told from here.
        told: A sentence: what was seen, or what failed and what to do.
    """

    name: StepName
    ok: bool | None
    told: str


class Directory(Protocol):
    """One server that can be asked.

    Neither method raises for anything that the network or the server does: that is an
    `Unavailable`, or a step that failed. Both are back within a tenth of a second after `until`.
    """

    def authenticate(self, login: Login, *, until: float) -> Answer:
        """Ask whether name and password belong together.

        Args:
            login: Who wants in.
            until: Moment of `time.monotonic()` by which the answer is needed.
        """
        ...

    def test(self, login: Login | None, *, until: float, tell: Callable[[Step], None]) -> Answer:
        """Do the same step by step, and tell each step; without a login as far as that goes.

        Returns:
            What `authenticate` would have answered. Without a login: `Accepted` with an empty name
            if everything worked that can be tried without one.
        """
        ...
