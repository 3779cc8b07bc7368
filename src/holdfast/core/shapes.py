"""What shapes are made of: dataclasses whose fields have limits and whose methods are rules.

`holdfast.core.config` reads files into shapes; a schema for editors can be drawn from them.
"""

import re
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from holdfast.core.limits import Limit

Place = tuple[str | int, ...]
"""Keys of tables and indices of lists, from a root `()` down."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_RULE_MARK = "_holdfast_rule"

Shape = TypeVar("Shape")
Method = TypeVar("Method", bound=Callable[[Any], Iterable["Problem"]])


class Problem(NamedTuple):
    """What a rule finds wrong.

    Attributes:
        where: Field names and list indices, from the object that has the rule.
        reason: What is wrong there, for a person.
    """

    where: Place
    reason: str


class ProblemsError(ValueError):
    """An object was refused because of some of its fields.

    Attributes:
        problems: Each with its place.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "; ".join(f"{dotted(found.where)}: {found.reason}" for found in self.problems)
        )


def rule(method: Method) -> Method:
    """Mark a method of a shape that yields problems among several fields.

    It also runs on an object some of whose fields were wrong and are missing; reaching for one of
    these ends that rule, silently, since the missing field has its own fault. Go through lists of
    tables with `having`, which leaves out elements without the fields in question.
    """
    setattr(method, _RULE_MARK, True)
    return method


def having(elements: Iterable[Shape], *names: str) -> Iterator[tuple[int, Shape]]:
    """Number the elements that have all the named fields, for rules over lists of tables."""
    for index, element in enumerate(elements):
        if all(hasattr(element, name) for name in names):
            yield index, element


def must_hold(instance: object) -> None:
    """Check limits and rules of a complete shape; meant for its `__post_init__`.

    Raises:
        ProblemsError: Some do not hold.
    """
    problems = [
        Problem((name, *where), reason)
        for name, kind in hints_of(type(instance)).items()
        for where, reason in _beyond_limits(getattr(instance, name), kind)
    ]
    problems += broken_rules(instance, whole=True)
    if problems:
        raise ProblemsError(problems)


_HINTS: dict[type, dict[str, Any]] = {}


def hints_of(shape: type) -> dict[str, Any]:
    """Resolve the types of a shape's fields, limits included, in their order."""
    if shape not in _HINTS:
        hints = get_type_hints(shape, include_extras=True)
        _HINTS[shape] = {field.name: hints[field.name] for field in fields_of(shape)}
    return _HINTS[shape]


def bare(kind: Any) -> tuple[Any, tuple[Limit, ...], bool]:  # noqa: ANN401 - any type form
    """Take a field's type apart into type, limits, and whether None is allowed."""
    limits: tuple[Limit, ...] = ()
    optional = False
    while True:
        if get_origin(kind) is Annotated:
            kind, *notes = get_args(kind)
            limits += tuple(note for note in notes if isinstance(note, Limit))
        elif get_origin(kind) in {Union, types.UnionType}:
            kinds = [one for one in get_args(kind) if one is not type(None)]
            if len(kinds) != 1:
                raise TypeError(f"a field of a shape has one type or None, not {kind}")
            kind, optional = kinds[0], True
        else:
            return kind, limits, optional


def is_required(field: Field[Any]) -> bool:
    """Tell whether a field of a shape has no default."""
    return field.default is MISSING and field.default_factory is MISSING


def default_of(field: Field[Any]) -> Any:  # noqa: ANN401 - any field
    """Give the default of a field that has one."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def shown(text: str, *, limit: int = 60) -> str:
    """Make foreign text fit for a terminal: printable, on one line, not endless."""
    kept = "".join(mark if mark.isprintable() else "�" for mark in text[:limit])
    return kept if len(text) <= limit else f"{kept}…"


def dotted(place: Place) -> str:
    """Write a place as TOML names it, list indices in brackets, fit for a terminal."""
    words = ""
    for part in place:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            word = part if _BARE_KEY.fullmatch(part) else f'"{shown(part)}"'
            words += f".{word}" if words else shown(word)
    return words


def fields_of(shape: type) -> list[Field[Any]]:
    """List the fields that a file may set, in their order."""
    return [field for field in fields(shape) if field.init]


def _beyond_limits(value: Any, kind: Any) -> Iterator[Problem]:  # noqa: ANN401 - any field
    kind, limits, _ = bare(kind)
    if value is None:
        return
    refusals = (limit.refusal(value) for limit in limits)
    reason = next((reason for reason in refusals if reason is not None), None)
    if reason is not None:
        yield Problem((), reason)
    elif get_origin(kind) is tuple:
        element_kind = get_args(kind)[0]
        for index, element in enumerate(value):
            for where, why in _beyond_limits(element, element_kind):
                yield Problem((index, *where), why)
    elif get_origin(kind) is dict:
        for name, element in value.items():
            for where, why in _beyond_limits(element, get_args(kind)[1]):
                yield Problem((name, *where), why)


def broken_rules(instance: object, *, whole: bool) -> list[Problem]:
    """Run the rules of a shape; those that need a missing field of a partial one say nothing."""
    broken: list[Problem] = []
    for method in vars(type(instance)).values():
        if not hasattr(method, _RULE_MARK):
            continue
        try:
            broken += method(instance)
        except AttributeError:
            # The rule needs a field that was wrong, and that has its fault already.
            if whole:
                raise
    return broken
