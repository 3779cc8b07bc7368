"""Finds what an image consists of: pieces that do not overlap, the outermost ones first."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from pyperscan import BlockDatabase, Flag, Pattern, Scan

from holdfast.audit.errors import MISTAKES, FormatError, LimitError
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.reader import Container, FileSystem, Magic, Measured
from holdfast.audit.unpack.scratch import Scratch
from holdfast.audit.unpack.source import Region, Source
from holdfast.audit.unpack.streams import Progress, Stream

_WINDOW_BYTES: Final = 1 << 20
_HEAD_BYTES: Final = 64
_MOST_MISSES: Final = 50_000  # of one magic in one source, or a source made of magics takes hours
_WORTH_KEEPING_BYTES: Final = 1 << 16
# Formats without a magic worth the name stand where a device's blocks begin, or right at the start
# of what holds them; elsewhere they are met by chance.
_ALIGNED_BYTES: Final = {"yaffs": 512}
_NEAR_START_BYTES: Final = 1024
GLOBAL_LIMITS: Final = frozenset({"seconds", "unpacked_bytes", "files"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A format with nothing inside that could be opened: it is kept as a file.

    Attributes:
        name: Of the format.
        file: Name of the file that it becomes.
        magics: Any of these leads to a call of `measure`.
        measure: As for a file system.
        kernel: Whether it wraps a kernel, which is looked for in it.
    """

    name: str
    file: str
    magics: tuple[Magic, ...]
    measure: Callable[[Source], Measured | None]
    kernel: bool = False


