"""All patterns in one pass over a content, by Hyperscan; then the exact place by `re`."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from pyperscan import BlockDatabase, BlockScanner, Flag, Scan
from pyperscan import Pattern as Expression

from holdfast.audit.facts.shapes import Hit
from holdfast.audit.patterns import ALL, Pattern

REACH: Final = 1024  # a match is never longer, in bytes
MOST_ENDS: Final = 200_000  # of all patterns in one content; each costs a call from the engine
MOST_TEXT: Final = 160
_MOST_BLOCK: Final = 1024 * 1024 * 1024  # Hyperscan counts in 32 bits
_LOGIN: Final = re.compile(rb"://[^/?#\s@]{0,200}@")
_QUERY: Final = re.compile(
    rb"(?i)([?&;](?:[a-z_-]{0,20}(?:token|key|secret|passw(?:or)?d|pwd)|pass|auth|sig)=)[^&;\s]+"
)
_REPEAT: Final = re.compile(rb"(?<!\\)(?:[+]|\{(\d+),\d*\})\??$")
_ATOM: Final = re.compile(rb"(?:(?<!\\)\[\^?\]?[^][]*\]|(?<!\\)\\[a-zA-Z.]|(?<!\\)[a-zA-Z0-9])$")


class Engine:
    """A set of patterns, compiled once.

    Attributes:
        overflowed: Whether the last content had more matches than are looked at; those behind
            are missing then.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self._checked = [
            re.compile(one.expression, re.IGNORECASE if one.any_case else 0) for one in patterns
        ]
        self._ends: list[tuple[int, int]] = []
        self.overflowed = False
        self._scanner: BlockScanner | None = None
        if patterns:
            expressions = [
                Expression(shortened(one.expression), *_flags(one), tag=number)
                for number, one in enumerate(patterns)
            ]
            self._scanner = BlockDatabase(*expressions).build(self, _ended)

    def hits(self, content: bytes) -> tuple[Hit, ...]:
        """Find all patterns; sorted by offset, at most `Pattern.most` of each."""
        self._ends.clear()
        self.overflowed = len(content) > _MOST_BLOCK
        if self._scanner is None or not content:
            return ()
        part = memoryview(content)[:_MOST_BLOCK] if self.overflowed else content
        self._scanner.scan(part)
        ends: dict[int, list[int]] = {}
        for number, end in self._ends:
            ends.setdefault(number, []).append(end)
        self.overflowed |= len(self._ends) > MOST_ENDS
        self._ends.clear()
        found = [hit for number in ends for hit in self._exactly(number, ends[number], content)]
        return tuple(sorted(found, key=lambda hit: (hit.offset, hit.pattern)))

    def _exactly(self, number: int, ends: list[int], content: bytes) -> Iterator[Hit]:
        pattern, checked = self._patterns[number], self._checked[number]
        given = behind = 0
        for end in ends:
            if end <= behind:
                continue  # a longer end of the match before
            match = checked.search(content, max(behind, end - REACH), end + REACH)
            if match is None or match.end() == match.start():
                continue
            behind = match.end()
            given += 1
            yield _hit(pattern, match)
            if given >= pattern.most:
                return

    def took(self, number: int, end: int) -> bool:
        """Note where a match ends; false if it is one too many."""
        self._ends.append((number, end))
        return len(self._ends) <= MOST_ENDS


@cache
def engine() -> Engine:
    """Compile all patterns, once in a process."""
    return Engine(ALL)


def shortened(expression: bytes) -> bytes:
    """Cut a repeat at the very end to its least: Hyperscan tells every end of a match.

    `v([0-9.]+)` would call back for each digit; `v([0-9.])` is there whenever the whole is.
    """
    open_end = expression.rstrip(b")")
    if open_end.endswith(b"\\"):
        return expression
    closing = expression[len(open_end) :]
    match = _REPEAT.search(open_end)
    if match is None:
        return expression
    least = 1 if match[0].startswith(b"+") else int(match[1] or 0)
    body = open_end[: match.start()]
    if not least or _ATOM.search(body) is None:
        return expression
    return body + (b"{%d}" % least if least > 1 else b"") + closing


def _flags(pattern: Pattern) -> list[Flag]:
    return [Flag.CASELESS] if pattern.any_case else []


def _ended(engine_: Engine, number: int, start: int, end: int) -> Scan:
    del start  # not known without the costly flag SOM_LEFTMOST
    return Scan.Continue if engine_.took(number, end) else Scan.Terminate


def _hit(pattern: Pattern, match: re.Match[bytes]) -> Hit:
    if pattern.secret:
        return Hit(pattern=pattern.name, offset=match.start())
    version = match["version"] if "version" in match.re.groupindex else None
    return Hit(
        pattern=pattern.name,
        offset=match.start(),
        text=_without_secrets(match[0])[:MOST_TEXT].decode(errors="replace"),
        version=(version or b"").decode(errors="replace"),
    )


def _without_secrets(text: bytes) -> bytes:
    """Take logins and tokens out of addresses: what is kept here is kept on the disk too."""
    if b"://" not in text:
        return text
    return _QUERY.sub(rb"\1***", _LOGIN.sub(b"://***@", text))
