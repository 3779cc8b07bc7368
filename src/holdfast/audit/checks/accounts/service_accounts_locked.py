"""Accounts of programs are for programs."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Password
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Accounts of services cannot log in",
    why="A daemon's account with a shell and a password is a user that nobody watches.",
    fix="Give it /usr/sbin/nologin or /bin/false, and `*` in shadow.",
    recommendation=2,
    severity=Severity.MEDIUM,
    sources=("Article 1.11", "EN 303 645 5.6-7", "CRA Annex I part I (2)(d)"),
)
_FIRST_PERSON, _LAST_PERSON = 1000, 60000


def run(image: Image) -> Iterator[Finding]:
    """Look for low user ids that can log in."""
    accounts = [one for one in image.model.accounts if one.uid is not None]
    if not accounts:
        raise NotApplicable("no system accounts were found")
    for account in accounts:
        uid = account.uid or 0
        if uid == 0 or _FIRST_PERSON <= uid <= _LAST_PERSON or not account.login:
            continue
        if account.password in {Password.EMPTY, Password.HASHED, Password.PLAIN}:
            yield Finding(
                where=account.where, what=f"{account.name} (uid {uid}) has a shell and can log in"
            )
