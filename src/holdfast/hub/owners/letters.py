"""The words of the mails to owners: plain text, and the same in simple HTML."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from holdfast.hub.owners.post import bare_address
from holdfast.updates.release import Severity

SUBJECT_LENGTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What every mail needs.

    Attributes:
        sender: From line.
        recipient: To line, a checked address.
        language: In which it is written.
        unsubscribe_url: Where one click ends all mail.
        made: Moment of writing, aware, in UTC.
    """

    sender: str
    recipient: str
    language: str
    unsubscribe_url: str
    made: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What the mail says that asks whether the address is right.

    Attributes:
        product: Name of the product, for people.
        vendor: Who makes it.
        confirm_url: Page with the button.
        days: For how long the link works.
    """

    product: str
    vendor: str
    confirm_url: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What the mail says about a release.

    Attributes:
        product: Name of the product, for people.
        vendor: Who makes it.
        version: The new version.
        severity: How serious the holes are that it closes.
        notes: What is new, in the maker's plain words.
        fixes: CVE ids.
        until: Last moment to which the owner can put it off, aware; None if he cannot.
    """

    product: str
    vendor: str
    version: str
    severity: Severity
    notes: str
    fixes: tuple[str, ...]
    until: datetime | None


def how_serious(severity: Severity) -> str:
    """Say in a sentence what a severity means for the owner."""
    return {
        Severity.LOW: _("Not urgent: it closes small holes and mends small faults."),
        Severity.MEDIUM: _("Worth doing soon: somebody near the device could misuse it."),
        Severity.HIGH: _("Serious: somebody could take over the device. Do not wait long."),
        Severity.CRITICAL: _(
            "Very serious: attackers can take over the device from afar, and may be doing so now."
        ),
    }[severity]


def confirmation(letter: Letter, content: Confirmation) -> EmailMessage:
    """Write the mail that asks whether the address is right."""
    with translation.override(letter.language):
        subject = _("Please confirm: mail about your %(product)s") % {"product": content.product}
        return _written(letter, subject, "confirm", {"content": content})


def announcement(letter: Letter, content: Announcement) -> EmailMessage:
    """Write the mail that tells of a release."""
    with translation.override(letter.language):
        subject = _("%(product)s: update %(version)s is there") % {
            "product": content.product,
            "version": content.version,
        }
        facts: dict[str, object] = {"content": content, "serious": how_serious(content.severity)}
        return _written(letter, subject, "release", facts)


def _written(letter: Letter, subject: str, name: str, facts: dict[str, object]) -> EmailMessage:
    # An ASCII word that is longer than the line would be encoded, and a mail server reads no
    # encoded link: the line is made as long as the link needs it.
    width = max(78, len(letter.unsubscribe_url) + 4)
    message = EmailMessage(policy=SMTP.clone(max_line_length=width))
    message["From"] = letter.sender
    message["To"] = letter.recipient
    message["Subject"] = " ".join(subject.split())[:SUBJECT_LENGTH]
    message["Date"] = format_datetime(letter.made)
    domain = bare_address(letter.sender).rpartition("@")[2]
    message["Message-ID"] = f"<{secrets.token_hex(16)}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    facts |= {"letter": letter}
    text = render_to_string(f"owners/mail/{name}.txt", facts).strip() + "\n"
    page = render_to_string(f"owners/mail/{name}.html", facts)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    return message
