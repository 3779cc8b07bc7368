"""Reads about owners' mail, for staff; no address is ever among them."""

from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator
from django.db.models import Count
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from holdfast.hub.moments import from_ms
from holdfast.hub.owners.models import Mail, MailKind, MailState, Subscription, SubscriptionState

PAGE = 50

STATES: dict[str, StrOrPromise] = {
    MailState.QUEUED: _("waiting"),
    MailState.HANDED_OVER: _("being handed over"),
    MailState.SENT: _("sent"),
    MailState.FAILED: _("not sent"),
    MailState.UNKNOWN: _("perhaps sent"),
}
TONES: dict[str, str] = {
    MailState.SENT: "good",
    MailState.FAILED: "bad",
    MailState.UNKNOWN: "attention",
}
KINDS: dict[str, StrOrPromise] = {
    MailKind.CONFIRM: _("confirmation"),
    MailKind.RELEASE: _("release"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLine:
    """A mail for the staff's list.

    Attributes:
        device_id: Row of the device whose owner it goes to.
        device: Its name.
        kind: Why it was written, in words.
        release: What it tells of, or empty.
        state: Where it is, in words.
        tone: `good`, `attention`, `bad` or empty.
        reason: Why it is not sent.
        at: When it was queued.
    """

    device_id: int
    device: str
    kind: StrOrPromise
    release: str
    state: StrOrPromise
    tone: str
    reason: str
    at: datetime


def line_of(mail: Mail) -> MailLine:
    """Put a mail in words."""
    return MailLine(
        device_id=mail.subscription.device_id,
        device=mail.subscription.device.controller_id,
        kind=KINDS.get(mail.kind) or mail.kind,
        release=str(mail.release or ""),
        state=STATES.get(mail.state) or mail.state,
        tone=TONES.get(mail.state, ""),
        reason=mail.reason,
        at=from_ms(mail.created_ms),
    )


def mail_page(number: str | None, *, state: str = "") -> Page[Mail]:
    """Return one page of mails, newest first; a wrong number gives the nearest page."""
    mails = Mail.objects.select_related("subscription__device", "release").order_by("-pk")
    if state in STATES:
        mails = mails.filter(state=state)
    return Paginator(mails, PAGE).get_page(number)


def totals() -> list[tuple[str, StrOrPromise, int]]:
    """Count the mails by state: value, words, number."""
    counted = dict(Mail.objects.values_list("state").annotate(Count("pk")).order_by())
    return [(value, words, counted.get(value, 0)) for value, words in STATES.items()]


def has_owner_mail(device_id: int) -> bool:
    """Tell whether a device's owner gets mail."""
    return Subscription.objects.filter(device_id=device_id, state=SubscriptionState.ACTIVE).exists()
