"""One attempt to send one mail, such that no crash ever sends it twice.

The order is the whole point: the state `handed-over` is on the disk before the mail server is
spoken to, and `sent` after it answered. A crash in between leaves `handed-over`, of which nobody
can know whether the server took the mail: at the next start it becomes `unknown`, staff see it,
and it is never sent again.
"""

import secrets
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse

from holdfast.core.clock import now
from holdfast.hub.fleet.policy import latest_install
from holdfast.hub.moments import now_ms, to_ms
from holdfast.hub.owners import letters
from holdfast.hub.owners.addresses import digest
from holdfast.hub.owners.errors import LaterError, RefusedError, UnsureError
from holdfast.hub.owners.models import Mail, MailKind, MailState, SubscriptionState
from holdfast.hub.owners.post import Post
from holdfast.updates.release import Severity

log = structlog.get_logger()

LINK_LIFE = timedelta(days=7)
WAITS = tuple(timedelta(seconds=s) for s in (2, 15, 60, 300, 1800, 7200, 21600, 43200, 86400))
"""How long to wait after each attempt that surely failed; about two days in all."""

LONGEST_ATTEMPT = timedelta(hours=1)
_TOKEN_BYTES = 24
_WANTED = {MailKind.CONFIRM: SubscriptionState.PENDING, MailKind.RELEASE: SubscriptionState.ACTIVE}

Again = Callable[[Mail, timedelta], None]


def attempt(mail_id: int, post: Post, *, again: Again) -> None:
    """Send a mail if it still waits; a mail that somebody else took is left alone.

    Args:
        mail_id: Which.
        post: How it leaves.
        again: Queues another attempt after a while.
    """
    mail = (
        Mail.objects.select_related("subscription__device__product", "release")
        .filter(pk=mail_id, state=MailState.QUEUED)
        .first()
    )
    if mail is None:
        return
    if mail.subscription.state != _WANTED[MailKind(mail.kind)]:
        _end(mail, MailState.FAILED, "the owner does not want it any more")
        return
    message = _write(mail, post.sender)
    recipient = mail.subscription.address
    if not _take(mail):
        return
    try:
        post.deliver(message, recipient=recipient, name=f"{mail.created_ms}-{mail.kind}-{mail.pk}")
    except LaterError as error:
        _put_off(mail, str(error), again)
    except RefusedError as error:
        _end(mail, MailState.FAILED, str(error))
    except UnsureError as error:
        _end(mail, MailState.UNKNOWN, str(error))
    else:
        _end(mail, MailState.SENT, "")


@transaction.atomic
def _take(mail: Mail) -> bool:
    """Put on the disk that the mail is being handed over, and what its links open."""
    taken = Mail.objects.filter(pk=mail.pk, state=MailState.QUEUED).update(
        state=MailState.HANDED_OVER,
        handed_over_ms=now_ms(),
        attempts=mail.attempts + 1,
        unsubscribe_sha256=mail.unsubscribe_sha256,
        reason="",
    )
    if taken and mail.kind == MailKind.CONFIRM:
        mail.subscription.save(update_fields=["confirm_sha256"])
    mail.attempts += 1
    return bool(taken)


def _end(mail: Mail, state: MailState, reason: str) -> None:
    """Note how it ended; a mail that was ended meanwhile by its owner stays so."""
    Mail.objects.filter(pk=mail.pk).update(state=state, reason=reason, done_ms=now_ms())
    log.info("mail.ended", mail=mail.pk, kind=mail.kind, state=state.value, reason=reason)


@transaction.atomic
def _put_off(mail: Mail, reason: str, again: Again) -> None:
    if mail.attempts > len(WAITS):
        _end(mail, MailState.FAILED, f"given up after {mail.attempts} attempts: {reason}")
        return
    wait = WAITS[mail.attempts - 1]
    Mail.objects.filter(pk=mail.pk).update(
        state=MailState.QUEUED, reason=reason, not_before_ms=to_ms(now() + wait)
    )
    again(mail, wait)
    log.info("mail.put_off", mail=mail.pk, reason=reason, wait_s=wait.total_seconds())


def wait_for_settings(mail_id: int) -> None:
    """Leave a mail in the queue because hub.toml names no way for mails."""
    Mail.objects.filter(pk=mail_id, state=MailState.QUEUED).update(
        reason="hub.toml names neither a mail server nor a mail folder"
    )


@transaction.atomic
def recover(*, repeatable: bool, queue: Callable[[Mail], None]) -> int:
    """Sort out what a crash left behind; called once, before anything is sent.

    Args:
        repeatable: Whether handing over the same mail twice makes one mail (files do).
        queue: Queues a mail's job again.

    Returns:
        How many mails may or may not have been sent, and will not be sent again.
    """
    torn = Mail.objects.filter(state=MailState.HANDED_OVER)
    if repeatable:
        unknown = 0
        torn.update(state=MailState.QUEUED, not_before_ms=0)
    else:
        unknown = torn.update(
            state=MailState.UNKNOWN,
            reason="the hub stopped while handing it over",
            done_ms=now_ms(),
        )
    for mail in Mail.objects.filter(state=MailState.QUEUED).order_by("pk").iterator():
        queue(mail)
    if unknown:
        log.warning("mails.became_unknown", number=unknown)
    return unknown


@transaction.atomic
def sweep(*, idle: bool, queue: Callable[[Mail], None]) -> None:
    """Find mails that lost their job because the database failed in the middle of it.

    Args:
        idle: Whether no job is due: only then a mail that is due has surely lost its job.
        queue: Queues a mail's job again.
    """
    Mail.objects.filter(
        state=MailState.HANDED_OVER, handed_over_ms__lt=to_ms(now() - LONGEST_ATTEMPT)
    ).update(
        state=MailState.UNKNOWN,
        reason="nobody noted how the handing over ended",
        done_ms=now_ms(),
    )
    if idle:
        due = Mail.objects.filter(state=MailState.QUEUED, not_before_ms__lte=now_ms())
        for mail in due.order_by("pk").iterator():
            queue(mail)


def _write(mail: Mail, sender: str) -> EmailMessage:
    """Write a mail with links made for it; only their digests are kept, in `mail`."""
    subscription = mail.subscription
    product = subscription.device.product
    stop = secrets.token_urlsafe(_TOKEN_BYTES)
    mail.unsubscribe_sha256 = digest(stop)
    letter = letters.Letter(
        sender=sender,
        recipient=subscription.address,
        language=subscription.language,
        unsubscribe_url=settings.HUB.url + reverse("owners:unsubscribe", args=[stop]),
        made=now(),
    )
    if mail.release is None:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        subscription.confirm_sha256 = digest(token)
        return letters.confirmation(
            letter,
            letters.Confirmation(
                product=product.name,
                vendor=product.vendor,
                confirm_url=settings.HUB.url + reverse("owners:confirm", args=[token]),
                days=LINK_LIFE.days,
            ),
        )
    release = mail.release
    return letters.announcement(
        letter,
        letters.Announcement(
            product=product.name,
            vendor=product.vendor,
            version=release.version,
            severity=Severity(release.severity),
            notes=release.notes,
            fixes=tuple(release.fixes),
            until=latest_install(product, release, offered_ms=mail.created_ms),
        ),
    )
