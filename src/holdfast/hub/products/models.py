"""Table of products. The gateway reads it with plain SQL: names are part of that contract."""

from django.db import models


class Product(models.Model):
    """A product line, as its newest profile describes it.

    Attributes:
        id: Product id, also the name of its TUF delegation.
        name: What owners call it.
        vendor: Who makes it.
        profile: Text of product.toml, as it was given.
        profile_sha256: Digest of that text.
        poll_s: Seconds between two polls of a device that has no value of its own.
    """

    id = models.CharField(primary_key=True, max_length=31)
    name = models.CharField(max_length=200)
    vendor = models.CharField(max_length=200)
    profile = models.TextField()
    profile_sha256 = models.CharField(max_length=64)
    poll_s = models.IntegerField(default=300)

    class Meta:
        """Products stand in the order of their names."""

        ordering = ("name", "id")

    def __str__(self) -> str:
        """Return the name for people."""
        return self.name
