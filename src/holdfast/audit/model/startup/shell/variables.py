"""The variables and arguments of a running script, as far as they can be known."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_CHARACTERS: Final = 4096
MOST_SECRETS: Final = 50


class Value(NamedTuple):
    """A text that may hold unknown parts.

    Attributes:
        text: The text; unknown parts stand in it as they are written in the script.
        known: Whether it is exactly this text.
    """

    text: str
    known: bool = True

    def bounded(self) -> "Value":
        """Cut what grew too long, as in loops that append."""
        if len(self.text) <= MOST_CHARACTERS:
            return self
        return Value(self.text[:MOST_CHARACTERS], known=False)


@dataclass(slots=True)
class Variables:
    """Variables with the scopes of functions.

    Attributes:
        scopes: Innermost last; names that are not local live in the first.
        exported: What a started script inherits.
        complete: Whether a name that was never set is known to be empty; not after a file was
            read in that is not in the image.
    """

    scopes: list[dict[str, Value]] = field(default_factory=lambda: [{}])
    exported: set[str] = field(default_factory=set)
    complete: bool = True

    def get(self, name: str) -> Value | None:
        """Look a variable up; None if it was never set."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def look_up(self, name: str) -> Value:
        """Look a variable up; what was never set is empty, or unknown."""
        value = self.get(name)
        if value is not None:
            return value
        return Value("") if self.complete else Value(f"${name}", known=False)

    def set(self, name: str, value: Value) -> None:
        """Give a variable a value where it lives."""
        for scope in reversed(self.scopes):
            if name in scope:
                scope[name] = value.bounded()
                return
        self.scopes[0][name] = value.bounded()

    def declare(self, name: str, value: Value) -> None:
        """Make a variable local to the function."""
        self.scopes[-1][name] = value.bounded()

    def unset(self, name: str) -> None:
        """Take a variable away."""
        for scope in reversed(self.scopes):
            if scope.pop(name, None) is not None:
                return

    def snapshot(self) -> list[dict[str, Value]]:
        """Keep the present state, to go back to it."""
        return [dict(scope) for scope in self.scopes]

    def restore(self, kept: list[dict[str, Value]]) -> None:
        """Go back."""
        self.scopes = [dict(scope) for scope in kept]

    def merge(self, ends: "list[list[dict[str, Value]]]") -> None:
        """Join the ends of branches of which one was taken; what differs becomes unknown."""
        self.restore(ends[0])
        for end in ends[1:]:
            for mine, other in zip(self.scopes, end, strict=False):
                for name in mine.keys() | other.keys():
                    if mine.get(name) != other.get(name):
                        mine[name] = Value(f"${name}", known=False)
