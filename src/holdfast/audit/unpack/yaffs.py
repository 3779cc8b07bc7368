"""Reader of yaffs2: pages of flash, each with a spare area that says which file it is of.

Neither the length of pages and spare areas nor the byte order is written anywhere: they are found
by trying which of the usual ones makes sense of the first pages.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import (
    PERMISSIONS,
    Content,
    below,
    kind_of,
    new_device,
    text,
)
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source, exactly

TYPES: Final = range(1, 6)
FILE, LINK, FOLDER, HARD_LINK, SPECIAL = TYPES
ROOT, LOST, UNLINKED, DELETED = range(1, 5)  # numbers of objects that are always there

# Lengths of pages, and of the spare areas that are met with them; the shorter first, since two
# short pages may look like a long one, but never the other way round.
PAGES: Final = (
    (512, (16,)),
    (1024, (32,)),
    (2048, (64, 112, 128)),
    (4096, (128, 218, 224, 256)),
    (8192, (256, 436, 448, 640, 744)),
    (16384, (512, 1024, 1280)),
)
TAG_PLACES: Final = range(33)  # in the spare area, behind the mark of bad blocks and others
TAGS: Final = 16
HEADER_BYTES: Final = 512
SAMPLE: Final = 64  # pages that decide about the layout
MOST_STRANGE: Final = 256  # pages in a row that are neither blank nor of the file system
MOST_OBJECT: Final = 0x3FFFF
MOST_SEQUENCE: Final = 0xEFFFFF00
LEAST_SEQUENCE: Final = 0x1000  # of Linux; makers of images begin with 1
CHECKPOINT: Final = 0x21  # sequence number of pages that only speed up the start
EXTRA: Final = 0x80000000  # of the number of a page: the tags of a header say more
EXTRA_OBJECT: Final = 0x0FFFFFFF
NOTHING: Final = 0xFFFFFFFF

_NAME: Final = slice(10, 266)
_TARGET: Final = slice(300, 460)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How pages stand in the image."""

    order: str
    page_bytes: int
    spare_bytes: int
    tags_at: int

    @property
    def stride(self) -> int:
        """Distance of two pages."""
        return self.page_bytes + self.spare_bytes


@dataclass(frozen=True, slots=True)
class Page:
    """One page: which part of which object, and when it was written."""

    at: int
    object: int
    number: int
    size_bytes: int
    age: tuple[int, int]


@dataclass(slots=True)
class Thing:
    """What the pages of one object say."""

    header: bytes = b""
    age: tuple[int, int] = (-1, -1)
    cuts: list[tuple[tuple[int, int], int]] = field(default_factory=list)
    pages: dict[int, Page] = field(default_factory=dict)
    content: Content | None = None


def _order(source: Source) -> str:
    """Give the byte order for `struct`; "" if this does not start with a header."""
    raw = source.read_at(0, HEADER_BYTES)
    return next((order for order in "<>" if _is_header(raw, order)), "")


def _is_header(raw: bytes, order: str) -> bool:
    if len(raw) < HEADER_BYTES:
        return False
    kind, parent, unused = struct.unpack_from(order + "II2s", raw)
    return kind in TYPES and 0 < parent <= MOST_OBJECT and unused == b"\xff\xff"


def _page(source: Source, layout: Layout, number: int) -> Page | None:
    """Read the tags of a page; None if they make no sense."""
    at = number * layout.stride
    tags = source.read_at(at + layout.page_bytes + layout.tags_at, TAGS)
    if len(tags) != TAGS:
        return None
    sequence, thing, page, size = struct.unpack(layout.order + "IIII", tags)
    if page & EXTRA:
        thing, page, size = thing & EXTRA_OBJECT, 0, 0
    if not 0 < sequence <= MOST_SEQUENCE or not 0 < thing <= MOST_OBJECT:
        return None
    if page:
        sensible = 0 < size <= layout.page_bytes
    else:
        sensible = _is_header(source.read_at(at, HEADER_BYTES), layout.order)
    return Page(at, thing, page, size, (sequence, number)) if sensible else None


def _is_blank(source: Source, layout: Layout, number: int) -> bool:
    tags = source.read_at(number * layout.stride + layout.page_bytes + layout.tags_at, TAGS)
    return not tags.strip(b"\xff")


