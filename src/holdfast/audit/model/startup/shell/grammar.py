"""Reads a shell script into its commands; what cannot be read is kept as loose lines."""

import re
from typing import Final

from holdfast.audit.model.startup.shell.syntax import (
    Assignment,
    Block,
    Case,
    Chain,
    For,
    Function,
    Group,
    If,
    Item,
    Loose,
    Node,
    Piece,
    Pipeline,
    Redirect,
    Script,
    ShellSyntaxError,
    Simple,
    While,
    Word,
)
from holdfast.audit.model.startup.shell.words import REDIRECTS, Words

MOST_DEEP: Final = 40
MOST_FAULTS: Final = 8
MOST_CHARACTERS: Final = 512 * 1024
MOST_RAW: Final = 200
_CLOSING = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "}"})
_ASSIGNED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[[^\]]*\])?(\+?)=")
_NAMED = re.compile(r"[^\s;&|<>()\\'\"$`=]+")
_FUNCTION = re.compile(r"[ \t]*\([ \t]*\)")
_DESCRIPTOR = re.compile(r"[0-9]{1,2}(?=[<>])")


def parse(text: str) -> Script:
    """Read a script; it never fails, see `Script.faults`."""
    whole = text.partition("\0")[0]
    script = _Grammar(whole[:MOST_CHARACTERS].replace("\r\n", "\n")).script()
    script.cut |= len(whole) > MOST_CHARACTERS
    return script


