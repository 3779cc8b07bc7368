"""Claiming, logging in, and who somebody is. What needs secrets is done by the `worker`.

Order of a login: throttle, turn, throttle again, then the methods in their order. What is counted
and noted is the same for names that exist and others.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.accounts import cookies
from holdfast.accounts.logins import Entry
from holdfast.accounts.throttle import Who, source_of
from holdfast.core.errors import HoldfastError
from holdfast.device.auth import store
from holdfast.device.auth.book import Book
from holdfast.device.auth.central import LOCAL, Central, Settings
from holdfast.device.auth.counters import Counters
from holdfast.device.auth.entrance import Asks, Entrance, Facts, Hall
from holdfast.device.auth.errors import (
    CentralUnavailableError,
    ClaimedError,
    LoginError,
    PendingError,
    SecondError,
    SetupCodeError,
    TooKnownError,
    UnclaimedError,
)
from holdfast.device.auth.names import folded, name_of, typed_form
from holdfast.device.auth.outside import Outside, Typed
from holdfast.device.auth.register import Register
from holdfast.device.auth.store import OWNER, Account, Kept, Known
from holdfast.device.auth.turns import Turns

_OWN_HASH = "$holdfast"
# Of these results a server has said that name and password belong together.
_KNOWN_TO_SERVERS = frozenset({"in", "no-role"})


class Accounts(Register):
    """The accounts of one device.

    Args:
        folder: Where auth keeps its files.
        setup_hash: Reads the factory's hash of the set-up code.
        work: Does what needs secrets.
        facts: From the product profile.
        now: The present moment.
        monotonic: A clock that only runs forward.
    """

    def __init__(
        self,
        folder: Path,
        *,
        setup_hash: Callable[[], str],
        work: Asks,
        facts: Facts | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(folder / "accounts.json", now=now)
        self.facts = facts or Facts()
        self.work = work
        self.monotonic = monotonic
        self.turns = Turns()
        self.book = Book(folder)
        self.central = Central(folder / "central.json", monotonic=monotonic)
        self.outside = Outside(self)
        self._setup_hash = setup_hash
        is_first = self.kept.old_failures is not None
        self.counters = Counters(
            folder / "throttle.json",
            monotonic=monotonic,
            expected=self.claimed and not is_first,
        )
        if is_first:
            self.counters.take_over(dict(self.kept.old_failures or {}))
            self.counters.write()  # before the accounts, which from then on expect them
            self.leave_first_schema()
        self._hall = Hall(monotonic=monotonic)

    def ask(self, do: str, **facts: object) -> dict[str, Any]:
        """Have the worker do something; the device's keys may be made as long as none is used."""
        hashes = [one.hash for one in self.kept.accounts.values()]
        first = not any(one.startswith(_OWN_HASH) for one in hashes)
        about = self.facts
        return self.work.ask(
            do,
            now=self.now(),
            first=first,
            words=about.words,
            blocklists=about.blocklists,
            blocklist_keys=about.blocklist_keys,
            **facts,
        )

    def burnt_code(self) -> dict[str, str]:
        """Give what tells the set-up code, which nobody may have as password; nothing if lost."""
        try:
            return {"setup_hash": self._setup_hash(), "code_mark": self.kept.code_mark}
        except HoldfastError:
            return {}

    def claim(self, *, code: str, name: str, password: str, source: str = "") -> Entrance:
        """Make the owner's account in exchange for the set-up code, once.

        Raises:
            ClaimedError: There is an owner already.
            ThrottledError: Too many wrong codes from there.
            HoldfastError: Code, name or password cannot be used; the reason is its own.
        """
        where = source_of(source)
        account_name = name_of(name)
        with self.turns.taken(first=False):
            if self.claimed:
                raise ClaimedError
            self.counters.codes.must_wait(where, now_s=self.monotonic())
            cookie_id = cookies.fresh_id()
            try:
                answer = self.ask(
                    "claim",
                    setup_hash=self._setup_hash(),
                    code=code,
                    name=account_name,
                    password=password,
                    cookie_id=cookie_id,
                )
            except HoldfastError as error:
                if error.code == SetupCodeError.code:
                    self.counters.codes.failed(where, now_s=self.monotonic())
                    self.counters.write()
                raise
            account = Account(
                name=account_name, role=OWNER, hash=answer["hash"], epoch=1, sources=(where,)
            )
            known = Known(name=account_name, until=self.now() + cookies.LIFE)
            self.counters.codes.succeeded(where)
            # First, since where there are accounts, counts that are missing are lost ones.
            self.counters.write()
            # Not on disk is not claimed: the owner sees the failure and tries again.
            self.change(
                Kept(
                    accounts={account_name: account}, epoch=1, code_mark=answer.get("code_mark", "")
                ).with_known(cookie_id, known, most_of_a_name=cookies.MOST_OF_A_NAME)
            )
            self.note_claimed()
        self.note(account_name, source, "in")
        return Entrance(name=account_name, role=OWNER, epoch=account.epoch, cookie=answer["cookie"])

    def login(self, *, name: str, password: str, source: str = "", cookie: str = "") -> Entrance:
        """Say who this is, or that a second factor is wanted.

        Raises:
            UnclaimedError: There is no account yet.
            ThrottledError: Too many failures.
            LoginError: Name and password do not belong together.
            CentralUnavailableError: No server that knows the account answers.
        """
        who = self.who_tries(name, source, cookie)
        entrance, who = self.recognised(who, typed_form(name), password, source, cookie)
        if entrance.method != LOCAL:
            entered = self._finished(entrance, who, source)
            return entered._replace(task=self.outside.came(entered, source))
        account = self.kept.accounts.get(entrance.name)
        if account is None:  # removed in this very moment
            raise LoginError
        if not account.sealed:
            return self._finished(entrance, who, source)
        self.note(account.name, source, "second-wanted")
        return Entrance(pending=self._hall.enter(who, source, epoch=account.epoch))

    def second(self, *, pending: str, code: str) -> Entrance:
        """Finish a login with a code.

        Raises:
            PendingError: There is no such login any more.
            ThrottledError: Too many failures.
            SecondError: The code is wrong, or was used.
        """
        waiting = self._hall.take(pending)
        who = waiting.who
        cookie, by_recovery = self.check_second(who, code, waiting.source, epoch=waiting.epoch)
        self._hall.leave(pending)
        account = self.kept.accounts.get(who.name)
        if account is None or account.epoch != waiting.epoch:
            raise PendingError
        entrance = Entrance(
            name=account.name, role=account.role, epoch=account.epoch, cookie=cookie
        )
        return self._finished(entrance, who, waiting.source, by_recovery=by_recovery)

    def unlock(self, *, name: str, code: str, source: str = "") -> str:
        """Make a browser known with a recovery code; gives its device cookie.

        It is no login: the password is still asked for, but strangers cannot delay it any more.

        Raises:
            ThrottledError: Too many wrong codes from there.
            SecondError: The code is wrong, or was used.
        """
        where, account_name = source_of(source), folded(name)
        with self.turns.taken(first=False):
            self.counters.codes.must_wait(where, now_s=self.monotonic())
            account = self.kept.accounts.get(account_name)
            cookie_id = cookies.fresh_id()
            answer = self.ask(
                "second",
                name=account_name,
                code=code,
                recovery=account.recovery if account is not None else (),
                cookie_id=cookie_id,
            )
            if account is None or "struck" not in answer:
                self.counters.codes.failed(where, now_s=self.monotonic())
                self.counters.write()
                self.note(account_name, source, "wrong-recovery")
                raise SecondError
            self.strike(account, answer["struck"])
            self.remember(account_name, cookie_id)
            self.counters.codes.succeeded(where)
            self.counters.passwords.opened(account_name, now_s=self.monotonic())
            self.counters.write()
        self.note(account_name, source, "recovered")
        return str(answer["cookie"])

    def role_and_epoch(self, name: str, method: str) -> tuple[str, int] | None:
        """Give role and epoch of an account; None where it is not there any more.

        Of somebody whom a directory let in, the role is not known here, and the epoch is that of
        the settings of central login.
        """
        if method != LOCAL:
            return "", self.central.settings_or_local().epoch
        account = self.kept.accounts.get(folded(name))
        return (account.role, account.epoch) if account is not None else None

    # What the rest of auth builds on.

    def who_tries(self, name: str, source: str, cookie: str) -> Who:
        """Say as whom a try is counted, and refuse it if it comes too early.

        Raises:
            UnclaimedError: There is no account yet.
            ThrottledError: It comes too early.
        """
        if not self.claimed:
            raise UnclaimedError
        account_name = folded(name)
        known = self.known_browser(account_name, cookie)
        who = Who(name=account_name, source=source_of(source), known=known)
        self.counters.passwords.must_wait(who, now_s=self.monotonic())
        return who

    def known_browser(self, name: str, cookie: str) -> str:
        """Give the id of a browser that is known for a name; empty for a stranger's.

        Whether the cookie is genuine only the worker can tell.
        """
        cookie_id = cookies.id_of(cookie)
        known = self.kept.known.get(cookie_id)
        is_known = (
            known is not None
            and known.name == name
            and self.now() < known.until
            and self.counters.passwords.trusts(cookie_id)
        )
        return cookie_id if is_known else ""

    def asks_servers_first(self, name: str) -> bool:
        """Whether a login with this name waits for servers before this device says anything.

        How long a login takes tells the same; the gui can read the names besides.
        """
        segments = self._segments(self.central.settings_or_local(), name)
        if segments[0] != (LOCAL,):
            return True
        return len(segments) > 1 and name not in self.kept.accounts

    @staticmethod
    def _segments(settings: Settings, name: str) -> tuple[tuple[str, ...], ...]:
        """Give the methods for a name in their order."""
        if name in settings.local_names or not settings.asks_servers:
            return ((LOCAL,),)
        return settings.segments

    def recognised(
        self, who: Who, typed: str, password: str, source: str, cookie: str
    ) -> tuple[Entrance, Who]:
        """Find out who somebody is, method by method; nothing is forgiven yet.

        Raises:
            LoginError: Name and password do not belong together; it is counted and noted.
            CentralUnavailableError: No server that knows the account answers.
        """
        settings = self.central.settings_or_local()
        segments = self._segments(settings, who.name)
        for segment in segments:
            if segment != (LOCAL,):
                found = self.outside.asked(
                    who, Typed(typed, password, source, cookie), settings, segment
                )
            else:
                is_last = segment == segments[-1]
                found = self.locally(who, password, source, cookie, decides=is_last)
            if found is not None:
                return found
        self.note(who.name, source, "unavailable")
        raise CentralUnavailableError

    def locally(
        self, who: Who, password: str, source: str, cookie: str, *, decides: bool = True
    ) -> tuple[Entrance, Who] | None:
        """Check a password that this device keeps.

        Returns:
            None where no account has this name and others may know it (`decides` is False).

        Raises:
            LoginError: They do not belong together; it is counted and noted.
        """
        with self.turns.taken(first=bool(who.known)):
            self.counters.passwords.must_wait(who, now_s=self.monotonic())
            account = self._heard(who.name)
            cookie_id = "" if who.known else cookies.fresh_id()
            answer = self.ask(
                "login",
                name=who.name,
                password=password,
                stored=account.hash if account is not None else "",
                among=[one.hash for one in self.kept.accounts.values()],
                cookie=cookie if who.known else "",
                cookie_id=cookie_id,
                has_second=account is not None and bool(account.sealed),
            )
            who = self.doubted(who, genuine=answer["genuine"])
            if account is None and not decides:
                return None
            if account is None or not answer["matches"]:
                self.refused(who, source, "wrong")
                raise LoginError
            if answer.get("too_known"):
                # Taken over, and never checked: the first who knows it need not be its owner.
                self.refused(who, source, "too-known")
                raise TooKnownError
            if "hash" in answer:
                self.change_quietly(account.name, hash=answer["hash"])
        entrance = Entrance(
            name=account.name,
            role=account.role,
            epoch=account.epoch,
            cookie=answer["cookie"] if cookie_id else "",
        )
        return entrance, who

    def _heard(self, name: str) -> Account | None:
        """Find an account that may log in; owners only, while it cannot be read who else may."""
        account = self.kept.accounts.get(name)
        if account is None or account.role == OWNER:
            return account
        return None if self.central.settings_or_local().is_damaged else account

    def decides_locally(self, name: str) -> bool:
        """Whether what this device keeps may let somebody with this name in."""
        settings = self.central.settings_or_local()
        return name in settings.local_names or (LOCAL,) in settings.segments

    def check_second(
        self, who: Who, code: str, source: str, *, epoch: int | None = None
    ) -> tuple[str, bool]:
        """Check a code of the app, or a recovery code.

        Returns:
            A device cookie for later, and whether it was a recovery code.

        Raises:
            ThrottledError: Too many failures.
            SecondError: It is wrong, or was used.
        """
        with self.turns.taken(first=bool(who.known)):
            self.counters.passwords.must_wait(who, now_s=self.monotonic())
            account = self.kept.accounts.get(who.name)
            if account is None or not account.sealed:
                raise PendingError
            if epoch is not None and account.epoch != epoch:
                raise PendingError  # its password was changed meanwhile
            answer = self.ask(
                "second",
                name=account.name,
                code=code,
                sealed=account.sealed,
                last_step=account.last_step,
                recovery=account.recovery,
                cookie_id="" if who.known else cookies.fresh_id(),
            )
            if "step" in answer:
                # Before anything else: the same code must not be heard twice.
                self.change_quietly(account.name, last_step=answer["step"])
            elif "struck" in answer:
                self.strike(account, answer["struck"])
            else:
                self.refused(who, source, "wrong-second")
                raise SecondError
        return str(answer["cookie"]), "struck" in answer

    def note(
        self, name: str, source: str, result: str, *,
        method: str = LOCAL, is_new: bool = False, by_recovery: bool = False,
    ) -> None:  # fmt: skip
        """Write a line of the log of logins; what is no account's name is not kept."""
        settings = self.central.settings_or_local()
        is_known = name in self.kept.accounts or result in _KNOWN_TO_SERVERS
        entry = Entry(
            at=self.now(),
            name=name if is_known else "",
            source=source[:64],
            method=method,
            result=result,
            is_new=is_new,
            is_emergency=result == "in"
            and method == LOCAL
            and settings.asks_servers
            and name in settings.local_names,
            is_recovery=by_recovery,
        )
        self.book.note(entry)

    def doubted(self, who: Who, *, genuine: bool) -> Who:
        """Treat a browser whose cookie was forged as a stranger.

        Raises:
            ThrottledError: As a stranger it comes too early.
        """
        if not who.known or genuine:
            return who
        stranger = who._replace(known="")
        self.counters.passwords.must_wait(stranger, now_s=self.monotonic())
        return stranger

    def failed(self, who: Who) -> None:
        """Count a failure."""
        with self.lock:
            self.counters.passwords.failed(who, now_s=self.monotonic())
            self.counters.write()

    def refused(self, who: Who, source: str, result: str, *, method: str = LOCAL) -> None:
        """Count and note a failure."""
        self.failed(who)
        self.note(who.name, source, result, method=method)

    def _finished(
        self, entrance: Entrance, who: Who, source: str, *, by_recovery: bool = False
    ) -> Entrance:
        """Forgive failures, remember the browser and the source, and note it."""
        with self.lock:
            if self.counters.passwords.succeeded(who, now_s=self.monotonic()):
                self.counters.write()
            cookie_id = cookies.id_of(entrance.cookie)
            account = self.kept.accounts.get(who.name) if entrance.method == LOCAL else None
            is_new = not who.known
            if account is not None and who.source in account.sources:
                is_new = False
            elif account is not None:
                sources = (*account.sources, who.source)[-store.MOST_SOURCES :]
                self.change_quietly(account.name, sources=sources)
            if cookie_id:
                self.remember(who.name, cookie_id)
        self.note(
            entrance.name,
            source,
            "in",
            method=entrance.method,
            is_new=is_new,
            by_recovery=by_recovery,
        )
        renew = account is not None and account.hash.startswith(store.WRAPPED)
        return entrance._replace(renew=renew)
