"""romfs, read only: the small file system of uClinux.

It keeps neither owners nor permissions, except whether a file can be executed.

Source:
    `Documentation/filesystems/romfs.rst` of the Linux kernel.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import MOST_NAME, MOST_PATH, Content, below, text
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source, exactly

MAGIC: Final = b"-rom1fs-"
SUMMED_BYTES: Final = 512
_WORD: Final = 16  # names and contents stand at multiples of this
_HARD_LINK: Final = 0
_EXECUTABLE: Final = 8
_WORDS: Final = 1 << 32

# The kind, and the mode that the kernel gives it; a file that can be executed gets 0o111 more.
_KINDS: Final = {
    1: (Kind.FOLDER, 0o644),
    2: (Kind.FILE, 0o644),
    3: (Kind.LINK, 0o777),
    4: (Kind.BLOCK, 0o600),
    5: (Kind.CHARACTER, 0o600),
    6: (Kind.SOCKET, 0o644),
    7: (Kind.PIPE, 0o644),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The header of one name.

    Attributes:
        at: Where it is; names the file.
        following: Where the next of the folder is; 0 at the end.
        kind: Number of the kind; 0 for a hard link.
        executable: Whether it can be executed.
        special: First name of a folder, target of a hard link, or number of a device.
        size: Of the content.
        name: As it stands.
        content: Where the content is.
    """

    at: int
    following: int
    kind: int
    executable: bool
    special: int
    size: int
    name: bytes
    content: int


def _sum(content: bytes) -> int:
    whole = content[: len(content) // 4 * 4]
    words: tuple[int, ...] = struct.unpack(f">{len(whole) // 4}I", whole)
    return sum(words) % _WORDS


def _name(source: Source, at: int) -> bytes:
    """Read a name that ends with a zero byte."""
    name = b""
    while b"\0" not in name:
        if len(name) > MOST_NAME:
            raise FormatError("a name is too long")
        name += exactly(source, at + len(name), _WORD)
    return name[: name.index(b"\0")]


def _after_name(at: int, name: bytes) -> int:
    return at + (len(name) // _WORD + 1) * _WORD


class _Volume:
    """One image, while its tree is read."""

    def __init__(self, source: Source, budget: Budget) -> None:
        self._source, self._budget = source, budget
        self._reads: dict[int, Content] = {}
        self._first = _after_name(_WORD, _name(source, _WORD))
        # Makers of images write a check sum into each header; then damage shows.
        self._summed = False
        self._summed = self._is_whole(self._header(self._first))

    def nodes(self) -> Iterator[Node]:
        yield Node(path="", kind=Kind.FOLDER, mode=0o755)
        seen, waiting = {self._first}, [("", self._first)]
        while waiting:
            path, at = waiting.pop()
            listed: set[int] = set()
            while at:
                if at in listed:
                    raise FormatError("the names of a folder go round in circles")
                listed.add(at)
                header = self._header(at)
                at = header.following
                if header.name in {b".", b".."}:
                    continue
                self._budget.take_file()
                whole, real = below(path, header.name), self._real(header)
                node = self._node(whole, real)
                if node.kind is Kind.FOLDER and real.special:
                    if real.special in seen:
                        raise FormatError("a folder is inside itself, or in two places")
                    seen.add(real.special)
                    waiting.append((whole, real.special))
                yield node

    def _header(self, at: int) -> _Header:
        self._budget.tick()
        following, special, size, _ = struct.unpack(">IIII", exactly(self._source, at, _WORD))
        name = _name(self._source, at + _WORD)
        header = _Header(
            at=at,
            following=following & ~15,
            kind=following & 7,
            executable=bool(following & _EXECUTABLE),
            special=special,
            size=size,
            name=name,
            content=_after_name(at + _WORD, name),
        )
        if self._summed and not self._is_whole(header):
            raise FormatError("the check sum of a name is wrong")
        return header

    def _is_whole(self, header: _Header) -> bool:
        return _sum(exactly(self._source, header.at, header.content - header.at)) == 0

    def _real(self, header: _Header) -> _Header:
        """Follow a hard link; one to a hard link is not made by anything."""
        if header.kind != _HARD_LINK:
            return header
        real = self._header(header.special)
        if real.kind == _HARD_LINK:
            raise FormatError("a hard link leads to a hard link")
        if _KINDS[real.kind][0] is Kind.FOLDER:
            raise FormatError("a hard link leads to a folder")
        return real

    def _node(self, path: str, header: _Header) -> Node:
        kind, mode = _KINDS[header.kind]
        device = None
        if kind in {Kind.CHARACTER, Kind.BLOCK}:
            device = (header.special >> 16, header.special & 0xFFFF)
        target = b""
        if kind is Kind.LINK:
            if header.size > MOST_PATH:
                raise FormatError("a link is too long")
            target = exactly(self._source, header.content, header.size)
        return Node(
            path=path,
            kind=kind,
            mode=mode | (0o111 if header.executable else 0),
            size_bytes=header.size if kind is Kind.FILE else 0,
            target=text(target),
            device=device,
            read=self._read(header) if kind is Kind.FILE else None,
        )

    def _read(self, header: _Header) -> Content:
        content = self._reads.get(header.at)
        if content is None:
            make = partial(exactly, self._source, header.content, header.size)
            content = Content(self._budget, header.size, make)
            self._reads[header.at] = content
        return content


def measure(source: Source) -> Measured | None:
    """Look at the length and at the check sum over the first bytes."""
    head = source.read_at(0, SUMMED_BYTES)
    if head[:8] != MAGIC or len(head) < 2 * _WORD:
        return None
    size = int.from_bytes(head[8:12], "big")
    if size < 2 * _WORD or _sum(head[: min(size, SUMMED_BYTES)]) != 0:
        return None
    return Measured(size_bytes=min(size, source.size_bytes), format="romfs")


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name.

    Raises:
        FormatError: The image is damaged.
        LimitError: It is too much.
    """
    if measure(source) is None:
        raise FormatError("this is no romfs")
    yield from _Volume(source, budget).nodes()


READER: Final = FileSystem(
    name="romfs",
    magics=(Magic(content=MAGIC),),
    measure=measure,
    nodes=nodes,
    owners=False,
)
