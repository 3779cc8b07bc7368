"""The start-up graph while it grows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from holdfast.audit.model.shapes import Started, StartUp, Step

MOST_STEPS: Final = 3000
MOST_CUT: Final = 8
MOST_UNRESOLVED: Final = 200
MOST_TEXT: Final = 300
MOST_CONDITIONS: Final = 4
STRENGTH: Final = {
    Started.BOOT: 4,
    Started.MAYBE: 3,
    Started.DEMAND: 2,
    Started.STARTABLE: 1,
    Started.NO: 0,
}
Kind = Literal["kernel", "init", "script", "unit", "command", "binary", "inetd", "cron"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Under which circumstances something runs.

    Attributes:
        parent: Step that starts it.
        started: When.
        user: Account, "" if nothing changed it.
        user_why: Who says so: `unit` or `command`.
        conditions: What must hold, in words.
        walls: What confines it.
        quiet: Whether only what may listen is worth a step.
        outside: Whether variables come from outside, so that those never set are not known.
        depth: How many scripts are nested.
    """

    parent: int = 0
    started: Started = Started.BOOT
    user: str = ""
    user_why: str = ""
    conditions: tuple[str, ...] = ()
    walls: tuple[str, ...] = ()
    quiet: bool = False
    outside: bool = False
    depth: int = 0

    def maybe(self, condition: str) -> "Context":
        """Give the same under one more condition."""
        if condition in self.conditions:
            return self
        started = Started.MAYBE if self.started is Started.BOOT else self.started
        conditions = (*self.conditions, condition)[-MOST_CONDITIONS:]
        return replace(self, started=started, conditions=conditions)

    def under(self, parent: int) -> "Context":
        """Give the same for what a step starts."""
        return replace(self, parent=parent)

    @property
    def condition(self) -> str:
        """All conditions in one line."""
        return " and ".join(self.conditions)[:MOST_TEXT]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is known of a started program beyond its step; it stays in this process.

    Attributes:
        name: By which it was called, which chooses the applet of a multi-call program.
        arguments: As far as known, secrets included.
        user: Account, "" if nothing says.
        user_why: `unit` or `command`.
        walls: What confines it.
        environment: Settings of a unit that listeners need, for example `ListenStream`.
    """

    name: str
    arguments: tuple[str, ...] = ()
    user: str = ""
    user_why: str = ""
    walls: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Graph:
    """Steps and edges so far.

    Attributes:
        init: Kind of init.
        steps: Nodes.
        launches: What is known of steps that run programs.
        unresolved: Commands whose program is not there.
        cut: Where following it ended, though it went on.
        fetched: What runs though it was just downloaded.
        opaque: Programs of which nobody can see whether they listen.
    """

    init: str = "none"
    steps: list[Step] = field(default_factory=list)
    launches: dict[int, Launch] = field(default_factory=dict)
    unresolved: dict[str, None] = field(default_factory=dict)
    cut: dict[str, None] = field(default_factory=dict)
    fetched: dict[str, None] = field(default_factory=dict)
    opaque: dict[str, None] = field(default_factory=dict)
    _edges: dict[tuple[int, int], None] = field(default_factory=dict)
    _known: dict[tuple[str, str, str, str], int] = field(default_factory=dict)
    _quiet: set[int] = field(default_factory=set)

    def add(
        self,
        kind: Kind,
        where: str,
        text: str,
        context: Context | None = None,
        *,
        program: str = "",
        launch: Launch | None = None,
    ) -> int:
        """Add a step, or strengthen the one that is there; its id. No more than so many."""
        text = text[:MOST_TEXT]
        context_ = context or Context(parent=-1)
        key = (kind, where, text, program)
        number = self._known.get(key)
        if number is None:
            if len(self.steps) >= MOST_STEPS:
                self.cut_off("the start-up graph is too large, the rest is left out")
                return max(context_.parent, 0)
            number = len(self.steps)
            self._known[key] = number
            self.steps.append(
                Step(
                    id=number, kind=kind, where=where, text=text, program=program,
                    user=context_.user, started=context_.started, condition=context_.condition,
                )
            )  # fmt: skip
        elif STRENGTH[context_.started] > STRENGTH[self.steps[number].started]:
            self.steps[number] = replace(
                self.steps[number], started=context_.started, condition=context_.condition,
                user=context_.user,
            )  # fmt: skip
        if context_.quiet:
            self._quiet.add(number)
        if launch is not None:
            self.launches[number] = launch
        if context is not None and context.parent != number:
            self._edges[context.parent, number] = None
        return number

    def miss(self, where: str, word: str) -> None:
        """Note a command whose program is not there, or what could not be followed."""
        if len(self.unresolved) < MOST_UNRESOLVED:
            self.unresolved[f"{where} {word}".strip()[:MOST_TEXT]] = None

    def cut_off(self, why: str) -> None:
        """Note that start-up goes on where nobody looked: what is not in the graph may yet run."""
        if len(self.cut) < MOST_CUT:
            self.cut[why[:MOST_TEXT]] = None

    def parents(self) -> dict[int, list[int]]:
        """Who starts a step, by its id."""
        above: dict[int, list[int]] = {}
        for parent, child in self._edges:
            above.setdefault(child, []).append(parent)
        return above

    def path_to(self, number: int, above: dict[int, list[int]]) -> tuple[int, ...]:
        """Give the shortest way from the kernel to a step, both included.

        Ways through steps that are less sure than it count only if there is no other.
        """
        least = STRENGTH[self.steps[number].started]
        sure = {
            child: [one for one in several if STRENGTH[self.steps[one].started] >= least]
            for child, several in above.items()
        }
        return self._way(number, sure) or self._way(number, above) or (number,)

    @staticmethod
    def _way(number: int, above: Mapping[int, list[int]]) -> tuple[int, ...]:
        before: dict[int, int] = {number: -1}
        rank = [number]
        for here in rank:
            if here == 0:
                path = []
                while here >= 0:
                    path.append(here)
                    here = before[here]  # noqa: PLW2901 - the way back
                return tuple(path)
            for parent in above.get(here, ()):
                if parent not in before:
                    before[parent] = here
                    rank.append(parent)
        return ()

    def finish(self) -> None:
        """Leave out scripts that were only looked through and led to nothing."""
        children: dict[int, int] = {}
        for parent, _ in self._edges:
            children[parent] = children.get(parent, 0) + 1
        above = self.parents()
        todo = [n for n in self._quiet if n not in self.launches and not children.get(n)]
        gone: set[int] = set()
        while todo:
            number = todo.pop()
            if number in gone:
                continue
            gone.add(number)
            for parent in above.get(number, ()):
                children[parent] -= 1
                if not children[parent] and parent in self._quiet and parent not in self.launches:
                    todo.append(parent)
        self._renumber([n for n in range(len(self.steps)) if n not in gone])

    def _renumber(self, kept: list[int]) -> None:
        new = {old: number for number, old in enumerate(kept)}
        self.steps = [replace(self.steps[old], id=number) for old, number in new.items()]
        self.launches = {new[old]: one for old, one in self.launches.items() if old in new}
        self._edges = {(new[a], new[b]): None for a, b in self._edges if a in new and b in new}
        self._known, self._quiet = {}, set()

    def start_up(self) -> StartUp:
        """Give the graph as it is shown."""
        return StartUp(
            init=self.init,
            steps=tuple(self.steps),
            edges=tuple(sorted(self._edges)),
            unresolved=tuple(self.unresolved),
            cut=tuple(self.cut),
            opaque=tuple(self.opaque),
            fetched=tuple(self.fetched),
        )


def strongest(values: Iterable[Started]) -> Started:
    """Give the surest of several."""
    return max(values, key=STRENGTH.__getitem__, default=Started.NO)
