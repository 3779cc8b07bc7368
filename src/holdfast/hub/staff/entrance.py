"""Who gets in with a name and a password: the brake, then the methods in their order.

A name without an account, a wrong password and an account that was switched off get the same
answer after the same work. What somebody types as a name is kept nowhere: it is sometimes a
password.
"""

import re
import time
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import structlog
from django.contrib.auth.hashers import check_password
from django.db import transaction
from django.utils.crypto import salted_hmac

from holdfast.accounts.directories.asking import Told
from holdfast.accounts.directories.chain import LOCAL, segments
from holdfast.accounts.errors import (
    CentralSettingsError,
    DirectoryChildError,
    ExpiredHashError,
    ThrottledError,
)
from holdfast.accounts.hashing.passwords import choose_decoy, make_decoy
from holdfast.accounts.normal import folded, normalised
from holdfast.accounts.policy import PasswordRefusedError
from holdfast.accounts.throttle import source_of
from holdfast.hub.config import STAFF
from holdfast.hub.errors import NoAccessError
from holdfast.hub.moments import now_ms
from holdfast.hub.staff import brake, central, hashers, known, passwords
from holdfast.hub.staff.errors import TooKnownError
from holdfast.hub.staff.logins import note
from holdfast.hub.staff.models import Account, Origin
from holdfast.hub.staff.services import record, record_no_role

log = structlog.get_logger()

