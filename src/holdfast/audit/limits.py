"""How much of a machine one image may take."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one audit; each is configurable, and named in the report when it was reached.

    Attributes:
        seconds: Wall-clock time of the whole audit.
        memory_bytes: Address space of the confined child.
        unpacked_bytes: Sum of all contents that were opened, on disk or not.
        file_bytes: Longest single file that is opened.
        files: Names in all trees together.
        depth: How deep containers may be nested in each other.
    """

    seconds: int = 300
    memory_bytes: int = 4 * 1024**3
    unpacked_bytes: int = 2 * 1024**3
    file_bytes: int = 512 * 1024**2
    files: int = 300_000
    depth: int = 10

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        for each in fields(self):
            if getattr(self, each.name) < 1:
                raise ValueError(f"{each.name} must be at least 1")
