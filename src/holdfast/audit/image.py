"""What a check sees of an image."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.audit.facts.shapes import FileFacts, Hit
from holdfast.audit.model.shapes import Model
from holdfast.audit.report.shapes import Opened, Report
from holdfast.audit.tree import Node, Tree
from holdfast.audit.vulnerabilities.identity import Identity
from holdfast.audit.vulnerabilities.shapes import DataAge, Match
from holdfast.product.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One root file system with all that was found out about it; checks only read it.

    Attributes:
        tree: Every name, see `Tree`.
        facts: What is known of a content, by its SHA-256.
        digests: SHA-256 of each regular file by path.
        model: Start-up, accounts, listeners, components, kernel, keys, update path.
        opened: What could not be opened, among other things.
        now: The moment of the audit, aware, UTC; checks have no clock.
        profile: What the maker declares; None if the image was judged without.
        vulnerabilities: What the database knows of the components.
        vulnerability_data: Age of that database; empty if none was given.
        identity: Which product it is for, as `vulnerabilities.identity.identify` tells.
        baseline: Report of the last approved build; None if there is none.
        live: Whether this is a running system.
    """

    tree: Tree
    facts: Mapping[str, FileFacts]
    digests: Mapping[str, str]
    model: Model
    opened: Opened
    now: datetime
    profile: Profile | None = None
    vulnerabilities: tuple[Match, ...] = ()
    vulnerability_data: tuple[DataAge, ...] = ()
    identity: Identity | None = None
    baseline: Report | None = None
    live: bool = False
    _by_pattern: dict[str, list[tuple[str, Hit]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def facts_of(self, path: str) -> FileFacts | None:
        """Look up the facts of a file, links followed."""
        node = self.tree.resolve(path)
        return self.facts.get(self.digests.get(node.path, "")) if node else None

    def hits(self, *patterns: str) -> Iterator[tuple[str, Hit]]:
        """Give path and hit of everything that these patterns found, sorted by path."""
        if not self._by_pattern:
            for path in sorted(self.digests):
                facts = self.facts.get(self.digests[path])
                for hit in facts.hits if facts else ():
                    self._by_pattern.setdefault(hit.pattern, []).append((path, hit))
        for name in patterns:
            yield from self._by_pattern.get(name, ())

    def elves(self) -> Iterator[tuple[Node, FileFacts]]:
        """Give every ELF program and library with its facts."""
        return self._files(lambda facts: facts.elf is not None)

    def _files(self, wanted: Callable[[FileFacts], bool]) -> Iterator[tuple[Node, FileFacts]]:
        for node in self.tree.files():
            facts = self.facts.get(self.digests.get(node.path, ""))
            if facts is not None and wanted(facts):
                yield node, facts

    def text(self, path: str, most_bytes: int = 1024 * 1024) -> str | None:
        """Read a text file, links followed; None if there is none or it is too long."""
        content = self.tree.read(path, most_bytes)
        return None if content is None else content.decode(errors="replace")

    def lines(self, path: str) -> Iterator[tuple[int, str]]:
        """Give the lines of a text file with their numbers from 1; nothing if there is none."""
        return enumerate((self.text(path) or "").splitlines(), start=1)
