"""What the model of updates looks at and finds: programs, lines, hits of patterns; tools."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from holdfast.audit.errors import FormatError
from holdfast.audit.facts.shapes import FileFacts, FileKind, Hit
from holdfast.audit.model.shapes import PlacedKey, StartUp
from holdfast.audit.tree import Kind, Tree

MOST_TEXT_BYTES: Final = 256 * 1024
MOST_LINE: Final = 400
_PROGRAM_FOLDERS: Final = frozenset({"bin", "sbin", "cgi-bin", "cgi", "libexec", "lib"})
MANUALS: Final = re.compile(
    r"(^|/)(usr/(share|local/share)/(doc|man|info|locale|bash-completion|zsh|vim|perl)|include)/"
    r"|(^|/)(site-packages|dist-packages|node_modules|python3[^/]*)/"
    r"|\.(md|rst|po|mo|[1-8]|gz|ko|h|c)$"
)
"""Paths of what is read by people, and of the libraries of script languages."""

_PAGES: Final = re.compile(r"\.(txt|html?|css|svg)$")
_READABLE: Final = frozenset({FileKind.SCRIPT, FileKind.TEXT, FileKind.PEM})
_SECRET: Final = re.compile(
    r"(?i)(//)[^/@\s]*:[^/@\s]*@|([?&;](?:token|key|secret|password|passwd|pwd|auth|sig)=)[^&\s]*"
)


class Scene:
    """One root file system, indexed for questions about updates.

    Attributes:
        tree: Every name.
        facts: By digest.
        digests: By path.
        start_up: The start-up graph.
    """

    def __init__(
        self,
        tree: Tree,
        facts: Mapping[str, FileFacts],
        digests: Mapping[str, str],
        start_up: StartUp,
    ) -> None:
        self.tree, self.facts, self.digests, self.start_up = tree, facts, digests, start_up
        self._named: dict[str, list[str]] = {}
        for node in tree.walk():
            if node.kind in {Kind.FILE, Kind.LINK} and not node.path.startswith(":"):
                *folders, name = node.path.split("/")
                if node.mode & 0o111 or not _PROGRAM_FOLDERS.isdisjoint(folders):
                    self._named.setdefault(name, []).append(node.path)
        self._hits: dict[str, list[tuple[str, Hit]]] = {}
        for path in sorted(digests):
            known = facts.get(digests[path])
            for hit in known.hits if known else ():
                if hit.pattern.startswith("update-"):
                    self._hits.setdefault(hit.pattern, []).append((path, hit))
        self._read: tuple[str, int, bytes] = ("", 0, b"")

    def programs(self, *names: str) -> list[str]:
        """Find programs by name; a link counts where what it leads to is there.

        What lies below etc only starts a program, or configures it.
        """
        return [
            path
            for name in names
            for path in self._named.get(name, ())
            if not path.startswith("etc/")
            and (node := self.tree.resolve(path)) is not None
            and node.kind is Kind.FILE
            and self._runs(node.path)
        ]

    def _runs(self, path: str) -> bool:
        """Tell a program or script from a list that has its name."""
        known = self.fact(path)
        return known is not None and (known.elf is not None or known.kind is FileKind.SCRIPT)

    def program(self, *names: str) -> str:
        """Find the first program of one of these names; "" if there is none."""
        found = self.programs(*names)
        return found[0] if found else ""

    def names(self) -> Iterator[tuple[str, list[str]]]:
        """Give the names of programs with their places."""
        yield from self._named.items()

    def fact(self, path: str) -> FileFacts | None:
        """Look up the facts of a file, links followed."""
        node = self.tree.resolve(path)
        return self.facts.get(self.digests.get(node.path, "")) if node else None

    def hits(self, *patterns: str) -> Iterator[tuple[str, Hit]]:
        """Give places and hits of patterns, without manuals and other people's libraries."""
        for pattern in patterns:
            for path, hit in self._hits.get(pattern, ()):
                if not (MANUALS.search(path) or _PAGES.search(path)):
                    yield path, hit

    def has_hit(self, path: str, pattern: str) -> bool:
        """Tell whether a pattern was found in a file."""
        known = self.fact(path)
        return known is not None and any(hit.pattern == pattern for hit in known.hits)

    def is_text(self, path: str) -> bool:
        """Tell whether a file is text of a size that is read."""
        known = self.fact(path)
        return known is not None and known.kind in _READABLE and known.size_bytes <= MOST_TEXT_BYTES

    def lines(self, path: str) -> list[str]:
        """Read the lines of a text; [] if it is none."""
        return self._content(path).decode(errors="replace").splitlines()

    def line(self, path: str, offset: int) -> tuple[int, str]:
        """Read the line around an offset; its number is 0 where the file is no text.

        In a binary it is the string around it, up to the zero bytes.
        """
        content = self._content(path, most=64 * 1024 * 1024)
        marks = b"\n" if self.is_text(path) else b"\n\0"
        start = max(content.rfind(bytes([mark]), 0, offset) for mark in marks) + 1
        ends = [end for mark in marks if (end := content.find(bytes([mark]), offset)) >= 0]
        raw = content[start : min([*ends, start + MOST_LINE])]
        number = content.count(b"\n", 0, offset) + 1 if self.is_text(path) else 0
        return number, raw.decode(errors="replace")

    def _content(self, path: str, most: int = MOST_TEXT_BYTES) -> bytes:
        if self._read[:2] != (path, most):
            try:
                self._read = (path, most, self.tree.read(path, most) or b"")
            except FormatError:
                self._read = (path, most, b"")
        return self._read[2]

    def place(self, path: str, offset: int) -> str:
        """Name a place: `path:line` in text, `path@offset` elsewhere."""
        number, _ = self.line(path, offset)
        return f"{path}:{number}" if number else f"{path}@{offset}"


def shown(address: str) -> str:
    """Take the secrets out of an address, and what ended up behind it in a text."""
    return _SECRET.sub(r"\1\2***", address).rstrip("\"'`.,;:)]}>|\\*")[:200]


class Tool(NamedTuple):
    """Something that installs new software.

    Attributes:
        name: As in `UpdatePath.tools`.
        path: Of the program or script.
        verifier: What checks a signature for it; "" if nothing was found that does.
        keys: Places of the public keys that it checks with.
        hint: Why it may check one nevertheless; "" if nothing speaks for it.
        lacking: Why nothing is checked, as evidence.
    """

    name: str
    path: str
    verifier: str = ""
    keys: tuple[str, ...] = ()
    hint: str = ""
    lacking: str = ""


def places_of(keys: Sequence[PlacedKey], *parts: str) -> tuple[str, ...]:
    """Give the places of keys, all or those with one of these parts in their paths."""
    return tuple(
        place for key in keys for place in key.where
        if not parts or any(part in place for part in parts)
    )[:20]  # fmt: skip


def as_json(text: str) -> dict[str, Any]:
    """Read a JSON object; {} if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
