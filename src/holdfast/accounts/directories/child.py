"""`python -I -m holdfast.accounts.directories.child`: asks servers once, and ends.

Question on standard input, answer on standard output, both one JSON object, as `asking` writes and
reads them. The libraries of the protocols, and the secrets, live only as long as one question. Of
what it could do otherwise `fence` leaves it little.
"""

import gc
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import msgspec

from holdfast.accounts.directories import reach
from holdfast.accounts.directories.answers import (
    Accepted,
    Answer,
    Directory,
    Login,
    Rejected,
    Step,
    Unavailable,
)
from holdfast.accounts.directories.chain import Chain, Outcome
from holdfast.accounts.directories.fence import fence
from holdfast.accounts.directories.forms import TwoForms
from holdfast.accounts.directories.roles import role_of
from holdfast.accounts.directories.settings import CentralLogin, Server
from holdfast.core.clock import now
from holdfast.core.errors import HoldfastError


class Record(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Somebody who came or left; see `tacacs.bodies.Event`."""

    kind: Literal["start", "stop"]
    name: str
    task: str
    at_s: int
    source: str = ""
    lasted_s: int = 0


class Question(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is asked of the child.

    Attributes:
        settings: Of central login.
        secrets: By name of the server, and `NAME.key` for the key of our own certificate.
        login: Who wants in; None for a test without one, and for a record.
        groups: Groups of servers to ask, in this order; for a login or a record.
        server: The one server to test; for a test.
        record: What the accounting of a TACACS+ server is told; for a record.
        dead: Seconds for which servers are left out, by name.
        until: Moment of `time.monotonic()` by which servers must have answered.
    """

    settings: CentralLogin
    secrets: dict[str, str] = {}
    login: Login | None = None
    groups: tuple[str, ...] = ()
    server: str = ""
    record: Record | None = None
    dead: dict[str, float] = {}
    until: float


class Recorded(msgspec.Struct, kw_only=True):
    """How it went to tell the accounting of servers.

    Attributes:
        noted_by: Server that noted it; empty for none.
        reason: Why none did.
    """

    noted_by: str = ""
    reason: str = ""


class Tested(msgspec.Struct, kw_only=True):
    """How a test of a server went.

    Attributes:
        steps: In their order.
        role: The role that the login would get; empty for none.
    """

    steps: tuple[Step, ...]
    role: str = ""


def directory_of(
    server: Server, secrets: Mapping[str, str], *, understood: Sequence[str] = ()
) -> Directory:
    """Make what asks a server; only the code of its protocol is imported.

    Args:
        server: Which one.
        secrets: Of all servers.
        understood: Attributes on which roles depend; a TACACS+ server may insist on them.
    """
    secret, key = secrets.get(server.name, ""), secrets.get(f"{server.name}.key", "")
    if server.protocol == "ldap":
        from holdfast.accounts.directories.ldap import LdapDirectory  # noqa: PLC0415

        return LdapDirectory(server, secret, client_key=key)
    if server.protocol == "radius":
        from holdfast.accounts.directories.radius import RadiusDirectory  # noqa: PLC0415

        return RadiusDirectory(server, secret, client_key=key)
    from holdfast.accounts.directories.tacacs import TacacsDirectory  # noqa: PLC0415

    return TacacsDirectory(server, secret, client_key=key, understood=understood)


def answered(question: Question) -> Outcome | Tested | Recorded:
    """Answer one question.

    Raises:
        HoldfastError: The question makes no sense.
    """
    known = {one.name for one in question.settings.servers}
    if question.server:
        if question.server not in known:
            raise HoldfastError(f"there is no server {question.server!r} in the settings")
        return _tested(question)
    if set(question.groups) - {one.name for one in question.settings.groups}:
        raise HoldfastError("there is no such group of servers in the settings")
    if question.record is not None:
        return _recorded(question, question.record)
    if question.login is None or not (question.login.name and question.login.password):
        raise HoldfastError("a login needs a name and a password")
    chain = Chain(
        question.settings,
        directory=lambda server: _directory(server, question),
        dead=question.dead,
        monotonic=time.monotonic,
    )
    left_s = question.until - time.monotonic()
    outcome = chain.ask(question.login, question.groups, budget_s=left_s)
    return replace(outcome, ending=reach.ending_soon(now()))


def _directory(server: Server, question: Question) -> Directory:
    understood = [rule.attribute for rule in question.settings.roles if rule.attribute]
    return TwoForms(directory_of(server, question.secrets, understood=understood))


def _recorded(question: Question, record: Record) -> Recorded:
    """Tell the first server of the groups that notes it; those that were dead come last."""
    from holdfast.accounts.directories.tacacs import Event, TacacsDirectory  # noqa: PLC0415

    event = Event(**{name: getattr(record, name) for name in record.__struct_fields__})
    settings, until = question.settings, question.until
    servers = [
        settings.server(name) for group in question.groups for name in settings.group(group).servers
    ]
    reason = "none of these servers keeps records"
    for server in sorted(servers, key=lambda one: question.dead.get(one.name, 0.0)):
        directory = directory_of(server, question.secrets)
        at = time.monotonic()
        if isinstance(directory, TacacsDirectory) and at < until:
            enough = min(until, at + server.timeout_s * server.tries)
            failure = directory.record(event, until=enough)
            if failure is None:
                return Recorded(noted_by=server.name)
            reason = f"{server.name}: {failure.reason}"
    return Recorded(reason=reason)


def _tested(question: Question) -> Tested:
    server = question.settings.server(question.server)
    steps: list[Step] = []
    directory = _directory(server, question)
    answer = directory.test(question.login, until=question.until, tell=steps.append)
    if question.login is None:
        return Tested(steps=tuple(step for step in steps if step.name != "role"))
    step, role = _role_step(answer, question)
    # What the server refused about the role explains why there is none.
    steps = [each for each in steps if each.name != "role" or (each.ok is False and not role)]
    return Tested(steps=(*steps, step), role=role)


def _role_step(answer: Answer, question: Question) -> tuple[Step, str]:
    if isinstance(answer, Unavailable | Rejected):
        return Step(name="role", ok=None, told="Not reached: there is no yes to judge."), ""
    # A test concerns a server; the group through which it would be asked may limit rules.
    methods = [one.name for one in question.settings.groups if question.server in one.servers]
    for method in methods or [""]:
        role = role_of(answer.claims, question.settings.roles, method=method)
        if role is not None:
            return Step(name="role", ok=True, told=f"The role would be {role}."), role
    told = "No rule gives this person a role, so there would be no access. The server said: "
    return Step(name="role", ok=False, told=told + _said(answer)), ""


def _said(answer: Accepted) -> str:
    claims = [
        f"{claim.kind} {claim.name + ' = ' if claim.name else ''}{claim.value}"
        for claim in answer.claims[:10]
    ]
    return "; ".join(claims) + "." if claims else "nothing from which a role could follow."


def main() -> int:
    """Read the question, write the answer."""
    try:
        question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
        answer: Any = answered(question)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        answer = {"error": "the question cannot be read"}
    except HoldfastError as error:
        answer = {"error": str(error)}
    except Exception as error:  # noqa: BLE001 - a message of its own could hold what was typed
        answer = {"error": f"{type(error).__name__} while servers were asked"}
    sys.stdout.buffer.write(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    gc.disable()  # it ends before there is anything to collect, and somebody waits
    fence()  # a wall that this kernel does not know is no reason to let nobody in
    sys.exit(main())
