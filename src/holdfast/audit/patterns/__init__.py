"""What is looked for in every content."""

from typing import Final

from holdfast.audit.patterns import (
    accounts,
    components,
    disclosure,
    hardening,
    privacy,
    starting,
    updates,
)
from holdfast.audit.patterns.pattern import Pattern

ALL: Final[tuple[Pattern, ...]] = (
    *components.PATTERNS,
    *hardening.PATTERNS,
    *accounts.PATTERNS,
    *updates.PATTERNS,
    *disclosure.PATTERNS,
    *privacy.PATTERNS,
    *starting.PATTERNS,
)
"""Every pattern; names are unique."""

__all__ = ["ALL", "Pattern"]
