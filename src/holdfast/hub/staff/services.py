"""Every write about staff; one transaction each."""

import hmac
import json
from collections.abc import Mapping
from functools import partial

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from holdfast.accounts.policy import SHORTEST
from holdfast.core.errors import UsageError
from holdfast.hub.errors import NotAllowedError, SetupLinkError, TokenError
from holdfast.hub.moments import DAY_MS, HOUR_MS, MINUTE_MS, now_ms
from holdfast.hub.staff import passwords, tokens, trail
from holdfast.hub.staff.models import Account, ApiToken, Entry, Origin, SetupLink, new_epoch

log = structlog.get_logger()

SYSTEM = "system"
PLAIN_NAME = RegexValidator(
    r"\A[a-z0-9][a-z0-9._-]{0,31}\Z",
    _("Use up to 32 small letters, digits, dots, hyphens and underscores."),
)


@transaction.atomic
def record(
    *,
    by: str,
    what: str,
    subject: str = "",
    why: str = "",
    facts: Mapping[str, object] | None = None,
) -> Entry:
    """Append a line to the audit trail, in the transaction of whoever calls.

    Args:
        by: Who did it: an account's name, `token:NAME`, or `system`.
        what: Event `noun.past_verb`, such as `release.withdrawn`.
        subject: What it was done to, such as `home-gateway 1.1`.
        why: The reason that the person gave.
        facts: More; numbers, texts and lists of them. No secrets, no personal data of owners.
    """
    newest = Entry.objects.select_for_update().order_by("-seq").first()
    entry = Entry(
        seq=newest.seq + 1 if newest else 1,
        at_ms=now_ms(),
        by=by[:100],
        what=what,
        subject=subject[:300],
        why=why,
        facts=json.dumps(dict(facts or {}), sort_keys=True, ensure_ascii=True),
        previous=newest.digest if newest else trail.FIRST,
    )
    entry.digest = trail.digest_of(entry)
    entry.save(force_insert=True)
    head = trail.Head(seq=entry.seq, digest=entry.digest)
    # What is committed stays committed even if the head file cannot follow; it may lag behind.
    transaction.on_commit(partial(trail.write_head, settings.HUB.trail_head, head), robust=True)
    return entry


@transaction.atomic
def record_no_role(subject: str, facts: Mapping[str, object]) -> None:
    """Note that somebody whom others know has no access here.

    Nobody has to be staff to be written down here, so one who comes again and again has one line.
    """
    newest = Entry.objects.order_by("-seq").first()
    what = "account.had_no_role"
    again = newest is not None and (newest.what, newest.subject) == (what, subject[:300])
    if newest is None or not again or newest.at_ms < now_ms() - HOUR_MS:
        record(by=subject, what=what, subject=subject, facts=facts)


@transaction.atomic
def make_setup_link(*, by: str = SYSTEM, another: bool = False) -> str:
    """Make a one-time link and end every earlier one.

    Args:
        by: Who asked for it.
        another: Make it for one more account although there already are some.

    Returns:
        The whole address; it is kept nowhere.

    Raises:
        NotAllowedError: There is an account already, and `another` is False.
    """
    if not another and Account.objects.filter(origin=Origin.LOCAL).exists():
        error = NotAllowedError("the hub already has a staff account")
        error.hint = "Log in, or make a link for one more account with --another."
        raise error
    at = now_ms()
    SetupLink.objects.filter(used_ms=None).update(used_ms=at)
    token = tokens.make()
    SetupLink.objects.create(
        token_sha256=tokens.digest(token), made_ms=at, expires_ms=at + DAY_MS, another=another
    )
    record(by=by, what="setup_link.made", facts={"another": another})
    return f"{settings.HUB.url}/setup/{token}"


def open_setup_link(token: str) -> SetupLink:
    """Return the link that a token opens.

    Raises:
        SetupLinkError: It opens nothing: used, replaced, expired or never made.
    """
    digest = tokens.digest(token)
    link = SetupLink.objects.filter(token_sha256=digest).first()
    if link is None or not hmac.compare_digest(link.token_sha256, digest):
        raise SetupLinkError("this set-up link was never made by this hub")
    if link.used_ms is not None:
        raise SetupLinkError("this set-up link was used already, or a newer one was made")
    if link.expires_ms <= now_ms():
        raise SetupLinkError("this set-up link has expired; it was good for 24 hours")
    if not link.another and Account.objects.filter(origin=Origin.LOCAL).exists():
        raise SetupLinkError("the hub already has a staff account")
    return link


@transaction.atomic
def make_account(token: str, *, name: str, password: str, email: str = "") -> Account:
    """Make the account for which a set-up link was printed, and use the link up.

    Raises:
        SetupLinkError: The link opens nothing (any more).
        PasswordRefusedError: The password may not be used.
    """
    link = open_setup_link(token)
    account = add_account(name, password, by=name, email=email)
    link.used_ms = now_ms()
    link.save()
    return account


@transaction.atomic
def add_account(name: str, password: str, *, by: str, email: str = "") -> Account:
    """Make a local account.

    Args:
        name: A plain one that is free.
        password: As typed.
        by: Who does it.
        email: Where a login from a new source is told; empty for nowhere.

    Raises:
        UsageError: Name is none, or taken.
        PasswordRefusedError: The password may not be used.
    """
    must_be_free_name(name)
    account = Account(name=name, email=email, created_ms=now_ms())
    _set_password(account, password)
    account.save()
    record(by=by, what="account.made", subject=name)
    return account


