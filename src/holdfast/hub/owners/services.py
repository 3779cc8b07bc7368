"""Every write about owners; one transaction each."""

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from holdfast.core.clock import now
from holdfast.core.errors import HoldfastError
from holdfast.hub.fleet import history
from holdfast.hub.moments import DAY_MS, now_ms, to_ms
from holdfast.hub.owners import addresses, jobs
from holdfast.hub.owners.addresses import digest
from holdfast.hub.owners.delivery import LINK_LIFE
from holdfast.hub.owners.errors import LinkError, TooManyMailsError
from holdfast.hub.owners.models import Mail, MailKind, MailState, Subscription, SubscriptionState

log = structlog.get_logger()

PER_DEVICE_AND_DAY = 3
PER_ADDRESS_AND_DAY = 1


@transaction.atomic
def hear(device_id: int, *, action: str, address: object, language: str = "") -> None:
    """Do what a device passes on from its owner, and note the outcome in its history.

    A refusal is noted, never raised: whoever holds one device's token must not stop the others.

    Args:
        device_id: Whose owner.
        action: `subscribe` or `unsubscribe`; anything else is noted.
        address: What the owner typed; for `unsubscribe` it is not needed.
        language: In which he wants his mails; one of the hub's, else the hub's first.
    """
    try:
        if action == "subscribe":
            _subscribe(device_id, address, language)
        elif action == "unsubscribe":
            _leave(Subscription.objects.filter(device_id=device_id))
        else:
            history.add(device_id, "owner-unclear")
    except HoldfastError as error:
        history.add(device_id, "owner-refused", code=error.code)
        log.info("subscription.refused", device=device_id, reason=error.code)


def _subscribe(device_id: int, given: object, language: str) -> None:
    address = addresses.checked(given)
    key = addresses.key(address)
    living = Subscription.objects.filter(device_id=device_id).exclude(state=SubscriptionState.GONE)
    if living.filter(state=SubscriptionState.ACTIVE, address_key=key).exists():
        _leave(living.filter(state=SubscriptionState.PENDING), quietly=True)
        history.add(device_id, "owner-known")
        return
    _must_be_within_limits(device_id, key)
    _leave(living.filter(state=SubscriptionState.PENDING), quietly=True)
    known = {code for code, _name in settings.LANGUAGES}
    subscription = Subscription.objects.create(
        device_id=device_id,
        address=address,
        address_key=key,
        language=language if language in known else settings.LANGUAGE_CODE,
        created_ms=now_ms(),
    )
    mail = Mail.objects.create(
        subscription=subscription, kind=MailKind.CONFIRM, address_key=key, created_ms=now_ms()
    )
    jobs.enqueue(mail)
    history.add(device_id, "owner-asked")


def _must_be_within_limits(device_id: int, key: str) -> None:
    """Whoever holds one device's token must not be able to flood strangers with mail."""
    recent = Mail.objects.filter(kind=MailKind.CONFIRM, created_ms__gt=now_ms() - DAY_MS)
    if recent.filter(address_key=key).count() >= PER_ADDRESS_AND_DAY:
        raise TooManyMailsError("this address was asked to confirm less than a day ago")
    if recent.filter(subscription__device_id=device_id).count() >= PER_DEVICE_AND_DAY:
        raise TooManyMailsError(f"this device asked for {PER_DEVICE_AND_DAY} mails in a day")


@transaction.atomic
def confirm(token: str) -> Subscription:
    """Let mails go to the address whose owner pressed the button.

    Pressing it twice is fine. An address that the device had before is forgotten.

    Raises:
        LinkError: The link is none of ours, is too old, or was followed by "no mail to me".
    """
    subscription = pending_or_active(token)
    if subscription.state == SubscriptionState.ACTIVE:
        return subscription
    _leave(
        Subscription.objects.filter(
            device_id=subscription.device_id, state=SubscriptionState.ACTIVE
        ),
        quietly=True,
    )
    subscription.state = SubscriptionState.ACTIVE
    subscription.confirmed_ms = now_ms()
    subscription.save(update_fields=["state", "confirmed_ms"])
    history.add(subscription.device_id, "owner-confirmed")
    log.info("subscription.confirmed", device=subscription.device_id)
    for release_id in subscription.device.offers.filter(closed_ms=None).values_list(
        "release_id", flat=True
    ):
        announce(release_id)
    return subscription


