"""No password is the same on every device."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Password
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No usable password is part of the image",
    why="A password inside the image is that of every device sold; one that is broken opens all.",
    fix="Lock the account, and make its password on the device when it is claimed.",
    recommendation=2,
    severity=Severity.HIGH,
    sources=("Article 1.12", "EN 303 645 5.1-1", "EN 303 645 5.4-2", "PSTI Sch. 1 para 1"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for accounts that could log in with a password that the image brings."""
    for account in image.model.accounts:
        if account.login and account.password in {Password.HASHED, Password.PLAIN}:
            yield Finding(
                where=account.where,
                what=f"{account.service} account {account.name} has a password on every device",
            )
