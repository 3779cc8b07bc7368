"""Keys whose private half anybody can have: from test suites, samples and published lists."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

Kind = Literal["self-test", "test", "published"]
LENGTH: Final = 32  # hexadecimal digits of a fingerprint that are kept
_LINE: Final = re.compile(r"(\S+) +([0-9a-f]{32})(?:[0-9a-f]{32})? +(\S.{0,99})")


class Known(NamedTuple):
    """Where the private half of a key is public.

    Attributes:
        kind: `self-test` is compiled into a library to test itself, `test` is from the samples or
            the test suite of a project, `published` was found in a product.
        source: The project, product or list.
    """

    kind: Kind
    source: str


def parse(text: str) -> Mapping[str, Known]:
    """Read a list, one key a line: kind, fingerprint (all of it, or its first half), source.

    Lines that begin with `#` are comments. What is no such line is left out, so that a list made
    by a newer version can still be used.
    """
    found: dict[str, Known] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        kind = next((one for one in get_args(Kind) if match and one == match[1]), None)
        if match is not None and kind is not None:
            found[match[2]] = Known(kind, match[3])
    return MappingProxyType(found)


@cache
def shipped() -> Mapping[str, Known]:
    """Give the list that comes with the program; it is small, see the head of the file."""
    return parse(Path(__file__).with_name("known-keys.txt").read_text("utf-8"))


def known(fingerprint: str, more: Mapping[str, Known] = MappingProxyType({})) -> str:
    """Name what a key is known from, `kind: source`; "" for a key that is not known.

    Args:
        fingerprint: SHA-256 of the SubjectPublicKeyInfo, as in `KeyFact`.
        more: A list of one's own, from `parse`.
    """
    short = fingerprint[:LENGTH]
    found = more.get(short) or shipped().get(short)
    return f"{found.kind}: {found.source}" if found else ""
