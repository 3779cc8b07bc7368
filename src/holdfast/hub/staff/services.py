"""Every write about staff; one transaction each."""

import hmac
import json
import unicodedata
from collections.abc import Mapping
from functools import partial
from threading import BoundedSemaphore

import structlog
from django.conf import settings
from django.contrib.auth import authenticate, password_validation
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from holdfast.core.errors import UsageError
from holdfast.hub.errors import NotAllowedError, SetupLinkError, ThrottledError, TokenError
from holdfast.hub.moments import DAY_MS, HOUR_MS, MINUTE_MS, now_ms
from holdfast.hub.staff import tokens, trail
from holdfast.hub.staff.models import Account, ApiToken, Entry, FailedLogin, SetupLink

log = structlog.get_logger()

SYSTEM = "system"
PLAIN_NAME = RegexValidator(
    r"\A[a-z0-9][a-z0-9._-]{0,31}\Z",
    _("Use up to 32 small letters, digits, dots, hyphens and underscores."),
)
FREE_FAILURES = 5
FIRST_WAIT_S = 15
LONGEST_WAIT_S = 900
# Each takes 19 MiB and a processor for as long as it lasts.
_HASHING = BoundedSemaphore(4)
# One name is tried from many addresses: allow more, so that strangers cannot lock a person out.
FREE_FAILURES_FROM_ANYWHERE = 100


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


def normalised(password: str) -> str:
    """Bring a password into one Unicode form, whatever keyboard it came from."""
    return unicodedata.normalize("NFC", password)


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
    if not another and Account.objects.exists():
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
    if not link.another and Account.objects.exists():
        raise SetupLinkError("the hub already has a staff account")
    return link


@transaction.atomic
def make_account(token: str, *, name: str, password: str) -> Account:
    """Make the account for which a set-up link was printed, and use the link up.

    Raises:
        SetupLinkError: The link opens nothing (any more).
        ValidationError: The password is too weak.
    """
    link = open_setup_link(token)
    account = Account(name=name, created_ms=now_ms())
    password_validation.validate_password(normalised(password), account)
    account.set_password(normalised(password))
    account.save()
    link.used_ms = now_ms()
    link.save()
    record(by=name, what="account.made", subject=name)
    return account


@transaction.atomic
def change_password(account: Account, *, password: str) -> None:
    """Give an account a new password.

    Raises:
        ValidationError: The password is too weak.
    """
    password_validation.validate_password(normalised(password), account)
    account.set_password(normalised(password))
    account.save()
    record(by=account.name, what="account.password_changed", subject=account.name)


def must_wait(name: str, address: str) -> None:
    """Refuse a login attempt that comes too soon after failed ones.

    Raises:
        ThrottledError: The wait doubles with every failure beyond the free ones.
    """
    at = now_ms()
    lately = FailedLogin.objects.filter(name_sha256=tokens.digest(name), at_ms__gt=at - HOUR_MS)
    for failures, free in (
        (lately.filter(address=address), FREE_FAILURES),
        (lately, FREE_FAILURES_FROM_ANYWHERE),
    ):
        excess = failures.count() - free
        newest = failures.order_by("-at_ms").first()
        if excess >= 0 and newest is not None:
            wait_s = min(FIRST_WAIT_S * 2 ** min(excess, 10), LONGEST_WAIT_S)
            left_s = (newest.at_ms + wait_s * 1000 - at + 999) // 1000
            if left_s > 0:
                raise ThrottledError(wait_s=left_s)


def check_password(*, name: str, password: str, address: str) -> Account | None:
    """Tell whose name and password these are; None if nobody's.

    Raises:
        ThrottledError: Too many failures lately; the password was not even looked at.
    """
    must_wait(name, address)
    # Outside of any transaction: hashing takes time, and a failure must be kept.
    with _HASHING:
        account = authenticate(username=name, password=normalised(password))
    if isinstance(account, Account):
        _welcome(account)
        return account
    at = now_ms()
    with transaction.atomic():
        FailedLogin.objects.filter(at_ms__lt=at - HOUR_MS).delete()
        FailedLogin.objects.create(name_sha256=tokens.digest(name), address=address, at_ms=at)
    log.warning("login.refused", address=address)
    return None


@transaction.atomic
def _welcome(account: Account) -> None:
    FailedLogin.objects.filter(name_sha256=tokens.digest(account.name)).delete()
    record(by=account.name, what="account.logged_in", subject=account.name)


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


def must_be_plain_name(name: str) -> None:
    """Refuse a name that would look odd in the audit trail.

    Raises:
        UsageError: It is no plain name.
    """
    try:
        PLAIN_NAME(name)
    except ValidationError as error:
        refusal = UsageError(f"{name!r} cannot be the name of a token")
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
