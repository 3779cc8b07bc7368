"""Tables of releases. The gateway reads them with plain SQL: names are part of that contract."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from holdfast.hub.products.models import Product


class Release(models.Model):
    """One signed version of one product, accepted into the repository.

    Attributes:
        product: Whose software it is.
        version: As the maker writes it, such as 1.2.
        number: The same as a number that orders releases.
        severity: How serious the worst hole is that it closes.
        notes: What is new, in plain words.
        fixes: CVE ids that it fixes.
        hardware: Hardware revisions that it runs on.
        floor: Version below which a device never goes again once it has this one.
        made_ms: When it was built, milliseconds UTC.
        expires_ms: After this no device installs it, milliseconds UTC.
        published_ms: When the hub accepted it, milliseconds UTC.
        withdrawn_ms: When it was withdrawn, milliseconds UTC, or None.
        profile_sha256: Digest of the profile that was signed with it.
        sbom_sha256: Digest of the list of its components, or empty if none was given.
        audit_sha256: Digest of the report on its image, or empty if none was given.
    """

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="releases")
    version = models.CharField(max_length=15)
    number = models.BigIntegerField()
    severity = models.CharField(max_length=8)
    notes = models.TextField()
    fixes = models.JSONField(default=list)
    hardware = models.JSONField(default=list)
    floor = models.CharField(max_length=15)
    made_ms = models.BigIntegerField()
    expires_ms = models.BigIntegerField()
    published_ms = models.BigIntegerField()
    withdrawn_ms = models.BigIntegerField(null=True, blank=True)
    profile_sha256 = models.CharField(max_length=64, blank=True, default="")
    sbom_sha256 = models.CharField(max_length=64, blank=True, default="")
    audit_sha256 = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        """Newest first; a version exists once per product."""

        ordering = ("product_id", "-number")
        constraints = (
            models.UniqueConstraint(fields=("product", "number"), name="releases_one_per_number"),
        )

    def __str__(self) -> str:
        """Return product and version."""
        return f"{self.product_id} {self.version}"


class Artifact(models.Model):
    """A file of a release that devices download.

    Attributes:
        release: What it belongs to.
        part: Which part of the device it replaces; `os` is the whole system.
        name: Product id, the name of the DDI chunk.
        version: Version of the DDI chunk.
        filename: Name under which devices ask for it.
        size_bytes: Its length.
        sha256: Digest, lower-case hexadecimal.
        sha1: The same for DDI clients that want it; protects nothing.
        md5: The same for DDI clients that want it; protects nothing.
        stored: Path relative to the repository folder.
    """

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="artifacts")
    part = models.CharField(max_length=20, default="os")
    name = models.CharField(max_length=31)
    version = models.CharField(max_length=15)
    filename = models.CharField(max_length=255)
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    sha1 = models.CharField(max_length=40)
    md5 = models.CharField(max_length=32)
    stored = models.CharField(max_length=500)

    class Meta:
        """A file name exists once per release."""

        constraints = (
            models.UniqueConstraint(fields=("release", "filename"), name="releases_one_per_name"),
        )

    def __str__(self) -> str:
        """Return the file name."""
        return self.filename


class Judging(models.TextChoices):
    """How far the hub's own audit of a release is."""

    WAITING = "waiting", _("waits for its audit")
    RUNNING = "running", _("is being audited")
    PASSED = "passed", _("passed its audit")
    REFUSED = "refused", _("failed its audit")
    BROKEN = "broken", _("could not be audited")


class Judgement(models.Model):
    """What the hub's own audit of a release says; without it nothing is offered.

    Attributes:
        release: What is judged.
        state: How far it is.
        stage: What the audit does just now, for people.
        share: How much of it is done, 0 to 100.
        asked_ms: When the audit was asked for, milliseconds UTC.
        ended_ms: When it ended, milliseconds UTC, or None.
        tries: How many audits were begun since it was asked for.
        objections: What speaks against the release, one line each.
        undecided: Checks that could not decide, one line each.
        counts: Checks by verdict and recommendation: `{"1": {"pass": 30, "fail": 2}}`.
        report_sha256: Digest of the report that the hub keeps, or empty.
        offer_by: Who wants it offered as soon as it may be; empty if nobody asked.
        waived_by: Who let it pass in spite of the objections; empty if nobody did.
        waived_why: That person's reason.
        waived_ms: When, milliseconds UTC, or None.
    """

    release = models.OneToOneField(Release, on_delete=models.CASCADE, related_name="judgement")
    state = models.CharField(max_length=8, choices=Judging, default=Judging.WAITING)
    stage = models.CharField(max_length=100, blank=True, default="")
    share = models.IntegerField(default=0)
    asked_ms = models.BigIntegerField()
    ended_ms = models.BigIntegerField(null=True, blank=True)
    tries = models.IntegerField(default=0)
    objections = models.JSONField(default=list)
    undecided = models.JSONField(default=list)
    counts = models.JSONField(default=dict)
    report_sha256 = models.CharField(max_length=64, blank=True, default="")
    offer_by = models.CharField(max_length=200, blank=True, default="")
    waived_by = models.CharField(max_length=200, blank=True, default="")
    waived_why = models.CharField(max_length=500, blank=True, default="")
    waived_ms = models.BigIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        """Return release and state."""
        return f"{self.release}: {self.state}"

    @property
    def open(self) -> bool:
        """Whether the release may be offered."""
        return self.state == Judging.PASSED or bool(self.waived_by)

    @property
    def under_way(self) -> bool:
        """Whether it will say more by itself."""
        return self.state in {Judging.WAITING, Judging.RUNNING}
