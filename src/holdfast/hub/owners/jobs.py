"""Background work: sending one mail.

The queue is the database back end of django-tasks: a row written in the same transaction as the
mail, so that there is neither a mail without a job nor a job without a mail.
"""

from datetime import timedelta

from django.conf import settings
from django_tasks import task

from holdfast.core.clock import now
from holdfast.hub.moments import from_ms
from holdfast.hub.owners import delivery
from holdfast.hub.owners.models import Mail, MailKind
from holdfast.hub.owners.post import post_of

QUEUE = "mail"
_URGENT = 10


@task(queue_name=QUEUE)
def send(mail_id: int) -> None:
    """Try once to send a mail; trying again is another job."""
    post = post_of(settings.HUB)
    if post is None:
        delivery.wait_for_settings(mail_id)
        return
    delivery.attempt(mail_id, post, again=_later)


def _later(mail: Mail, wait: timedelta) -> None:
    send.using(run_after=now() + wait).enqueue(mail.pk)


def enqueue(mail: Mail) -> None:
    """Queue a mail's job for when it is due; who waits for a confirmation comes first."""
    priority = _URGENT if mail.kind == MailKind.CONFIRM else 0
    due = from_ms(mail.not_before_ms)
    if due > now():
        send.using(priority=priority, run_after=due).enqueue(mail.pk)
    else:
        send.using(priority=priority).enqueue(mail.pk)
