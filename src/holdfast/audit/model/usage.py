"""Which files run, and when: programs by the start-up graph, libraries by who asks for them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from holdfast.audit.facts.shapes import FileFacts
from holdfast.audit.model.shapes import Listener, Started, StartUp
from holdfast.audit.tree import Tree

_MOST_LOADED: Final = 500  # by one program
_ORDER: Final = tuple(Started)  # the earliest first


class Usage(NamedTuple):
    """What is known of the use of files.

    Attributes:
        started: When a file's code runs, by path; what is missing does not run.
        listening: Paths of what a listener consists of.
    """

    started: Mapping[str, Started]
    listening: frozenset[str]

    def of(self, paths: Iterable[str]) -> tuple[Started, bool]:
        """Give the earliest start among files, and whether one of them listens."""
        earliest, listening = Started.NO, False
        for path in paths:
            earliest = min(earliest, self.started.get(path, Started.NO), key=_ORDER.index)
            listening |= path in self.listening
        return earliest, listening


def usage_of(
    tree: Tree, libraries: "Libraries", start_up: StartUp, listeners: Iterable[Listener]
) -> Usage:
    """Follow the start-up graph and the listeners into the libraries that they load."""
    by_start: dict[Started, set[str]] = defaultdict(set)
    for step in start_up.steps:
        if step.program:
            by_start[step.started].add(_real(tree, step.program))
    listening: set[str] = set()
    for listener in listeners:
        if listener.program:
            path = _real(tree, listener.program)
            by_start[listener.started].add(path)
            if listener.started is not Started.NO:
                listening.add(path)
    started: dict[str, Started] = {}
    for when in _ORDER:
        for path in libraries.closure(by_start[when]):
            started.setdefault(path, when)
    return Usage(started, frozenset(libraries.closure(listening)))


class Libraries:
    """Finds the libraries of an image by the names that programs ask for."""

    def __init__(
        self, tree: Tree, facts: Mapping[str, FileFacts], digests: Mapping[str, str]
    ) -> None:
        self._facts, self._digests = facts, digests
        self._by_name: dict[str, str] = {}
        for node in tree.walk():
            name = node.path.rpartition("/")[2]
            if ".so" in name and name not in self._by_name:
                self._by_name[name] = _real(tree, node.path)

    def asked_for(self, path: str) -> set[str]:
        """Give the names of all libraries that a file loads, directly or not, here or not."""
        names: set[str] = set()
        for each in self.closure([path], _MOST_LOADED):
            known = self._facts.get(self._digests.get(each, ""))
            if known is not None and known.elf is not None:
                names.update(known.elf.needed)
        return names

    def closure(self, paths: Iterable[str], most: int | None = None) -> set[str]:
        """Give files with everything that they load, directly or not; at most so many."""
        reached: set[str] = set()
        todo = list(paths)
        while todo and (most is None or len(reached) < most):
            path = todo.pop()
            if path in reached:
                continue
            reached.add(path)
            known = self._facts.get(self._digests.get(path, ""))
            elf = known.elf if known else None
            if elf is not None:
                names = (*elf.needed, elf.interpreter.rpartition("/")[2])
                todo += [self._by_name[name] for name in names if name in self._by_name]
        return reached


def _real(tree: Tree, path: str) -> str:
    node = tree.resolve(path)
    return node.path if node else path.lstrip("/")
