"""Passwords are not kept readable."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Password
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No password is kept in a form that can be read back",
    why="Whoever reads one configuration file, or one backup of it, can log in.",
    fix=(
        "Keep a slow salted hash; what must be readable (bind secrets) belongs to a process of "
        "its own."
    ),
    recommendation=2,
    severity=Severity.HIGH,
    sources=("Article 2.5", "EN 303 645 5.4-1", "CRA Annex I part I (2)(e)", "EN 18031 SSM"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for passwords in clear or in a reversible form."""
    for account in image.model.accounts:
        if account.password is Password.PLAIN:
            yield Finding(
                where=account.where,
                what=f"the {account.service} password of {account.name} can be read there",
            )
