"""Tables of the people who work for the maker, and of what they did."""

from typing import ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Account(AbstractBaseUser):
    """A member of the maker's staff.

    Attributes:
        name: What this person types to log in.
        is_active: False keeps the person out and the history readable.
        created_ms: When the account was made, milliseconds UTC.
    """

    name = models.CharField(max_length=64, unique=True)
    is_active = models.BooleanField(default=True)
    created_ms = models.BigIntegerField()

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[BaseUserManager[Self]] = BaseUserManager()

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class SetupLink(models.Model):
    """A one-time link that makes the first account.

    Attributes:
        token_sha256: Digest of the token in the link; the token itself is nowhere.
        made_ms: When it was printed, milliseconds UTC.
        expires_ms: After this it opens nothing, milliseconds UTC.
        another: Whether it may make one more account where there already are some.
        used_ms: When it was used or replaced, milliseconds UTC, or None.
    """

    token_sha256 = models.CharField(max_length=64, unique=True)
    made_ms = models.BigIntegerField()
    expires_ms = models.BigIntegerField()
    another = models.BooleanField(default=False)
    used_ms = models.BigIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        """Return nothing that helps to guess the token."""
        return f"set-up link {self.pk}"


class ApiToken(models.Model):
    """A token with which a program publishes releases.

    Attributes:
        name: What it is for.
        token_sha256: Digest of the token; the token itself was shown once.
        made_by: Who made it.
        made_ms: When, milliseconds UTC.
        last_used_ms: When it last opened the API, to the minute, milliseconds UTC, or None.
        revoked_ms: When it was revoked, milliseconds UTC, or None.
    """

    name = models.CharField(max_length=64)
    token_sha256 = models.CharField(max_length=64, unique=True)
    made_by = models.CharField(max_length=64)
    made_ms = models.BigIntegerField()
    last_used_ms = models.BigIntegerField(null=True, blank=True)
    revoked_ms = models.BigIntegerField(null=True, blank=True)

    class Meta:
        """Newest first."""

        ordering = ("-id",)

    def __str__(self) -> str:
        """Return what it is for."""
        return self.name


class FailedLogin(models.Model):
    """A login that did not succeed; kept for an hour to slow down guessing.

    Attributes:
        name_sha256: Digest of the name that was typed, which may be a password typed too early.
        address: Where the request came from.
        at_ms: When, milliseconds UTC.
    """

    name_sha256 = models.CharField(max_length=64)
    address = models.CharField(max_length=45)
    at_ms = models.BigIntegerField()

    class Meta:
        """Looked up by name and by address."""

        indexes = (
            models.Index(fields=("name_sha256", "at_ms"), name="staff_failed_name"),
            models.Index(fields=("address", "at_ms"), name="staff_failed_address"),
        )

    def __str__(self) -> str:
        """Return the moment."""
        return f"failed login at {self.at_ms}"


class Entry(models.Model):
    """One line of the audit trail; the database refuses to change or delete it.

    Attributes:
        seq: 1, 2, 3, without a gap.
        at_ms: When, milliseconds UTC.
        by: Who: an account, `token:NAME`, or `system`.
        what: Event `noun.past_verb`.
        subject: What it was done to, such as `home-gateway 1.1`.
        why: The reason a person gave; empty if none was asked for.
        facts: More, as JSON.
        previous: Digest of the line before; 64 zeros for the first.
        digest: SHA-256 over all of the above in canonical JSON.
    """

    seq = models.BigIntegerField(primary_key=True)
    at_ms = models.BigIntegerField()
    by = models.CharField(max_length=100)
    what = models.CharField(max_length=64)
    subject = models.CharField(max_length=300)
    why = models.TextField(blank=True)
    facts = models.TextField(default="{}")
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        """Newest first."""

        ordering = ("-seq",)
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        """Return number and event."""
        return f"{self.seq} {self.what}"
