"""The start-up graph as a drawing: what is shown of it, and where each piece stands."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from holdfast.audit.model.shapes import Listener, Model, Started, Step
from holdfast.audit.report.texts import short, visible

MOST_NODES: Final = 80
"""More steps are never drawn."""

ALL_NODES: Final = 40
"""If there are more, those that lead to no listener and no finding are summed up."""

HEIGHT: Final = 40
_SIDE_STEPS: Final = 2  # drawn all the same below each step that leads somewhere
_ACROSS: Final = 28
_DOWN: Final = 9
_CORNER: Final = 7
_LETTERS: Final = 22
_SMALL_LETTERS: Final = 25
_LETTER: Final = 7.3  # widths in the fonts of the page
_SMALL_LETTER: Final = 6.4
_EDGES: Final = 34
_FITTING: Final = ((1150, "fits"), (1500, "fits-wide"))

ADMINISTRATORS: Final = frozenset({"root", "0", "toor"})


@dataclass(slots=True, kw_only=True)
class Node:
    """One box of the drawing.

    Attributes:
        title: First line.
        under: Second line.
        kind: `kernel`, `init`, `script`, `command`, ..., `listener` or `more`.
        user: Account that it runs as; "" if nobody knows.
        started: When.
        told: Everything about it, for whoever points at it.
        flagged: Whether a finding is about it.
        x, y: Upper left corner.
        width: Of the box, the same for all that stand below each other.
        parent: Box that it hangs from; None for a root.
    """

    title: str
    under: str
    kind: str
    user: str = ""
    started: Started = Started.BOOT
    told: str = ""
    flagged: bool = False
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    parent: int | None = None

    @property
    def look(self) -> str:
        """Name the classes of its appearance."""
        who = "root" if self.user in ADMINISTRATORS else "user" if self.user else "unknown"
        when = {Started.BOOT: "boot", Started.MAYBE: "maybe"}.get(self.started, "later")
        return f"{self.kind} {who} {when}"

    @property
    def wanted(self) -> float:
        """Give the width that its text needs."""
        return _EDGES + max(_LETTER * len(self.title), _SMALL_LETTER * len(self.under))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A start-up graph, laid out from left to right.

    Attributes:
        nodes: Boxes.
        lines: Curves from box to box: their path, and whether they leave the tree.
        width, height: Of the whole, in pixels.
        left_out: How many steps and listeners are not drawn.
    """

    nodes: tuple[Node, ...]
    lines: tuple[tuple[str, bool], ...]
    width: int
    height: int
    left_out: int

    @property
    def fits(self) -> str:
        """Name the class with which a page shows all its width at once, a little smaller."""
        return next((name for width, name in _FITTING if self.width <= width), "")


@dataclass(slots=True)
class Forest:
    """The graph as a forest: each step hangs from the first that starts it.

    Attributes:
        steps: As in the model.
        parents: Who starts whom; None for roots, and for what nothing starts.
        order: Steps as met from the kernel on, breadth first.
        users: Account of each, its parent's where nothing else is said.
    """

    steps: tuple[Step, ...]
    parents: list[int | None] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    def way_to(self, step: int, most: int) -> list[int]:
        """Give the last steps of the way from a root to this one."""
        way: list[int] = []
        here: int | None = step
        while here is not None and len(way) < most:
            way.append(here)
            here = self.parents[here]
        return way[::-1]


def forest(model: Model) -> Forest:
    """Let each step hang from the first that starts it; circles are cut."""
    steps = model.start_up.steps
    found = Forest(steps, [None] * len(steps), [], [""] * len(steps))
    below: dict[int, list[int]] = {}
    started = set()
    for above, under in model.start_up.edges:
        if 0 <= above < len(steps) and 0 <= under < len(steps):
            below.setdefault(above, []).append(under)
            started.add(under)
    seen = [False] * len(steps)
    # First the kernel, then what nothing starts, then what only circles lead to.
    roots = sorted(range(len(steps)), key=lambda one: (one != 0, one in started))
    for root in roots:
        if seen[root]:
            continue
        seen[root] = True
        waiting = deque([root])
        while waiting:
            here = waiting.popleft()
            found.order.append(here)
            parent = found.parents[here]
            above_user = found.users[parent] if parent is not None else "root"
            found.users[here] = steps[here].user or above_user
            for under in below.get(here, ()):
                if not seen[under]:
                    seen[under] = True
                    found.parents[under] = here
                    waiting.append(under)
    return found


