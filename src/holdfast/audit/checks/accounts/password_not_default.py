"""No password that everybody knows."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Password
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="No password is a known default or one of the most common",
    why="Botnets carry lists of factory passwords; a guess that worked here takes them no time.",
    fix="Ship no password at all: make one for each device, or let the owner choose it.",
    recommendation=2,
    severity=Severity.CRITICAL,
    sources=(
        "Article 2.4", "EN 303 645 5.1-1", "EN 303 645 5.1-2", "CRA Annex I part I (2)(d)",
        "PSTI Sch. 1 para 1",
    ),
)  # fmt: skip
_WHICH = {
    "name": "it is the name of the account",
    "default": "it is in the list of factory passwords",
    "empty": "it is empty",
    "common": "it is among the most common passwords",
}


def run(image: Image) -> Iterator[Finding]:
    """Look for passwords that the lists of the audit know, or that stand there readable."""
    untried = []
    for account in image.model.accounts:
        if account.guessed == "untried" and account.login:
            untried.append(account.name)
        if account.password in {Password.HASHED, Password.PLAIN} and account.guessed in _WHICH:
            yield Finding(
                where=account.where,
                what=f"the password of {account.service} account {account.name} was guessed: "
                f"{_WHICH[account.guessed]}",
            )
    if untried:
        raise Undecided(f"no passwords could be tried on the hashes of {', '.join(untried[:5])}")
