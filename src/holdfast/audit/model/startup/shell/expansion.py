"""Expands words: variables, substitutions, splitting and patterns."""

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Final

from holdfast.audit.model.startup.shell.files import Files
from holdfast.audit.model.startup.shell.syntax import Piece, ShellSyntaxError, Word
from holdfast.audit.model.startup.shell.variables import Value, Variables
from holdfast.audit.model.startup.shell.words import Words

MOST_FIELDS: Final = 512
MOST_MATCHED: Final = 256
MOST_NESTED: Final = 6
_GLOB = re.compile(r"[*?\[]")
_MAGIC = re.compile(r"([*?\[\]])")
_SUM = re.compile(r"\s*(-?\d{1,12})\s*(?:([-+*/%]|==|!=|<=?|>=?)\s*(-?\d{1,12})\s*)?")
_NAMES_IN_SUM = re.compile(r"\$?\{?([A-Za-z_][A-Za-z0-9_]*|[0-9])\}?")
_SUMS: Final[dict[str, Callable[[int, int], int]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b if b else 0,
    "%": lambda a, b: a % b if b else 0,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    ">": lambda a, b: int(a > b),
    "<=": lambda a, b: int(a <= b),
    ">=": lambda a, b: int(a >= b),
}


class _Field:
    """A word that grows; `pattern` is its text with what was quoted made harmless."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.patterns: list[str] = []
        self.known = True
        self.kept = False  # quoted parts keep an empty word

    def add(self, text: str, *, known: bool, quoted: bool) -> None:
        self.texts.append(text)
        self.patterns.append(_MAGIC.sub(r"[\1]", text) if quoted else text)
        self.known &= known
        self.kept |= quoted or bool(text)


class Expander:
    """Expands the words of one script.

    Attributes:
        variables: Its variables.
        arguments: Its arguments, or those of the function; `$0` first.
    """

    def __init__(
        self, variables: Variables, files: Files, substitute: Callable[[str], Value]
    ) -> None:
        self.variables = variables
        self.arguments: list[Value] = [Value("sh")]
        self.folder = "/"
        self._files = files
        self._substitute = substitute
        self._nested = 0

    def fields(self, words: tuple[Word, ...]) -> list[Value]:
        """Expand words to fields, as for the words of a command."""
        found: list[Value] = []
        for word in words:
            for field in self._split(word):
                found += self._matched(field)
                if len(found) >= MOST_FIELDS:
                    return found[:MOST_FIELDS]
        return found

    def one(self, word: Word) -> Value:
        """Expand a word to one text, as for an assignment."""
        values = [self._value(piece) for piece in word.pieces]
        return Value(
            "".join(value.text for value in values), all(value.known for value in values)
        ).bounded()

    def pattern(self, word: Word) -> Value:
        """Expand a pattern of `case`; what is quoted in it matches itself only."""
        field = _Field()
        for piece in word.pieces:
            value = self._value(piece)
            field.add(value.text, known=value.known, quoted=piece.quoted)
        return Value("".join(field.patterns), field.known)

    def text(self, source: str) -> Value:
        """Expand the text of a here-document, or an operand."""
        if not any(character in source for character in "$`\\'\""):
            return Value(source)
        if self._nested >= MOST_NESTED:
            return Value(source, known=False)
        words = Words('"' + source.replace('"', '\\"') + '"')
        self._nested += 1
        try:
            return self.one(words.word())
        except ShellSyntaxError:
            return Value(source, known=False)
        finally:
            self._nested -= 1

    def _split(self, word: Word) -> Iterator[_Field]:
        field = _Field()
        for piece in word.pieces:
            for number, (text, known, quoted) in enumerate(self._parts(piece)):
                if number:
                    if field.kept:
                        yield field
                    field = _Field()
                field.add(text, known=known, quoted=quoted)
        if field.kept:
            yield field

    def _parts(self, piece: Piece) -> Iterator[tuple[str, bool, bool]]:
        """Give the texts of a piece; a new word begins with each but the first."""
        every = piece.kind == "variable" and piece.text in {"@", "*"} and not piece.operator
        if every and (piece.text == "@" or not piece.quoted):
            yield from ((one.text, one.known, piece.quoted) for one in self.arguments[1:])
            return
        value = self._value(piece)
        if piece.quoted or piece.kind == "text" or not value.known:
            yield value.text, value.known, piece.quoted
            return
        if value.text[:1].isspace():
            yield "", True, False
        yield from ((part, True, False) for part in value.text.split())
        if value.text[-1:].isspace():
            yield "", True, False

    def _matched(self, field: _Field) -> list[Value]:
        pattern, text = "".join(field.patterns), "".join(field.texts)
        if field.known and _GLOB.search(pattern) and pattern != _MAGIC.sub(r"[\1]", text):
            place = self._files.place(pattern, self.folder)
            names = self._files.glob(place)
            relative = not pattern.startswith("/")
            start = len(self.folder.strip("/")) + 1 if relative and self.folder != "/" else 0
            if names:
                return [Value(name[start:] if relative else f"/{name}") for name in names]
        if field.known and text.startswith("~/"):
            text = "/root" + text[1:]
        return [Value(text, field.known).bounded()]

    def _value(self, piece: Piece) -> Value:
        if piece.kind == "text":
            return Value(piece.text)
        if piece.kind == "command":
            return self._substitute(piece.text)
        if piece.kind == "sum":
            return self._sum(piece.text)
        return self._variable(piece)

    def _named(self, name: str) -> Value | None:
        """Look up a variable or parameter; None if it is not set."""
        if name.isdigit():
            number = int(name[:4])
            return self.arguments[number] if number < len(self.arguments) else None
        if name == "#":
            return Value(str(len(self.arguments) - 1))
        if name in {"@", "*"}:
            rest = self.arguments[1:]
            return Value(" ".join(one.text for one in rest), all(one.known for one in rest))
        if name in {"?", "$", "!", "-"}:
            return Value(f"${name}", known=False)
        value = self.variables.get(name)
        if value is None and not self.variables.complete:
            return Value(f"${name}", known=False)
        return value

    def _variable(self, piece: Piece) -> Value:
        value = self._named(piece.text)
        operator, operand = piece.operator, piece.operand
        if operator in {"", "length"} or operator[-1] in "-=+?":
            return self._defaulted(value, piece)
        if value is None or not value.known or len(value.text) > MOST_MATCHED:
            return Value("") if value is None else value._replace(known=False)
        pattern = self.text(operand)
        if not pattern.known:
            return value._replace(known=False)
        return _trimmed(value.text, operator, pattern.text)

    def _defaulted(self, value: Value | None, piece: Piece) -> Value:
        operator = piece.operator
        if not operator:
            return value or Value("")
        if operator == "length":
            known = value or Value("")
            return Value(str(len(known.text)), known.known)
        if value is not None and not value.known:
            return value
        absent = value is None or (operator[0] == ":" and not value.text)
        if operator[-1] == "+":
            return Value("") if absent else self.text(piece.operand)
        if not absent:
            return value or Value("")
        default = self.text(piece.operand)
        if operator[-1] == "=":
            self.variables.set(piece.text, default)
        return default

    def _sum(self, source: str) -> Value:
        unknown = Value(f"$(({source}))"[:MOST_MATCHED], known=False)
        if len(source) > MOST_MATCHED:
            return unknown

        def value_of(match: re.Match[str]) -> str:
            if match[0].isdigit():
                return match[0]
            found = self._named(match[1])
            text = (found.text or "0") if found else "0"
            return text if found is None or found.known else "?"

        match = _SUM.fullmatch(_NAMES_IN_SUM.sub(value_of, source))
        if match is None:
            return unknown
        if match[2] is None:
            return Value(str(int(match[1])))
        return Value(str(_SUMS[match[2]](int(match[1]), int(match[3]))))


def _trimmed(text: str, operator: str, pattern: str) -> Value:
    """Do what `${name#pattern}` and its kin do."""
    lengths = range(len(text) + 1)
    if operator in {"#", "##"}:
        order = lengths if operator == "#" else reversed(lengths)
        ends = (end for end in order if fnmatchcase(text[:end], pattern))
        return Value(text[next(ends, 0) :])
    if operator in {"%", "%%"}:
        order = reversed(lengths) if operator == "%" else lengths
        starts = (start for start in order if fnmatchcase(text[start:], pattern))
        return Value(text[: next(starts, len(text))])
    if operator in {"/", "//"} and not _GLOB.search(pattern):
        old, _, new = pattern.partition("/")
        if old:
            return Value(text.replace(old, new, 1 if operator == "/" else -1))
    return Value(text, known=False)
