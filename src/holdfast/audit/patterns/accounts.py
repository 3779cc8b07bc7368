"""Patterns that checks of recommendation 2 need."""

from typing import Final

from holdfast.audit.patterns.pattern import Pattern

PATTERNS: Final[tuple[Pattern, ...]] = (
    Pattern(
        name="hash-md5crypt",
        expression=rb"\$1\$[./0-9A-Za-z]{0,8}\$[./0-9A-Za-z]{22}",
        secret=True,
    ),
    Pattern(
        name="hash-sha256crypt",
        expression=rb"\$5\$(?:rounds=[0-9]{1,9}\$)?[./0-9A-Za-z]{0,16}\$[./0-9A-Za-z]{43}",
        secret=True,
    ),
    Pattern(
        name="hash-sha512crypt",
        expression=rb"\$6\$(?:rounds=[0-9]{1,9}\$)?[./0-9A-Za-z]{0,16}\$[./0-9A-Za-z]{86}",
        secret=True,
    ),
    Pattern(
        name="hash-bcrypt",
        expression=rb"\$2[abxy]\$[0-3][0-9]\$[./0-9A-Za-z]{53}",
        secret=True,
    ),
    Pattern(
        name="hash-ldap",
        expression=rb"\{(?:SSHA|SHA|SMD5|MD5)\}[+/=0-9A-Za-z]{24,60}",
        secret=True,
    ),
    Pattern(
        name="hash-passwd-line",
        expression=rb"(?:root|admin|user|support|guest):[./0-9A-Za-z]{13}:[0-9]{1,5}:[0-9]{0,5}:",
        secret=True,
    ),
    # Where a program has it among its constants, the password may stand beside it.
    Pattern(
        name="login-name",
        expression=rb"(?:admin|administrator|root|superuser|supervisor|support|engineer|operator|"
        rb"technician|maintenance|guest|user|telnet|backdoor|manager|service|debug|factory)\x00",
        secret=True,
        most=24,
    ),
)
