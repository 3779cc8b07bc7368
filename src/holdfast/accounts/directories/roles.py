"""From what a directory says of somebody to a role; where nothing fits there is no access."""

from collections.abc import Iterable, Sequence

from holdfast.accounts.directories.answers import Claim
from holdfast.accounts.directories.settings import RoleRule


def role_of(claims: Sequence[Claim], rules: Iterable[RoleRule], *, method: str) -> str | None:
    """Find the role of the first rule that fits.

    Args:
        claims: What an accepting server said.
        rules: In the order in which they are tried.
        method: Name of the group of servers that was asked.

    Returns:
        The role; None where no rule fits, which means no access, never a lowest role.
    """
    for rule in rules:
        if rule.methods and method not in rule.methods:
            continue
        if any(_fits(rule, claim) for claim in claims):
            return rule.role
    return None


def _fits(rule: RoleRule, claim: Claim) -> bool:
    if rule.group:
        # Not casefold: it takes "ß" for "ss", while directories keep two such groups apart.
        return claim.kind == "group" and claim.value.lower() == rule.group.lower()
    if rule.attribute:
        return (
            claim.kind == "attribute"
            and claim.name.lower() == rule.attribute.lower()
            and claim.value == rule.value
        )
    return claim.kind == "level" and rule.level is not None and _level(claim) >= rule.level


def _level(claim: Claim) -> int:
    """Read a privilege level; what is none is below all."""
    value = claim.value
    if not (value.isascii() and value.isdecimal() and len(value) <= len("15")):
        return -1
    level = int(value)
    return level if level <= 15 else -1  # noqa: PLR2004 - RFC 8907 9: levels end at 15
