"""Tables of the fleet; the gateway reads and appends to them with plain SQL.

Times are whole milliseconds in UTC, because the gateway knows nothing of Django's formats. A
column that the gateway fills or may leave out has its default in the database itself.
"""

from django.db import models


class Mode(models.TextChoices):
    """How urgently the device is to act on an offer, in the words of the DDI protocol."""

    ATTEMPT = "attempt"
    FORCED = "forced"
    SKIP = "skip"


class EventKind(models.TextChoices):
    """What a device did or said, as the gateway writes it down."""

    FEEDBACK = "feedback"
    ATTRIBUTES = "attributes"
    RETRIEVED = "retrieved"
    ARTIFACT = "artifact"
    OWNER_ADDRESS = "owner-address"
    CANCEL_FEEDBACK = "cancel-feedback"


class Device(models.Model):
    """One device that may talk to the gateway.

    Attributes:
        controller_id: Name under which it polls.
        token_sha256: Digest of its token, 64 lower-case hexadecimal digits; the token is not kept.
        hardware: Revision of its hardware, as the profile names it.
        poll_s: Seconds between its polls; the product's own when null.
        wants_attributes: Whether the gateway asks it for its attributes.
        reported_version: Version that its running system named last; empty before the first time.
        attributes: Everything it said about itself, text to text.
    """

    tenant = models.TextField(default="DEFAULT", db_default="DEFAULT")
    controller_id = models.TextField(unique=True)
    token_sha256 = models.CharField(max_length=64, db_index=True)
    product = models.ForeignKey(
        "products.Product", on_delete=models.PROTECT, related_name="devices"
    )
    hardware = models.TextField()
    poll_s = models.IntegerField(null=True, blank=True)
    wants_attributes = models.BooleanField(default=True, db_default=True)
    retired_ms = models.BigIntegerField(null=True, blank=True)
    reported_version = models.TextField(default="", db_default="", blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    created_ms = models.BigIntegerField()

    def __str__(self) -> str:
        """Name the device as its owner's maker knows it."""
        return self.controller_id


class Offer(models.Model):
    """One release offered to one device; its id is the action id of the DDI protocol.

    Attributes:
        state: One of `holdfast.updates.offers.State`.
        revision: Counts changes that make the device fetch the offer again.
        opened_ms: When it was offered.
        closed_ms: When it ended, one way or the other; null in the states of `offers.OPEN`.
        waits_until_ms: Moment to which the owner put it off; null if he did not.
        installed_ms: When the device said that it is installed; null before.
        installed_boot: The device's boot id at that moment; empty if it names none.
        reason_code: Stable name of why it did not end well; empty if it did.
        reason: The same in words, as the device or a person gave it.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="offers")
    release = models.ForeignKey("releases.Release", on_delete=models.PROTECT, related_name="offers")
    mode = models.TextField(choices=Mode.choices, default=Mode.ATTEMPT)
    state = models.TextField(default="offered")
    revision = models.IntegerField(default=1, db_default=1)
    opened_ms = models.BigIntegerField()
    closed_ms = models.BigIntegerField(null=True, blank=True)
    waits_until_ms = models.BigIntegerField(null=True, blank=True)
    installed_ms = models.BigIntegerField(null=True, blank=True)
    installed_boot = models.TextField(default="", db_default="", blank=True)
    reason_code = models.TextField(default="", db_default="", blank=True)
    reason = models.TextField(default="", db_default="", blank=True)

    class Meta:
        """Keep one open offer per device, and find the latest quickly."""

        constraints = (
            models.UniqueConstraint(
                fields=("device",),
                condition=models.Q(closed_ms__isnull=True),
                name="fleet_one_open_offer",
            ),
        )
        indexes = (models.Index(fields=("state",), name="fleet_offer_state"),)

    def __str__(self) -> str:
        """Name the offer by its number."""
        return f"offer {self.pk}"


class Change(models.Model):
    """A line of the change feed: the gateway reads what is new after the last line it saw.

    Attributes:
        device: Whose answer may have changed; null means everything.
    """

    seq = models.AutoField(primary_key=True)
    device = models.ForeignKey(
        Device,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    at_ms = models.BigIntegerField()

    def __str__(self) -> str:
        """Name the line by its number."""
        return f"change {self.seq}"


class Event(models.Model):
    """Something a device did or said, appended by the gateway and handled by the worker.

    Nothing in it is to be trusted, not even that the offer exists: hence no constraints.
    """

    device = models.ForeignKey(
        Device, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    offer = models.ForeignKey(
        Offer,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    kind = models.TextField()
    body = models.TextField(default="", db_default="")
    at_ms = models.BigIntegerField()
    handled_ms = models.BigIntegerField(null=True, blank=True)

    class Meta:
        """Find what is not handled yet without reading what is."""

        indexes = (
            models.Index(
                fields=("id",), condition=models.Q(handled_ms__isnull=True), name="fleet_unhandled"
            ),
        )

    def __str__(self) -> str:
        """Name the event by its number."""
        return f"event {self.pk}"


class LastSeen(models.Model):
    """When a device polled last; written in batches by the gateway."""

    device = models.OneToOneField(
        Device,
        on_delete=models.DO_NOTHING,
        primary_key=True,
        db_constraint=False,
        related_name="last_seen",
    )
    at_ms = models.BigIntegerField()

    class Meta:
        """Name the table as the gateway knows it."""

        db_table = "fleet_lastseen"

    def __str__(self) -> str:
        """Name the device meant."""
        return f"last seen of device {self.pk}"


class HistoryEntry(models.Model):
    """One line of a device's history: a code and its parameters, put in words when shown.

    Attributes:
        code: One of the keys of `holdfast.hub.fleet.words.SENTENCES`.
        parameters: What the sentence names, text to text or number.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="history")
    offer = models.ForeignKey(
        Offer, on_delete=models.SET_NULL, null=True, blank=True, related_name="history"
    )
    at_ms = models.BigIntegerField()
    code = models.TextField()
    parameters = models.JSONField(default=dict)

    class Meta:
        """Read a device's history newest first."""

        db_table = "fleet_history"
        indexes = (models.Index(fields=("device", "-id"), name="fleet_history_newest"),)

    def __str__(self) -> str:
        """Name the line by what happened."""
        return f"{self.code} of device {self.device_id}"
