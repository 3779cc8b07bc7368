"""Which pieces of software are known, and what is looked for to find them."""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final, NamedTuple

from holdfast.audit.patterns.components import (
    base,
    crypto,
    libraries,
    network,
    services,
    web,
)
from holdfast.audit.patterns.components.software import Software
from holdfast.audit.patterns.pattern import Pattern

TABLE: Final[tuple[Software, ...]] = (
    *base.TABLE,
    *crypto.TABLE,
    *network.TABLE,
    *services.TABLE,
    *web.TABLE,
    *libraries.TABLE,
)
"""Every piece of software; names are unique."""

SOFTWARE: Final = MappingProxyType({each.name: each for each in TABLE})

BARE: Final = "component-bare-version"
"""Name of the pattern for versions that stand alone, told apart by `Software.bare`."""

BANNER: Final = "kernel-banner"
BUILT: Final = "kernel-built"
CONFIGURATION: Final = "kernel-configuration"
WRAPPED: Final = "kernel-wrapped"

_GENERAL: Final = (
    Pattern(
        name=BARE,
        expression=rb"[\x00-\x08\x0e-\x1f\x7f-\xff]"
        rb"(?P<version>[0-9]{1,4}\.[0-9]{1,4}[0-9A-Za-z+~_.-]{0,24})[\x00 \n]",
        most=200,
    ),
    Pattern(
        name=BANNER,
        expression=rb"Linux version "
        rb"(?P<version>[2-9]\.[0-9]{1,3}(?:\.[0-9]{1,3}){0,2})[^ \n\x00]{0,60} \([^\n\x00]{4,180}",
    ),
    Pattern(
        name=BUILT,
        expression=rb"#(?:[0-9]{1,5}| SMP)[ 0-9A-Za-z_.:+~()-]{0,90} "
        rb"(?P<version>[A-Z][a-z]{2} {1,2}[0-9]{1,2} [0-2][0-9]:[0-5][0-9]:[0-5][0-9] (?:"
        rb"[A-Z0-9+-]{2,6} )?20[0-9]{2}|\(20[0-9]{2}-[01][0-9]-[0-3][0-9]\))",
    ),
    Pattern(
        name=WRAPPED,  # the name in U-Boot's header, `MIPS OpenWrt Linux-3.18.23`
        expression=rb"\x27\x05\x19\x56[\x00-\xff]{28}[A-Za-z0-9 _.-]{0,20}Linux-"
        rb"(?P<version>[2-9]\.[0-9]{1,3}(?:\.[0-9]{1,3}){0,2})",
        most=2,
    ),
    Pattern(name=CONFIGURATION, expression=rb"IKCFG_ST\x1f\x8b\x08", most=1),
)


class Source(NamedTuple):
    """Which row a pattern comes from.

    Attributes:
        software: The row.
        kind: `strings`, `header_strings` or `own_strings`.
    """

    software: Software
    kind: str


def _patterns() -> Iterator[tuple[Pattern, Source]]:
    for each in TABLE:
        for kind in ("strings", "header_strings", "own_strings"):
            for number, expression in enumerate(getattr(each, kind)):
                word = kind.replace("strings", "").strip("_")
                count = str(number + 1) if number else ""
                name = "-".join(filter(None, ("component", each.name, word, count)))
                yield Pattern(name=name, expression=expression, most=4), Source(each, kind)


_ROWS: Final = tuple(_patterns())
PATTERNS: Final[tuple[Pattern, ...]] = (*_GENERAL, *(pattern for pattern, _ in _ROWS))
BY_PATTERN: Final = MappingProxyType({pattern.name: source for pattern, source in _ROWS})
"""Whose hit it is."""

__all__ = [
    "BANNER",
    "BARE",
    "BUILT",
    "BY_PATTERN",
    "CONFIGURATION",
    "PATTERNS",
    "SOFTWARE",
    "TABLE",
    "WRAPPED",
    "Software",
    "Source",
]
