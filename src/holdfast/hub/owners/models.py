"""Tables of owners who want a mail, and of every mail."""

from django.db import models


class SubscriptionState(models.TextChoices):
    """Whether an owner may be written to."""

    PENDING = "pending"
    ACTIVE = "active"
    GONE = "gone"


class MailState(models.TextChoices):
    """Where a mail is on its way.

    `handed-over` is committed before the mail server is spoken to. A mail that is found there
    after a crash may have been sent or not: it becomes `unknown` and is never sent again.
    """

    QUEUED = "queued"
    HANDED_OVER = "handed-over"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class MailKind(models.TextChoices):
    """Why a mail is written."""

    CONFIRM = "confirm"
    RELEASE = "release"


class Subscription(models.Model):
    """One address that the owner of one device left.

    Attributes:
        address: The address as checked and normalised; empty once gone.
        address_key: Keyed digest under which the limits count it, 64 hexadecimal digits; says
            nothing without the hub's secret key.
        confirm_sha256: Digest of the confirmation token; empty before the mail is written, and
            once used or gone. The tokens of unsubscribe links are kept with each mail.
        language: In which the mails are written.
    """

    device = models.ForeignKey(
        "fleet.Device", on_delete=models.CASCADE, related_name="subscriptions"
    )
    address = models.TextField(blank=True)
    address_key = models.CharField(max_length=64, db_index=True)
    state = models.TextField(choices=SubscriptionState.choices, default=SubscriptionState.PENDING)
    confirm_sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    language = models.CharField(max_length=16, default="en")
    created_ms = models.BigIntegerField()
    confirmed_ms = models.BigIntegerField(null=True, blank=True)
    gone_ms = models.BigIntegerField(null=True, blank=True)

    class Meta:
        """Keep one active and one pending subscription per device.

        Two, so that nobody's mails stop because a stranger typed another address.
        """

        constraints = (
            models.UniqueConstraint(
                fields=("device", "state"),
                condition=~models.Q(state="gone"),
                name="owners_one_per_device_and_state",
            ),
        )

    def __str__(self) -> str:
        """Name the subscription without the address."""
        return f"subscription {self.pk}"


class Mail(models.Model):
    """One mail to one address.

    Attributes:
        release: What it tells of; null for a confirmation.
        address_key: As in the subscription; makes "one mail per release and address" a constraint.
        attempts: How often the mail server was spoken to about it.
        not_before_ms: Earliest moment of the next attempt.
        reason: Why it is not sent, in words and without the address.
        unsubscribe_sha256: Digest of the token in its unsubscribe link.
    """

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="mails")
    release = models.ForeignKey(
        "releases.Release", on_delete=models.PROTECT, null=True, blank=True, related_name="mails"
    )
    kind = models.TextField(choices=MailKind.choices)
    state = models.TextField(choices=MailState.choices, default=MailState.QUEUED)
    address_key = models.CharField(max_length=64)
    attempts = models.IntegerField(default=0)
    not_before_ms = models.BigIntegerField(default=0)
    reason = models.TextField(default="", blank=True)
    unsubscribe_sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    created_ms = models.BigIntegerField()
    handed_over_ms = models.BigIntegerField(null=True, blank=True)
    done_ms = models.BigIntegerField(null=True, blank=True)

    class Meta:
        """Keep one mail per release and address, and one confirmation per subscription."""

        constraints = (
            models.UniqueConstraint(
                fields=("release", "address_key"),
                condition=models.Q(kind="release"),
                name="owners_one_mail_per_release_and_address",
            ),
            models.UniqueConstraint(
                fields=("subscription",),
                condition=models.Q(kind="confirm"),
                name="owners_one_confirmation",
            ),
        )
        indexes = (models.Index(fields=("state",), name="owners_mail_state"),)

    def __str__(self) -> str:
        """Name the mail without the address."""
        return f"mail {self.pk}"
