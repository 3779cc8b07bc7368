"""Users and passwords that stand in a program's own constants.

Two traces are told apart. A table, where one pointer leads to a login name and the next to what
only a password looks like, is read by nothing but a login. Two such texts beside each other among
the constants may be compared with what somebody typed: that is suspected, not known.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final, NamedTuple

from holdfast.audit.model.accounts.guessing import published

MOST_PLACES: Final = 24
"""Login names that are looked at in one program."""
_MOST_POINTERS: Final = 16
_MOST_SEGMENTS: Final = 32
_LONGEST: Final = 40
_LEAST_LETTERS: Final = 4
_REACH_BYTES: Final = 240
_REACH_TEXTS: Final = 5
_CLASS_64: Final = 2
_BIG_ENDIAN: Final = 2
_LOAD: Final = 1
_TOO_COMMON: Final = frozenset({
    "user", "users", "default", "service", "super", "master", "debug", "guest", "telnet", "ftp",
    "factory", "tech", "manager", "support", "operator",
})  # fmt: skip
"""Login names that are words of any program; only in a table do they say anything."""
_NAME: Final = re.compile(rb"[A-Za-z0-9-]{1,16}admin|(?!chroot)[A-Za-z]{2,15}")
_TEXT: Final = re.compile(rb"[\x20-\x7e]{1,200}")
_PASSWORD: Final = re.compile(
    r"[A-Za-z0-9!@#$^*~]{6,24}"
    r"|(?=.*[A-Za-z0-9][!@$^*](?:[A-Za-z0-9]|$))[A-Za-z0-9!@#$^*~._-]{6,24}"
)
_WORDS_WITH_NUMBER: Final = re.compile(
    r"[A-Za-z]*\d+[A-Za-z]{0,3}|[0-9a-fA-F]+|[A-Z0-9]+"  # sha256, numbers, constants
    r"|\w+#\d+|\w+@@?[A-Z]+_[\d.]+|[\w.-]+@[\w-]+\.[\w.-]*"  # names of calls, addresses
    r"|\d+\.[\d.]*[a-z~+-].*"  # versions
)
_MARKS: Final = re.compile(r"[!@#$^*~]")
_INSIDE: Final = re.compile(r"[A-Za-z]\d+(?=[A-Za-z])")


class Login(NamedTuple):
    """An account in a program.

    Attributes:
        name: Login name.
        offset: Where the name, or the pointer to it, stands, bytes.
        sure: Whether it stands in a table of accounts.
    """

    name: str
    offset: int
    sure: bool


def logins(content: bytes, offsets: Iterable[int]) -> Iterator[Login]:
    """Find accounts in an ELF program, each name once.

    Args:
        content: The program; hostile.
        offsets: Where login names stand, each ended by a zero byte.
    """
    found: dict[str, Login] = {}
    image = _Memory(content)
    for offset in list(offsets)[:MOST_PLACES]:
        for start in dict.fromkeys((offset, _start_of(content, offset))):
            name = _string(content, start)
            if not _NAME.fullmatch(name):
                continue
            login = _in_table(image, start, name.decode())
            login = login or _beside(content, start, name.decode())
            if login is not None and (login.name not in found or login.sure):
                found[login.name] = login
    yield from found.values()


def looks_like_password(text: str) -> bool:
    """Tell whether a text is of the kind that only passwords are: letters, digits and marks mixed.

    Names of algorithms, devices, versions, files and constants have digits as well.
    """
    if not _PASSWORD.fullmatch(text) or _WORDS_WITH_NUMBER.fullmatch(text):
        return False
    digits = any(letter.isdigit() for letter in text)
    marks = _MARKS.search(text[1:]) is not None
    return digits and (marks or len(_INSIDE.findall(text)) > 1)


class _Memory:
    """Where the bytes of a program are once it is loaded."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.wide = content[4:5] == bytes([_CLASS_64])
        self.order = ">" if content[5:6] == bytes([_BIG_ENDIAN]) else "<"
        self.size = 8 if self.wide else 4
        self._loaded = list(self._segments())

    def _segments(self) -> Iterator[tuple[int, int, int]]:
        try:
            if self.wide:
                (table,) = struct.unpack_from(f"{self.order}Q", self.content, 32)
                each, many = struct.unpack_from(f"{self.order}HH", self.content, 54)
            else:
                (table,) = struct.unpack_from(f"{self.order}I", self.content, 28)
                each, many = struct.unpack_from(f"{self.order}HH", self.content, 42)
            for number in range(min(many, _MOST_SEGMENTS)):
                at = table + number * each
                if self.wide:
                    kind, _, offset, address, _, size = struct.unpack_from(
                        f"{self.order}IIQQQQ", self.content, at
                    )
                else:
                    kind, offset, address, _, size = struct.unpack_from(
                        f"{self.order}IIIII", self.content, at
                    )
                if kind == _LOAD and offset < len(self.content):
                    yield offset, address, min(size, len(self.content) - offset)
        except struct.error:
            return

    def address(self, offset: int) -> int:
        """Give the address of a place in the file; 0 if it is not loaded."""
        for start, address, size in self._loaded:
            if start <= offset < start + size:
                return address + offset - start
        return 0

    def offset(self, address: int) -> int:
        """Give the place of an address; -1 if it is not in the file."""
        for start, first, size in self._loaded:
            if first <= address < first + size:
                return start + address - first
        return -1

    def word(self, offset: int) -> int:
        """Read an address; 0 behind the end."""
        raw = self.content[offset : offset + self.size]
        return int.from_bytes(raw, "big" if self.order == ">" else "little")

    def pointers(self, address: int) -> Iterator[int]:
        """Give the places that hold an address, aligned."""
        raw = struct.pack(f"{self.order}{'Q' if self.wide else 'I'}", address)
        at, given = self.content.find(raw), 0
        while at >= 0 and given < _MOST_POINTERS:
            if at % 4 == 0:
                given += 1
                yield at
            at = self.content.find(raw, at + 1)


