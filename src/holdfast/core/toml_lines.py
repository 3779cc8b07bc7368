"""Where each value of a TOML text stands: `tomllib` tells values, but no lines.

The scanner accepts everything that TOML accepts and a little more; it stops without a word where
it is lost, because `tomllib`, which reads the same text after it, says what is wrong there.
"""

import re
import tomllib
from bisect import bisect_right
from dataclasses import dataclass

from holdfast.core.errors import HoldfastError
from holdfast.core.shapes import Place

MAX_DEPTH = 32
"""Tables, lists and parts of dotted keys within each other; `tomllib` slows with the square."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
# Each alternative begins with another character, so a match that fails gives up in linear time.
# No possessive groups: early releases of Python 3.11 match them wrongly.
_VOID = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_LONG_BASIC = re.compile(r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*""""{0,2}')
_LONG_LITERAL = re.compile(r"'''(?:[^']|'(?!''))*''''{0,2}")
_STRINGS = (_LONG_BASIC, _LONG_LITERAL, _BASIC, _LITERAL)
_OTHER = re.compile(r"[^,\]}#\n]+")


class TooDeepError(HoldfastError):
    """A TOML text nests so deeply that reading it would take too long.

    Attributes:
        line: Where, counted from 1.
    """

    code = "toml-too-deep"

    def __init__(self, *, line: int) -> None:
        super().__init__(f"line {line}: more than {MAX_DEPTH} levels within each other")
        self.line = line


class _LostError(Exception):
    """The text is no TOML from here on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where the values of a TOML text stand.

    Attributes:
        lines: Counted from 1, by place.
        lost_line: Where the text stopped to make sense; None if it made sense to its end.
    """

    lines: dict[Place, int]
    lost_line: int | None


def locate(text: str) -> Located:
    r"""Give the line, counted from 1, of each table, key and element.

    A table stands where its own header is, or, having none, where it is first named; a list of
    tables where its first table is; an element of a list where it begins.

    Args:
        text: A TOML document with line ends `\n`.

    Raises:
        TooDeepError: It nests more than `MAX_DEPTH` levels.
    """
    scanner = _Scanner(text)
    try:
        scanner.scan()
    except _LostError:  # tomllib will say what is wrong
        return Located(lines=scanner.lines, lost_line=scanner.line())
    return Located(lines=scanner.lines, lost_line=None)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Place, int] = {(): 1}
        self._tables: dict[Place, int] = {}
        self._ends = [found.start() for found in re.finditer("\n", text)]

    def scan(self) -> None:
        table: Place = ()
        while True:
            self._skip(_VOID)
            if self.at >= len(self.text):
                return
            if self._take("["):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
            if self.at < len(self.text) and self.text[self.at] not in "#\n":
                raise _LostError

    def line(self) -> int:
        return bisect_right(self._ends, self.at - 1) + 1

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()

    def _take(self, mark: str) -> bool:
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def _must_take(self, mark: str) -> None:
        if not self._take(mark):
            raise _LostError

    def _key_part(self) -> str:
        found = _BARE.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            return found.group()
        for pattern in (_BASIC, _LITERAL):
            found = pattern.match(self.text, self.at)
            if found is not None:
                self.at = found.end()
                return _unquoted(found.group())
        raise _LostError

    def _key(self) -> list[str]:
        line = self.line()
        parts = [self._key_part()]
        while True:
            self._skip(_BLANK)
            if not self._take("."):
                return parts
            self._skip(_BLANK)
            parts.append(self._key_part())
            if len(parts) > MAX_DEPTH:
                raise TooDeepError(line=line)

    def _enter(self, place: Place, line: int) -> None:
        """Note a place that is written out here; the tables around it may be implied by it."""
        if len(place) > MAX_DEPTH:
            raise TooDeepError(line=line)
        for depth in range(1, len(place)):
            self.lines.setdefault(place[:depth], line)
        self.lines[place] = line

    def _header(self) -> Place:
        line = self.line()
        many = self._take("[")
        self._skip(_BLANK)
        parts = self._key()
        self._must_take("]]" if many else "]")
        place: Place = ()
        for part in parts[:-1]:
            place = self._last((*place, part))
        place = (*place, parts[-1])
        if many:
            # [[x]] names the list only the first time.
            self.lines.setdefault(place, line)
            count = self._tables.get(place, 0)
            self._tables[place] = count + 1
            place = (*place, count)
        self._enter(place, line)
        return place

    def _last(self, place: Place) -> Place:
        """Give the newest element if the place is a list of tables, else the place itself."""
        count = self._tables.get(place)
        return place if count is None else (*place, count - 1)

    def _pair(self, table: Place) -> None:
        line = self.line()
        place = (*table, *self._key())
        self._must_take("=")
        self._enter(place, line)
        self._skip(_BLANK)
        self._value(place)

    def _value(self, place: Place) -> None:
        if self._take("["):
            self._list(place)
        elif self._take("{"):
            self._inline_table(place)
        else:
            for pattern in (*_STRINGS, _OTHER):
                found = pattern.match(self.text, self.at)
                if found is not None:
                    self.at = found.end()
                    return
            raise _LostError

    def _list(self, place: Place) -> None:
        index = 0
        self._skip(_VOID)
        while not self._take("]"):
            element = (*place, index)
            self._enter(element, self.line())
            self._value(element)
            index += 1
            self._skip(_VOID)
            if not self._take(","):
                self._must_take("]")
                return
            self._skip(_VOID)

    def _inline_table(self, place: Place) -> None:
        self._skip(_VOID)
        while not self._take("}"):
            self._pair(place)
            self._skip(_VOID)
            if not self._take(","):
                self._must_take("}")
                return
            self._skip(_VOID)


def _unquoted(quoted: str) -> str:
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        text: str = tomllib.loads(f"text = {quoted}")["text"]
    except tomllib.TOMLDecodeError:
        raise _LostError from None
    return text
