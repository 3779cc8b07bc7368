"""Ways through a script: both of them where nothing decides."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from holdfast.audit.model.startup.graph import Context
from holdfast.audit.model.startup.masking import masked_text
from holdfast.audit.model.startup.shell.outcome import Flow, Outcome, Status
from holdfast.audit.model.startup.shell.syntax import (
    Block,
    Case,
    Chain,
    For,
    Function,
    Group,
    If,
    Loose,
    Node,
    Pipeline,
    Simple,
    While,
)
from holdfast.audit.model.startup.shell.variables import Value

if TYPE_CHECKING:
    from holdfast.audit.model.startup.shell.runner import Shell

MOST_LOOPS: Final = 256
MOST_DOUBTS: Final = 24
MOST_PATTERN: Final = 256
MOST_BESIDE: Final = 6  # commands of a pipeline that are shown beside one
_LEAVES: Final = frozenset({Flow.RETURN, Flow.EXIT})
_NEXT: Final = Outcome()
_State = list[dict[str, Value]]


def block(shell: "Shell", items: Block, context: Context) -> Outcome:
    """Run commands one after the other."""
    outcome = _NEXT
    for item in items:
        if not shell.world.spend():
            return _NEXT
        outcome = node(shell, item.node, _in_doubt(shell, context))
        if item.background:
            outcome = _NEXT
        elif outcome.flow is not Flow.NEXT:
            return outcome
    return outcome


def node(shell: "Shell", one: Node, context: Context) -> Outcome:
    """Run one command of any kind."""
    handler: Callable[[Shell, Any, Context], Outcome] = _HANDLERS[type(one)]
    return handler(shell, one, context)


@contextmanager
def bounded(shell: "Shell", flow: Flow) -> Iterator[list[str]]:
    """Keep doubts within what `break`, `continue`, `return` or `exit` would leave; give them."""
    texts: list[str] = []
    shell.doubts.append((flow, texts))
    try:
        yield texts
    finally:
        shell.doubts.pop()


def _in_doubt(shell: "Shell", context: Context) -> Context:
    for _, texts in shell.doubts:
        for text in texts:
            context = context.maybe(text)
    return context


def _doubt(shell: "Shell", flow: Flow, text: str) -> None:
    """Note that a branch, which may be taken, leaves; the rest is then uncertain."""
    if shell.again and flow is Flow.EXIT:
        return
    for kind, texts in reversed(shell.doubts):
        if kind in {flow, Flow.EXIT}:
            if text not in texts and len(texts) < MOST_DOUBTS:
                texts.append(text)
            return


def _if(shell: "Shell", one: If, context: Context) -> Outcome:
    outcomes: list[tuple[Outcome, str]] = []
    ends: list[_State] = []
    for condition, body, raw in one.arms:
        status = Status.TRUE if condition is None else block(shell, condition, context).status
        if status is Status.FALSE:
            continue
        if status is Status.TRUE:
            outcomes.append((block(shell, body, context), ""))
            ends.append(shell.variables.snapshot())
            break
        text = masked_text(raw)
        before = shell.variables.snapshot()
        inside = context if status is Status.LIKELY and not ends else context.maybe(text)
        outcomes.append((block(shell, body, inside), f"not ({text})"))
        ends.append(shell.variables.snapshot())
        shell.variables.restore(before)
        context = context.maybe(f"not ({text})")
    else:
        outcomes.append((_NEXT, ""))
        ends.append(shell.variables.snapshot())
    return _joined(shell, outcomes, ends)


def _joined(shell: "Shell", outcomes: list[tuple[Outcome, str]], ends: list[_State]) -> Outcome:
    """Go on after branches of which one was taken."""
    flows = {outcome.flow for outcome, _ in outcomes}
    staying = [
        end for end, (outcome, _) in zip(ends, outcomes, strict=True) if outcome.flow is Flow.NEXT
    ]
    shell.variables.merge(staying or ends)
    if len(outcomes) == 1 or (len(flows) == 1 and Flow.NEXT not in flows):
        return outcomes[0][0]
    for outcome, text in outcomes:
        if outcome.flow is not Flow.NEXT:
            _doubt(shell, outcome.flow, text or "not otherwise")
    return Outcome(Status.UNKNOWN)


def _chain(shell: "Shell", one: Chain, context: Context) -> Outcome:
    (_, first), *rest = one.parts
    before = _raw(first)
    outcome = node(shell, first, context)
    for operator, part in rest:
        if outcome.flow is not Flow.NEXT:
            return outcome
        status = outcome.status
        wanted = Status.TRUE if operator == "&&" else Status.FALSE
        if status is wanted or (status is Status.LIKELY and operator == "&&"):
            outcome = node(shell, part, context)
            before = _raw(part)
        elif status in {Status.UNKNOWN, Status.LIKELY}:
            ways = (before, f"not ({before})")
            condition, otherwise = ways if operator == "&&" else ways[::-1]
            outcome = _perhaps(shell, part, context.maybe(condition), status, otherwise)
    return outcome


def _perhaps(
    shell: "Shell", one: Node, context: Context, status: Status, otherwise: str
) -> Outcome:
    before = shell.variables.snapshot()
    outcome = node(shell, one, context)
    if outcome.flow is Flow.NEXT:
        shell.variables.merge([before, shell.variables.snapshot()])
    else:
        shell.variables.restore(before)
        if status is Status.UNKNOWN:
            _doubt(shell, outcome.flow, otherwise)
    return Outcome(status)


def _pipeline(shell: "Shell", one: Pipeline, context: Context) -> Outcome:
    if len(one.parts) == 1:
        outcome = node(shell, one.parts[0], context)
        turned = {Status.TRUE: Status.FALSE, Status.FALSE: Status.TRUE}
        status = turned.get(outcome.status, Status.UNKNOWN)
        return Outcome(status, outcome.flow) if one.negated else outcome
    outcome = Outcome(Status.UNKNOWN)
    fed = shell.fed
    handed: str | None = None
    raws = [_raw(part)[:MOST_PATTERN] for part in one.parts]
    for number, part in enumerate(one.parts):
        shell.fed = fed or number > 0
        rest = " | ".join(raws[number + 1 : number + 1 + MOST_BESIDE])
        before = " | ".join(raws[max(0, number - MOST_BESIDE) : number])
        with shell.piped(handed, before, last=not rest) as printed:
            if isinstance(part, Simple):
                outcome = shell.simple(part, context, f" | {rest}" if rest else "")
            else:
                outcome = node(shell, part, context)
        known = [text for text in printed if text is not None]
        handed = "".join(known) if known and len(known) == len(printed) else None
    shell.fed = fed
    return Outcome(outcome.status)


def _for(shell: "Shell", one: For, context: Context) -> Outcome:
    expander = shell.expander
    values = expander.arguments[1:] if one.words is None else expander.fields(one.words)
    shown = masked_text(one.raw)
    with bounded(shell, Flow.BREAK):
        for value in values[:MOST_LOOPS]:
            shell.variables.set(one.name, value)
            with bounded(shell, Flow.CONTINUE):
                inside = _in_doubt(shell, context if value.known else context.maybe(shown))
                outcome = block(shell, one.body, inside)
            if outcome.flow in _LEAVES:
                return outcome
            if outcome.flow is Flow.BREAK:
                break
    return _NEXT


def _while(shell: "Shell", one: While, context: Context) -> Outcome:
    shown = masked_text(one.raw)
    with bounded(shell, Flow.BREAK), bounded(shell, Flow.CONTINUE):
        status = block(shell, one.condition, context).status
        if status is (Status.TRUE if one.until else Status.FALSE):
            return _NEXT
        sure = status is (Status.FALSE if one.until else Status.TRUE)
        outcome = block(shell, one.body, context if sure else context.maybe(shown))
    if outcome.flow in _LEAVES:
        if sure:
            return outcome
        _doubt(shell, outcome.flow, f"not ({shown})")
    return _NEXT


def _case(shell: "Shell", one: Case, context: Context) -> Outcome:
    value = shell.expander.one(one.word)
    shown = masked_text(one.word.raw)
    outcomes: list[tuple[Outcome, str]] = []
    ends: list[_State] = []
    for patterns, body in one.arms:
        expanded = [shell.expander.pattern(pattern) for pattern in patterns]
        text = "|".join(pattern.raw for pattern in patterns)
        known = value.known and all(pattern.known for pattern in expanded)
        sure = text == "*" and not outcomes
        if known and not any(_matches(value.text, pattern.text) for pattern in expanded):
            continue
        condition = f"{shown} is {masked_text(text)}"
        before = shell.variables.snapshot()
        inside = context if known or sure else context.maybe(condition)
        outcomes.append((block(shell, body, inside), f"not ({condition})"))
        ends.append(shell.variables.snapshot())
        if known or text == "*":
            break
        shell.variables.restore(before)
    else:
        outcomes.append((_NEXT, ""))
        ends.append(shell.variables.snapshot())
    return _joined(shell, outcomes, ends)


def _group(shell: "Shell", one: Group, context: Context) -> Outcome:
    if not one.subshell:
        return block(shell, one.body, context)
    with bounded(shell, Flow.EXIT):
        return Outcome(block(shell, one.body, context).status)


def _function(shell: "Shell", one: Function, _context: Context) -> Outcome:
    shell.functions[one.name] = (one.body, shell.path)
    return Outcome(Status.TRUE)


def _loose(shell: "Shell", one: Loose, context: Context) -> Outcome:
    shell.line = one.line
    uncertain = context.maybe("the line could not be read")
    for part in re.split(r"[;&|]+", one.text):
        words = part.split()
        if words and shell.world.files.which(words[0]):
            values = [Value(word, known=False) for word in words]
            shell.world.launch(shell, values, uncertain, "")
    return _NEXT


def _simple(shell: "Shell", one: Simple, context: Context) -> Outcome:
    return shell.simple(one, context)


def _raw(one: Node) -> str:
    raw = one.raw if isinstance(one, Simple | Pipeline | Chain) else "a group of commands"
    return masked_text(raw)


def _matches(text: str, pattern: str) -> bool:
    return len(pattern) <= MOST_PATTERN and fnmatchcase(text, pattern)


_HANDLERS: Final[dict[type, Callable[..., Outcome]]] = {
    Simple: _simple,
    Pipeline: _pipeline,
    Chain: _chain,
    If: _if,
    For: _for,
    While: _while,
    Case: _case,
    Group: _group,
    Function: _function,
    Loose: _loose,
}