def _in_table(image: _Memory, start: int, name: str) -> Login | None:
    address = image.address(start)
    if not address:
        return None
    for place in image.pointers(address):
        nexts = [image.word(place + image.size)]
        size = image.size
        # Relocations with addends: address, kind, addend; that of the next word follows at once.
        if image.wide and image.word(place + size) == image.word(place - 2 * size) + size:
            nexts.append(image.word(place + 3 * size))
        for each in nexts:
            at = image.offset(each)
            text = _string(image.content, at) if at >= 0 else b""
            if text and _is_password_of(name, text.decode("ascii", "replace")):
                return Login(name, place, sure=True)
    return None


def _beside(content: bytes, start: int, name: str) -> Login | None:
    """Look at the texts around a name, which must be a text of its own."""
    if name.lower() in _TOO_COMMON or content[start - 1 : start] != b"\0":
        return None
    end = start + len(name)
    before = content[max(0, start - _REACH_BYTES) : start - 1].split(b"\0")
    behind = content[end + 1 : end + _REACH_BYTES].split(b"\0")
    near = [text for text in reversed(before) if text][:_REACH_TEXTS]
    near += [text for text in behind if text][:_REACH_TEXTS]
    for text in near:
        if _TEXT.fullmatch(text) and _is_password_of(name, text.decode()):
            return Login(name, start, sure=False)
    return None


def _is_password_of(name: str, text: str) -> bool:
    return looks_like_password(text) or (name.lower(), text) in _published()


@cache
def _published() -> frozenset[tuple[str, str]]:
    """Give the factory passwords that are no words of a program's own: letters and digits."""
    return frozenset(
        (user.lower(), password)
        for user, password in published()
        if len(password) >= _LEAST_LETTERS
        and not password.isdecimal()
        and any(letter.isdigit() for letter in password)
        and not password.lower().startswith(user.lower() or "\0")
    )


def _start_of(content: bytes, offset: int) -> int:
    """Give the start of the text that ends as the name does: `superadmin` has `admin` in it."""
    return content.rfind(b"\0", max(0, offset - _LONGEST), offset) + 1 or offset


def _string(content: bytes, start: int) -> bytes:
    """Read a text that a zero byte ends; empty if none is there."""
    end = content.find(b"\0", start, start + _LONGEST)
    text = content[start:end] if end >= 0 else b""
    return text if _TEXT.fullmatch(text) else b""
