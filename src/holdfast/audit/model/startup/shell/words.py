"""Reads the characters of a shell script into words and operators."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from holdfast.audit.model.startup.shell.syntax import Piece, Redirect, ShellSyntaxError, Word

OPERATORS: Final = re.compile(
    r"&&|\|\||;;&|;;|;&|<<-|<<<|<<|<&|>&|>>|<>|>\||&>>|&>|\|&|[;&|<>()\n]"
)
REDIRECTS: Final = frozenset(
    {"<", ">", ">>", "<<", "<<-", "<<<", "<&", ">&", "<>", ">|", "&>", "&>>"}
)
_PLAIN = re.compile(r"[^\s;&|<>()\\'\"$`]+")
_IN_QUOTES = re.compile(r"[^\\\"$`]+")
_BLANK = re.compile(r"(?:[ \t\r]|\\\r?\n)+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]|[@*#?$!-]")
_BRACED = re.compile(
    r"([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-])(:?[-=+?]|%%?|##?|//?|\^\^?|,,?|:|\[|$)"
)
_QUOTE = re.compile(r'[\\"]')
_INTERESTING = re.compile(r"[\\'\"`(){}]")


class Words:
    """A cursor over the text of a script.

    Attributes:
        text: The script.
        at: Where reading goes on.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._waiting: list[Redirect] = []

    def line(self, at: int | None = None) -> int:
        """Tell the number of a line, from 1."""
        return bisect_right(self._ends, (self.at if at is None else at) - 1) + 1

    def skip_blank(self) -> None:
        """Pass over blanks, joined lines and a comment."""
        if (match := _BLANK.match(self.text, self.at)) is not None:
            self.at = match.end()
        if self.text.startswith("#", self.at):
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end

    def operator(self) -> str:
        """Look at the operator that comes next; "" if it is a word, or the end."""
        self.skip_blank()
        match = OPERATORS.match(self.text, self.at)
        return match[0] if match else ""

    def take(self, operator: str) -> bool:
        """Pass over an operator if it comes next."""
        if self.operator() != operator:
            return False
        self.at += len(operator)
        if operator == "\n":
            self._here_documents()
        return True

    def ended(self) -> bool:
        """Tell whether nothing comes any more."""
        self.skip_blank()
        return self.at >= len(self.text)

    def expect_document(self, redirect: Redirect) -> None:
        """Remember that a here-document follows after this line."""
        self._waiting.append(redirect)

    def _here_documents(self) -> None:
        waiting, self._waiting = self._waiting, []
        for redirect in waiting:
            lines = []
            end = "".join(piece.text for piece in redirect.target.pieces)
            while self.at < len(self.text):
                stop = self.text.find("\n", self.at)
                stop = len(self.text) if stop < 0 else stop
                line = self.text[self.at : stop]
                self.at = stop + 1
                if redirect.operator == "<<-":
                    line = line.lstrip("\t")
                if line.rstrip("\r") == end:
                    break
                lines.append(line)
            redirect.body = "\n".join(lines)
            redirect.quoted = any(piece.quoted for piece in redirect.target.pieces)
        self.at = min(self.at, len(self.text))

    def peek_word(self) -> str:
        """Look at the next word if it is a plain one, else ""."""
        self.skip_blank()
        match = _PLAIN.match(self.text, self.at)
        if match is None:
            return ""
        after = self.text[match.end() : match.end() + 1]
        return "" if after in {"\\", "'", '"', "$", "`"} and after else match[0]

    def word(self) -> Word:
        """Read a word.

        Raises:
            ShellSyntaxError: There is none, or a quote is not closed.
        """
        self.skip_blank()
        start = self.at
        pieces: list[Piece] = []
        while self.at < len(self.text) and not (
            self.text[self.at] in " \t\n\r;&|<>()" and not self._is_extended(start)
        ):
            if (match := _PLAIN.match(self.text, self.at)) is not None:
                pieces.append(Piece("text", match[0]))
                self.at = match.end()
            else:
                pieces += self._special()
        if self.at == start:
            raise ShellSyntaxError("a word is missing")
        return Word(tuple(_joined(pieces)), self.text[start : self.at])

    def _is_extended(self, start: int) -> bool:
        # `<(command)` and `=(a b)` are of bash: what is inside is kept as text.
        if self.text[self.at] != "(" or self.at == start or self.text[self.at - 1] not in "=?*+@!":
            return False
        end = self._closing(self.at, "(", ")")
        self.at = end  # the closing parenthesis is read as an ordinary character
        return True

    def _special(self) -> list[Piece]:
        character = self.text[self.at]
        if character == "\\":
            escaped = self.text[self.at + 1 : self.at + 2]
            self.at += 2
            self.at = min(self.at, len(self.text))
            return [] if escaped == "\n" else [Piece("text", escaped or "\\", quoted=True)]
        if character == "'":
            end = self.text.find("'", self.at + 1)
            if end < 0:
                raise ShellSyntaxError("a quote is not closed")
            inside = self.text[self.at + 1 : end]
            self.at = end + 1
            return [Piece("text", inside, quoted=True)]
        if character == '"':
            return self._double()
        if character in "$`":
            return [self._substitution(quoted=False)]
        self.at += 1
        return [Piece("text", character)]

    def _double(self) -> list[Piece]:
        self.at += 1
        pieces: list[Piece] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return pieces or [Piece("text", "", quoted=True)]
            if (match := _IN_QUOTES.match(self.text, self.at)) is not None:
                pieces.append(Piece("text", match[0], quoted=True))
                self.at = match.end()
            elif character == "\\":
                escaped = self.text[self.at + 1 : self.at + 2]
                self.at += 2
                kept = {"\n": ""}.get(escaped, escaped if escaped in '$`"\\' else "\\" + escaped)
                pieces.append(Piece("text", kept, quoted=True))
            else:
                pieces.append(self._substitution(quoted=True))
        raise ShellSyntaxError("a quote is not closed")

    def _substitution(self, *, quoted: bool) -> Piece:
        """Read what begins with a dollar or a backquote."""
        text, at = self.text, self.at
        if text[at] == "`":
            return self._backquoted(quoted=quoted)
        if text.startswith("$((", at):
            end = self._closing(at + 2, "(", ")")
            if text.startswith("))", end):
                self.at = end + 2
                return Piece("sum", text[at + 3 : end], quoted)
        if text.startswith("$(", at):
            end = self._closing(at + 1, "(", ")")
            self.at = end + 1
            return Piece("command", text[at + 2 : end], quoted)
        if text.startswith("${", at):
            end = self._closing(at + 1, "{", "}")
            self.at = end + 1
            return _parameter(text[at + 2 : end], quoted=quoted)
        if text.startswith("$'", at) and not quoted:
            self.at += 1
            return self._special()[0]
        match = _NAME.match(text, at + 1)
        self.at = match.end() if match else at + 1
        return Piece("variable", match[0], quoted) if match else Piece("text", "$", quoted)

    def _backquoted(self, *, quoted: bool) -> Piece:
        end = self.at + 1
        while (end := self.text.find("`", end)) > 0 and self.text[end - 1] == "\\":
            end += 1
        if end < 0:
            raise ShellSyntaxError("a backquote is not closed")
        inside = re.sub(r"\\([`\\$])", r"\1", self.text[self.at + 1 : end])
        self.at = end + 1
        return Piece("command", inside, quoted)

    def _closing(self, at: int, opening: str, closing: str) -> int:
        """Find the bracket that closes the one at a place, quotes and nested ones passed over."""
        depth, text = 0, self.text
        while (match := _INTERESTING.search(text, at)) is not None:
            character, at = match[0], match.end()
            if character == "\\":
                at += 1
            elif character in {"'", "`"}:
                end = text.find(character, at)
                if end < 0:
                    break
                at = end + 1
            elif character == '"':
                at = _end_of_quote(text, at)
            elif character == opening:
                depth += 1
            elif character == closing:
                depth -= 1
                if depth == 0:
                    return match.start()
        raise ShellSyntaxError(f"{opening} is not closed")


def _end_of_quote(text: str, at: int) -> int:
    while (match := _QUOTE.search(text, at)) is not None:
        if match[0] == '"':
            return match.end()
        at = match.end() + 1
    raise ShellSyntaxError("a quote is not closed")


def _parameter(inside: str, *, quoted: bool) -> Piece:
    if inside.startswith("#") and len(inside) > 1 and _NAME.fullmatch(inside[1:]):
        return Piece("variable", inside[1:], quoted, "length")
    match = _BRACED.match(inside)
    if match is None:
        return Piece("variable", inside or "?", quoted, "unknown")
    return Piece("variable", match[1], quoted, match[2], inside[match.end() :])


def _joined(pieces: list[Piece]) -> Iterator[Piece]:
    """Join neighbours that are plain text, so that keywords are one piece."""
    for (kind, quoted), group in groupby(pieces, lambda one: (one.kind, one.quoted)):
        if kind == "text":
            yield Piece("text", "".join(piece.text for piece in group), quoted)
        else:
            yield from group
