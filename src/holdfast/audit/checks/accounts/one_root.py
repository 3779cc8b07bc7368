"""There is one root."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Only root has the user id 0",
    why="A second name for root is how backdoors hide in plain sight.",
    fix="Give the account an id of its own, and sudo for what it must do.",
    recommendation=2,
    severity=Severity.HIGH,
    sources=("Article 1.11", "EN 303 645 5.6-7", "CRA Annex I part I (2)(d)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for further system accounts with the id 0 that can log in."""
    accounts = [one for one in image.model.accounts if one.uid is not None]
    if not accounts:
        raise NotApplicable("no system accounts were found")
    for account in accounts:
        if account.uid == 0 and account.name != "root" and account.login:
            yield Finding(where=account.where, what=f"{account.name} is root by another name")
