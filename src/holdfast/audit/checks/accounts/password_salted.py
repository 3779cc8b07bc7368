"""Every hash has a salt of its own."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Password hashes have a long random salt",
    why="Without salt one table, computed once, opens the accounts of all products.",
    fix="Let the library make the salt: 16 random bytes for each password.",
    recommendation=2,
    severity=Severity.MEDIUM,
    sources=("Article 2.6", "EN 303 645 5.1-3", "EN 18031 CRY"),
)
_WHAT = {
    "empty": "the salt is empty",
    "short": "the salt is short",
    "constant": "the salt is the same for all",
}


def run(image: Image) -> Iterator[Finding]:
    """Look at the salts of the hashes."""
    salted = [one for one in image.model.accounts if one.salt]
    if not salted:
        raise NotApplicable("no password hash is in the image")
    for account in salted:
        if account.salt in _WHAT:
            yield Finding(
                where=account.where, what=f"account {account.name}: {_WHAT[account.salt]}"
            )