def pending_or_active(token: str) -> Subscription:
    """Find the subscription that a confirmation link means.

    Raises:
        LinkError: There is none, or it waited too long.
    """
    oldest = to_ms(now() - LINK_LIFE)
    subscription = (
        Subscription.objects.select_related("device__product")
        .filter(confirm_sha256=digest(token))
        .exclude(state=SubscriptionState.GONE)
        .first()
    )
    if subscription is None:
        raise LinkError("this link was used up, or is not complete")
    if subscription.state == SubscriptionState.PENDING and subscription.created_ms < oldest:
        raise LinkError(f"this link was good for {LINK_LIFE.days} days, which are over")
    return subscription


@transaction.atomic
def unsubscribe(token: str) -> None:
    """End all mail to the address to which the mail with this link went.

    Doing it twice is fine: mail programs repeat themselves.

    Raises:
        LinkError: The link is none of ours.

    Source:
        RFC 8058, one-click unsubscribe.
    """
    mail = mail_of(token)
    _leave(Subscription.objects.filter(address_key=mail.address_key))


def mail_of(token: str) -> Mail:
    """Find the mail that an unsubscribe link stood in.

    Raises:
        LinkError: There is none.
    """
    mail = Mail.objects.filter(unsubscribe_sha256=digest(token)).first()
    if mail is None:
        raise LinkError("this link is not complete")
    return mail


def _leave(subscriptions: QuerySet[Subscription], *, quietly: bool = False) -> None:
    """End subscriptions and forget their addresses; mails that wait are not sent any more."""
    for subscription in subscriptions.exclude(state=SubscriptionState.GONE):
        subscription.mails.filter(state=MailState.QUEUED).update(
            state=MailState.FAILED, reason="unsubscribed", done_ms=now_ms()
        )
        subscription.state = SubscriptionState.GONE
        subscription.address = ""
        subscription.confirm_sha256 = ""
        subscription.gone_ms = now_ms()
        subscription.save(update_fields=["state", "address", "confirm_sha256", "gone_ms"])
        if not quietly:
            history.add(subscription.device_id, "owner-left")
            log.info("subscription.ended", device=subscription.device_id)


@transaction.atomic
def announce(release_id: int) -> int:
    """Queue one mail to every confirmed address that has an open offer of a release.

    Returns:
        How many were queued now; those that were queued before are not queued again.
    """
    known = set(
        Mail.objects.filter(release_id=release_id, kind=MailKind.RELEASE).values_list(
            "address_key", flat=True
        )
    )
    queued = 0
    waiting = Subscription.objects.filter(
        state=SubscriptionState.ACTIVE,
        device__offers__release_id=release_id,
        device__offers__closed_ms=None,
    )
    for subscription in waiting.order_by("pk").iterator():
        if subscription.address_key in known:
            continue
        known.add(subscription.address_key)
        mail = Mail.objects.create(
            subscription=subscription,
            release_id=release_id,
            kind=MailKind.RELEASE,
            address_key=subscription.address_key,
            created_ms=now_ms(),
        )
        jobs.enqueue(mail)
        queued += 1
    return queued


@transaction.atomic
def forget_unconfirmed() -> int:
    """Erase the addresses that nobody confirmed in time; return how many."""
    oldest = to_ms(now() - LINK_LIFE)
    old = Subscription.objects.filter(state=SubscriptionState.PENDING, created_ms__lt=oldest)
    number = old.count()
    _leave(old, quietly=True)
    return number


@transaction.atomic
def forget_device(device_id: int) -> None:
    """End the subscriptions of a device that is retired."""
    _leave(Subscription.objects.filter(device_id=device_id))


@transaction.atomic
def call_off(release_id: int) -> int:
    """Stop the mails about a release that are not handed over yet; return how many."""
    return Mail.objects.filter(release_id=release_id, state=MailState.QUEUED).update(
        state=MailState.FAILED, reason="the release was withdrawn", done_ms=now_ms()
    )
