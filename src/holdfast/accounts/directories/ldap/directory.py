"""Asks an LDAP server, or Active Directory, who somebody is.

With a service account: search who logs in, then bind as what was found, on a connection of its own.
Without: bind as who logs in. Both only inside TLS, and never with an empty password.

Source:
    RFC 4511, RFC 4513 (5.1.2: empty passwords; 3: StartTLS), RFC 4514, RFC 4515, RFC 4532.
"""

import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from holdfast.accounts.directories import reach
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
from holdfast.accounts.directories.ldap import filters, messages, names, talk
from holdfast.accounts.directories.ldap.filters import Filter, FilterError
from holdfast.accounts.directories.ldap.groups import Groups, claims_of
from holdfast.accounts.directories.ldap.messages import Entry, Result, Search
from holdfast.accounts.directories.ldap.talk import Talk, Tell, TooManyError, failure, saying
from holdfast.accounts.directories.settings import Ldap, Server
from holdfast.accounts.errors import ReachError
from holdfast.core.clock import now

LONGEST = 256
"""Code points of a name or a password."""
_LONGEST_VALUE_BYTES = 1024
_MOST_VALUES = 100
_SHOWN_GROUPS = 10

_OK, _REFERRAL, _SIZE_LIMIT, _NO_SUCH_OBJECT = 0, 10, 4, 32
# Answers to a bind that mean no: no such object, not a DN, no password there, wrong password, not
# allowed, will not do it (locked, empty). Everything else says nothing of the password.
_NO = frozenset({_NO_SUCH_OBJECT, 34, 48, 49, 50, 53})
_AD_REASONS = {
    "525": "there is no such account",
    "52e": "name or password is wrong",
    "530": "not allowed to log in at this time",
    "531": "not allowed to log in from here",
    "532": "the password is over",
    "533": "the account is disabled",
    "568": "the account is in too many groups",
    "701": "the account is over",
    "773": "the password must be changed first",
    "775": "the account is locked",
}
_IDENTITY = ("objectSid",)
"""Tells two entries of Active Directory apart; other servers have none."""
_ACCOUNT = re.compile(r"u:(?:[^\\@]+\\)?([^\\@]+)(?:@[^\\@]+)?")
_AD_REASON = re.compile(r"\bdata ([0-9a-f]{3})\b")


class _Refused(Exception):  # noqa: N818 - a way through the steps, never seen outside
    """The answer is no."""

    def __init__(self, reason: str, *, step: StepName = "password") -> None:
        super().__init__(reason)
        self.reason = reason
        self.step: StepName = step


