"""Looks once at every distinct content: digest and facts, in several processes.

A parser of ELF files in another language can die of a hostile file. Therefore contents are looked
at by forked workers; one that dies or hangs costs the file that it was at, not the audit.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from holdfast.audit.crew import LONGEST_FRAME, Crew
from holdfast.audit.errors import MISTAKES, AuditError, LimitError
from holdfast.audit.facts.shapes import FileFacts, FileKind
from holdfast.audit.tree import Node, Tree
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.scratch import OpenFile
from holdfast.audit.unpack.source import exactly

Look = Callable[[bytes, str], FileFacts]

_BATCH_FILES: Final = 32
_BATCH_BYTES: Final = 4 << 20
_MOST_DEATHS: Final = 50
_LONGEST_STORED: Final = 16 << 20


@dataclass(slots=True)
class Contents:
    """What is known of the contents of some trees.

    Attributes:
        digests: SHA-256 by path, for each tree.
        facts: By SHA-256.
        unread: Why a file could not be read, by number of the tree and path.
        cached: How many of `facts` were known before.
        limit: The limit that ended it early, if one did.
    """

    digests: list[dict[str, str]]
    facts: dict[str, FileFacts] = field(default_factory=dict)
    unread: dict[tuple[int, str], str] = field(default_factory=dict)
    cached: int = 0
    limit: LimitError | None = None


class _Seen(msgspec.Struct, array_like=True):
    """What a worker tells of one item; without facts they are known already, or there are none."""

    sha256: str
    fault: str = ""
    limit: str = ""
    most: float = 0
    facts: FileFacts | None = None
    at: int = -1  # where its content stands in the store
    length: int = 0


class Store:
    """A file in which contents stand unpacked, since most are read again for the model.

    Attributes:
        path: The file; it is made when it is first needed.
        most_bytes: How long it may get.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path, self.most_bytes = path, most_bytes
        self._source: OpenFile | None = None

    def writer(self) -> Callable[[str, bytes], int]:
        """Give what puts a content in and tells where it is, -1 if it is not; one per process."""
        # What is appended in one call stands together, whoever else appends.
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        known: dict[str, int] = {}

        def keep(sha256: str, content: bytes) -> int:
            if not content or len(content) > _LONGEST_STORED:
                return -1
            if sha256 not in known:
                if os.fstat(fd).st_size + len(content) > self.most_bytes:
                    return -1
                try:
                    whole = os.write(fd, content) == len(content)
                except OSError:  # the disk is full: then it is read from the image again
                    return -1
                known[sha256] = os.lseek(fd, 0, os.SEEK_CUR) - len(content) if whole else -1
            return known[sha256]

        return keep

    def reader(self, at: int, length: int) -> Callable[[], bytes]:
        """Give what reads a content from there."""

        def read() -> bytes:
            if self._source is None:
                self._source = OpenFile(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC))
            return exactly(self._source, at, length)

        return read


def _nowhere(_sha256: str, _content: bytes) -> int:
    return -1


@dataclass(frozen=True, slots=True)
class _Item:
    """A content, and every place where it is known to stand."""

    node: Node
    places: list[tuple[int, str]]


def look_at(
    trees: Iterable[Tree],
    *,
    known: Mapping[str, FileFacts],
    look: Look,
    budget: Budget,
    workers: int,
    store: Store | None = None,
    progress: Callable[[float, str], None] = lambda _, __: None,
) -> Contents:
    """Find digests and facts of every regular file.

    Args:
        trees: The trees.
        known: Facts of contents from earlier audits.
        look: Finds the facts of a content.
        budget: What it may cost.
        workers: How many processes do it; 0 for this one.
        store: Where they put contents; the trees read them from there afterwards.
        progress: Is told how far it is.
    """
    several = list(trees)
    contents = Contents(digests=[{} for _ in several])
    items = _items(several)
    gathering = _Gathering(several, items, contents, known, look, budget, store, progress)
    try:
        if workers and items:
            gathering.with_workers(workers)
        else:
            gathering.alone()
    except LimitError as error:
        contents.limit = error
    return contents


def _items(trees: list[Tree]) -> list[_Item]:
    by_read: dict[int, _Item] = {}
    for number, tree in enumerate(trees):
        for node in tree.files():
            if node.read is None:
                continue
            item = by_read.setdefault(id(node.read), _Item(node, []))
            item.places.append((number, node.path))
    return list(by_read.values())


