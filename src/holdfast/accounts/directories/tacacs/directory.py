"""The TACACS+ client: who somebody is, what he may, and that he came and left.

Source:
    RFC 8907 4.4 (an error is no answer), 5.4 (login), 6 (authorisation), 7 (accounting), 10.5
    (what is refused); RFC 9887 3 and 4 (TLS 1.3, never with obfuscation), 5.1.1 (no way back to
    plain), 5.1.2 (no early data).
"""

import contextlib
import datetime as dt
import socket
import ssl
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial

from holdfast.accounts.directories.answers import (
    Accepted,
    Answer,
    Claim,
    Login,
    Rejected,
    Step,
    StepName,
    Unavailable,
)
from holdfast.accounts.directories.certificates import ending
from holdfast.accounts.directories.reach import ReachError, connect, context_of, secure
from holdfast.accounts.directories.settings import LEAST_SECRET, Server
from holdfast.accounts.directories.tacacs import bodies
from holdfast.accounts.directories.tacacs.bodies import Event, Noted, Permission, Status, Way
from holdfast.accounts.directories.tacacs.packets import Kind, PacketError
from holdfast.accounts.directories.tacacs.session import Link, Session
from holdfast.accounts.directories.tacacs.words import (
    UnfitError,
    claims_of,
    octets,
    source_of,
    task_must_fit,
)

_SHELL = (b"service=shell", b"cmd=")

Tell = Callable[[Step], None]


@dataclass(slots=True, kw_only=True)
class _Run:
    """One login or test on its way.

    Attributes:
        until: Moment by which it must be over.
        tell: Told of each step.
        phase: Which step a failure belongs to, where the failure does not know better.
        reached: Whether the server was reached once; of later connections nothing is told.
        proven: Whether an answer came that made sense.
        held: The step `tls`, until the server has answered: with TLS 1.3 it says only then that
            it refuses our certificate.
    """

    until: float
    tell: Tell
    phase: StepName = "secret"
    reached: bool = False
    proven: bool = False
    held: list[Step] = field(default_factory=list)

    def told(self, name: StepName, *, ok: bool | None, told: str) -> None:
        """Tell a step, after what was held back."""
        if name != "tls" or ok:
            for step in self.held:
                self.tell(step)
        self.held.clear()
        self.tell(Step(name=name, ok=ok, told=told))


