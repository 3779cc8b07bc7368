"""What every reader of a format offers to the opening."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from holdfast.audit.tree import Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Magic:
    """Bytes that give a format away.

    Attributes:
        content: The bytes.
        at: Where they stand, counted from the start of the format.
    """

    content: bytes
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A piece that plausibly is of a format.

    Attributes:
        size_bytes: Its length from where it starts, as its own headers say, cut at the end of the
            source; the whole source where the format does not say.
        format: Name with variant, for example `squashfs 4.0 xz little-endian`.
    """

    size_bytes: int
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """A format that holds names: file systems, archives.

    Attributes:
        name: Of the format, `squashfs`.
        magics: Any of these leads to a call of `measure`.
        measure: Looks at a source whose byte 0 is the start; None if it is not that format after
            all. Cheap, never raises for bad content.
        nodes: Gives every name, folders before what is in them; `Node.read` is lazy and bounded
            by the budget. Paths are made plain (`tree.plain`). Hard links are nodes that share
            `read`. Damage of one file is raised when it is read, damage of the structure at once.
            Raises FormatError and LimitError, no other error for whatever bytes.
        owners: Whether the format keeps owners and modes.
    """

    name: str
    magics: tuple[Magic, ...]
    measure: Callable[[Source], Measured | None]
    nodes: Callable[[Source, Budget], Iterator[Node]]
    owners: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something inside a container.

    Attributes:
        name: What the container calls it, or what it is: `kernel`, `payload`.
        offset: Where it starts in the container; 0 if it was decompressed.
        source: Its bytes.
    """

    name: str
    offset: int
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A format that wraps other bytes: headers of boot loaders, compression, partitions.

    Attributes:
        name: Of the format.
        magics: As for a file system.
        measure: As for a file system.
        parts: Gives what is inside. Raises FormatError and LimitError, no other error.
        gaps: Whether what stands between the parts is looked at too, as for partitions; else it
            counts as the container's own.
    """

    name: str
    magics: tuple[Magic, ...]
    measure: Callable[[Source], Measured | None]
    parts: Callable[[Source, Budget], Iterator[Part]]
    gaps: bool = False