LONGEST_NAME = 64
PASSWORD = "password"  # noqa: S105 - how somebody logged in
_UNUSABLE = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})
_SWITCHED_OFF = (
    "Log in with a passkey, or from a browser in which you logged in before; or let a colleague, "
    "or `holdfast hub accounts unlock NAME` on the hub's machine, open the account again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A name and a password that arrived.

    Attributes:
        name: As typed, without blanks around it, in the form NFKC.
        password: As typed.
        address: Where the request came from.
        cookie: What the browser showed of itself; see `known`.
    """

    name: str
    password: str
    address: str
    cookie: str = ""

    @classmethod
    def of(cls, *, name: str, password: str, address: str, cookie: str = "") -> "Attempt":
        """Bring what was typed into the form in which it is compared."""
        form = unicodedata.normalize("NFKC", name).strip()
        return cls(name=form, password=password, address=address, cookie=cookie)

    def __repr__(self) -> str:
        """Show nothing that may be a password."""
        return f"Attempt(address={self.address!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Somebody whose password is right.

    Attributes:
        account: Of whom.
        how: `password`, or the group of servers that said so.
    """

    account: Account
    how: str = PASSWORD


def enter(attempt: Attempt) -> Entered | None:
    """Tell whose name and password these are; None if nobody's.

    A second factor may still be asked for: this opens no session.

    Raises:
        ThrottledError: Too many failures lately; the password was not looked at.
        NoAccessError: A directory knows this person, and no rule gives access.
        TooKnownError: It is right, but taken over from another product and guessed by everybody.
        HashingBusyError: Too many at the same moment.
        DirectoryChildError: No server could be asked, and no local account is next.
    """
    return _tried(attempt, _asked, _account_name(attempt.name))


def _tried(
    attempt: Attempt, ask: Callable[[Attempt], Entered | None], account_name: str
) -> Entered | None:
    """Ask somebody who knows passwords, behind the brake."""
    known_id = known.id_for(attempt.cookie, account_name)
    who = brake.who(attempt.name, attempt.address, known_id)
    note_failure = partial(_note_failure, attempt, account_name)
    try:
        with brake.one_try(who):
            found = ask(attempt) if _can_be(attempt) else None
            if found is None:
                # In one transaction: a name with an account takes no second commit.
                brake.failed(who, beside=note_failure)
                return None
            brake.succeeded(who)
    except TooKnownError:
        brake.failed(who, beside=note_failure)
        raise
    except ThrottledError as error:
        if error.switched_off:
            error.hint = _SWITCHED_OFF
        raise
    return found


def confirms(account: Account, password: str, *, address: str, cookie: str) -> bool:
    """Tell whether somebody who is logged in knows the own password.

    Raises:
        ThrottledError: Too many failures lately.
    """
    plain, _, group = account.name.rpartition("@")
    name, ask = account.name, _of_local
    if account.origin == Origin.DIRECTORY:
        # Nobody else learns the password: not the groups before it, nor this hub's accounts.
        name, ask = account.typed or plain, partial(_of_group, group)
    attempt = Attempt.of(name=name, password=password, address=address, cookie=cookie)
    found = _tried(attempt, ask, account.name)
    return found is not None and found.account.pk == account.pk


def _of_local(attempt: Attempt) -> Entered | None:
    found = _local(attempt)
    return Entered(account=found) if found else None


def _of_group(group: str, attempt: Attempt) -> Entered | None:
    told = central.ask(
        (group,),
        name=attempt.name,
        password=attempt.password,
        source=attempt.address,
    )
    if told.kind == "unavailable":
        raise _unreached(told)
    return _of_directory(told, attempt)


def _account_name(name: str) -> str:
    """Find the account that a name may mean: the local one, or one of a directory."""
    if Account.objects.filter(name=name).exists():
        return name
    local = _local_account(name)
    if local is not None:
        return local.name
    groups = [group for run in segments(central.methods()) for group in run if group != LOCAL]
    names = [f"{name.lower()}@{group}" for group in groups]
    people = Account.objects.filter(origin=Origin.DIRECTORY)
    found = people.filter(name__in=names).first() or people.filter(typed=name).first()
    return found.name if found else name


def _can_be(attempt: Attempt) -> bool:
    """Leave out what can be nobody's, whatever is asked; the answer is the same."""
    name, password = attempt.name, attempt.password
    return (
        0 < len(name) <= LONGEST_NAME
        and 0 < len(password) <= passwords.LONGEST
        and not any(unicodedata.category(mark) in _UNUSABLE for mark in name)
        and not any(unicodedata.category(mark) == "Cs" or mark == "\0" for mark in password)
    )


def _asked(attempt: Attempt) -> Entered | None:
    """Ask the methods in their order; the next only where a server could not be reached."""
    methods = central.methods()
    emergency = central.is_emergency(attempt.name)
    order = [(LOCAL,)] if emergency else list(segments(methods))
    unreached: Exception | None = None
    until = time.monotonic() + central.central().budget_s
    for place, run in enumerate(order):
        if run == (LOCAL,):
            found = _local(attempt)
            # A no to a local account ends the search; a name that is none may be a directory's.
            if found or place == len(order) - 1 or _local_account(attempt.name):
                if found and central.is_set_up():
                    _report_local(found, emergency=emergency, unreached=unreached is not None)
                return Entered(account=found) if found else None
            continue
        try:
            told = central.ask(
                run,
                name=attempt.name,
                password=attempt.password,
                source=attempt.address,
                budget_s=until - time.monotonic(),
            )
        # Too busy to ask is not "unreached": a flood must not open the way to the next method.
        except (DirectoryChildError, CentralSettingsError) as error:
            log.error("central_login.failed", reason=str(error))  # noqa: TRY400 - no stack needed
            unreached = error
            continue
        if told.kind != "unavailable":
            return _of_directory(told, attempt)
        unreached = _unreached(told)
    if unreached is not None:
        raise unreached
    return None


def _unreached(told: Told) -> DirectoryChildError:
    tries = [f"{one['server']}: {one['step']}: {one['reason']}" for one in told.tries]
    log.warning("central_login.unavailable", reason=told.reason, tries=tries)
    return DirectoryChildError("none of them could be reached")


def _local_account(name: str) -> Account | None:
    """Find the local account of a name in capitals or small letters, as on the device.

    One of exactly this name comes first, should an older hub have made two that differ in that.
    """
    names = {name, folded(name)}
    found = {one.name: one for one in Account.objects.filter(name__in=names, origin=Origin.LOCAL)}
    return found.get(name) or found.get(folded(name))


def _local(attempt: Attempt) -> Account | None:
    """Check a local account; a name without one takes as long."""
    account = _local_account(attempt.name)
    if account is None or not account.is_active or not account.has_usable_password():
        with suppress(ExpiredHashError):
            check_password(normalised(attempt.password), _decoy(attempt.name))
        return None
    try:
        if account.is_taken_over:
            return _taken_over(account, attempt.password)
        # Django hashes anew where cost, key or scheme have changed.
        return account if account.check_password(attempt.password) else None
    except ExpiredHashError:
        log.warning("login.expired", account=account.name)
        raise


def _taken_over(account: Account, password: str) -> Account | None:
    """Check a password of another product, which nobody has judged yet.

    One that fulfils the rules of today is kept with a hash of this hub's own. Any other keeps its
    old hash and its term, and opens only the page for a new one: see `sessions`.

    Raises:
        TooKnownError: Everybody tries it first, so who typed it need not be its owner.
        BlockListError: It cannot be judged at the moment.
    """
    if not check_password(password, account.password):
        return None
    if passwords.is_guessable(password, account):
        raise TooKnownError
    with suppress(PasswordRefusedError):
        account.set_password(passwords.must_be_usable(password, account))
        account.save(update_fields=["password"])
    return account


def _decoy(name: str) -> str:
    usable = [
        stored
        for stored in Account.objects.filter(origin=Origin.LOCAL)
        .order_by("pk")
        .values_list("password", flat=True)
        if not stored.startswith("!")
    ]
    key = hashers.keys().newest
    if usable:
        return choose_decoy(name, usable, key=key)
    return hashers.ALGORITHM + make_decoy(cost=hashers.COST, key=key)


def _of_directory(told: Told, attempt: Attempt) -> Entered | None:
    if told.kind == "rejected":
        log.info("login.rejected", group=told.group, server=told.server, reason=told.reason)
        return None
    is_spelt = told.is_spelt and bool(told.name)
    name = _kept_name(told.name or attempt.name, told.group)
    account = Account.objects.filter(name=name).first()
    if account is not None and account.origin != Origin.DIRECTORY:
        raise NoAccessError(f"your password is right, but {name} is another account of this hub")
    if told.kind == "no-role" or told.role != STAFF:
        record_no_role(name, {"server": told.server})
        raise NoAccessError("your password is right, but you are not staff of this hub")
    account = account or _came(name, told.server, is_spelt=is_spelt)
    if not account.is_active:
        return None
    if account.typed != attempt.name:
        account.typed = attempt.name
        account.save(update_fields=["typed"])
    return Entered(account=account, how=told.group)


@transaction.atomic
def _came(name: str, server: str, *, is_spelt: bool) -> Account:
    if not is_spelt:
        _must_be_the_only_spelling(name)
    account = Account(name=name, origin=Origin.DIRECTORY, created_ms=now_ms())
    account.set_unusable_password()
    account.save()
    record(by=name, what="account.came", subject=name, facts={"server": server})
    return account


def _must_be_the_only_spelling(name: str) -> None:
    r"""Refuse a second account for what may be the same person.

    A server of RADIUS or TACACS+ may take `ada`, `CORP\ada` and `ada@corp` for one person and not
    tell its own spelling. Who was switched off would come back under another; and whether two such
    names are one person cannot be known here, so they are never put together either.

    Raises:
        NoAccessError: Somebody whose name differs in the realm alone has an account.
    """
    form, _, group = name.rpartition("@")
    plain = _without_realm(form)
    alike = Account.objects.filter(
        origin=Origin.DIRECTORY, name__contains=plain, name__endswith=f"@{group}"
    )
    if any(_without_realm(one.name.rpartition("@")[0]) == plain for one in alike):
        error = NoAccessError("your password is right, but a name like this has an account already")
        error.hint = (
            "Type your name as you did the first time. If that was somebody else, let the server "
            "tell its own spelling (User-Name in the Access-Accept of RADIUS)."
        )
        raise error


def _without_realm(name: str) -> str:
    """Take a realm from a name, before a slash or after an @ or %; never all of the name."""
    return re.split(r"[@%]", re.split(r"[\\/]", name)[-1])[0] or name


def _kept_name(name: str, group: str) -> str:
    """Give the name of the account; however the name is typed or spelt, it is the same one.

    Raises:
        NoAccessError: It cannot be kept whole, and half of it may be somebody else's.
    """
    form = unicodedata.normalize("NFKC", name).lower()
    if len(form) > LONGEST_NAME or any(unicodedata.category(mark) in _UNUSABLE for mark in form):
        raise NoAccessError("your password is right, but this hub cannot keep such a name")
    return f"{form}@{group}"


def _report_local(account: Account, *, emergency: bool, unreached: bool) -> None:
    """Let everybody see that a local account was used although there is central login."""
    facts = {"emergency": emergency, "servers_unreached": unreached}
    record(by=account.name, what="account.local_used", subject=account.name, facts=facts)
    log.warning("login.local_used", account=account.name, **facts)


def _note_failure(attempt: Attempt, account_name: str) -> None:
    account = Account.objects.filter(name=account_name).first()
    if account is not None:
        note(account, how=PASSWORD, address=attempt.address, success=False)
    source = salted_hmac("holdfast.staff.source", source_of(attempt.address), algorithm="sha256")
    log.warning("login.refused", source=source.hexdigest()[:12])
