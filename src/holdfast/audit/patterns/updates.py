"""Patterns that updates need."""

from typing import Final

from holdfast.audit.patterns.pattern import Pattern

PATTERNS: Final[tuple[Pattern, ...]] = ()