Format = FileSystem | Container | Stream | Leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a source whose format is known.

    Attributes:
        offset: Where it starts in the source.
        size_bytes: Its length.
        format: Name with variant.
        reader: What knows it.
        source: Its bytes.
        content: What a stream holds, decompressed.
        fault: What is wrong with it, "" if nothing was seen so far.
    """

    offset: int
    size_bytes: int
    format: str
    reader: Format
    source: Source
    content: Source | None = None
    fault: str = ""


class _Hit(NamedTuple):
    start: int
    format: int
    magic: bytes


class Carver:
    """Looks for some formats in sources.

    Attributes:
        misses: Magics that were met so often without being one that they were given up.
        limits: Limits on a single piece that were reached, with the offset of the piece.
        mistakes: Formats whose readers failed in a way that readers must not.
    """

    def __init__(self, formats: Iterable[Format], budget: Budget, scratch: Scratch) -> None:
        self._formats = tuple(formats)
        self._budget, self._scratch = budget, scratch
        self.misses: set[str] = set()
        self.limits: list[tuple[LimitError, int]] = []
        self.mistakes: set[str] = set()

    def pieces(self, source: Source) -> Iterator[Piece]:
        """Give the pieces of a source by offset.

        Raises:
            LimitError: Time, files or bytes are used up.
        """
        index = _index(self._formats)
        at = missed = 0
        while at < source.size_bytes:
            self._budget.tick()
            window = source.read_at(at, _WINDOW_BYTES + index.reach)
            end = at
            for start, hits in _by_start(index, window, at, self._budget):
                if start < end:
                    continue
                piece = self._best(source, start, hits)
                if piece is None:
                    missed += 1
                    if missed > _MOST_MISSES:
                        self.misses.update(self._formats[hit.format].name for hit in hits)
                        return
                    continue
                yield piece
                end = start + max(piece.size_bytes, 1)
            at = max(at + _WINDOW_BYTES, end)

    def whole(self, source: Source) -> Piece | None:
        """Tell what a source begins with; None if that is not known."""
        index = _index(self._formats)
        hits = [
            each
            for start, some in _by_start(index, source.read_at(0, index.reach), 0, self._budget)
            if start == 0
            for each in some
        ]
        return self._best(source, 0, hits) if hits else None

    def begins(self, head: bytes) -> bool:
        """Tell whether bytes could be the beginning of something known; cheap, often wrong."""
        return any(
            head.startswith(magic.content, magic.at)
            for each in self._formats
            for magic in each.magics
        )

    def _best(self, source: Source, start: int, hits: Iterable[_Hit]) -> Piece | None:
        """Choose among the formats that a place could be of: the longest, then the first."""
        best: Piece | None = None
        for number in sorted({hit.format for hit in hits}):
            self._budget.tick()
            piece = self._try(source, start, self._formats[number])
            if piece is not None and (best is None or piece.size_bytes > best.size_bytes):
                best = piece
        return best

    def _try(self, source: Source, start: int, reader: Format) -> Piece | None:
        rest = Region(source, start, source.size_bytes - start)
        if isinstance(reader, Stream):
            return self._decompress(rest, reader)
        if start > _NEAR_START_BYTES and start % _ALIGNED_BYTES.get(reader.name, 1):
            return None
        try:
            measured = reader.measure(rest)
        except FormatError:
            return None
        except MISTAKES:
            self.mistakes.add(reader.name)
            return None
        if measured is None or measured.size_bytes < 1:
            return None
        size = min(measured.size_bytes, rest.size_bytes)
        region = Region(source, start, size)
        return Piece(
            offset=start, size_bytes=size, format=measured.format, reader=reader, source=region
        )

    def _decompress(self, rest: Region, reader: Stream) -> Piece | None:
        if not reader.plausible(rest.read_at(0, _HEAD_BYTES)):
            return None
        progress, damage = Progress(), _Damage()
        try:
            content = self._scratch.keep(damage.until(reader.chunks(rest, progress)), self._budget)
        except LimitError as error:
            if error.limit in GLOBAL_LIMITS:
                raise
            self.limits.append((error, rest.offset))
            return None
        if content.size_bytes == 0 or (damage.why and content.size_bytes < _WORTH_KEEPING_BYTES):
            return None
        size = min(progress.consumed, rest.size_bytes)
        return Piece(
            offset=rest.offset,
            size_bytes=size,
            format=reader.name,
            reader=reader,
            source=Region(rest, 0, size),
            content=content,
            fault=damage.why,
        )


class _Damage:
    """Ends a stream where it is damaged, and keeps why."""

    def __init__(self) -> None:
        self.why = ""

    def until(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from chunks
        except FormatError as error:
            self.why = str(error)


class _Index(NamedTuple):
    """All magics of some formats, ready for the search.

    Attributes:
        database: Knows every magic once.
        magics: By number: the bytes, and what they may mean: format and position in it.
        reach: How far behind its start a magic may end.
    """

    database: BlockDatabase
    magics: tuple[tuple[bytes, tuple[tuple[int, int], ...]], ...]
    reach: int


@cache
def _index(formats: tuple[Format, ...]) -> _Index:
    meaning: dict[bytes, list[tuple[int, int]]] = {}
    for number, each in enumerate(formats):
        for magic in each.magics:
            meaning.setdefault(magic.content, []).append((number, magic.at))
    magics = tuple((content, tuple(places)) for content, places in meaning.items())
    patterns = [
        Pattern("".join(f"\\x{byte:02x}" for byte in content).encode(), Flag.DOTALL, tag=number)
        for number, (content, _) in enumerate(magics)
    ]
    reach = max(magic.at + len(magic.content) for each in formats for magic in each.magics)
    return _Index(BlockDatabase(*patterns), magics, reach)


def _by_start(
    index: _Index, window: bytes, at: int, budget: Budget
) -> list[tuple[int, list[_Hit]]]:
    """Find where formats could start within a window, in order."""
    found: dict[int, list[_Hit]] = {}
    count = 0

    def take(_: object, number: int, __: int, end: int) -> Scan:
        nonlocal count
        count += 1
        if not count & 0xFFFF:
            budget.tick()
        content, places = index.magics[number]
        for which, offset in places:
            start = at + end - len(content) - offset
            if at <= start < at + _WINDOW_BYTES:
                found.setdefault(start, []).append(_Hit(start, which, content))
        return Scan.Continue

    index.database.build(None, take).scan(window)
    return sorted(found.items())
