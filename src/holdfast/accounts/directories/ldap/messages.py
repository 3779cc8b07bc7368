"""The few messages of LDAP that a login needs, as octets.

Source:
    RFC 4511 (messages), RFC 4513 5.1 (simple bind), RFC 2696 (pages), RFC 4532 (who am I).
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from holdfast.accounts.directories.ldap.ber import (
    ENUMERATED,
    OCTETS,
    SEQUENCE,
    SET,
    BerError,
    Reader,
    boolean,
    number,
    wrap,
)

START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
PAGES = "1.2.840.113556.1.4.319"

BIND, BOUND, UNBIND = 0x60, 0x61, 0x42
SEARCH, ENTRY, SEARCHED, ELSEWHERE = 0x63, 0x64, 0x65, 0x73
EXTENDED, EXTENDED_ANSWER = 0x77, 0x78
_SIMPLE, _REQUEST_NAME, _CONTROLS = 0x80, 0x80, 0xA0
_REFERRAL, _ANSWER_NAME, _ANSWER_VALUE = 0xA3, 0x8A, 0x8B
_VERSION = 3
MOST_VALUES = 20_000
_HANDFUL = 16
_LONGEST_BYTES = 8192
_HARMFUL = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
SCOPES = {"base": 0, "one": 1, "all": 2}
Scope = Literal["base", "one", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a request ended.

    Attributes:
        code: Of RFC 4511, 4.1.9; 0 is success.
        words: What the server says for people; a stranger's text.
        value: Of an extended answer.
        cookie: Where the next page begins; empty if there is none.
    """

    code: int
    words: str = ""
    value: bytes = b""
    cookie: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry that was found.

    Attributes:
        dn: Its name; empty where it is not text.
        attributes: Values by name of the attribute, in lower case.
    """

    dn: str
    attributes: dict[str, tuple[bytes, ...]]

    def texts(self, attribute: str, *, longest: int) -> list[str]:
        """Give the values of an attribute that are plain text, and not longer than that."""
        values = self.attributes.get(attribute.lower(), ())
        texts = [readable(value) for value in values if len(value) <= longest]
        return [text for text in texts if text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is searched.

    Attributes:
        base: Where; a DN.
        scope: The base alone, what is right below it, or all below it.
        pattern: Filter in BER.
        attributes: Wanted of each entry.
        most: More entries than this are not wanted; 0 leaves it to the server.
        page: Entries of one page; 0 for all at once.
    """

    base: str
    scope: Scope = "all"
    pattern: bytes
    attributes: tuple[str, ...]
    most: int = 0
    page: int = 0


ANYTHING = wrap(0x87, b"objectClass")
"""The filter that fits every entry: objectClass is there."""
NOTHING = "1.1"
"""Asks for no attribute (RFC 4511, 4.5.1.8)."""


def message(identity: int, operation: bytes, controls: bytes = b"") -> bytes:
    """Write a message around an operation."""
    inside = wrap(_CONTROLS, controls) if controls else b""
    return wrap(SEQUENCE, number(identity), operation, inside)


def bind(dn: str, password: str) -> bytes:
    """Write a simple bind; an empty password is refused by who calls, RFC 4513 5.1.2."""
    secret = wrap(_SIMPLE, password.encode())
    return wrap(BIND, number(_VERSION), wrap(OCTETS, dn.encode()), secret)


def unbind() -> bytes:
    """Write the farewell."""
    return wrap(UNBIND)


def extended(name: str) -> bytes:
    """Write an extended request without a value."""
    return wrap(EXTENDED, wrap(_REQUEST_NAME, name.encode("ascii")))


def search(wanted: Search, *, seconds: int) -> bytes:
    """Write a search; aliases are never followed."""
    return wrap(
        SEARCH,
        wrap(OCTETS, wanted.base.encode()),
        number(SCOPES[wanted.scope], ENUMERATED),
        number(0, ENUMERATED),
        number(wanted.most),
        number(seconds),
        boolean(value=False),
        wanted.pattern,
        wrap(SEQUENCE, *(wrap(OCTETS, one.encode("ascii")) for one in wanted.attributes)),
    )


def page(size: int, cookie: bytes) -> bytes:
    """Write the control that asks for one page; a server that knows none may ignore it."""
    value = wrap(SEQUENCE, number(size), wrap(OCTETS, cookie))
    return wrap(SEQUENCE, wrap(OCTETS, PAGES.encode("ascii")), wrap(OCTETS, value))


def opened(content: bytes) -> tuple[int, int, bytes, bytes]:
    """Open a message without its outermost tag and length.

    Returns:
        Its number, the tag of the operation, the operation, and the controls.

    Raises:
        BerError: It is none.
    """
    reader = Reader(content)
    identity = reader.number()
    tag, operation = reader.next()
    controls = reader.take(_CONTROLS) if reader.tag == _CONTROLS else b""
    return identity, tag, operation, controls


def entry(operation: bytes) -> Entry:
    """Read an entry.

    Raises:
        BerError: It is none.
    """
    reader = Reader(operation)
    dn = reader.take(OCTETS)
    attributes: dict[str, tuple[bytes, ...]] = {}
    listed, count = reader.inner(), 0
    while listed:
        pair = listed.inner()
        name = readable(pair.take(OCTETS)).lower()
        values = pair.inner(SET)
        kept: list[bytes] = []
        while values:
            kept.append(values.take(OCTETS))
            if (count := count + 1) > MOST_VALUES:
                raise BerError(f"an entry has more than {MOST_VALUES} values")
        attributes[name] = tuple(kept)
    return Entry(dn=readable(dn), attributes=attributes)


def result(operation: bytes, controls: bytes = b"") -> Result:
    """Read how something ended.

    Raises:
        BerError: It is no result.
    """
    reader = Reader(operation)
    code = reader.number(ENUMERATED)
    reader.take(OCTETS)
    words = shown(reader.take(OCTETS))
    value = b""
    for tag, content in _some(reader):
        if tag == _ANSWER_VALUE:
            value = content
    return Result(code=code, words=words, value=value, cookie=_cookie(controls))


def _cookie(controls: bytes) -> bytes:
    for _, content in _some(Reader(controls)):
        control = Reader(content)
        kind = control.take(OCTETS)
        value = next((octets for tag, octets in _some(control) if tag == OCTETS), b"")
        if kind == PAGES.encode("ascii"):
            inside = Reader(value).inner()
            inside.number()
            return inside.take(OCTETS)
    return b""


def _some(reader: Reader) -> Iterator[tuple[int, bytes]]:
    """Read a handful of values; nobody has reason to send more here."""
    for _ in range(_HANDFUL):
        if not reader:
            return
        yield reader.next()
    raise BerError("there is more in the answer than was due")


def readable(content: bytes) -> str:
    """Read text; empty where it is none, is very long, or would harm a page or a log."""
    try:
        text = content[: _LONGEST_BYTES + 1].decode()
    except UnicodeDecodeError:
        return ""
    return "" if len(content) > _LONGEST_BYTES or any(map(harmful, text)) else text


def harmful(character: str) -> bool:
    """Tell controls, ends of lines and changes of direction from what people write."""
    return unicodedata.category(character) in _HARMFUL or character in _DIRECTIONS


def shown(content: bytes) -> str:
    """Make the words of a stranger fit for a page and a log."""
    text = content[:400].decode("utf-8", "replace")
    return "".join(" " if harmful(each) else each for each in text).strip()[:200]
