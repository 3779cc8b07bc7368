"""Keys whose private half anybody can have: from test suites, samples and published lists."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

from holdfast.audit.report.texts import visible
from holdfast.core.errors import UsageError

Kind = Literal["self-test", "test", "published"]
LENGTH: Final = 32  # hexadecimal digits of a fingerprint that are kept
MOST_BYTES: Final = 4 << 20
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


def read(path: Path) -> dict[str, Known]:
    """Read a list of one's own. It is taken whole or not at all: a key passed over looks fine.

    Raises:
        UsageError: It cannot be read, or a line is none; names the line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise UsageError(f"{visible(str(path))} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{visible(str(path))} is no text in UTF-8") from error
    if len(content) > MOST_BYTES:
        raise UsageError(f"{visible(str(path))} is longer than {MOST_BYTES} bytes")
    found: dict[str, Known] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        one = parse(line) if line.strip().isprintable() else {}
        if not one:
            refusal = UsageError(f"{visible(str(path))}:{number}: this line names no key")
            refusal.hint = (
                f"A line is one of {', '.join(get_args(Kind))}, the SHA-256 of the key in small "
                "hexadecimal digits, and where it is known from."
            )
            raise refusal
        found.update(one)
    return found


@cache
def shipped() -> Mapping[str, Known]:
    """Give the list that comes with the program; it is small, see the head of the file."""
    return parse(Path(__file__).with_name("known-keys.txt").read_text("utf-8"))


def known(fingerprint: str, more: Mapping[str, Known] = MappingProxyType({})) -> str:
    """Name what a key is known from, `kind: source`; "" for a key that is not known.

    Args:
        fingerprint: SHA-256 of the SubjectPublicKeyInfo, as in `KeyFact`.
        more: A list of one's own, from `read`.
    """
    short = fingerprint[:LENGTH]
    found = more.get(short) or shipped().get(short)
    return f"{found.kind}: {found.source}" if found else ""
