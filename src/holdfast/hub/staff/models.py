"""Tables of the people who work for the maker, and of what they did."""

import secrets
from typing import ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.crypto import salted_hmac


class Origin(models.TextChoices):
    """Who says who somebody is."""

    LOCAL = "local"
    DIRECTORY = "directory"
    OPENID = "openid"


_TAKEN_OVER = "holdfast$holdfast-wrapped$"
"""How a stored hash begins that another product made."""


def new_epoch() -> str:
    """Give what every session of an account is bound to; another ends them all."""
    return secrets.token_hex(16)


class Account(AbstractBaseUser):
    """A member of the maker's staff.

    Attributes:
        name: What this person types to log in; with `@` and a group of servers or a provider
            behind it for who has no password here.
        origin: Who says who this is.
        typed: Name with which the directory knew this person last, such as a mail address; empty
            for who has no directory.
        email: Where a login from a new source is told; empty for nowhere.
        is_active: False keeps the person out and the history readable.
        short_password: Whether the password is one that needs a second factor beside it.
        epoch: Sessions belong to it; a new one ends them.
        totp_step: Time step of the last code from an app; it and earlier ones are worth nothing.
        created_ms: When the account was made, milliseconds UTC.
    """

    password = models.CharField(max_length=512)
    name = models.CharField(max_length=128, unique=True)
    origin = models.TextField(choices=Origin.choices, default=Origin.LOCAL)
    typed = models.CharField(max_length=64, blank=True, default="")
    email = models.CharField(max_length=254, blank=True, default="")
    is_active = models.BooleanField(default=True)
    short_password = models.BooleanField(default=False)
    epoch = models.CharField(max_length=32, default=new_epoch)
    totp_step = models.BigIntegerField(default=0)
    created_ms = models.BigIntegerField()

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[BaseUserManager[Self]] = BaseUserManager()

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def is_taken_over(self) -> bool:
        """Whether the password is one of another product, and the rules do not allow it here."""
        return self.password.startswith(_TAKEN_OVER)

    def get_session_auth_hash(self) -> str:
        """Bind sessions to the epoch: a hash that is only made anew ends none of them."""
        return salted_hmac(
            "holdfast.staff.session", f"{self.pk}:{self.epoch}", algorithm="sha256"
        ).hexdigest()


class Login(models.Model):
    """An attempt to log in to an account that exists, for whom it belongs to.

    Attributes:
        at_ms: When, milliseconds UTC.
        address: Where the request came from.
        how: With what: `password`, `passkey`, `code`, `recovery code`, a group of servers or a
            provider.
        success: Whether it led to a session.
        new_source: Whether neither browser nor address was known.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="logins")
    at_ms = models.BigIntegerField()
    address = models.CharField(max_length=45)
    how = models.CharField(max_length=64)
    success = models.BooleanField()
    new_source = models.BooleanField(default=False)

    class Meta:
        """Newest first."""

        ordering = ("-id",)
        indexes = (models.Index(fields=("account", "success", "address"), name="staff_login_from"),)

    def __str__(self) -> str:
        """Return the moment."""
        return f"login at {self.at_ms}"


class NoticeState(models.TextChoices):
    """Where a mail to a member of staff is on its way; see `owners.models.MailState`."""

    QUEUED = "queued"
    HANDED_OVER = "handed-over"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Notice(models.Model):
    """A mail to a member of staff about the own account.

    Attributes:
        login: The login that it tells of.
        state: Where it is on its way.
        attempts: How often the mail server was spoken to.
        reason: Why it is not sent, without the address.
    """

    login = models.OneToOneField(Login, on_delete=models.CASCADE, related_name="notice")
    state = models.TextField(choices=NoticeState.choices, default=NoticeState.QUEUED)
    attempts = models.IntegerField(default=0)
    reason = models.TextField(default="", blank=True)
    created_ms = models.BigIntegerField()

    def __str__(self) -> str:
        """Name it without the address."""
        return f"notice {self.pk}"


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


class Brake(models.Model):
    """The counts of the brake on guessing; one row.

    Attributes:
        counts: As `accounts.throttle` writes them, JSON; bounded there.
        version: Another one after every change.
    """

    counts = models.TextField()
    version = models.CharField(max_length=16)

    def __str__(self) -> str:
        """Return what it is."""
        return "counts of failed logins"


class Browser(models.Model):
    """A browser in which somebody logged in before; see `accounts.cookies`.

    Attributes:
        cookie_id: Id in its cookie; the cookie counts only as long as this row is there.
        made_ms: When it logged in first, milliseconds UTC.
        seen_ms: When it logged in last, milliseconds UTC.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="browsers")
    cookie_id = models.CharField(max_length=32, unique=True)
    made_ms = models.BigIntegerField()
    seen_ms = models.BigIntegerField()

    class Meta:
        """Latest first."""

        ordering = ("-seen_ms", "-id")

    def __str__(self) -> str:
        """Return nothing of the cookie."""
        return f"browser {self.pk}"


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