def draw(model: Model, *, flagged: frozenset[str] = frozenset()) -> Drawing:
    """Lay the start-up graph out.

    Args:
        model: Of one root file system.
        flagged: Places that findings are about.
    """
    trees = forest(model)
    kept, leading = _kept(trees, model.listeners, flagged)
    nodes: list[Node] = []
    number: dict[int, int] = {}
    # What leads somewhere comes first among those that hang from the same.
    for step in sorted(trees.order, key=lambda one: one not in leading):
        if step in kept:
            number[step] = len(nodes)
            nodes.append(_of_step(trees, step, flagged))
    for step, index in number.items():
        parent = trees.parents[step]
        nodes[index].parent = number[parent] if parent is not None else None
    crossing = [
        (number[above], number[under])
        for above, under in model.start_up.edges
        if above in number and under in number and trees.parents[under] != above
    ]
    listening = [each for each in model.listeners if each.started is not Started.NO]
    shown = listening[:MOST_NODES]
    for listener in shown:
        nodes.append(_of_listener(listener, flagged))
        nodes[-1].parent = next(
            (number[one] for one in reversed(listener.steps) if one in number), None
        )
    nodes += _summed_up(trees, kept, number)
    _place(nodes)
    lines = [(_elbow(nodes[node.parent], node), False) for node in nodes if node.parent is not None]
    lines += [(_curve(nodes[above], nodes[under]), True) for above, under in crossing]
    return Drawing(
        nodes=tuple(nodes),
        lines=tuple(lines),
        width=round(max((node.x + node.width for node in nodes), default=0)) + 2,
        height=round(max((node.y + HEIGHT for node in nodes), default=0)) + 2,
        left_out=len(trees.steps) - len(kept) + len(listening) - len(shown),
    )


def _kept(
    trees: Forest, listeners: Sequence[Listener], flagged: frozenset[str]
) -> tuple[set[int], set[int]]:
    """Choose the steps that are drawn, and say which of them lead to a listener or finding.

    What hangs from something needs it drawn too.
    """
    count = len(trees.steps)
    # The last step of a listener's way is its program.
    listening = [
        each.steps[-1] for each in listeners if each.steps and each.steps[-1] in range(count)
    ]
    noted = [number for number, step in enumerate(trees.steps) if step.where in flagged]
    leading: set[int] = set()
    for step in (*trees.order[:2], *listening, *noted):
        room = MOST_NODES - len(leading)
        way: list[int] = []
        here: int | None = step
        while here is not None and here not in leading and len(way) <= room:
            way.append(here)
            here = trees.parents[here]
        if len(way) <= room:
            leading.update(way)
    if count <= ALL_NODES:
        return set(range(count)), leading
    kept = set(leading)
    beside: dict[int | None, int] = {}
    for step in trees.order:
        parent = trees.parents[step]
        if step in kept or (parent is not None and parent not in leading):
            continue
        beside[parent] = beside.get(parent, 0) + 1
        if beside[parent] <= _SIDE_STEPS and len(kept) < MOST_NODES:
            kept.add(step)
    return kept, leading


def _summed_up(trees: Forest, kept: set[int], number: dict[int, int]) -> list[Node]:
    missing: dict[int, int] = {}
    nearest: dict[int, int | None] = {}
    for step in trees.order:
        parent = trees.parents[step]
        nearest[step] = (
            step if step in kept else nearest.get(parent) if parent is not None else None
        )
        above = nearest[step]
        if step not in kept and above is not None:
            missing[number[above]] = missing.get(number[above], 0) + 1
    return [
        Node(title=f"+ {count} more", under="in the table", kind="more", parent=above)
        for above, count in missing.items()
    ]