class _Gathering:
    def __init__(
        self,
        trees: list[Tree],
        items: list[_Item],
        contents: Contents,
        known: Mapping[str, FileFacts],
        look: Look,
        budget: Budget,
        store: Store | None,
        progress: Callable[[float, str], None],
    ) -> None:
        self._trees, self._items, self._contents, self._known = trees, items, contents, known
        self._look, self._budget, self._progress = look, budget, progress
        self._store = store
        self._done = 0

    # --- one item -------------------------------------------------------------------------------

    def _see(self, item: _Item, told: set[str], keep: Callable[[str, bytes], int]) -> _Seen:
        """Read a content; `told` are digests whose facts were given already."""
        read = item.node.read
        try:
            content = read() if read is not None else b""
        except LimitError as error:
            return _Seen("", str(error), error.limit, error.most)
        except MISTAKES as error:
            known = isinstance(error, AuditError)
            return _Seen("", str(error) if known else f"reading it failed: {type(error).__name__}")
        digest = hashlib.sha256(content).hexdigest()
        seen = _Seen(digest, at=keep(digest, content), length=len(content))
        if digest not in self._known and digest not in told:
            told.add(digest)
            seen.facts = self._look(content, digest)
        return seen

    def _take(self, number: int, seen: _Seen) -> None:
        item = self._items[number]
        self._done += 1
        for tree, path in item.places:
            if seen.sha256:
                self._contents.digests[tree][path] = seen.sha256
            else:
                self._contents.unread[tree, path] = seen.fault
        if seen.at >= 0:
            self._move(item, seen)
        if seen.limit and seen.limit != "file_bytes":
            raise LimitError(limit=seen.limit, most=seen.most)
        if seen.limit and self._contents.limit is None:
            self._contents.limit = LimitError(limit=seen.limit, most=seen.most)
        self._learn(seen)
        if not self._done % 16 or self._done == len(self._items):
            self._progress(self._done / len(self._items), item.node.path)

    def _learn(self, seen: _Seen) -> None:
        if not seen.sha256 or seen.sha256 in self._contents.facts:
            return
        if seen.facts is not None:
            self._contents.facts[seen.sha256] = seen.facts
        elif (facts := self._known.get(seen.sha256)) is not None:
            self._contents.facts[seen.sha256] = facts
            self._contents.cached += 1

    def _move(self, item: _Item, seen: _Seen) -> None:
        """Let the trees read a content from the store."""
        if self._store is None:
            return
        read = self._store.reader(seen.at, seen.length)
        for tree, path in item.places:
            node = self._trees[tree].get(path)
            if node is not None:
                self._trees[tree].add(replace(node, read=read))

    def alone(self) -> None:
        """Look at everything in this process."""
        self._do(range(len(self._items)))

    def _do(self, numbers: Iterable[int]) -> None:
        told: set[str] = set()
        for number in numbers:
            self._budget.tick()
            self._take(number, self._see(self._items[number], told, _nowhere))

    # --- several processes ----------------------------------------------------------------------

    def with_workers(self, count: int) -> None:
        """Let forked processes look."""
        crew = Crew(self._batches(), self._serve, _Seen)
        deaths = 0
        try:
            crew.hire(count)
            while crew.busy():
                self._budget.tick()
                self._do(crew.rest())
                for number, seen in crew.listen():
                    self._take(number, seen)
                for number, why in crew.bury():
                    deaths += 1
                    self._take(number, _Seen("", f"what looks at contents {why} at this file"))
                    if deaths > _MOST_DEATHS:
                        raise LimitError(limit="deaths", most=_MOST_DEATHS)
        finally:
            crew.dismiss()

    def _batches(self) -> list[list[int]]:
        batches: list[list[int]] = [[]]
        size = 0
        for number, item in enumerate(self._items):
            if batches[-1] and (len(batches[-1]) == _BATCH_FILES or size > _BATCH_BYTES):
                batches.append([])
                size = 0
            batches[-1].append(number)
            size += item.node.size_bytes
        return batches

    def _serve(self) -> Callable[[int], bytes]:
        """Make what a worker does with an item."""
        told: set[str] = set()
        encoder = msgspec.msgpack.Encoder()
        keep = self._store.writer() if self._store is not None else _nowhere

        def serve(number: int) -> bytes:
            seen = self._see(self._items[number], told, keep)
            body = encoder.encode(seen)
            if len(body) <= LONGEST_FRAME:
                return body
            empty = FileFacts(
                sha256=seen.sha256,
                size_bytes=self._items[number].node.size_bytes,
                kind=FileKind.OTHER,
                fault="there is too much to say about it",
            )
            return encoder.encode(_Seen(seen.sha256, facts=empty))

        return serve
