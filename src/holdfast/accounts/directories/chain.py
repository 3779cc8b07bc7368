"""Asks servers in their order: the next only when one could not be reached, never after a no.

Source:
    Recommendation 2; what administrators know from method lists of switches and routers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from holdfast.accounts.directories.answers import (
    Accepted,
    Directory,
    Login,
    Rejected,
    StepName,
    Unavailable,
)
from holdfast.accounts.directories.roles import role_of
from holdfast.accounts.directories.settings import CentralLogin, Group, Methods, Server

LOCAL = "local"
Kind = Literal["accepted", "rejected", "no-role", "unavailable"]
_OF_THE_SERVER = frozenset({"settings", "name", "route", "tls", "secret", "bind"})
"""Steps at which everybody fails alike; later ones may fail for one person only."""
_PATIENCE_S = 1.0
"""A server that was silent for less is not held to be dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One server that was asked.

    Attributes:
        server: Its name in the settings.
        step: Where it failed; empty if it answered.
        reason: Why, for an administrator.
        seconds: How long it took.
    """

    server: str
    step: StepName | Literal[""] = ""
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What asking came to.

    Attributes:
        kind: `no-role`: the password is right, but no rule gives this person a role here.
        name: As the directory spells it; empty unless accepted or `no-role`.
        is_spelt: False if no server told the name, and it is as it was typed.
        role: Only if accepted.
        group: Group of servers that decided.
        server: Server that decided.
        reason: For an administrator; nothing for who tries to log in.
        tries: Every server that was asked.
        dead: Servers to be left out for so many seconds from now, by name.
        ending: Last day of certificates that end soon, by server; see `reach.ending_soon`.
    """

    kind: Kind
    name: str = ""
    is_spelt: bool = True
    role: str = ""
    group: str = ""
    server: str = ""
    reason: str = ""
    tries: tuple[Try, ...] = ()
    dead: Mapping[str, float] = field(default_factory=dict)
    ending: Mapping[str, str] = field(default_factory=dict)


def segments(methods: Methods) -> Iterator[tuple[str, ...]]:
    """Cut the order of methods where the local accounts stand in it.

    Yields:
        `("local",)`, or the names of groups that are asked one after the other.
    """
    run: list[str] = []
    for name in methods.order:
        if name != LOCAL:
            run.append(name)
            continue
        if run:
            yield tuple(run)
            run = []
        yield (LOCAL,)
    if run:
        yield tuple(run)


class Chain:
    """One login, from server to server.

    Args:
        settings: Of central login.
        directory: Makes what asks a server.
        dead: Seconds for which a server is still left out, by name.
        monotonic: A clock that only runs forward.
    """

    def __init__(
        self,
        settings: CentralLogin,
        *,
        directory: Callable[[Server], Directory],
        dead: Mapping[str, float],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._monotonic = monotonic
        began = monotonic()
        self._dead = {name: began + seconds for name, seconds in dead.items() if seconds > 0}
        self._tries: list[Try] = []

    def ask(self, login: Login, groups: Sequence[str], *, budget_s: float) -> Outcome:
        """Ask groups of servers in their order.

        Args:
            login: Who wants in.
            groups: Names of groups.
            budget_s: Seconds for all of it.
        """
        until = self._monotonic() + budget_s
        plan = [pair for name in groups for pair in self._in_turn(self._settings.group(name))]
        failed: set[str] = set()
        for place, (group, server) in enumerate(plan):
            if server.name in failed:
                continue
            left_s = until - self._monotonic()
            if left_s <= 0:
                break
            enough_s = _share_of(left_s, server, [one for _, one in plan[place + 1 :]])
            decided = self._one(login, group, server, enough_s)
            if decided is not None:
                return decided
            failed.add(server.name)
        names = ", ".join(one.server for one in self._tries) or "no server"
        return self._outcome("unavailable", reason=f"no answer to rely on from {names}")

    def _in_turn(self, group: Group) -> Iterator[tuple[Group, Server]]:
        """Give the servers of a group that are to be asked until one answers.

        Those that were dead a moment ago are left out, but for the one that is due first: it comes
        last. So a stranger who has found a name on which a server falls silent keeps out nobody.
        """
        now = self._monotonic()
        servers = [self._settings.server(name) for name in group.servers]
        dead = [one for one in servers if self._dead.get(one.name, now) > now]
        yield from ((group, one) for one in servers if one not in dead)
        if dead:
            yield group, min(dead, key=lambda one: self._dead[one.name])

    def _one(self, login: Login, group: Group, server: Server, enough_s: float) -> Outcome | None:
        began = self._monotonic()
        answer = self._directory(server).authenticate(login, until=began + enough_s)
        took = round(self._monotonic() - began, 3)
        if isinstance(answer, Unavailable):
            self._tries.append(
                Try(server=server.name, step=answer.step, reason=answer.reason, seconds=took)
            )
            # What hangs on the person says nothing of the server, nor does too little time.
            if answer.step in _OF_THE_SERVER and (took < enough_s or took >= _PATIENCE_S):
                self._dead[server.name] = self._monotonic() + group.dead_s
            return None
        if not isinstance(answer, Rejected) or answer.server:
            self._dead.pop(server.name, None)
        self._tries.append(Try(server=server.name, seconds=took))
        if isinstance(answer, Rejected):
            return self._outcome("rejected", group, server, reason=answer.reason)
        return self._welcome(answer, group, server)

    def _welcome(self, answer: Accepted, group: Group, server: Server) -> Outcome:
        role = role_of(answer.claims, self._settings.roles, method=group.name)
        if role is None:
            reason = "the password is right, but no rule gives this person a role"
            return self._outcome("no-role", group, server, of=answer, reason=reason)
        return self._outcome("accepted", group, server, of=answer, role=role)

    def _outcome(
        self,
        kind: Kind,
        group: Group | None = None,
        server: Server | None = None,
        *,
        of: Accepted | None = None,
        role: str = "",
        reason: str = "",
    ) -> Outcome:
        now = self._monotonic()
        return Outcome(
            kind=kind,
            name=of.name if of else "",
            is_spelt=of.is_spelt if of else True,
            role=role,
            group=group.name if group else "",
            server=server.name if server else "",
            reason=reason,
            tries=tuple(self._tries),
            dead={each: round(at - now, 3) for each, at in self._dead.items() if at > now},
        )


def _share_of(left_s: float, server: Server, later: Sequence[Server]) -> float:
    """Give the seconds for one server, so that those after it can still be tried once each."""
    wanted_s = server.timeout_s * server.tries
    kept_s = sum(one.timeout_s for one in later)
    return min(wanted_s, max(left_s / (len(later) + 1), left_s - kept_s))
