"""What waits to be looked at, what nothing explains so far, and who is asked about that."""

from dataclasses import dataclass
from typing import Protocol

from holdfast.audit.tree import Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.carving import Piece
from holdfast.audit.unpack.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A source that waits to be looked at.

    Attributes:
        source: Its bytes.
        chain: The way to it.
        base: Where it starts in the image itself, None for what was decompressed or is a file.
        label: Name that volumes in it get.
        whole: Whether everything in it must be accounted for; not so for a file in a volume.
        kept: Whether its bytes are in a volume already, as those of files are.
        depth: How many containers are around it.
    """

    source: Source
    chain: tuple[str, ...] = ()
    base: int | None = 0
    label: str = ""
    whole: bool = True
    kept: bool = True
    depth: int = 0

    def base_of(self, piece: Piece, offset: int = 0) -> int | None:
        """Tell where a place in a piece of it stands in the image itself, if it does."""
        return None if self.base is None else self.base + piece.offset + offset

    def label_of(self, piece: Piece, kind: str) -> str:
        """Name what a piece of it becomes."""
        if self.base is not None:
            return f"{kind}@0x{self.base + piece.offset:x}"
        return self.label if piece.offset == 0 and self.label else f"{kind}@0x{piece.offset:x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A region that nothing explains so far."""

    job: Job
    offset: int
    source: Source
    entropy: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignPiece:
    """Something that a foreign reader opened.

    Attributes:
        offset: Where it starts in the region.
        size_bytes: Its length.
        format: Name of the format.
        nodes: What was in it.
    """

    offset: int
    size_bytes: int
    format: str
    nodes: tuple[Node, ...]


class Foreign(Protocol):
    """Opens regions that no reader of ours knows, see `unpack.foreign`."""

    def __call__(self, regions: list[Source], budget: Budget) -> list[list[ForeignPiece]]:
        """Give for each region what was found in it."""
        ...
