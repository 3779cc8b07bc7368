"""Random secrets that are shown once and kept as digests only."""

import hashlib
import secrets

PREFIX = "holdfast_"


def make() -> str:
    """Return a new secret of 256 random bits, safe in an address and in a header."""
    return secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """Hash a secret; it has 256 random bits, so no salt and no slow hash are needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
