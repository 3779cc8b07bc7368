"""Where further volumes of an image appear once the system runs: mounted, or unpacked."""

from collections.abc import Iterator
from itertools import pairwise, takewhile
from posixpath import join, normpath
from typing import Final, NamedTuple

from holdfast.audit.tree import Kind, Tree

MOST_POINTS: Final = 24
MOST_VOLUMES: Final = 16
MOST_KNOWN: Final = 10_000
_NO_VOLUMES = (":kernel@", ":text@", ":raw@", ":program@", ":signature@")
_MADE_BY_KERNEL = frozenset(
    {"proc", "sysfs", "tmpfs", "ramfs", "devpts", "devtmpfs", "debugfs", "tracefs", "cgroup",
     "cgroup2", "securityfs", "pstore", "bpf", "hugetlbfs", "mqueue", "configfs", "efivarfs",
     "usbfs", "usbdevfs", "binfmt_misc", "fusectl", "autofs", "swap", "none", "overlay", "aufs",
     "mini_fo", "rpc_pipefs", "functionfs", "shm", "sys", "udev", "tmp", "overlayfs", "selinuxfs"}
)  # fmt: skip
_VALUED = frozenset("tolLUOp")
_FIELDS: Final = 4
_MOST_LINKS: Final = 8


class Joined:
    """Leads paths below a mount point into the volume that holds them.

    Which device is which volume, an image seldom says: the volume that holds the wanted path is
    taken, of several the one of the kind that was asked for. If that leaves none, or several,
    nothing is led anywhere.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._points: dict[str, str] = {}
        self._archives: set[str] = set()
        self._bound: dict[str, str] = {}
        self._volumes: dict[str, frozenset[str]] | None = None
        self._known: dict[tuple[str, bool], list[str]] = {}

    def add(self, point: str, hint: str, *, archive: bool = False) -> None:
        """Remember that something foreign appears in a folder.

        Args:
            point: The folder, without leading slash.
            hint: Kind of file system, or name of the archive, "" if not known.
            archive: Whether it is unpacked there, beside what was in the folder before.
        """
        if point in self._points or len(self._points) < MOST_POINTS:
            self._points[point] = hint.lower()
            if archive:
                self._archives.add(point)

    def move(self, point: str, to: str) -> None:
        """Remember that what is in one folder appears in another one too."""
        if point != to and len(self._bound) < MOST_POINTS:
            self._bound[to] = point

    def place(self, whole: str) -> str:
        """Lead a path from the root into the volume that holds it; else give it as it is."""
        if self._bound:
            whole = self._before(whole)
        if not self._points or whole.startswith(":"):
            return whole
        for point, rest in self._above(self.real(whole)):
            if point in self._archives and self._tree.resolve(whole) is not None:
                return whole
            holding = self._holding(point, rest)
            if len(holding) == 1:
                return f"{holding[0]}/{rest}".rstrip("/")
        return whole

    def covers(self, whole: str) -> str | None:
        """Give the mount point that a path lies below; None if it lies below none."""
        if self._bound:
            whole = self._before(whole)
        return next((point for point, _ in self._above(self.real(whole))), None)

    def real(self, whole: str) -> str:
        """Follow the links of the image on the way to a file that it may not hold itself."""
        for _ in range(_MOST_LINKS):
            parts = whole.split("/")
            for end in range(1, len(parts) + 1):
                node = self._tree.get("/".join(parts[:end]))
                if node is None:
                    return whole
                if node.kind is Kind.LINK:
                    above = "/".join(("", *parts[: end - 1]))
                    target = join(above, node.target, *parts[end:])
                    whole = normpath(f"/{target}").lstrip("/")
                    break
            else:
                return whole
        return whole

    def folders(self, whole: str) -> Iterator[str]:
        """Give the folders of volumes that a folder may be."""
        for point, rest in self._above(whole):
            for volume in self._holding(point, rest, folder=True):
                yield f"{volume}/{rest}".rstrip("/")

    def _before(self, whole: str) -> str:
        for to, point in self._bound.items():
            if whole == to or whole.startswith(f"{to}/"):
                return normpath(join(point, whole[len(to) + 1 :]))
        return whole

    def _above(self, whole: str) -> Iterator[tuple[str, str]]:
        """Give the mount points above a path, the nearest first, and what is left of it."""
        if not self._points:
            return
        above, rest = whole, ""
        while True:
            if above in self._points:
                yield above, rest
            if not above:
                return
            above, _, name = above.rpartition("/")
            rest = f"{name}/{rest}".rstrip("/")

    def _holding(self, point: str, rest: str, *, folder: bool = False) -> list[str]:
        """Give the volumes that hold a path, or a folder; of several the one asked for."""
        found = self._known.get((rest, folder))
        if found is None:
            first = rest.partition("/")[0]
            likely = [each for each, names in self._every().items() if first in names or not rest]
            nodes = [(each, self._tree.resolve(f"{each}/{rest}")) for each in likely]
            found = [each for each, node in nodes if node and (node.kind is Kind.FOLDER) >= folder]
            if len(self._known) < MOST_KNOWN:
                self._known[rest, folder] = found
        hint = self._points[point]
        asked = [volume for volume in found if hint and hint in volume.lower()]
        named = point in self._archives and hint
        return asked if named or len(asked) == 1 else found

    def _every(self) -> dict[str, frozenset[str]]:
        """Give the volumes with the names that they begin with."""
        if self._volumes is None:
            names = [name for name in self._tree.names("") if name.startswith(":")]
            kept = [name for name in names if not name.startswith(_NO_VOLUMES)][:MOST_VOLUMES]
            self._volumes = {name: frozenset(self._tree.names(name)) for name in kept}
        return self._volumes


def mounted(words: list[str], table: str) -> Iterator[tuple[str, str, str]]:
    """Read a call of `mount`.

    Args:
        words: With its name.
        table: Text of fstab.

    Yields:
        Device, folder, kind of file system; `bind` as the kind of a folder seen twice.
    """
    letters, plain = _options(words[1:])
    options = set(letters.get("o", "").split(","))
    if "remount" in options:
        return
    twice = {"bind", "rbind", "move"} & options or {"B", "R", "M"} & letters.keys()
    kind = "bind" if twice else letters.get("t", "")
    if len(plain) > 1:
        if not ({kind, plain[-2]} & _MADE_BY_KERNEL):
            yield plain[-2], plain[-1], kind
    elif plain or "a" in letters:
        for device, folder, its in in_table(table):
            if "a" in letters or plain[0] in {device, folder}:
                yield device, folder, its


def _options(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split options from the rest, as getopt does that takes them at any place."""
    letters: dict[str, str] = {}
    plain: list[str] = []
    waiting = ""
    for word in words:
        if waiting:
            letters[waiting], waiting = word, ""
        elif word in {"--bind", "--rbind", "--move"}:
            letters["B"] = ""
        elif word.startswith("-") and len(word) > 1:
            flags = list(takewhile(lambda letter: letter not in _VALUED, word[1:]))
            letters |= dict.fromkeys(flags, "")
            rest = word[1 + len(flags) :]
            if rest[1:]:
                letters[rest[0]] = rest[1:]
            waiting = rest if len(rest) == 1 else ""
        else:
            plain.append(word)
    return letters, plain