def _of_step(trees: Forest, index: int, flagged: frozenset[str]) -> Node:
    step, user = trees.steps[index], trees.users[index]
    who = user if step.user else f"{user}, as what starts it"
    told = [step.text, step.where, f"runs as {who}", f"started: {step.started.value}"]
    if step.condition:
        told.append(f"only if {step.condition}")
    return Node(
        title=short(step.text, _LETTERS) or step.kind,
        under=short(step.where, _SMALL_LETTERS),
        kind=step.kind,
        user=user,
        started=step.started,
        told=" · ".join(visible(each) for each in told),
        flagged=step.where in flagged,
    )


def _of_listener(listener: Listener, flagged: frozenset[str]) -> Node:
    port = f" {listener.port}" if listener.port is not None else ""
    told = [
        f"{listener.service} on {listener.protocol}{port}",
        listener.program,
        f"runs as {listener.user}",
        f"started: {listener.started.value}",
    ]
    return Node(
        title=short(f"{listener.service} · {listener.protocol}{port}", _LETTERS),
        under=short(f"as {listener.user}", _SMALL_LETTERS),
        kind="listener",
        user=listener.user,
        started=listener.started,
        told=" · ".join(visible(each) for each in told),
        flagged=listener.where in flagged,
    )


def _place(nodes: list[Node]) -> None:
    """Give leaves a row each, from above; what they hang from stands beside the first.

    So the kernel is at the top on the left, where whoever scrolls begins.
    """
    below: dict[int | None, list[int]] = {}
    for index, node in enumerate(nodes):
        below.setdefault(node.parent, []).append(index)
    depth = [0] * len(nodes)
    row = 0
    waiting = [(index, False) for index in reversed(below.get(None, []))]
    while waiting:
        index, done = waiting.pop()
        node, under = nodes[index], below.get(index, [])
        if not done:
            depth[index] = depth[node.parent] + 1 if node.parent is not None else 0
            waiting.append((index, True))
            waiting += [(one, False) for one in reversed(under)]
        elif under:
            node.y = nodes[under[0]].y
        else:
            node.y = 1 + row * (HEIGHT + _DOWN)
            row += 1
    _columns(nodes, depth)


def _columns(nodes: list[Node], depth: list[int]) -> None:
    widths = [0.0] * (max(depth, default=0) + 1)
    for node, column in zip(nodes, depth, strict=True):
        widths[column] = max(widths[column], node.wanted)
    starts = [1.0]
    for width in widths:
        starts.append(starts[-1] + width + _ACROSS)
    for node, column in zip(nodes, depth, strict=True):
        node.x, node.width = starts[column], widths[column]


def _elbow(start: Node, end: Node) -> str:
    """Draw a line with one step in it; those from the same box run together as far as they can."""
    x1, y1 = start.x + start.width, start.y + HEIGHT / 2
    x2, y2 = end.x, end.y + HEIGHT / 2
    if y1 == y2:
        return f"M{x1:g} {y1:g}H{x2:g}"
    middle, corner = x1 + _ACROSS / 2, _CORNER if y2 > y1 else -_CORNER
    return (
        f"M{x1:g} {y1:g}H{middle - _CORNER:g}Q{middle:g} {y1:g} {middle:g} {y1 + corner:g}"
        f"V{y2 - corner:g}Q{middle:g} {y2:g} {middle + _CORNER:g} {y2:g}H{x2:g}"
    )


def _curve(start: Node, end: Node) -> str:
    x1, y1 = start.x + start.width, start.y + HEIGHT / 2
    x2, y2 = end.x, end.y + HEIGHT / 2
    bend = max(_ACROSS / 2, abs(x2 - x1) / 2)
    return f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
