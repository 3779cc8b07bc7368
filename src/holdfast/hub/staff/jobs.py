"""Background work: telling somebody of a login from a new source.

As with mails to owners (`owners.delivery`), `handed-over` is on the disk before the mail server is
spoken to: a crash in between leaves a mail that is never sent twice.
"""

import secrets
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import structlog
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django_tasks import task

from holdfast.core.clock import now
from holdfast.hub.moments import from_ms
from holdfast.hub.owners.errors import LaterError, RefusedError, UnsureError
from holdfast.hub.owners.jobs import QUEUE
from holdfast.hub.owners.post import bare_address, post_of
from holdfast.hub.staff.models import Notice, NoticeState

log = structlog.get_logger()
WAITS = tuple(timedelta(seconds=s) for s in (5, 60, 600, 3600, 6 * 3600))
"""How long to wait after each attempt that surely failed; later the news is none any more."""
_URGENT = 10


@task(queue_name=QUEUE)
def send(notice_id: int) -> None:
    """Try once to send a notice; trying again is another job."""
    notice = (
        Notice.objects.select_related("login__account")
        .filter(pk=notice_id, state=NoticeState.QUEUED)
        .first()
    )
    post = post_of(settings.HUB)
    if notice is None:
        return
    if post is None:
        _end(notice, NoticeState.FAILED, "hub.toml names neither a mail server nor a mail folder")
        return
    recipient = notice.login.account.email
    if not recipient:
        _end(notice, NoticeState.FAILED, "the address was removed")
        return
    message = written(notice, post.sender)
    taken = Notice.objects.filter(pk=notice.pk, state=NoticeState.QUEUED).update(
        state=NoticeState.HANDED_OVER, attempts=notice.attempts + 1
    )
    if not taken:
        return
    try:
        name = f"{notice.created_ms}-login-{notice.pk}"
        post.deliver(message, recipient=recipient, name=name)
    except LaterError as error:
        _put_off(notice, str(error))
    except RefusedError as error:
        _end(notice, NoticeState.FAILED, str(error))
    except UnsureError as error:
        _end(notice, NoticeState.UNKNOWN, str(error))
    else:
        _end(notice, NoticeState.SENT, "")


def enqueue(notice: Notice) -> None:
    """Queue the job of a notice, in the transaction of whoever calls."""
    send.using(priority=_URGENT).enqueue(notice.pk)


def recover() -> None:
    """Sort out what a crash left behind; called once, before anything is sent."""
    Notice.objects.filter(state=NoticeState.HANDED_OVER).update(
        state=NoticeState.UNKNOWN, reason="the hub stopped while handing it over"
    )
    for notice in Notice.objects.filter(state=NoticeState.QUEUED).order_by("pk").iterator():
        enqueue(notice)


def _put_off(notice: Notice, reason: str) -> None:
    if notice.attempts >= len(WAITS):
        _end(notice, NoticeState.FAILED, reason)
        return
    Notice.objects.filter(pk=notice.pk).update(state=NoticeState.QUEUED, reason=reason)
    send.using(run_after=now() + WAITS[notice.attempts]).enqueue(notice.pk)


def _end(notice: Notice, state: NoticeState, reason: str) -> None:
    Notice.objects.filter(pk=notice.pk).update(state=state, reason=reason)
    log.info("notice.ended", notice=notice.pk, state=state.value, reason=reason)


def written(notice: Notice, sender: str) -> EmailMessage:
    """Write the mail; nothing in it opens anything."""
    login = notice.login
    facts = {
        "name": login.account.name,
        "address": login.address,
        "at": from_ms(login.at_ms),
        "how": login.how,
        "url": settings.HUB.url + reverse("staff:account"),
        "host": settings.HUB.host,
    }
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = login.account.email
    message["Subject"] = _("New login to the hub as %(name)s") % {"name": login.account.name}
    message["Date"] = format_datetime(now())
    domain = bare_address(sender).rpartition("@")[2]
    message["Message-ID"] = f"<{secrets.token_hex(16)}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    text = render_to_string("staff/mail/login.txt", facts).strip() + "\n"
    message.set_content(text, cte="quoted-printable")
    return message
