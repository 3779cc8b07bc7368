"""Asks a RADIUS server who somebody is: PAP, over UDP with signed packets or over TLS."""

import datetime as dt
import ipaddress
import secrets
import time
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial

from holdfast.accounts.directories.answers import (
    Accepted,
    Answer,
    Login,
    Rejected,
    Step,
    Unavailable,
)
from holdfast.accounts.directories.radius.claims import claims_of, name_of
from holdfast.accounts.directories.radius.lines import (
    RADSEC_SECRET,
    Connection,
    Datagrams,
    Line,
    Tell,
)
from holdfast.accounts.directories.radius.packets import (
    MOST_PASSWORD_BYTES,
    MOST_VALUE_BYTES,
    Attribute,
    Code,
    Reply,
    Request,
    access_request,
    status_request,
)
from holdfast.accounts.directories.reach import ReachError
from holdfast.accounts.directories.settings import LEAST_SECRET, Server
from holdfast.accounts.errors import RadiusSilenceError
from holdfast.core import clock

_MOST_CHARACTERS = 256
_NAS_IP, _CALLING_STATION, _NAS_IDENTIFIER, _PORT_TYPE, _NAS_IPV6 = 4, 31, 32, 61, 95
_VIRTUAL = bytes((0, 0, 0, 5))
_IPV4 = 4


