"""What all readers of file systems and archives share: kinds, device numbers, names, contents."""

import re
import stat
from collections.abc import Callable, Iterator
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node, plain
from holdfast.audit.unpack.budget import Budget

MOST_PATH: Final = 4096  # bytes, PATH_MAX of Linux
MOST_NAME: Final = 255  # bytes of one name, NAME_MAX of Linux
PERMISSIONS: Final = 0o7777
OWNERS: Final = 0xFFFFFFFF
LATEST: Final = 1 << 37  # thousands of years; what comes after it no calendar can show

_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")
_KINDS: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.FOLDER,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.PIPE,
    stat.S_IFSOCK: Kind.SOCKET,
}


def kind_of(mode: int) -> Kind | None:
    """Tell what the upper bits of a Unix mode stand for; None if nothing has them."""
    return _KINDS.get(stat.S_IFMT(mode))


def old_device(number: int) -> tuple[int, int]:
    """Split a device number of 16 bits into major and minor."""
    return number >> 8 & 0xFF, number & 0xFF


def new_device(number: int) -> tuple[int, int]:
    """Split a device number of 32 bits, as Linux 2.6 and later write it, into major and minor."""
    return number >> 8 & 0xFFF, (number & 0xFF) | (number >> 12 & 0xFFF00)


def seconds(since_1970: int) -> int:
    """Take a time as it is, 0 for one that is beyond all reason."""
    return since_1970 if abs(since_1970) <= LATEST else 0


def text(name: bytes) -> str:
    """Decode a name or a target; what is not UTF-8 survives."""
    return name.decode(errors="surrogateescape")


def label(name: str) -> str:
    """Make a name of a part or volume from one in the image: letters, digits, `.`, `_` and `-`."""
    return _NOT_PLAIN.sub("-", name).strip("-.")


def below(folder: str, name: bytes) -> str:
    """Join the path of a folder and a name of a directory entry.

    Raises:
        FormatError: No file system can hold such a name, so it would be reached by nobody.
    """
    if not name or name in {b".", b".."} or b"/" in name or b"\0" in name:
        raise FormatError("a folder holds a name that cannot be one")
    path = f"{folder}/{text(name)}" if folder else text(name)
    if len(name) > MOST_NAME or len(path) > MOST_PATH:
        raise FormatError("a folder holds a name that is too long")
    return path


class Content:
    """Reads the content of one file, and counts it against the budget the first time.

    Attributes:
        size_bytes: Its length.
    """

    def __init__(self, budget: Budget, size_bytes: int, make: Callable[[], bytes]) -> None:
        self.size_bytes = size_bytes
        self._budget, self._make = budget, make
        self._counted = False

    def __call__(self) -> bytes:
        """Read.

        Raises:
            FormatError: The image is damaged there.
            LimitError: It is too much.
        """
        self._budget.must_fit(self.size_bytes)
        if not self._counted:
            self._budget.take_bytes(self.size_bytes)
            self._counted = True
        content = self._make()
        if len(content) != self.size_bytes:
            raise FormatError("a file is shorter than its entry says")
        return content


class Listing:
    """The names of an archive: plain, counted, a later one replaces an earlier one."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._nodes: dict[str, Node] = {}
        self._folders: set[str] = {""}

    def __iter__(self) -> Iterator[Node]:
        """Give every node, folders before what is in them."""
        for path in sorted(self._nodes):
            self._budget.tick()
            yield self._nodes[path]

    def get(self, path: str) -> Node | None:
        """Find what was added under a plain path."""
        return self._nodes.get(path)

    def path_of(self, name: bytes) -> str:
        """Make a name of the archive plain, and count it.

        Raises:
            FormatError: It is too long.
            LimitError: There are too many names, the folders that it implies among them.
        """
        if len(name) > MOST_PATH:
            raise FormatError("the archive holds a name that is too long")
        path = plain(text(name))
        if path not in self._nodes:
            self._budget.take_file()
        above = path.rpartition("/")[0]
        while above not in self._folders:
            self._folders.add(above)
            self._budget.take_file()
            above = above.rpartition("/")[0]
        return path

    def add(self, node: Node) -> None:
        """Put in a node whose path came from `path_of`.

        Raises:
            FormatError: It would take the place of the root, and is no folder.
        """
        if not node.path and node.kind is not Kind.FOLDER:
            raise FormatError("the archive has something else in the place of its root")
        self._nodes[node.path] = node