def must_be_free_name(name: str) -> None:
    """Refuse a name that is no plain one, is taken, or is the hub's own.

    Raises:
        UsageError: It is so.
    """
    must_be_plain_name(name, what="an account")
    # What the hub itself does stands under that name in the audit trail.
    if name == SYSTEM or Account.objects.filter(name=name).exists():
        raise UsageError(f"the name {name} is taken")


@transaction.atomic
def change_password(account: Account, *, password: str, by: str = "") -> None:
    """Give an account a new password, and end all its sessions.

    Args:
        account: A local one.
        password: As typed.
        by: Who does it; whose account it is unless told.

    Raises:
        NotAllowedError: The password is kept elsewhere.
        PasswordRefusedError: It may not be used.
    """
    must_be_local(account)
    _set_password(account, password)
    account.epoch = new_epoch()
    account.save()
    record(by=by or account.name, what="account.password_changed", subject=account.name)


def must_be_local(account: Account) -> Account:
    """Refuse an account whose password is kept elsewhere.

    Raises:
        NotAllowedError: It is.
    """
    if account.origin != Origin.LOCAL:
        error = NotAllowedError(f"{account.name} has no password on this hub")
        error.hint = "It is changed where this person's other passwords are."
        raise error
    return account


def _set_password(account: Account, password: str) -> None:
    form = passwords.must_be_usable(password, account)
    account.set_password(form)
    account.short_password = len(form) < SHORTEST


@transaction.atomic
def end_sessions(account: Account, *, by: str) -> None:
    """End every session of an account, and let all its browsers be strangers again."""
    account.epoch = new_epoch()
    account.save(update_fields=["epoch"])
    account.browsers.all().delete()
    record(by=by, what="account.sessions_ended", subject=account.name)


@transaction.atomic
def change_email(account: Account, address: str) -> None:
    """Change where logins from new sources are told."""
    account.email = address
    account.save(update_fields=["email"])
    record(by=account.name, what="account.email_changed", subject=account.name)


@transaction.atomic
def switch(account: Account, *, active: bool, by: str, why: str = "") -> None:
    """Keep an account out, or let it in again.

    Raises:
        NotAllowedError: It is the only local one that is left.
    """
    others = Account.objects.filter(is_active=True, origin=Origin.LOCAL).exclude(pk=account.pk)
    # Nobody may get in with a password that is none, or one of another product.
    can_log_in = any(one.has_usable_password() and not one.is_taken_over for one in others)
    if not active and account.origin == Origin.LOCAL and not can_log_in:
        error = NotAllowedError(f"{account.name} is the last local account that can log in")
        error.hint = "Make another one first, with `holdfast hub setup-link --another`."
        raise error
    account.is_active = active
    account.epoch = new_epoch()
    account.save(update_fields=["is_active", "epoch"])
    what = "account.switched_on" if active else "account.switched_off"
    record(by=by, what=what, subject=account.name, why=why)


@transaction.atomic
def make_token(name: str, *, by: str) -> str:
    """Make an API token.

    Returns:
        The token; only its digest is kept.

    Raises:
        NotAllowedError: A token of that name is in use.
    """
    if ApiToken.objects.filter(name=name, revoked_ms=None).exists():
        error = NotAllowedError(f"a token named {name} is in use")
        error.hint = "Choose another name, or revoke the other token first."
        raise error
    token = tokens.PREFIX + tokens.make()
    ApiToken.objects.create(
        name=name, token_sha256=tokens.digest(token), made_by=by, made_ms=now_ms()
    )
    record(by=by, what="token.made", subject=name)
    return token


def must_be_plain_name(name: str, *, what: str = "a token") -> None:
    """Refuse a name that would look odd in the audit trail.

    Raises:
        UsageError: It is no plain name.
    """
    try:
        PLAIN_NAME(name)
    except ValidationError as error:
        refusal = UsageError(f"{name!r} cannot be the name of {what}")
        refusal.hint = "Use up to 32 small letters, digits, dots, hyphens and underscores."
        raise refusal from error


@transaction.atomic
def revoke_token(token: ApiToken, *, by: str) -> None:
    """End an API token; twice does no harm."""
    if token.revoked_ms is None:
        token.revoked_ms = now_ms()
        token.save()
        record(by=by, what="token.revoked", subject=token.name)


def accept_token(header: str) -> str:
    """Tell who a request with this `Authorization` header acts for.

    Returns:
        The actor, `token:NAME`.

    Raises:
        TokenError: The header is missing, or its token unknown or revoked.
    """
    scheme, _, token = header.partition(" ")
    digest = tokens.digest(token.strip())
    found = ApiToken.objects.filter(token_sha256=digest, revoked_ms=None).first()
    if scheme.lower() != "bearer" or found is None:
        raise TokenError("the request came without a valid token")
    if not hmac.compare_digest(found.token_sha256, digest):
        raise TokenError("the request came without a valid token")
    if found.last_used_ms is None or found.last_used_ms < now_ms() - MINUTE_MS:
        ApiToken.objects.filter(pk=found.pk).update(last_used_ms=now_ms())
    return f"token:{found.name}"
