"""No two accounts have the same password."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No two accounts share one password hash",
    why=(
        "The same hash in two places means the same password and the same salt: one guess, two "
        "doors."
    ),
    fix="Give each account a password of its own, made on the device.",
    recommendation=2,
    severity=Severity.MEDIUM,
    sources=("EN 303 645 5.1-1", "EN 303 645 5.4-3", "CRA Annex I part I (2)(d)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for accounts whose hash stands elsewhere too."""
    for account in image.model.accounts:
        if account.same_as:
            yield Finding(
                where=account.where,
                what=f"account {account.name} has the hash of {account.same_as}",
            )