class TacacsDirectory:
    """One TACACS+ server.

    Args:
        server: With protocol `tacacs+`.
        secret: The shared secret; under TLS it is neither needed nor used.
        client_key: Key of our certificate, PEM.
        understood: Attributes on which rules for roles depend. A server that demands that another
            one is obeyed gives no role (RFC 8907 10.5.4).
        now: Tells the time, to warn of certificates that end.
    """

    def __init__(
        self,
        server: Server,
        secret: str = "",
        *,
        client_key: str = "",
        understood: Collection[str] = (),
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._server = server
        self._secret = secret
        self._client_key = client_key
        self._understood = frozenset(name.lower() for name in understood)
        self._now = now

    def authenticate(self, login: Login, *, until: float) -> Answer:
        """Ask whether name and password belong together, and what this person may."""
        return self.test(login, until=until, tell=_unheard)

    def test(self, login: Login | None, *, until: float, tell: Tell) -> Answer:
        """Do the same, and tell each step; without a login see whether the secret is right."""
        run = _Run(until=until, tell=tell)
        try:
            return self._probed(run) if login is None else self._asked(run, login)
        except UnfitError as error:
            run.told("password", ok=False, told=_sentence(error.reason))
            address = self._server.address if run.reached else ""
            return Rejected(reason=error.reason, server=address)
        except (ReachError, PacketError) as error:
            return self._failed(run, error)

    def record(self, event: Event, *, until: float) -> Unavailable | None:
        """Tell the server's accounting that somebody came or left.

        Returns:
            Why the server did not note it; None if it did. No answer to a login depends on it.
        """
        run = _Run(until=until, tell=_unheard, phase="role")
        try:
            task_must_fit(event.task)
            body = bodies.accounting(event, octets("name", event.name), source_of(event.source))
            with self._session(run, Kind.ACCOUNTING) as session:
                noted = bodies.noted_reply(session.ask(body))
        except UnfitError as error:
            return Unavailable(step="role", reason=error.reason, server=self._server.address)
        except (ReachError, PacketError) as error:
            answer = self._failed(run, error)
            reason = answer.reason
            step: StepName = answer.step if isinstance(answer, Unavailable) else "secret"
            return Unavailable(step=step, reason=reason, server=self._server.address)
        if noted is Noted.SUCCESS:
            return None
        reason = f"{self._server.address} did not note the record: look into its log"
        return Unavailable(step="role", reason=reason, server=self._server.address)

    # --- login -----------------------------------------------------------------------------

    def _asked(self, run: _Run, login: Login) -> Answer:
        name, password = octets("name", login.name), octets("password", login.password)
        source = source_of(login.source)
        way, status = self._login(run, name, password, source)
        address = self._server.address
        if status is Status.ERROR and name.isascii():
            reason = f"{address} says that it could not decide: look into its log"
            run.told("password", ok=False, told=_sentence(reason))
            return Unavailable(step="password", reason=reason, server=address)
        if status is not Status.PASS:
            reason = _NO[status]
            run.told("password", ok=False, told=_sentence(f"{address} {reason}"))
            return Rejected(reason=reason, server=address)
        run.told("password", ok=True, told=f"Name and password are right, says {address}.")
        run.phase = "role"
        claims = self._authorised(run, way, name, source)
        # The protocol has no way to tell how the server spells the name.
        return Accepted(name=login.name, claims=claims, server=address, is_spelt=False)

    def _login(self, run: _Run, name: bytes, password: bytes, source: bytes) -> tuple[Way, Status]:
        """Try PAP, and ASCII with a server that does not know PAP."""
        try:
            status = self._by_pap(run, name, password, source)
        except PacketError as error:
            if error.fault != "error":
                raise
            status = Status.ERROR
        if status not in {Status.ERROR, Status.RESTART}:
            return Way.PAP, status
        return Way.ASCII, self._by_ascii(run, name, password, source)

    def _by_pap(self, run: _Run, name: bytes, password: bytes, source: bytes) -> Status:
        with self._session(run, Kind.AUTHENTICATION, minor=Way.PAP.minor) as session:
            status = bodies.login_reply(session.ask(bodies.start(Way.PAP, name, source, password)))
            self._proven(run)
            # A question makes no sense here, so this server takes PAP for something else.
            return Status.ERROR if status in _QUESTIONS else status

    def _by_ascii(self, run: _Run, name: bytes, password: bytes, source: bytes) -> Status:
        answers = {Status.GETUSER: name, Status.GETPASS: password}
        with self._session(run, Kind.AUTHENTICATION, minor=Way.ASCII.minor) as session:
            status = bodies.login_reply(session.ask(bodies.start(Way.ASCII, name, source)))
            self._proven(run)
            while status in answers:
                told = bodies.going_on(answers.pop(status))
                status = bodies.login_reply(session.ask(told))
            if status in _QUESTIONS:  # the same again, or more than a name and a password
                session.leave(bodies.abort())
        if status is Status.PASS and Status.GETPASS in answers:
            raise UnfitError("the server says yes without having asked for the password")
        return status

    def _probed(self, run: _Run) -> Answer:
        """Begin a login without a name, and give it up: the answer shows whether we share a key."""
        with self._session(run, Kind.AUTHENTICATION) as session:
            status = bodies.login_reply(session.ask(bodies.start(Way.ASCII, b"", b"")))
            if status in _QUESTIONS:
                session.leave(bodies.abort())
        self._proven(run)
        run.told("password", ok=None, told="Not tried: no name and password were given.")
        return Accepted(name="", server=self._server.address)

    # --- authorisation ---------------------------------------------------------------------

    def _authorised(self, run: _Run, way: Way, name: bytes, source: bytes) -> tuple[Claim, ...]:
        body = bodies.authorisation(way, name, source, _SHELL)
        try:
            with self._session(run, Kind.AUTHORISATION) as session:
                claims = self._granted(*bodies.permission_reply(session.ask(body)))
        except UnfitError as error:
            run.told("role", ok=False, told=_sentence(error.reason))
            return ()
        except PacketError as error:
            if error.fault != "flag":
                raise
            run.told("role", ok=False, told=_sentence(f"{self._server.address} {error.reason}"))
            return ()
        levels = [claim.value for claim in claims if claim.kind == "level"]
        level = f"level {levels[0]}" if levels else "no privilege level"
        others = len(claims) - len(levels)
        run.told("role", ok=True, told=f"The server gives {level} and {others} attributes.")
        return claims

    def _granted(self, permission: Permission, arguments: tuple[bytes, ...]) -> tuple[Claim, ...]:
        if permission is Permission.ERROR:
            raise PacketError("error", "says that it could not decide: look into its log")
        if permission not in {Permission.PASS_ADD, Permission.PASS_REPL}:
            raise UnfitError("the server does not let this person use service=shell")
        return claims_of(arguments, understood=self._understood)

    # --- connections -----------------------------------------------------------------------

    @contextlib.contextmanager
    def _session(self, run: _Run, kind: Kind, *, minor: int = 0) -> Iterator[Session]:
        secret = self._usable_secret()
        sock = self._connected(run)
        try:
            link = Link(sock=sock, server=self._server, secret=secret, until=run.until)
            yield Session(link, kind, minor=minor)
        finally:
            sock.close()

    def _usable_secret(self) -> bytes | None:
        if self._server.transport == "tls":
            return None
        if not self._server.warned:  # the settings refuse this too; here it must not depend on them
            raise ReachError("settings", "without TLS this server is asked only if warned is true")
        try:
            secret = self._secret.encode()
        except UnicodeEncodeError:
            secret = b""
        if len(self._secret) < LEAST_SECRET or not secret:
            raise ReachError(
                "settings", f"the shared secret must have at least {LEAST_SECRET} characters"
            )
        return secret

    def _connected(self, run: _Run) -> socket.socket:
        server = self._server
        if server.transport != "tls":
            sock = connect(server, until=run.until, tell=None if run.reached else run.tell)
            run.reached = True
            return sock
        context = context_of(server, self._client_key)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        sock = connect(server, until=run.until, tell=None if run.reached else run.tell)
        until = min(run.until, time.monotonic() + server.timeout_s)
        again = partial(connect, server, until=until)
        secured = secure(sock, server, context, until=until, again=again)
        if not run.reached:
            run.held.append(Step(name="tls", ok=True, told=self._seen(secured)))
        run.reached = True
        return secured

    def _seen(self, sock: ssl.SSLSocket) -> str:
        """Say what is known of both certificates."""
        certificate = sock.getpeercert(binary_form=True) or b""
        told = f"{sock.version()}; {ending(certificate, now=self._now())}"
        if self._server.client_certificate:
            return f"{told}."
        return f"{told}. We show no certificate of our own, and RFC 9887 asks for one."

    def _proven(self, run: _Run) -> None:
        """Note that an answer made sense, which it does not with another secret."""
        if run.proven:
            return
        run.proven, run.phase = True, "password"
        if self._server.transport == "tls":
            run.told("secret", ok=None, told="Not used: TLS shows who both are.")
        else:
            run.told("secret", ok=True, told="The server has the same shared secret.")

    def _failed(self, run: _Run, error: ReachError | PacketError) -> Unavailable | Rejected:
        address = self._server.address
        if isinstance(error, ReachError):
            step, reason = error.step, error.reason
        else:
            step, reason = self._step_of(error, run), f"{address} {error.reason}"
        if isinstance(error, PacketError) and error.fault == "garbled" and step == "secret":
            reason += ": is the shared secret the same on both sides?"
        if run.phase == "role":
            step = "role"
        run.told(step, ok=False, told=_sentence(reason))
        if isinstance(error, PacketError) and error.fault == "flag":  # RFC 8907 10.5.2: is a no
            return Rejected(reason=reason, server=address)
        return Unavailable(step=step, reason=reason, server=address)

    def _step_of(self, error: PacketError, run: _Run) -> StepName:
        plain = self._server.transport == "plain"
        if error.fault in {"garbled", "flag"}:
            return "secret" if plain else "route"
        return "route" if error.fault == "foreign" else run.phase


_QUESTIONS = frozenset({Status.GETDATA, Status.GETUSER, Status.GETPASS})
_NO = {
    Status.FAIL: "refuses this name with this password",
    # Servers that know no such names answer with an error. Taken for what RFC 8907 4.4 says, it
    # would let anybody who types such a name send us to the next server.
    Status.ERROR: "could not decide about a name that is not ASCII",
    Status.FOLLOW: "sends us to another server, which is taken for a no (RFC 8907 10.5.5)",
    Status.RESTART: "wants a way of logging in that is not known here",
    Status.GETDATA: "asks for more than a name and a password",
    Status.GETUSER: "asks for the name again",
    Status.GETPASS: "asks for the password again",
}


def _unheard(step: Step) -> None:
    """Tell nobody."""


def _sentence(reason: str) -> str:
    return reason[:1].upper() + reason[1:] + ("" if reason.endswith((".", "?")) else ".")