def in_table(text: str) -> Iterator[tuple[str, str, str]]:
    """Read fstab: device, folder and kind of what is mounted by itself and is no kernel's."""
    for line in text.splitlines()[: 4 * MOST_POINTS]:
        fields = line.split()
        if len(fields) < _FIELDS or fields[0].startswith("#") or fields[1] in {"/", "none"}:
            continue
        options = fields[3].split(",")
        if not ({fields[2], fields[0]} & _MADE_BY_KERNEL) and "noauto" not in options:
            yield fields[0], fields[1], "bind" if "bind" in options else fields[2]


class Unpacked(NamedTuple):
    """A call that unpacks.

    Attributes:
        archive: "" where it comes through a pipe.
        folder: "" for the present one.
        members: What alone is taken out; empty for all.
    """

    archive: str
    folder: str
    members: tuple[str, ...] = ()


def unpacked(words: list[str]) -> Unpacked | None:
    """Read a call of `tar`, `unzip` or `cpio`; None if it packs."""
    name = words[0].rpartition("/")[2]
    rest = words[1:]
    if name == "cpio":
        takes = any(word[:1] == "-" and "i" in word for word in rest)
        return Unpacked("", "") if takes else None
    if name == "unzip":
        archive = next((word for word in rest if not word.startswith("-")), "")
        folder = next((after for word, after in pairwise(rest) if word == "-d"), "")
        return Unpacked(archive, folder)
    if rest and not rest[0].startswith("-"):  # tar xzf
        rest = [f"-{rest[0]}", *rest[1:]]
    letters, archive, folder = "", "", ""
    waiting: list[str] = []
    members: list[str] = []
    for word in rest:
        if waiting:
            option = waiting.pop(0)
            archive = word if option == "f" else archive
            folder = word if option == "C" else folder
        elif word.startswith("--"):
            option, _, value = word[2:].partition("=")
            letters += "x" if option in {"extract", "get"} else ""
            folder = value if option == "directory" else folder
            archive = value if option == "file" else archive
        elif word.startswith("-") and word != "-":
            letters += word[1:]
            waiting = [letter for letter in word[1:] if letter in "fC"]
            glued = word[1:2] == "C" and word[2:]
            folder, waiting = (word[2:], []) if glued else (folder, waiting)
        elif archive:
            members.append(word)
    if "x" not in letters:
        return None
    return Unpacked("" if archive == "-" else archive, folder, tuple(members))
