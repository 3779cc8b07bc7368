"""What a shell script is made of."""

from dataclasses import dataclass, field
from typing import Literal


class ShellSyntaxError(Exception):
    """A construct could not be read; the parser goes on behind it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word.

    Attributes:
        kind: `text` as it stands, `variable`, `command` to be substituted, or `sum`.
        text: The text, the name of the variable, the source of the command or of the sum.
        quoted: Whether it is protected from splitting and patterns.
        operator: Of `${name-operand}`; `length` for `${#name}`.
        operand: What follows the operator, as written.
    """

    kind: Literal["text", "variable", "command", "sum"]
    text: str
    quoted: bool = False
    operator: str = ""
    operand: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """A word as written.

    Attributes:
        pieces: Its parts.
        raw: Its source.
    """

    pieces: tuple[Piece, ...]
    raw: str

    @property
    def literal(self) -> str | None:
        """Its text if nothing in it is quoted or to be expanded, so that it may be a keyword."""
        if len(self.pieces) == 1 and self.pieces[0].kind == "text" and not self.pieces[0].quoted:
            return self.pieces[0].text
        return None


@dataclass(slots=True)
class Redirect:
    """Where input comes from, or output goes.

    Attributes:
        operator: `>`, `>>`, `<`, `<<`, `>&` ...
        target: File, or word that ends a here-document.
        body: Text of a here-document.
        quoted: Whether nothing in the here-document is expanded.
    """

    operator: str
    target: Word
    body: str = ""
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Assignment:
    """`name=value` or `name+=value` before a command."""

    name: str
    value: Word
    append: bool = False


@dataclass(slots=True)
class Simple:
    """A command with its words."""

    line: int
    assignments: tuple[Assignment, ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...]
    raw: str


@dataclass(slots=True)
class Pipeline:
    """Commands joined by `|`; a single one only if it is negated."""

    parts: "tuple[Node, ...]"
    negated: bool
    raw: str


@dataclass(slots=True)
class Chain:
    """Commands joined by `&&` and `||`; the first operator is empty."""

    parts: "tuple[tuple[str, Node], ...]"
    raw: str


@dataclass(slots=True)
class Item:
    """A command of a list."""

    node: "Node"
    background: bool = False


@dataclass(slots=True)
class If:
    """`if`; the last arm has no condition if there is an `else`."""

    arms: "tuple[tuple[Block | None, Block, str], ...]"


@dataclass(slots=True)
class For:
    """`for` and `select`; no words means the arguments."""

    name: str
    words: tuple[Word, ...] | None
    body: "Block"
    raw: str


@dataclass(slots=True)
class While:
    """`while` and `until`."""

    condition: "Block"
    body: "Block"
    until: bool
    raw: str


@dataclass(slots=True)
class Case:
    """`case`."""

    word: Word
    arms: "tuple[tuple[tuple[Word, ...], Block], ...]"


@dataclass(slots=True)
class Group:
    """`{ ... }` or `( ... )`, also any compound command with redirections."""

    body: "Block"
    subshell: bool
    redirects: tuple[Redirect, ...] = ()


@dataclass(slots=True)
class Function:
    """A definition; nothing runs yet."""

    name: str
    body: "Node"


@dataclass(slots=True)
class Loose:
    """A line that could not be read as shell; its words may still name a program."""

    line: int
    text: str


Node = Simple | Pipeline | Chain | If | For | While | Case | Group | Function | Loose
Block = tuple[Item, ...]


@dataclass(slots=True)
class Script:
    """A whole script.

    Attributes:
        block: What runs.
        faults: Lines that could not be read.
        cut: Whether a part was not even looked at, because it is too long.
    """

    block: Block
    faults: list[int] = field(default_factory=list)
    cut: bool = False