class _Grammar(Words):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def script(self) -> Script:
        items: list[Item] = []
        script = Script(())
        while not self.ended():
            start = self.at
            try:
                items += self._top()
            except ShellSyntaxError:
                self.at, self._depth, self._waiting = start, 0, []
                script.faults.append(self.line())
                items.append(Item(self._loose_line()))
                if len(script.faults) >= MOST_FAULTS:
                    items += self._loose_rest()
        script.cut = any(
            isinstance(item.node, Loose) and len(item.node.text) >= MOST_RAW for item in items
        )
        script.block = tuple(items)
        return script

    def _top(self) -> list[Item]:
        """Read one command, its line end passed over; strayed ends of constructs are ignored."""
        if self.operator() in {"\n", ";", "&", ";;", ")"}:
            self.take(self.operator())
            return []
        if self.peek_word() in _CLOSING:
            self.word()
            return []
        return [self._item()]

    def _loose_line(self) -> Loose:
        line = self.line()
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        text = self.text[self.at : end]
        self.at = end
        return Loose(line, text.strip()[:MOST_RAW])

    def _loose_rest(self) -> list[Item]:
        rest = []
        while self.at < len(self.text):
            self.at += 1
            rest.append(Item(self._loose_line()))
        return rest

    def _raw(self, start: int) -> str:
        return " ".join(self.text[start : min(self.at, start + MOST_RAW)].split())

    def _block(self, *stops: str) -> Block:
        """Read commands up to a word or operator, which stays.

        Raises:
            ShellSyntaxError: It never comes.
        """
        items: list[Item] = []
        while True:
            while self.operator() in {"\n", ";"}:
                self.take(self.operator())
            if self.ended():
                raise ShellSyntaxError(f"{stops[0]} is missing")
            if self.operator() in stops or self.peek_word() in stops:
                return tuple(items)
            items.append(self._item())

    def _item(self) -> Item:
        node = self._chain()
        operator = self.operator()
        if operator == "&":
            self.take("&")
            return Item(node, background=True)
        if operator in {"\n", ";"}:
            self.take(operator)
        elif operator not in {")", ";;", ";&", ";;&", ""}:
            raise ShellSyntaxError(f"{operator} is not expected")
        return Item(node)

    def _chain(self) -> Node:
        start = self.at
        parts = [("", self._pipeline())]
        while (operator := self.operator()) in {"&&", "||"}:
            self.take(operator)
            self._skip_lines()
            parts.append((operator, self._pipeline()))
        return Chain(tuple(parts), self._raw(start)) if len(parts) > 1 else parts[0][1]

    def _skip_lines(self) -> None:
        while self.take("\n"):
            pass

    def _pipeline(self) -> Node:
        self.skip_blank()
        start = self.at
        negated = False
        while self.peek_word() in {"!", "time"}:
            negated ^= self.word().literal == "!"
        parts = [self._command()]
        while (operator := self.operator()) in {"|", "|&"}:
            self.take(operator)
            self._skip_lines()
            parts.append(self._command())
        if len(parts) == 1 and not negated:
            return parts[0]
        return Pipeline(tuple(parts), negated, self._raw(start))

    def _command(self) -> Node:
        self._depth += 1
        if self._depth > MOST_DEEP:
            raise ShellSyntaxError("it is nested too deep")
        node = self._any_command()
        self._depth -= 1
        return node

    def _any_command(self) -> Node:
        if self.operator() == "(":
            self.take("(")
            body = self._block(")")
            self.take(")")
            return self._redirected(Group(body, subshell=True))
        word = self.peek_word()
        compound = {
            "if": self._if, "for": self._for, "select": self._for, "while": self._while,
            "until": self._while, "case": self._case, "{": self._braces,
            "function": self._function,
        }.get(word)  # fmt: skip
        if compound is not None:
            start = self.at
            self.word()
            return self._redirected(compound(word, start))
        if word in _CLOSING:
            raise ShellSyntaxError(f"{word} is not expected")
        return self._simple()

    def _redirected(self, node: Node) -> Node:
        redirects = self._redirects()
        if not redirects:
            return node
        if isinstance(node, Group):
            node.redirects = redirects
            return node
        return Group((Item(node),), subshell=False, redirects=redirects)

    def _redirects(self) -> tuple[Redirect, ...]:
        found: list[Redirect] = []
        while True:
            self.skip_blank()
            if self.text.startswith(("<(", ">("), self.at):  # of bash: a command as a file
                self.at = self._closing(self.at + 1, "(", ")") + 1
                continue
            if (match := _DESCRIPTOR.match(self.text, self.at)) is not None:
                self.at = match.end()
            operator = self.operator()
            if operator not in REDIRECTS:
                return tuple(found)
            self.take(operator)
            if self.operator() == operator == "<":
                continue  # < <(command)
            redirect = Redirect(operator, self.word())
            if operator in {"<<", "<<-"}:
                self.expect_document(redirect)
            found.append(redirect)

    def _end(self, word: str) -> None:
        if self.peek_word() != word:
            raise ShellSyntaxError(f"{word} is missing")
        self.word()

    def _braces(self, _word: str, _start: int) -> Node:
        body = self._block("}")
        self._end("}")
        return Group(body, subshell=False)

    def _if(self, _word: str, _start: int) -> Node:
        arms: list[tuple[Block | None, Block, str]] = []
        while True:
            self.skip_blank()
            start = self.at
            condition = self._block("then")
            raw = self._raw(start).rstrip("; ")
            self._end("then")
            arms.append((condition, self._block("elif", "else", "fi"), raw))
            if self.peek_word() != "elif":
                break
            self.word()
        if self.peek_word() == "else":
            self.word()
            arms.append((None, self._block("fi"), ""))
        self._end("fi")
        return If(tuple(arms))

    def _for(self, _word: str, start: int) -> Node:
        name = self.word().raw
        words: list[Word] | None = None
        self._skip_lines()
        if self.peek_word() == "in":
            self.word()
            words = []
            while self.operator() not in {"\n", ";"} and not self.ended():
                words.append(self.word())
        raw = self._raw(start)
        while self.operator() in {"\n", ";"}:
            self.take(self.operator())
        self._end("do")
        body = self._block("done")
        self._end("done")
        return For(name, None if words is None else tuple(words), body, raw)

    def _while(self, word: str, start: int) -> Node:
        condition = self._block("do")
        raw = self._raw(start).rstrip("; ")
        self._end("do")
        body = self._block("done")
        self._end("done")
        return While(condition, body, word == "until", raw)

    def _case(self, _word: str, _start: int) -> Node:
        word = self.word()
        self._skip_lines()
        self._end("in")
        arms = []
        self._skip_lines()
        while self.peek_word() != "esac":
            self.take("(")
            patterns = [self.word()]
            while self.take("|"):
                patterns.append(self.word())
            if not self.take(")"):
                raise ShellSyntaxError("a pattern of case is not closed")
            arms.append((tuple(patterns), self._block(";;", ";&", ";;&", "esac")))
            if self.operator() in {";;", ";&", ";;&"}:
                self.take(self.operator())
            self._skip_lines()
        self._end("esac")
        return Case(word, tuple(arms))

    def _function(self, _word: str, _start: int) -> Node:
        name = self.word().raw
        if (match := _FUNCTION.match(self.text, self.at)) is not None:
            self.at = match.end()
        self._skip_lines()
        return Function(name, self._command())

    def _simple(self) -> Node:
        line, start = self.line(), self.at
        if (match := _NAMED.match(self.text, self.at)) is not None and (
            brackets := _FUNCTION.match(self.text, match.end())
        ):
            self.at = brackets.end()
            self._skip_lines()
            return Function(match[0], self._command())
        if self.peek_word() == "[[":
            return self._double_brackets(line, start)
        assignments: list[Assignment] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while True:
            redirects += self._redirects()
            if self.operator() or self.ended():
                break
            word = self.word()
            assigned = None if words else _assignment(word)
            if assigned is None:
                words.append(word)
            else:
                assignments.append(assigned)
        if not words and not assignments and not redirects:
            raise ShellSyntaxError("a command is missing")
        return Simple(line, tuple(assignments), tuple(words), tuple(redirects), self._raw(start))

    def _double_brackets(self, line: int, start: int) -> Node:
        words = [self.word()]
        while self.peek_word() != "]]":
            operator = self.operator()
            if operator == "\n" or self.ended():
                raise ShellSyntaxError("]] is missing")
            if operator:
                self.at += len(operator)
                words.append(_text(operator))
            else:
                words.append(self.word())
        words.append(self.word())
        return Simple(line, (), tuple(words), self._redirects(), self._raw(start))


def _text(text: str) -> Word:
    return Word((Piece("text", text),), text)


def _assignment(word: Word) -> Assignment | None:
    first = word.pieces[0] if word.pieces else None
    if first is None or first.kind != "text" or first.quoted:
        return None
    match = _ASSIGNED.match(first.text)
    if match is None:
        return None
    rest = first.text[match.end() :]
    pieces = ((Piece("text", rest),) if rest else ()) + word.pieces[1:]
    raw = word.raw[word.raw.find("=") + 1 :]
    return Assignment(match[1], Word(pieces, raw), append=match[3] == "+")