class LdapDirectory:
    """One server.

    Args:
        server: With settings for LDAP.
        secret: Password of `bind_dn`; not used without it.
        client_key: Key of our own certificate, PEM.
        clock: Gives the present moment, to say when a certificate ends.
    """

    def __init__(
        self,
        server: Server,
        secret: str,
        *,
        client_key: str = "",
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._server = server
        self._secret = secret
        self._client_key = client_key
        self._clock = clock

    def __repr__(self) -> str:
        """Show no secret."""
        return f"LdapDirectory({self._server.name!r})"

    def authenticate(self, login: Login, *, until: float) -> Answer:
        """Ask whether name and password belong together; see `answers.Directory`."""
        return self._asked(login, until=until, tell=None)

    def test(self, login: Login | None, *, until: float, tell: Tell) -> Answer:
        """Do the same step by step, and tell each step; see `answers.Directory`."""
        return self._asked(login, until=until, tell=tell)

    def _asked(self, login: Login | None, *, until: float, tell: Tell | None) -> Answer:
        say = tell if tell is not None else _nobody
        address = self._server.address
        step: StepName
        try:
            if login is not None:
                _must_fit(login)
            question = _Question(
                self._server, self._secret, self._client_key, until=until, tell=tell
            )
            if login is None:
                question.tried(clock=self._clock)
                return Accepted(name="", server=address)
            name, claims = question.answered(login, clock=self._clock)
        except _Refused as refused:
            say(Step(name=refused.step, ok=False, told=refused.reason))
            return Rejected(reason=refused.reason, server=address)
        except FilterError as error:
            step, reason = "settings", str(error)
        except ReachError as error:
            step, reason = error.step, error.reason
            if tell is not None and step == "tls":
                reason = _with_advice(reason, self._server, until=until)
        else:
            return Accepted(name=name, claims=tuple(claims), server=address)
        say(Step(name=step, ok=False, told=reason))
        return Unavailable(step=step, reason=reason, server=address)


def _nobody(_: Step) -> None:
    """Tell nobody."""


def _must_fit(login: Login) -> None:
    """Refuse what no server may be asked."""
    for what, text in (("name", login.name), ("password", login.password)):
        if not text:
            raise _Refused(f"the {what} is empty, and servers may say yes to that")
        if len(text) > LONGEST:
            raise _Refused(f"the {what} is longer than {LONGEST} characters")
        if any(messages.harmful(each) for each in text):
            raise _Refused(f"the {what} holds characters that are never part of one")


def _with_advice(reason: str, server: Server, *, until: float) -> str:
    """Look whether the other transport would work, where no certificate was refused."""
    if "certificate" in reason:
        return reason
    until = min(until, time.monotonic() + server.timeout_s)
    if server.transport == "tls" and talk.wants_start_tls(server, until=until):
        return f"the server wants StartTLS at {server.address}: set transport to starttls"
    if server.transport == "starttls" and talk.speaks_tls_at_once(server, until=until):
        return f"the server begins with TLS at once at {server.address}: set transport to tls"
    return reason


class _Question:
    """One question, with all that it needs; made for one, forgotten after it."""

    def __init__(
        self, server: Server, secret: str, client_key: str, *, until: float, tell: Tell | None
    ) -> None:
        if server.ldap is None:
            raise ReachError("settings", f"{server.name} has no settings for LDAP")
        self._server = server
        self._ldap: Ldap = server.ldap
        self._secret = secret
        self._until = until
        self._tell = tell
        if self._ldap.bind_dn and not secret:
            raise ReachError(
                "settings", f"the password of {self._ldap.bind_dn} is missing: set the secret"
            )
        self._user_filter: Filter = filters.parse(self._ldap.user_filter)
        if filters.has(self._user_filter, "dn"):
            raise FilterError("user_filter knows only {name}: the DN is what it finds")
        if self._ldap.bind_dn and not filters.has(self._user_filter, "name"):
            raise FilterError("user_filter must compare something with {name}")
        self._groups = Groups.of(self._ldap)
        self._context: ssl.SSLContext = reach.context_of(server, client_key or None)

    def answered(
        self, login: Login, *, clock: Callable[[], datetime]
    ) -> tuple[str, Iterator[Claim]]:
        """Find who logs in, check the password, and read what roles may follow from."""
        with self._talk(self._tell) as conversation:
            self._tell_tls(conversation, clock)
            if not self._ldap.bind_dn:
                entry = self._bound_directly(conversation, login)
            else:
                self._bind_account(conversation)
                entry = self._found(conversation, login)
                self._check(entry.dn, login)
            self._say("password", "the password is right")
            name = self._name(entry, login)
            groups = self._group_entries(conversation, entry.dn, name)
        return name, self._claims(entry, groups)

    def tried(self, *, clock: Callable[[], datetime]) -> None:
        """Try all that can be tried without somebody's password."""
        with self._talk(self._tell) as conversation:
            self._tell_tls(conversation, clock)
            if not self._ldap.bind_dn:
                self._say("bind", "cannot be tried without somebody's name and password", ok=None)
                return
            self._bind_account(conversation)
            bases = [self._ldap.base] + ([self._groups.base] if self._groups else [])
            for base in dict.fromkeys(bases):
                wanted = Search(
                    base=base,
                    scope="base",
                    pattern=messages.ANYTHING,
                    attributes=(messages.NOTHING,),
                )
                found, ended = self._search(conversation, wanted, most=1)
                if ended.code != _OK or not found:
                    code = ended.code or _NO_SUCH_OBJECT
                    raise failure(Result(code=code, words=ended.words), base)
                self._say("search", f"{base} is there")

    def _talk(self, tell: Tell | None = None) -> Talk:
        return Talk(self._server, self._context, until=self._until, tell=tell)

    def _say(self, step: StepName, told: str, *, ok: bool | None = True) -> None:
        if self._tell is not None:
            self._tell(Step(name=step, ok=ok, told=told))

    def _tell_tls(self, conversation: Talk, clock: Callable[[], datetime]) -> None:
        if self._tell is None:
            return
        # Imported here, since logins need nothing of it, and it is large.
        from holdfast.accounts.directories.certificates import ending  # noqa: PLC0415

        certificate = conversation.tls.getpeercert(binary_form=True) or b""
        version = conversation.tls.version() or "TLS"
        self._say("tls", f"{version}; {ending(certificate, now=clock())}")

    def _bind_account(self, conversation: Talk) -> None:
        dn = self._ldap.bind_dn
        ended = conversation.bind(dn, self._secret, step="bind")
        if ended.code in _NO:
            raise ReachError(
                "bind",
                f"the service account's password is wrong, or there is no {dn}{_why(ended)}",
            )
        if ended.code != _OK:
            raise ReachError("bind", f"the service account cannot be bound{_why(ended)}")
        self._say("bind", f"the service account {dn} is known")

    def _found(self, conversation: Talk, login: Login) -> Entry:
        pattern = filters.filled(self._user_filter, {"name": login.name.encode(), "dn": b""})
        entries, ended = self._people(conversation, self._ldap.base, pattern)
        if len(entries) > 1:
            raise _Refused(
                f"more than one entry fits {self._ldap.user_filter} for this name: it must not be"
                " left to chance whose password counts",
                step="search",
            )
        if ended.code != _OK:
            raise failure(ended, self._ldap.base)
        if not entries:
            # Who does not exist takes as long as who does.
            self._check(f"cn=nobody-{secrets.token_hex(8)},{self._ldap.base}", login, real=False)
            raise _Refused(
                f"nobody under {self._ldap.base} fits {self._ldap.user_filter} with this name",
                step="search",
            )
        if not entries[0].dn:
            raise ReachError("search", "the DN of who logs in is not text")
        self._say("search", f"{entries[0].dn} was found")
        return entries[0]

    def _people(
        self, conversation: Talk, base: str, pattern: bytes, scope: messages.Scope = "all"
    ) -> tuple[list[Entry], Result]:
        wanted = (self._ldap.name_attribute, *self._ldap.attributes, *_IDENTITY)
        search = Search(
            base=base,
            scope=scope,
            pattern=pattern,
            attributes=tuple(dict.fromkeys(wanted)),
            most=2,
        )
        return self._search(conversation, search, most=2)

    def _search(
        self, conversation: Talk, wanted: Search, *, most: int
    ) -> tuple[list[Entry], Result]:
        try:
            return conversation.search(wanted, most=most)
        except TooManyError:
            raise ReachError(
                "search", f"{self._server.address} gives more entries than it was asked for"
            ) from None

    def _check(self, dn: str, login: Login, *, real: bool = True) -> None:
        """Ask on a fresh connection whether the password is right."""
        with self._talk() as fresh:
            ended = fresh.bind(dn, login.password, step="password")
        if real:
            _must_be_yes(ended)

    def _bound_directly(self, conversation: Talk, login: Login) -> Entry:
        template = self._ldap.direct_dn
        if names.is_dn(template):
            dn = template.replace("{name}", names.escaped(login.name))
            _must_be_yes(conversation.bind(dn, login.password, step="password"))
            return self._read(conversation, dn)
        if not names.fits_account(login.name):
            raise _Refused("the name holds characters that would choose another domain")
        account = template.replace("{name}", login.name)
        _must_be_yes(conversation.bind(account, login.password, step="password"))
        return self._bound_account(conversation, login)

    def _read(self, conversation: Talk, dn: str) -> Entry:
        """Read an entry; where it may not be seen, nothing follows from it."""
        entries, ended = self._people(conversation, dn, messages.ANYTHING, "base")
        if ended.code == _OK and len(entries) == 1 and entries[0].dn:
            return entries[0]
        return Entry(dn=dn, attributes={})

    def _bound_account(self, conversation: Talk, login: Login) -> Entry:
        """Find the entry of who was bound by a name with a domain.

        The name before the @ may be another person's account name, so that a search for it alone
        could give the groups of somebody else: the server says who was bound.
        """
        ended = conversation.who()
        told = messages.readable(ended.value)
        if ended.code == _OK and told.lower().startswith("dn:") and len(told) > len("dn:"):
            return self._read(conversation, told[len("dn:") :])
        if not self._ldap.base:
            return Entry(dn="", attributes={})
        pattern, values, sids = self._user_filter, {"name": login.name.encode()}, frozenset[bytes]()
        account = _ACCOUNT.fullmatch(told)
        if ended.code == _OK and account is not None:
            pattern = filters.both(filters.equal("sAMAccountName", "dn"), pattern)
            values["dn"] = account[1].encode()
        elif ended.code == _OK or not (sids := self._security_ids(conversation)):
            raise ReachError(
                "bind",
                "the server does not tell who was bound: set bind_dn, and search who logs in",
            )
        filled = filters.filled(pattern, values)
        entries, ended = self._people(conversation, self._ldap.base, filled)
        if len(entries) <= 1 and ended.code != _OK:
            raise failure(ended, self._ldap.base)
        if len(entries) != 1 or not entries[0].dn:
            raise _Refused(
                "the password is right, but not exactly one entry under"
                f" {self._ldap.base} is who was bound and fits {self._ldap.user_filter}",
                step="search",
            )
        if account is None and sids.isdisjoint(entries[0].attributes.get("objectsid", ())):
            raise _Refused(
                f"the password is right, but who was bound is not {entries[0].dn}", step="search"
            )
        self._say("search", f"{entries[0].dn} was found")
        return entries[0]

    def _security_ids(self, conversation: Talk) -> frozenset[bytes]:
        """Ask Active Directory for the identities of this connection; Samba tells only these."""
        wanted = Search(
            base="", scope="base", pattern=messages.ANYTHING, attributes=("tokenGroups",)
        )
        found, ended = self._search(conversation, wanted, most=1)
        if ended.code != _OK or not found:
            return frozenset()
        return frozenset(found[0].attributes.get("tokengroups", ()))

    def _name(self, entry: Entry, login: Login) -> str:
        """Give the name as the directory spells it; as typed where it spells none."""
        spelt = entry.texts(self._ldap.name_attribute, longest=_LONGEST_VALUE_BYTES)
        spelt = [one for one in spelt if len(one) <= LONGEST]
        typed = login.name.casefold()
        return next(
            (one for one in spelt if one.casefold() == typed), min(spelt, default=login.name)
        )

    def _group_entries(self, conversation: Talk, dn: str, name: str) -> list[Entry]:
        if self._groups is None or not dn:
            return []
        found = self._groups.found(conversation, dn=dn, name=name)
        shown = ", ".join(one.dn for one in found[:_SHOWN_GROUPS])
        more = ", and more" if len(found) > _SHOWN_GROUPS else ""
        count = "one group" if len(found) == 1 else f"{len(found)} groups"
        self._say("search", f"{count}: {shown}{more}" if found else "in no group")
        return found

    def _claims(self, entry: Entry, groups: list[Entry]) -> Iterator[Claim]:
        yield from claims_of(groups)
        for attribute in self._ldap.attributes:
            values = entry.texts(attribute, longest=_LONGEST_VALUE_BYTES)
            for value in values[:_MOST_VALUES]:
                yield Claim(kind="attribute", name=attribute.lower(), value=value)


def _must_be_yes(ended: Result) -> None:
    if ended.code in _NO:
        raise _Refused(f"the password is wrong, or the account may not log in{_why(ended)}")
    if ended.code == _REFERRAL:
        raise ReachError(
            "password", "the server refers to another one, which is not followed: name that one"
        )
    if ended.code != _OK:
        raise ReachError("password", f"the server cannot check the password{_why(ended)}")


def _why(ended: Result) -> str:
    """Add what Active Directory, or another server, says of a bind."""
    found = _AD_REASON.search(ended.words)
    known = _AD_REASONS.get(found[1]) if found is not None else None
    return f": {known}" if known is not None else saying(ended)
