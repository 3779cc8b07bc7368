"""Passwords are kept by a slow, salted function."""

from collections.abc import Iterator
from typing import Final

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Account, Password
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Password hashes are modern, slow and salted",
    why="A graphics card tries billions of MD5 or SHA-1 hashes in a second.",
    fix="Use Argon2id, scrypt, yescrypt or bcrypt with today's costs.",
    recommendation=2,
    severity=Severity.HIGH,
    sources=("Article 2.6", "EN 303 645 5.1-3", "CRA Annex I part I (2)(e)", "EN 18031 CRY"),
)
WEAK: Final = frozenset({"des", "md5crypt", "md5", "sha1", "sha256", "sha512", "lm", "ntlm"})
LEAST_ROUNDS: Final = {"bcrypt": 10, "sha256crypt": 5000, "sha512crypt": 5000}
"""Costs below which a scheme counts as weak; bcrypt counts in powers of two."""


def run(image: Image) -> Iterator[Finding]:
    """Look at the scheme and cost of every hash."""
    hashed = [one for one in image.model.accounts if one.password is Password.HASHED]
    if not hashed:
        raise NotApplicable("no password hash is in the image")
    for account in hashed:
        if what := _weak(account):
            yield Finding(where=account.where, what=f"account {account.name}: {what}")


def _weak(account: Account) -> str:
    if account.scheme in WEAK:
        return f"the hash is {account.scheme}"
    least = LEAST_ROUNDS.get(account.scheme, 0)
    if account.rounds and account.rounds < least:
        return f"{account.scheme} with cost {account.rounds}, at least {least} is usual"
    return ""
