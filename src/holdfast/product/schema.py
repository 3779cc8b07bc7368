"""The shapes of a profile in other words: a JSON Schema for editors, a page for people."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from datetime import date
from typing import Any, Final, Literal, get_args, get_origin

from holdfast.core.limits import Limit
from holdfast.core.shapes import bare, default_of, fields_of, hints_of, is_required
from holdfast.product.profile import Profile

_PLAIN: Final[dict[Any, dict[str, object]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    date: {"type": "string", "format": "date"},
}
_WORDS: Final[dict[Any, str]] = {
    str: "text",
    int: "whole number",
    bool: "true or false",
    date: "date",
}
_ATTRIBUTE = re.compile(r"    (\w+): (.*)")


def json_schema() -> dict[str, object]:
    """Describe the profile in JSON Schema 2020-12, as far as that can say it.

    Rules among several keys are beyond it; `holdfast product check` knows them all.
    """
    shapes: dict[str, dict[str, object]] = {}
    root = _object(Profile, shapes)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Product profile",
        **root,
        "$defs": dict(sorted(shapes.items())),
    }


def reference() -> str:
    """Describe the profile as Markdown: each table, each key, what it means, what it may be."""
    return "\n".join(_tables(Profile, "")).rstrip() + "\n"


def meanings_of(shape: type) -> dict[str, str]:
    """Read what each field means from the `Attributes` of a shape's docstring."""
    lines = (inspect.getdoc(shape) or "").partition("Attributes:\n")[2].splitlines()
    meanings: dict[str, str] = {}
    name = ""
    for line in lines:
        if not line.startswith("    "):
            break
        found = _ATTRIBUTE.fullmatch(line)
        if found is not None:
            name = found.group(1)
            meanings[name] = found.group(2)
        else:
            meanings[name] += f" {line.strip()}"
    return meanings


def _object(shape: type, shapes: dict[str, dict[str, object]]) -> dict[str, object]:
    meanings = meanings_of(shape)
    hints = hints_of(shape)
    properties: dict[str, object] = {}
    for field in fields_of(shape):
        described: dict[str, object] = {}
        if field.name in meanings:
            described["description"] = meanings[field.name].replace("`", "")
        described |= _kind(hints[field.name], shapes)
        if not is_required(field) and not is_dataclass(default := default_of(field)):
            if isinstance(default, tuple):
                described["default"] = list(default)
            elif default is not None:
                described["default"] = default
        properties[field.name] = described
    return {
        "description": (inspect.getdoc(shape) or "").split("\n")[0],
        "type": "object",
        "properties": properties,
        "required": [field.name for field in fields_of(shape) if is_required(field)],
        "additionalProperties": False,
    }


def _kind(kind: Any, shapes: dict[str, dict[str, object]]) -> dict[str, object]:  # noqa: ANN401 - any field
    kind, limits, _ = bare(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in shapes:
            shapes[kind.__name__] = _object(kind, shapes)
        described: dict[str, object] = {"$ref": f"#/$defs/{kind.__name__}"}
    elif get_origin(kind) is tuple:
        described = {"type": "array", "items": _kind(get_args(kind)[0], shapes)}
    elif get_origin(kind) is Literal:
        described = {"enum": list(get_args(kind))}
    else:
        described = dict(_PLAIN[kind])
    together: list[dict[str, object]] = []
    for limit in limits:
        told = limit.schema()
        # Two limits may use the same word, as two patterns do.
        if described.keys() & told.keys():
            together.append(told)
        else:
            described |= told
    return described | ({"allOf": together} if together else {})


def _tables(shape: type, path: str) -> Iterator[str]:
    """Write a table's keys first, then the tables within it."""
    meanings = meanings_of(shape)
    hints = hints_of(shape)
    nested: list[tuple[str, type]] = []
    rows: list[str] = []
    for field in fields_of(shape):
        kind, limits, _ = bare(hints[field.name])
        inner = bare(get_args(kind)[0])[0] if get_origin(kind) is tuple else kind
        if is_dataclass(inner) and isinstance(inner, type):
            many = inner is not kind
            dotted = f"{path}{field.name}"
            nested.append((f"[[{dotted}]]" if many else f"[{dotted}]", inner))
            link = f"(#{field.name})"
            what = f"{_counts_in_words(limits)} [tables]{link}" if many else f"[table]{link}"
        else:
            what = _in_words(hints[field.name])
        given = "required" if is_required(field) else _default_in_words(default_of(field))
        rows.append(f"| `{field.name}` | {what} | {given} | {meanings.get(field.name, '')} |")
    yield from ("| key | value | if left out | meaning |", "|---|---|---|---|", *rows, "")
    for heading, inner in nested:
        name = heading.strip("[]")
        summary = (inspect.getdoc(inner) or "").split("\n")[0]
        yield from (f'<a id="{name.split(".")[-1]}"></a>', f"## `{heading}`", "", summary, "")
        yield from _tables(inner, f"{name}.")


def _in_words(kind: Any) -> str:  # noqa: ANN401 - any field
    kind, limits, _ = bare(kind)
    if get_origin(kind) is tuple:
        return f"list of {_counts_in_words(limits)}, each {_in_words(get_args(kind)[0])}"
    if get_origin(kind) is Literal:
        return " or ".join(
            f'`"{one}"`' if isinstance(one, str) else f"`{one}`".lower() for one in get_args(kind)
        )
    words = [_WORDS[kind]]
    for limit in limits:
        meaning = getattr(limit, "meaning", None) or _size_in_words(limit.schema())
        words.append(meaning)
    return ", ".join(words)


def _size_in_words(told: dict[str, object]) -> str:
    if "minimum" in told:
        return f"{told['minimum']} to {told['maximum']}"
    return f"{told['minLength']} to {told['maxLength']} characters"


def _counts_in_words(limits: tuple[Limit, ...]) -> str:
    words = ""
    for limit in limits:
        told = limit.schema()
        if "minItems" in told:
            words += f"{told['minItems']} to {told['maxItems']}"
        elif "uniqueItems" in told:
            words += " different"
    return words


def _default_in_words(default: object) -> str:
    if default is None:
        return "nothing"
    if is_dataclass(default):
        return "its defaults"
    if isinstance(default, bool):
        return f"`{default}`".lower()
    if isinstance(default, tuple):
        return "`[" + ", ".join(f'"{one}"' for one in default) + "]`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`"
