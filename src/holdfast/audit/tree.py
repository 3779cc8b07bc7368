"""The virtual tree of an image: real owners, modes and links, nothing written to the disk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from posixpath import normpath

MOST_LINKS = 40  # as in Linux


class Kind(StrEnum):
    """What a name in a file system stands for."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"
    CHARACTER = "character"
    BLOCK = "block"
    PIPE = "pipe"
    SOCKET = "socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One name in a file system.

    Attributes:
        path: From the root of its tree, without leading slash; "" for the root. Bytes that are
            not UTF-8 are `surrogateescape`d.
        kind: What it is.
        mode: Permission bits with setuid (0o4000), setgid and sticky.
        uid: Owner.
        gid: Group.
        size_bytes: Length of a file's content, else 0.
        target: Where a link points, as written; else "".
        device: Major and minor number of a device node.
        mtime: Seconds since 1970, 0 if not kept.
        read: Gives the content of a file; called in the confined child only, may be called again,
            raises `FormatError` where the image is damaged. None for what has no content.
        origin: Which volume it is from; an index into `Opened.volumes`.
    """

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    size_bytes: int = 0
    target: str = ""
    device: tuple[int, int] | None = None
    mtime: int = 0
    read: Callable[[], bytes] | None = field(default=None, repr=False, compare=False)
    origin: int = 0


class Tree:
    """All names of an image by path; links lead nowhere but inside it.

    Volumes beside the main root stand under a folder `:NAME`, for example
    `:jffs2@0x3c0000/etc/passwd`; a link of such a volume is resolved in that volume.
    """

    def __init__(self, nodes: Iterator[Node] | tuple[Node, ...] | list[Node] = ()) -> None:
        self._nodes: dict[str, Node] = {}
        self._folders: dict[str, list[str]] = {}
        for node in nodes:
            self.add(node)

    def __len__(self) -> int:
        """Count the names."""
        return len(self._nodes)

    def __contains__(self, path: str) -> bool:
        """Tell whether there is such a name, links not followed."""
        return path in self._nodes

    def add(self, node: Node) -> None:
        """Put a node in, with the folders above it; a later one replaces an earlier one."""
        above = node.path
        fresh = node.path not in self._nodes
        self._nodes[node.path] = node
        while above and fresh:
            parent, _, name = above.rpartition("/")
            self._folders.setdefault(parent, []).append(name)
            fresh = parent not in self._nodes
            if fresh:
                self._nodes[parent] = Node(path=parent, kind=Kind.FOLDER, mode=0o755)
            above = parent

    def get(self, path: str) -> Node | None:
        """Find a name itself, without following a link at its end or on the way."""
        return self._nodes.get(path)

    def walk(self) -> Iterator[Node]:
        """Give every node, sorted by path."""
        for path in sorted(self._nodes):
            yield self._nodes[path]

    def files(self) -> Iterator[Node]:
        """Give every regular file, sorted by path."""
        return (node for node in self.walk() if node.kind is Kind.FILE)

    def names(self, folder: str) -> list[str]:
        """List the names in a folder, links on the way followed; [] if there is none."""
        node = self.resolve(folder)
        return sorted(self._folders.get(node.path, ())) if node else []

    def glob(self, *patterns: str) -> Iterator[Node]:
        """Find what matches a pattern; `*` stays within a name, `**` crosses folders.

        The folders that a pattern names outright may be links; what is found has the path as
        asked for, the kind and content of what it leads to, and comes sorted, each once.
        """
        found: dict[str, Node] = {}
        for pattern in patterns:
            self._match("", pattern.split("/"), found)
        for path in sorted(found):
            yield found[path]

    def _match(self, above: str, parts: list[str], found: dict[str, Node]) -> None:
        head, rest = parts[0], parts[1:]
        join = f"{above}/" if above else ""
        if head == "**":
            self._match(above, rest, found)
            for name in self.names(above):
                node = self.get(join + name)
                if node is not None and node.kind is Kind.FOLDER:
                    self._match(join + name, parts, found)
            return
        names = self.names(above) if any(c in head for c in "*?[") else [head]
        for name in names:
            if not fnmatchcase(name, head):
                continue
            if rest:
                self._match(join + name, rest, found)
            elif (node := self.resolve(join + name)) is not None:
                found[join + name] = node

    def resolve(self, path: str, *, follow: bool = True) -> Node | None:
        """Find what a path leads to, following links inside the tree only.

        Args:
            path: With or without leading slash; `..` above the root stays at the root.
            follow: Whether a link at the very end is followed too.

        Returns:
            The node; None if there is none, or if the links go round in circles.
        """
        root = _volume_of(path.lstrip("/"))
        todo = path.lstrip("/").removeprefix(root.rstrip("/")).split("/")[::-1]
        here, links = root.rstrip("/"), 0
        while todo:
            part = todo.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                here = here.rpartition("/")[0] if here != root.rstrip("/") else here
                continue
            step = f"{here}/{part}" if here else part
            node = self._nodes.get(step)
            if node is None:
                return None
            if node.kind is Kind.LINK and (follow or any(todo)):
                links += 1
                if links > MOST_LINKS:
                    return None
                if node.target.startswith("/"):
                    here = root.rstrip("/")
                todo += node.target.split("/")[::-1]
                continue
            here = step
        return self._nodes.get(here)

    def read(self, path: str, most_bytes: int = 16 * 1024 * 1024) -> bytes | None:
        """Read the content of a file, links followed; None if it is no file or too long.

        Raises:
            FormatError: The image is damaged there.
        """
        node = self.resolve(path)
        if node is None or node.read is None or node.size_bytes > most_bytes:
            return None
        return node.read()


def _volume_of(path: str) -> str:
    return path.partition("/")[0] + "/" if path.startswith(":") else ""


def plain(path: str) -> str:
    """Make a path of an archive relative and free of `.` and `..`; "" for the root itself.

    Nothing is refused here: `../../etc/passwd` becomes `etc/passwd`, as tar does it.
    """
    whole = normpath("/" + path.replace("\0", ""))
    return whole.lstrip("/")