def _layout(source: Source) -> Layout | None:
    """Find the layout that explains the most of the first pages, and nearly all of them."""
    order = _order(source)
    best, most = None, 0
    for page_bytes, spares in PAGES if order else ():
        for spare_bytes in spares:
            for tags_at in TAG_PLACES:
                if tags_at + TAGS > spare_bytes:
                    break
                layout = Layout(
                    order=order, page_bytes=page_bytes, spare_bytes=spare_bytes, tags_at=tags_at
                )
                known = _known(source, layout)
                if known > most:
                    best, most = layout, known
    return best


def _known(source: Source, layout: Layout) -> int:
    """Count pages at the start that make sense, up to the first that does not."""
    if _page(source, layout, 0) is None:
        return 0
    for number in range(1, SAMPLE):
        if _page(source, layout, number) is None:
            return number
    return SAMPLE


class _Pages:
    """Goes over the pages.

    Attributes:
        end: Where the last one ends.
        strange: How many were neither blank nor made sense.
    """

    def __init__(self, source: Source, layout: Layout) -> None:
        self._source, self._layout = source, layout
        self.end = self.strange = 0

    def __iter__(self) -> Iterator[Page]:
        """Give every page that makes sense, those of checkpoints left out."""
        row = first = 0
        for number in range(self._source.size_bytes // self._layout.stride):
            page = _page(self._source, self._layout, number)
            if page is not None:
                self.strange, row = self.strange + row, 0
                self.end = (number + 1) * self._layout.stride
                first = first or page.age[0]
                if page.age[0] != CHECKPOINT or first < LEAST_SEQUENCE:
                    yield page
            elif not _is_blank(self._source, self._layout, number):
                row += 1
                if row > MOST_STRANGE:
                    return


def measure(source: Source) -> Measured | None:
    """Find the layout, and walk over the pages."""
    layout = _layout(source)
    if layout is None:
        return None
    pages = _Pages(source, layout)
    for _ in islice(pages, 1 << 22):
        pass
    word = "little" if layout.order == "<" else "big"
    form = f"yaffs2 {layout.page_bytes}+{layout.spare_bytes} {word}-endian"
    return Measured(size_bytes=pages.end, format=form)


class _Volume:
    """One opened file system."""

    def __init__(self, source: Source, budget: Budget, layout: Layout) -> None:
        self._source, self._budget, self._layout = source, budget, layout
        self._things: dict[int, Thing] = {}
        self._trouble = ""

    def _u32(self, thing: Thing, at: int) -> int:
        number: int = struct.unpack_from(self._layout.order + "I", thing.header, at)[0]
        return number

    def _size_at(self, header: bytes) -> int:
        (low,) = struct.unpack_from(self._layout.order + "I", header, 292)
        (high,) = struct.unpack_from(self._layout.order + "I", header, 496)
        return int(low) | (0 if high == NOTHING else int(high) << 32)

    def scan(self) -> None:
        """Read all tags and headers."""
        pages = _Pages(self._source, self._layout)
        shadowed: list[tuple[int, tuple[int, int]]] = []
        for page in pages:
            self._budget.tick()
            thing = self._things.get(page.object)
            if thing is None:
                self._budget.take_file()
                thing = self._things[page.object] = Thing()
            if not page.number:
                shadowed += self._header(page, thing)
            elif page.number not in thing.pages or page.age > thing.pages[page.number].age:
                thing.pages[page.number] = page
        for number, age in shadowed:
            if number in self._things and self._things[number].age < age:
                del self._things[number]
        if pages.strange:
            self._trouble = "some pages make no sense"

    def _header(self, page: Page, thing: Thing) -> list[tuple[int, tuple[int, int]]]:
        """Take a header in; give the object that it takes the name from, if there is one."""
        header = exactly(self._source, page.at, HEADER_BYTES)
        shadow, shrink = struct.unpack_from(self._layout.order + "II", header, 504)
        if shrink not in {0, NOTHING}:
            thing.cuts.append((page.age, self._size_at(header)))
        if page.age > thing.age:
            thing.header, thing.age = header, page.age
        return [] if shadow in {0, NOTHING} else [(shadow, page.age)]

    def _folders(self) -> dict[int, dict[bytes, tuple[tuple[int, int], int]]]:
        """Give the names in each folder, with age and number; of two equal ones the later."""
        folders: dict[int, dict[bytes, tuple[tuple[int, int], int]]] = {}
        for number, thing in self._things.items():
            if number > DELETED and thing.header:
                name = thing.header[_NAME].partition(b"\0")[0]
                names = folders.setdefault(self._u32(thing, 4), {})
                names[name] = max(names.get(name, (thing.age, 0)), (thing.age, number))
        for gone in (UNLINKED, DELETED):
            folders.pop(gone, None)
        return folders

    def nodes(self) -> Iterator[Node]:
        """Give every name."""
        self.scan()
        folders = self._folders()
        self._budget.take_file()
        yield self._root()
        todo = [("", ROOT)]
        if LOST in folders:
            yield Node(path="lost+found", kind=Kind.FOLDER, mode=0o700)
            todo.append(("lost+found", LOST))
        while todo:
            folder, parent = todo.pop()
            for name, (_, number) in sorted(folders.pop(parent, {}).items()):
                self._budget.tick()
                try:
                    node = self._make(below(folder, name), number)
                except FormatError as error:
                    self._trouble = str(error)
                    continue
                if node.kind is Kind.FOLDER:
                    todo.append((node.path, number))
                yield node
        if folders:
            self._trouble = "there are names that no folder leads to"
        if self._trouble:
            raise FormatError(self._trouble)

    def _root(self) -> Node:
        root = self._things.get(ROOT)
        if root is None or not root.header:
            return Node(path="", kind=Kind.FOLDER, mode=0o755)
        return self._node("", root, Kind.FOLDER)

    def _make(self, path: str, number: int) -> Node:
        thing = self._things[number]
        kind = self._u32(thing, 0)
        if kind == HARD_LINK:
            other = self._things.get(self._u32(thing, 296))
            if other is None or not other.header or self._u32(other, 0) == HARD_LINK:
                raise FormatError("a hard link leads nowhere")
            thing, kind = other, self._u32(other, 0)
        if kind == SPECIAL:
            special = kind_of(self._u32(thing, 268))
            if special in {None, Kind.FILE, Kind.FOLDER, Kind.LINK}:
                raise FormatError("an object is of no kind")
            return self._node(path, thing, special or Kind.FILE)
        return self._node(
            path, thing, {FILE: Kind.FILE, LINK: Kind.LINK, FOLDER: Kind.FOLDER}[kind]
        )

    def _node(self, path: str, thing: Thing, kind: Kind) -> Node:
        if kind is Kind.FILE and thing.content is None:
            size = self._size(thing)
            thing.content = Content(self._budget, size, partial(self._read, thing, size))
        content = thing.content if kind is Kind.FILE else None
        target = thing.header[_TARGET].partition(b"\0")[0] if kind is Kind.LINK else b""
        device = None
        if kind in {Kind.CHARACTER, Kind.BLOCK}:
            device = new_device(self._u32(thing, 460))
        return Node(
            path=path,
            kind=kind,
            mode=self._u32(thing, 268) & PERMISSIONS,
            uid=self._u32(thing, 272),
            gid=self._u32(thing, 276),
            size_bytes=content.size_bytes if content else 0,
            target=text(target),
            device=device,
            mtime=self._u32(thing, 284),
            read=content,
        )

    def _start(self, page: Page) -> int:
        return (page.number - 1) * self._layout.page_bytes

    def _size(self, thing: Thing) -> int:
        """Give the length of a file: what its header says, and what was written after that."""
        size = self._size_at(thing.header)
        later = [
            self._start(page) + page.size_bytes
            for page in thing.pages.values()
            if page.age > thing.age
        ]
        return max(size, *later) if later else size

    def _read(self, thing: Thing, size: int) -> bytes:
        content = bytearray(size)
        for page in thing.pages.values():
            self._budget.tick()
            start = self._start(page)
            cut = any(page.age < age and start >= length for age, length in thing.cuts[-1000:])
            if start < size and not cut:
                length = min(page.size_bytes, size - start)
                content[start : start + length] = exactly(self._source, page.at, length)
        return bytes(content)


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name."""
    layout = _layout(source)
    if layout is None:
        raise FormatError("this is no yaffs2")
    yield from _Volume(source, budget, layout).nodes()


READER: Final = FileSystem(
    name="yaffs",
    magics=tuple(
        Magic(content=struct.pack(order + "IIH", kind, ROOT, 0xFFFF))
        for order in "<>"
        for kind in TYPES
    ),
    measure=measure,
    nodes=nodes,
)
