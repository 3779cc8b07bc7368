"""What an argument of a verb may be: a short text, a bounded number, or one of a few words.

Standard library only.
"""

import re
from typing import NamedTuple


class Text(NamedTuple):
    """A text argument.

    Attributes:
        longest: Characters allowed at most.
        pattern: Regular expression that the whole text matches.
        secret: Whether the journal must not repeat it.
        is_free: Whether every character may stand in it: a password with an unusable one is
            refused by the rules of passwords, which say why.
    """

    longest: int
    pattern: str = r"[^\x00-\x1f\x7f]+"
    secret: bool = False
    is_free: bool = False

    def fault(self, value: object) -> str:
        """Say what is wrong with a value; empty if nothing."""
        if not isinstance(value, str):
            return "must be a text"
        if len(value) > self.longest:
            return f"must have {self.longest} characters at most"
        if self.is_free:
            return ""
        if not re.fullmatch(self.pattern, value) or not value.isprintable():
            return "has a form that is not allowed"
        return ""


class Number(NamedTuple):
    """A whole number between `lowest` and `highest`, both included."""

    lowest: int
    highest: int
    secret: bool = False

    def fault(self, value: object) -> str:
        """Say what is wrong with a value; empty if nothing."""
        if not isinstance(value, int) or isinstance(value, bool):
            return "must be a whole number"
        if not self.lowest <= value <= self.highest:
            return f"must lie between {self.lowest} and {self.highest}"
        return ""


class Choice(NamedTuple):
    """One of a few fixed words."""

    words: tuple[str, ...]
    secret: bool = False

    def fault(self, value: object) -> str:
        """Say what is wrong with a value; empty if nothing."""
        if not isinstance(value, str) or value not in self.words:
            return f"must be one of {', '.join(self.words)}"
        return ""


Argument = Text | Number | Choice
