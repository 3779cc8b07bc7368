"""The files that a script meets: those of the image, and those that start-up makes itself."""

from fnmatch import fnmatchcase
from posixpath import join, normpath
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.model.startup.shell.downloads import Downloads
from holdfast.audit.model.startup.shell.joined import Joined, in_table, mounted
from holdfast.audit.tree import Kind, Node, Tree

PATH: Final = ("/sbin", "/usr/sbin", "/bin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin",
               "/system/bin", "/system/xbin", "/vendor/bin")  # fmt: skip
MOST_BYTES: Final = 512 * 1024
MOST_MADE: Final = 500
MOST_FOLDERS: Final = 32
MOST_NAMES: Final = 512
MOST_PATTERN: Final = 200
MOST_UNREAD: Final = 8
_VOLATILE = ("tmp/", "run/", "proc/", "sys/", "dev/", "mnt/", "media/", "var/run/", "var/tmp/",
             "var/lock/", "var/log/", "ram/")  # fmt: skip
_PROGRAMS = ("bin/", "sbin/", "lib/", "usr/")


class Files:
    """Names and contents, looked up as a running system would see them.

    Attributes:
        tree: The image.
        unread: Scripts that were asked for, but are damaged or too long to be followed.
        downloads: What scripts fetched from elsewhere.
        joined: Volumes and archives that appear in folders at start-up.
        folders: Where programs are looked for.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.unread: dict[str, None] = {}
        self._made: dict[str, str | None] = {}
        self._links: dict[str, str] = {}
        self._folders: set[str] = set()
        self.joined = Joined(tree)
        self.downloads = Downloads(tree)
        self.folders: tuple[str, ...] = PATH
        self.keeps_modes = any(
            node.mode & 0o111
            for node in tree.glob("bin/*", "sbin/*", "usr/bin/*", "usr/sbin/*")
            if node.kind is Kind.FILE
        )

    def place(self, path: str, folder: str = "/") -> str:
        """Give a path from the root, without leading slash.

        Copies made at start-up are followed, also those of folders, and mounted volumes.
        """
        whole = normpath(join("/", folder, path)).lstrip("/")
        return self.joined.place(self._original(whole))

    def _original(self, whole: str) -> str:
        if not self._links or whole in self._links:
            return self._links.get(whole, whole)
        above, rest = whole.rpartition("/")[0], whole.rpartition("/")[2]
        while above:
            if above in self._links:
                copied = f"{self._links[above]}/{rest}"
                there = self.tree.resolve(whole) is not None or whole in self._made
                return whole if there else copied
            above, _, name = above.rpartition("/")
            rest = f"{name}/{rest}"
        return whole

    def mount(self, words: list[str], folder: str = "/") -> None:
        """Remember what a call of `mount` makes appear, with `-a` all that fstab lists."""
        for device, point, kind in mounted(words, self.text("etc/fstab") or ""):
            to = normpath(join("/", folder, point)).lstrip("/")
            if kind == "bind":
                self.joined.move(normpath(join("/", folder, device)).lstrip("/"), to)
            elif to:
                self.joined.add(to, kind)

    def mount_table(self) -> None:
        """Remember what fstab lists, where the init mounts it by itself."""
        for _, point, kind in in_table(self.text("etc/fstab") or ""):
            self.joined.add(normpath(join("/", point)).lstrip("/"), kind)

    def elsewhere(self, path: str) -> str:
        """Say why a file that the image does not hold may be there all the same; "" if not."""
        place = self.place(path)
        point = self.joined.covers(place)
        if point is not None:
            return f"it comes from elsewhere into /{point}"
        if f"{self.joined.real(place)}/".startswith(_VOLATILE):
            return "it is made while the system runs"
        if place in self._made:
            return "what is written to it is not known"
        return ""

    def node(self, path: str) -> Node | None:
        """Find what a path leads to in the image."""
        return self.tree.resolve(self.place(path)) if path else None

    def text(self, path: str) -> str | None:
        """Read a text; None if there is none, or it is no text."""
        place = self.place(path)
        if self._made.get(place) is not None:
            return self._made[place]
        content = self.content(place)
        if content is None:
            self._note_unread(place)
            return None
        return None if b"\0" in content[:512] else content.decode(errors="replace")

    def _note_unread(self, place: str) -> None:
        """Remember a script that is there and was not read: what it starts, nobody knows."""
        node = self.tree.resolve(place)
        if node is None or node.kind is not Kind.FILE or len(self.unread) >= MOST_UNREAD:
            return
        try:
            whole = self.tree.read(place)
        except FormatError:
            whole = b"#!"  # it may be one
        if whole is None or whole.startswith(b"#!"):
            self.unread[node.path] = None

    def content(self, path: str, most_bytes: int = MOST_BYTES) -> bytes | None:
        """Read a file of the image; None if there is none, it is too long or damaged."""
        try:
            return self.tree.read(self.place(path), most_bytes)
        except FormatError:
            return None

    def exists(self, path: str) -> bool | None:
        """Tell whether something is there once the system runs; None if that is not known."""
        place = self.place(path)
        if place in self._made:
            return True
        if any(character in place for character in "*?["):
            return False  # a pattern that matched nothing
        if f"{place}/".startswith(_VOLATILE):
            return None
        if self.tree.resolve(place) is not None:
            return True
        if self.joined.covers(place) is not None:
            return None
        return False if place.startswith(_PROGRAMS) else None

    def is_executable(self, path: str) -> bool | None:
        """Tell whether a file may be executed; None if it is not there, or the modes are lost."""
        node = self.node(path)
        if node is None:
            return self.exists(path)
        return bool(node.mode & 0o111) if self.keeps_modes else None

    def write(self, path: str, text: str | None, *, append: bool = False) -> None:
        """Remember what a script writes; None for a content that is not known."""
        place = self.place(path)
        if len(self._made) >= MOST_MADE and place not in self._made:
            return
        before: str | None = ""
        if append:
            before = self._made[place] if place in self._made else self._shipped(place)
        known = None if text is None or before is None else before + text
        self._made[place] = known if known is None or len(known) <= MOST_BYTES else None

    def _shipped(self, place: str) -> str | None:
        """Give what the image has there: "" for nothing, None for what is no text."""
        return self.text(place) if self.tree.resolve(place) is not None else ""

    def copy(self, source: str, target: str) -> None:
        """Remember that a file is the same as another one."""
        to, place = normpath(join("/", target)).lstrip("/"), self.place(source)
        node = self.tree.resolve(to)
        if (node is not None and node.kind is Kind.FOLDER) or self._is_made_folder(to):
            to = f"{to}/{place.rpartition('/')[2]}"
        if len(self._links) < MOST_MADE and to != place:
            self._links[to] = place

    def make_folder(self, path: str) -> None:
        """Remember a folder that a script makes."""
        if len(self._folders) < MOST_MADE:
            self._folders.add(normpath(join("/", path)).lstrip("/"))

    def _is_made_folder(self, place: str) -> bool:
        inside = f"{place}/"
        return place in self._folders or any(
            one.startswith(inside) for one in (*self._links, *self._made)
        )

    def written(self) -> list[str]:
        """Give the places that scripts wrote, where the image has nothing."""
        return [place for place in self._made if self.tree.resolve(place) is None]

    def copied(self) -> dict[str, str]:
        """Give which places hold copies of which files of the image."""
        return dict(self._links)

    def search(self, path: str) -> None:
        """Remember the folders of a PATH that some script sets, known or not what else is in it."""
        for folder in path.split(":"):
            known = folder.startswith("/") and "$" not in folder and folder not in self.folders
            if known and len(self.folders) < MOST_FOLDERS:
                self.folders += (folder,)

    def which(self, name: str, first: tuple[str, ...] = (), folder: str = "/") -> str:
        """Find a program; the name of a link that chooses an applet is kept. "" if none."""
        places = [self.place(name, folder)] if "/" in name else [
            self.place(name, above) for above in dict.fromkeys((*first, *self.folders))
        ]  # fmt: skip
        for place in places:
            if place in self._made:
                return place
            node = self.tree.resolve(place)
            if node is not None and node.kind is Kind.FILE:
                above = self.tree.resolve(place.rpartition("/")[0])
                last = place.rpartition("/")[2]
                return f"{above.path}/{last}".lstrip("/") if above else place
        return ""

    def glob(self, pattern: str) -> list[str]:
        """Give the names that a pattern without leading slash matches, sorted."""
        if "**" in pattern or pattern.startswith(":") or len(pattern) > MOST_PATTERN:
            return []
        found = self._glob("", pattern)
        made = {one for one in (*self._links, *self._made) if _fits(one, pattern)}
        if made:
            found = sorted({*found, *made})
        above, _, last = pattern.rpartition("/")
        if not found and not any(character in above for character in "*?["):
            for folder in self.joined.folders(above):
                inside = self._glob(folder, last)
                found += [f"{above}/{one.rpartition('/')[2]}".lstrip("/") for one in inside]
        return found

    def _glob(self, folder: str, pattern: str) -> list[str]:
        paths = [folder]
        for part in pattern.split("/"):
            if any(character in part for character in "*?["):
                paths = [
                    f"{path}/{name}".lstrip("/")
                    for path in paths
                    for name in self.tree.names(path)
                    if fnmatchcase(name, part) and not (name[0] == "." != part[0])
                ]
            else:
                paths = [f"{path}/{part}".lstrip("/") for path in paths]
            paths = paths[:MOST_NAMES]
        return [path for path in paths if self.tree.resolve(path) is not None]


def _fits(path: str, pattern: str) -> bool:
    parts, wanted = path.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(
        fnmatchcase(one, part) and (one[:1] != "." or part[:1] == ".")
        for one, part in zip(parts, wanted, strict=True)
    )
