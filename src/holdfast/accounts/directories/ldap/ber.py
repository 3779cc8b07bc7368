"""The part of BER that LDAP uses: definite lengths, tags of one octet.

Source:
    RFC 4511, 5.1; ITU-T X.690.
"""

BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31

_LONG = 0x80
_MOST_LENGTH_OCTETS = 4
_MOST_INTEGER_OCTETS = 4
_MULTI_OCTET_TAG = 0x1F


class BerError(ValueError):
    """Octets are not what they should be; the message names no content."""


def wrap(tag: int, *parts: bytes) -> bytes:
    """Write one value: tag, length, content."""
    content = b"".join(parts)
    size = len(content)
    if size < _LONG:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG | len(length))) + length + content


def number(value: int, tag: int = INTEGER) -> bytes:
    """Write an integer that is not negative."""
    return wrap(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def boolean(*, value: bool, tag: int = BOOLEAN) -> bytes:
    """Write yes or no."""
    return wrap(tag, b"\xff" if value else b"\x00")


def length_size(first: int) -> int:
    """Tell from the first octet of a length how many more belong to it.

    Raises:
        BerError: The length is indefinite, or longer than anything sensible.
    """
    if first < _LONG:
        return 0
    more = first & ~_LONG
    if not 1 <= more <= _MOST_LENGTH_OCTETS:
        raise BerError("a length has a form that LDAP does not allow")
    return more


class Reader:
    """Reads values one after the other.

    Args:
        content: Octets of all of them.
    """

    def __init__(self, content: bytes) -> None:
        self._left = memoryview(content)

    def __bool__(self) -> bool:
        """Tell whether anything is left."""
        return bool(self._left)

    @property
    def tag(self) -> int:
        """Give the tag of the next value; -1 at the end."""
        return self._left[0] if self._left else -1

    def take(self, tag: int) -> bytes:
        """Take the content of the next value.

        Raises:
            BerError: It is another kind of value, or cut off.
        """
        found, content = self.next()
        if found != tag:
            raise BerError(f"a value of kind {tag:#04x} was due, {found:#04x} came")
        return content

    def next(self) -> tuple[int, bytes]:
        """Take the next value, whatever it is: its tag and content.

        Raises:
            BerError: It is cut off, or not BER as LDAP uses it.
        """
        if len(self._left) < 2:  # noqa: PLR2004 - tag and length
            raise BerError("a value is cut off")
        tag, first = self._left[0], self._left[1]
        if tag & _MULTI_OCTET_TAG == _MULTI_OCTET_TAG:
            raise BerError("a tag has a form that LDAP does not use")
        begin = 2 + length_size(first)
        size = int.from_bytes(self._left[2:begin], "big") if first >= _LONG else first
        if len(self._left) < begin + size:
            raise BerError("a value is cut off")
        content = bytes(self._left[begin : begin + size])
        self._left = self._left[begin + size :]
        return tag, content

    def number(self, tag: int = INTEGER) -> int:
        """Take an integer.

        Raises:
            BerError: It is none, or a very large one.
        """
        content = self.take(tag)
        if not 1 <= len(content) <= _MOST_INTEGER_OCTETS:
            raise BerError("an integer is too large")
        return int.from_bytes(content, "big", signed=True)

    def inner(self, tag: int = SEQUENCE) -> "Reader":
        """Take the next value to read what is in it.

        Raises:
            BerError: It is another kind of value, or cut off.
        """
        return Reader(self.take(tag))
