"""DER: tag, length and value, read tolerantly and written for what came in another form.

Libraries refuse what is too old to be safe, such as RSA of 512 bits; an audit has to name exactly
that. So the structure is read here, and a library does only the mathematics.
"""

from typing import Final, NamedTuple

BOOLEAN, INTEGER, BITS, OCTETS, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTC_TIME, WIDE_TEXT, SEQUENCE = 0x17, 0x1E, 0x30
FIELD_0, FIELD_1, FIELD_3 = 0xA0, 0xA1, 0xA3  # [0], [1] and [3] of a sequence
_LONG: Final = 0x80  # first bit of a length that takes several bytes
MOST_NUMBER_BITS: Final = 16384  # OpenSSL goes no further either
_FEW: Final = 64  # members of a sequence that we look at


class Part(NamedTuple):
    """One tag, length and value; positions count from the start of what holds it."""

    tag: int
    at: int
    start: int
    end: int


def part(content: bytes, at: int, end: int | None = None) -> Part | None:
    """Read one tag with its length; None if it does not fit before `end`."""
    end = len(content) if end is None else end
    if at + 2 > end:
        return None
    start, size = at + 2, content[at + 1]
    if size >= _LONG:
        many = size ^ _LONG
        if many not in {1, 2, 3} or start + many > end:
            return None
        size = int.from_bytes(content[start : start + many])
        start += many
    return Part(content[at], at, start, start + size) if start + size <= end else None


def parts(content: bytes, whole: Part) -> list[Part]:
    """Read the members of a sequence; [] if they do not fill it exactly, or are too many."""
    found: list[Part] = []
    at = whole.start
    while at < whole.end:
        one = part(content, at, whole.end)
        if one is None or len(found) == _FEW:
            return []
        found.append(one)
        at = one.end
    return found


def tags(members: list[Part]) -> list[int]:
    """Give the tags of members."""
    return [one.tag for one in members]


def value(content: bytes, one: Part) -> bytes:
    """Give the bytes of a value."""
    return content[one.start : one.end]


def number(content: bytes, one: Part) -> int:
    """Give a positive integer; 0 for what is none, or far too long."""
    raw = value(content, one)
    if one.tag != INTEGER or not raw or len(raw) > MOST_NUMBER_BITS // 8 + 1:
        return 0
    return max(int.from_bytes(raw, signed=True), 0)


def made(tag: int, *values: bytes) -> bytes:
    """Write one tag with its length and value."""
    body = b"".join(values)
    size = len(body)
    if size < _LONG:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, _LONG | len(length)]) + length + body


def made_number(many: int) -> bytes:
    """Write an integer."""
    return made(INTEGER, many.to_bytes(many.bit_length() // 8 + 1))
