"""Nobody gets in without a password."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Password
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No account has an empty password",
    why="An empty password is no password: the first visitor owns the device.",
    fix="Lock the account (`*` in shadow), and let the owner set a password when he claims it.",
    recommendation=2,
    severity=Severity.CRITICAL,
    sources=("Article 1.12", "EN 303 645 5.1-1", "CRA Annex I part I (2)(d)", "PSTI Sch. 1 para 1"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for accounts that could log in with nothing."""
    for account in image.model.accounts:
        if account.password is Password.EMPTY and account.login:
            yield Finding(
                where=account.where, what=f"{account.service} account {account.name}: no password"
            )
