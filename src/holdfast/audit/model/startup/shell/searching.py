"""`grep` in files of the image, as far as what it finds decides where a script goes."""

import re
import warnings
from typing import TYPE_CHECKING, Final

from holdfast.audit.model.startup.shell import outcome
from holdfast.audit.model.startup.shell.outcome import Outcome, Status
from holdfast.audit.model.startup.shell.variables import Value

if TYPE_CHECKING:
    from holdfast.audit.model.startup.graph import Context
    from holdfast.audit.model.startup.shell.runner import Shell

MOST_PATTERN: Final = 80
MOST_REPEATS: Final = 2
MOST_LINES: Final = 5000
MOST_WORK: Final = 20_000_000
"""Of one audit, in tries of a pattern at a place: each repeat may try all places again."""
MOST_LINE: Final = 400
_KNOWN_OPTIONS: Final = frozenset("qsEFie")
_UNKNOWN: Final = Outcome(Status.UNKNOWN)
_REPEATS: Final = re.compile(r"[*+{]")
# What means itself in a basic expression, and repeats or groups behind a backslash.
_TURNED: Final = frozenset("?+|(){}")


def grep(shell: "Shell", words: list[Value], _context: "Context") -> tuple[Outcome, str | None]:
    """Answer whether a pattern is in files; not known unless all is known, and quiet is asked."""
    if not all(word.known for word in words):
        return _UNKNOWN, None
    name = words[0].text.rpartition("/")[2]
    letters, rest = _options([word.text for word in words[1:]])
    if "q" not in letters or not letters <= _KNOWN_OPTIONS or len(rest) < 2:  # noqa: PLR2004
        return _UNKNOWN, None
    kind = "F" if "F" in letters or name == "fgrep" else ""
    kind = kind or ("E" if "E" in letters or name == "egrep" else "G")
    pattern = _compiled(rest[0], kind, ignore_case="i" in letters)
    texts = [_shipped(shell, path) for path in rest[1:]]
    if pattern is None or any(text is None for text in texts):
        return _UNKNOWN, None
    lines = [line[:MOST_LINE] for text in texts for line in (text or "").splitlines()[:MOST_LINES]]
    repeats = 0 if kind == "F" else len(_REPEATS.findall(pattern.pattern))
    if not shell.world.search(sum(len(line) ** (1 + repeats) for line in lines)):
        return _UNKNOWN, None
    return outcome.of(any(pattern.search(line) for line in lines)), ""


def _options(words: list[str]) -> tuple[set[str], list[str]]:
    letters: set[str] = set()
    for number, word in enumerate(words):
        if word == "--":
            return letters, words[number + 1 :]
        if not word.startswith("-") or word == "-":
            return letters, words[number:]
        letters |= set(word[1:])
    return letters, []


def _shipped(shell: "Shell", path: str) -> str | None:
    """Read a text that the image holds; None where only the running system has it."""
    files = shell.world.files
    place = files.place(path, shell.folder)
    return files.text(place) if files.exists(place) else None


def _compiled(source: str, kind: str, *, ignore_case: bool) -> re.Pattern[str] | None:
    """Translate an expression; None for one that could take long, or is of a kind not known."""
    if len(source) > MOST_PATTERN or "[:" in source or "\n" in source:
        return None
    translated = source if kind == "E" else re.escape(source) if kind == "F" else _basic(source)
    if kind != "F" and len(_REPEATS.findall(translated)) > MOST_REPEATS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of what Python reads otherwise than grep
            return re.compile(translated, re.IGNORECASE if ignore_case else 0)
    except (re.error, Warning, OverflowError, RecursionError):
        return None


def _basic(source: str) -> str:
    found: list[str] = []
    at = 0
    while at < len(source):
        mark = source[at]
        if mark == "[" and "]" in source[at + 2 :]:
            end = source.index("]", at + 2)
            found.append(source[at : end + 1].replace("\\", "\\\\"))
            at = end
        elif mark == "\\" and at + 1 < len(source):
            at += 1
            found.append(source[at] if source[at] in _TURNED else re.escape(source[at]))
        else:
            found.append(f"\\{mark}" if mark in _TURNED else mark)
        at += 1
    return "".join(found)