class RadiusDirectory:
    """One RADIUS server.

    Args:
        server: Its settings.
        secret: Shared with the server; with TLS it may be empty, which means `radsec`.
        client_key: Key of our certificate, PEM, for TLS.
        identifier: What we are called in the server's log (NAS-Identifier).
        now: Tells the time, to say when a certificate ends.
    """

    def __init__(
        self,
        server: Server,
        secret: str,
        *,
        client_key: str = "",
        identifier: str = "holdfast",
        now: Callable[[], dt.datetime] = clock.now,
    ) -> None:
        self._server = server
        self._tls = server.transport == "tls"
        self._secret = secret or (RADSEC_SECRET.decode() if self._tls else "")
        self._key = client_key
        self._identifier = identifier
        self._now = now

    def __repr__(self) -> str:
        """Show no secret."""
        return f"RadiusDirectory({self._server.address})"

    def authenticate(self, login: Login, *, until: float) -> Answer:
        """Ask whether name and password belong together; see `answers.Directory`."""
        refusal = self._refused_here(login)
        if refusal is not None:
            return refusal
        try:
            with self._line() as line:
                line.open(until=until, tell=None)
                reply = line.ask(partial(self._question, login), until=until)
        except ReachError as error:
            return self._unavailable(error)
        return self._answer(login, reply)

    def test(self, login: Login | None, *, until: float, tell: Callable[[Step], None]) -> Answer:
        """Do the same step by step; without a login, an invented one has to be refused."""
        refusal = self._refused_here(login) if login is not None else None
        if refusal is not None:
            tell(Step(name="password", ok=False, told=refusal.reason))
            return refusal
        try:
            with self._line() as line:
                line.open(until=until, tell=tell)
                if isinstance(line, Connection):
                    self._tell_tls(line, tell)
                return self._tried(line, login, until=until, tell=tell)
        except ReachError as error:
            if error.step == "secret" and not self._tls:
                silent = isinstance(error, RadiusSilenceError)
                told = "UDP does not tell" if silent else f"{self._server.address} answers"
                tell(Step(name="route", ok=None if silent else True, told=told))
            tell(Step(name=error.step, ok=False, told=error.reason))
            return self._unavailable(error)

    def _tried(self, line: Line, login: Login | None, *, until: float, tell: Tell) -> Answer:
        asked = login or _invented()
        now = time.monotonic()
        # Time is kept for a second question, should the first not be answered.
        enough = max(until - self._server.timeout_s, (now + until) / 2)
        try:
            reply = line.ask(partial(self._question, asked), until=enough)
        except RadiusSilenceError:
            if not isinstance(line, Datagrams):
                raise
            # FreeRADIUS does not sign this answer, as RFC 5997 6.1 does not; it decides nothing.
            line.ask(self._status_question, until=until, must_be_signed=False)
            return self._only_status(tell)
        self._tell_secret(tell, seen="the shared secret is right, and answers are signed")
        answer = self._answer(asked, reply)
        if login is not None:
            tell(_password_step(answer))
            return answer
        return self._without_login(answer, tell)

    def _only_status(self, tell: Tell) -> Answer:
        self._tell_secret(tell, seen="the shared secret is right")
        told = (
            f"{self._server.address} is there and the shared secret is right (it answers"
            " Status-Server), but it does not answer logins: look into its log; what it asks about"
            " people may hang"
        )
        tell(Step(name="password", ok=False, told=told))
        return Unavailable(step="password", reason=told, server=self._server.address)

    def _tell_tls(self, line: Connection, tell: Tell) -> None:
        # What reads certificates is large, and no login needs it.
        from holdfast.accounts.directories.certificates import ending  # noqa: PLC0415

        tell(Step(name="tls", ok=True, told=ending(line.certificate, now=self._now())))

    def _tell_secret(self, tell: Tell, *, seen: str) -> None:
        if self._tls:
            tell(Step(name="secret", ok=True, told="both sides use the same secret, below TLS"))
            return
        tell(Step(name="route", ok=True, told=f"{self._server.address} answers"))
        if len(self._secret) < LEAST_SECRET:
            seen += (
                f"; but it has only {len(self._secret)} characters: who sees one packet can try out"
                f" all such secrets; use {LEAST_SECRET} or more random ones"
            )
        tell(Step(name="secret", ok=True, told=seen))

    def _without_login(self, answer: Answer, tell: Tell) -> Answer:
        if isinstance(answer, Accepted):
            told = "the server accepted an invented name and password: it would let anybody in"
            tell(Step(name="password", ok=False, told=told))
            return Unavailable(step="password", reason=told, server=self._server.address)
        if isinstance(answer, Rejected):
            told = "an invented name was refused, as it should be; no real one was tried"
            tell(Step(name="password", ok=None, told=told))
            return Accepted(name="", server=self._server.address)
        tell(_password_step(answer))
        return answer

    def _line(self) -> Line:
        try:
            secret = self._secret.encode()
        except UnicodeEncodeError:
            # Not `from error`, which carries the secret.
            raise ReachError("settings", "the shared secret is not a text") from None
        if not secret:
            raise ReachError("settings", f"the shared secret of {self._server.name} is missing")
        if self._tls:
            return Connection(self._server, secret, self._key)
        return Datagrams(self._server, secret)

    def _refused_here(self, login: Login) -> Rejected | None:
        """Refuse what no RADIUS server could be asked; that is a no, like one of a server."""
        for what, text, most_bytes in (
            ("name", login.name, MOST_VALUE_BYTES),
            ("password", login.password, MOST_PASSWORD_BYTES),
        ):
            trouble = _trouble(text, most_bytes)
            if trouble:
                return Rejected(reason=f"the {what} {trouble}; no server was asked")
        return None

    def _question(self, login: Login, ours: str) -> Request:
        more = list(self._about_us(ours))
        source = login.source.encode("ascii", "replace")
        if source and len(source) <= MOST_VALUE_BYTES and login.source.isprintable():
            more.append((_CALLING_STATION, source))
        return access_request(
            login.name.encode(), login.password.encode(), self._secret.encode(), more
        )

    def _status_question(self, ours: str) -> Request:
        return status_request(self._secret.encode(), self._about_us(ours))

    def _about_us(self, ours: str) -> Iterator[Attribute]:
        address = ipaddress.ip_address(ours.partition("%")[0])
        yield (_NAS_IP if address.version == _IPV4 else _NAS_IPV6), address.packed
        yield _NAS_IDENTIFIER, self._identifier.encode()[:MOST_VALUE_BYTES]
        yield _PORT_TYPE, _VIRTUAL

    def _answer(self, login: Login, reply: Reply) -> Answer:
        server = self._server.address
        if reply.code == Code.ACCESS_ACCEPT:
            # Only here attributes are read: some servers send them with a refusal, too.
            told = name_of(reply.attributes)
            return Accepted(
                name=told or login.name,
                claims=claims_of(reply.attributes),
                server=server,
                is_spelt=bool(told),
            )
        if reply.code == Code.ACCESS_REJECT:
            return Rejected(reason="the server refused the name or the password", server=server)
        if reply.code == Code.ACCESS_CHALLENGE:
            # RFC 2865 4.4: who cannot answer a challenge takes it for a refusal.
            reason = "the server asks for a second step (Access-Challenge), which is not supported"
            return Rejected(reason=reason, server=server)
        reason = f"{server} answered with code {reply.code}, which is no answer to a login"
        return Unavailable(step="password", reason=reason, server=server)

    def _unavailable(self, error: ReachError) -> Unavailable:
        return Unavailable(step=error.step, reason=error.reason, server=self._server.address)


def _trouble(text: str, most_bytes: int) -> str:
    """Say why a text cannot be sent; empty if it can."""
    if not text:
        return "is empty"
    if len(text) > _MOST_CHARACTERS:
        return f"has more than {_MOST_CHARACTERS} characters"
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        return "has characters in it that cannot be sent"
    if len(text.encode()) > most_bytes:
        return f"has more than {most_bytes} bytes, which RADIUS cannot carry"
    return ""


def _invented() -> Login:
    return Login(name=f"holdfast-test-{secrets.token_hex(4)}", password=secrets.token_urlsafe(24))


def _password_step(answer: Answer) -> Step:
    if isinstance(answer, Accepted):
        return Step(name="password", ok=True, told=f"the server accepted {answer.name}")
    return Step(name="password", ok=False, told=answer.reason)
