"""What was opened so far, and what was not: the accounts from which the report is made."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from holdfast.audit.errors import LimitError
from holdfast.audit.report.shapes import LimitHit, Unopened
from holdfast.audit.tree import Kind, Node

MOST_UNOPENED: Final = 200
_STRANGE: Final = re.compile(r"[^\w.@+=,~#-]+", re.ASCII)
_LONGEST_NAME: Final = 60


@dataclass(slots=True, kw_only=True)
class Found:
    """A volume while it is being opened.

    Attributes:
        name: How it is called in the report, unique.
        format: Name of the format with variant.
        chain: The way from the image to it.
        nodes: By path, as in the volume.
        owners_kept: Whether owners and modes are those of the image.
        opened: Paths of files that were opened as images themselves.
        depth: How many containers are around it.
    """

    name: str
    format: str
    chain: tuple[str, ...]
    nodes: dict[str, Node] = field(default_factory=dict)
    owners_kept: bool = True
    opened: set[str] = field(default_factory=set)
    depth: int = 0

    @property
    def size_bytes(self) -> int:
        """Sum of its contents."""
        return sum(node.size_bytes for node in self.nodes.values())

    def files(self) -> list[Node]:
        """List its regular files by path."""
        return [
            node
            for _, node in sorted(self.nodes.items())
            if node.kind is Kind.FILE and node.read is not None
        ]


class Ledger:
    """Collects volumes, pieces that were not opened, and limits.

    Attributes:
        volumes: In the order in which they were found.
        unopened: What could not be opened.
        limits: What was reached, each limit and place once.
    """

    def __init__(self) -> None:
        self.volumes: list[Found] = []
        self.unopened: list[Unopened] = []
        self.limits: list[LimitHit] = []
        self._left_out = 0
        self._left_out_bytes = 0
        self._names: set[str] = set()

    def name_for(self, wanted: str) -> str:
        """Make a name that no other volume has, of letters that are safe everywhere."""
        name = _STRANGE.sub("_", wanted).strip("_.")[:_LONGEST_NAME] or "volume"
        unique, number = name, 1
        while unique in self._names:
            number += 1
            unique = f"{name}~{number}"
        self._names.add(unique)
        return unique

    def volume(self, wanted: str, form: str, chain: Iterable[str], depth: int) -> Found:
        """Begin a volume."""
        found = Found(name=self.name_for(wanted), format=form, chain=tuple(chain), depth=depth)
        self.volumes.append(found)
        return found

    def drop(self, found: Found) -> None:
        """Forget a volume that turned out to hold nothing."""
        self.volumes.remove(found)

    def not_opened(self, one: Unopened) -> None:
        """Name a piece that could not be opened."""
        if len(self.unopened) < MOST_UNOPENED:
            self.unopened.append(one)
        else:
            self._left_out += 1
            self._left_out_bytes += one.size_bytes

    def limit(self, error: LimitError, where: str) -> None:
        """Note a limit that was reached."""
        hit = LimitHit(limit=error.limit, most=error.most, where=where)
        known = sum(each.limit == hit.limit for each in self.limits)
        if hit not in self.limits and known < MOST_UNOPENED:
            self.limits.append(hit)

    def all_unopened(self) -> tuple[Unopened, ...]:
        """List what was not opened, the many last ones as one."""
        if not self._left_out:
            return tuple(self.unopened)
        rest = Unopened(
            where="",
            offset=0,
            size_bytes=self._left_out_bytes,
            entropy=0.0,
            why=f"{self._left_out} more pieces, not listed one by one",
        )
        return (*self.unopened, rest)
