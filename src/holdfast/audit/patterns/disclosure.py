"""Patterns of what a product tells about reporting holes and about its support."""

from typing import Final

from holdfast.audit.patterns.pattern import Pattern

PATTERNS: Final[tuple[Pattern, ...]] = (
    Pattern(
        name="disclosure-contact",
        expression=rb"(?:psirt|product-?security|security)@[a-z0-9-]{2,40}\.[a-z0-9.-]{2,40}"
        rb"|/\.well-known/security\.txt"
        rb"|(?:report|disclos)[a-z]{0,4} (?:a |of )?(?:security )?(?:vulnerabilit|issue)"
        rb"|vulnerability disclosure",
        any_case=True,
        most=4,
    ),
    Pattern(
        name="disclosure-support",
        expression=rb"end[ -]of[ -](?:support|security updates|life)"
        rb"|support(?:ed)? (?:period|until)|security updates? until",
        any_case=True,
        most=4,
    ),
)
