"""Decides `test` and `[`, where the image alone decides it."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

from holdfast.audit.model.startup.shell.files import Files
from holdfast.audit.model.startup.shell.variables import Value
from holdfast.audit.tree import Kind

MOST_WORDS: Final = 60
MOST_DIGITS: Final = 12
MOST_PATTERN: Final = 100
_NUMBERS: Final[dict[str, Callable[[int, int], bool]]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
_EQUAL = frozenset({"=", "==", "!="})
_FILES = frozenset({"-e", "-f", "-s", "-r", "-w", "-d", "-L", "-h", "-a"})


def decide(words: list[Value], files: Files, folder: str = "/") -> bool | None:
    """Decide a condition; None if it depends on what the image does not hold.

    Args:
        words: What stands between the brackets.
        files: What is there.
        folder: Where the script is.
    """
    if len(words) > MOST_WORDS:
        return None
    return _Condition(words, files, folder).whole()


class _Condition:
    def __init__(self, words: list[Value], files: Files, folder: str) -> None:
        self._words, self._files, self._folder = words, files, folder
        self._at = 0

    def whole(self) -> bool | None:
        if not self._words:
            return False
        result = self._or()
        return result if self._at == len(self._words) else None

    def _peek(self, ahead: int = 0) -> str:
        place = self._at + ahead
        return self._words[place].text if place < len(self._words) else ""

    def _next(self) -> Value:
        self._at += 1
        return self._words[self._at - 1] if self._at <= len(self._words) else Value("", known=False)

    def _or(self) -> bool | None:
        result = self._and()
        while self._peek() in {"-o", "||"}:
            self._next()
            right = self._and()
            result = (
                True if True in {result, right} else (None if None in {result, right} else False)
            )
        return result

    def _and(self) -> bool | None:
        result = self._not()
        while self._peek() in {"-a", "&&"}:
            self._next()
            right = self._not()
            result = (
                False if False in {result, right} else (None if None in {result, right} else True)
            )
        return result

    def _not(self) -> bool | None:
        turned = False
        while self._peek() == "!" and len(self._words) > self._at + 1:
            self._next()
            turned = not turned
        result = self._primary()
        return result if result is None else result ^ turned

    def _primary(self) -> bool | None:
        if self._peek() == "(":
            self._next()
            result = self._or() if self._at < len(self._words) else None
            self._next()
            return result
        if self._peek(1) in _NUMBERS or self._peek(1) in _EQUAL:
            left, operator, right = self._next(), self._next().text, self._next()
            return _compared(left, operator, right)
        if self._peek(1) in {"-nt", "-ot", "-ef", "=~", "<", ">"}:
            self._at += 3
            return None
        operator = self._peek()
        if operator[:1] == "-" and len(operator[1:]) == 1 and self._peek(1) not in {"", "-a", "-o"}:
            self._next()
            return self._unary(operator, self._next())
        if operator in {"-n", "-z"} and self._at + 1 < len(self._words):
            self._next()
            return self._unary(operator, self._next())
        value = self._next()
        return bool(value.text) if value.known else None

    def _unary(self, operator: str, value: Value) -> bool | None:
        if operator in {"-n", "-z"}:
            if value.known:
                return bool(value.text) == (operator == "-n")
            return None
        if not value.known:
            return None
        place = self._files.place(value.text, self._folder)
        if operator == "-x":
            return self._files.is_executable(place)
        if operator not in _FILES:
            return None
        return self._of_kind(operator, place)

    def _of_kind(self, operator: str, place: str) -> bool | None:
        there = self._files.exists(place)
        node = self._files.node(place)
        if not there or node is None:
            return there
        if operator == "-d":
            return node.kind is Kind.FOLDER
        if operator == "-f":
            return node.kind is Kind.FILE
        if operator == "-s":
            return node.kind is Kind.FILE and node.size_bytes > 0
        if operator in {"-L", "-h"}:
            itself = self._files.tree.resolve(place, follow=False)
            return itself is not None and itself.kind is Kind.LINK
        return True


def _compared(left: Value, operator: str, right: Value) -> bool | None:
    if not (left.known and right.known):
        return None
    if operator in _NUMBERS:
        numbers = [text.strip() for text in (left.text, right.text)]
        if all(number.lstrip("-").isdecimal() and len(number) < MOST_DIGITS for number in numbers):
            return _NUMBERS[operator](int(numbers[0]), int(numbers[1]))
        return None
    same = left.text == right.text or (
        operator == "==" and len(right.text) < MOST_PATTERN and fnmatchcase(left.text, right.text)
    )
    return same == (operator != "!=")
