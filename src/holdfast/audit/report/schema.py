"""The JSON Schema of a report, made from its shapes and what they say of themselves."""

import inspect
import json
import re
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, get_args, get_type_hints

import msgspec

from holdfast.audit.report.shapes import Report

_ATTRIBUTES = re.compile(r"    ([\w, ]+?): (.*)")


def json_schema() -> dict[str, Any]:
    """Describe a report in JSON Schema 2020-12.

    What a later Holdfast adds to this format is a key more; so unknown keys are no fault.
    """
    made = msgspec.json.schema(Report)
    shapes = _shapes_of(Report)
    for name, described in made["$defs"].items():
        shape = shapes[name]
        text = inspect.getdoc(shape) or ""
        described["description"] = text.partition("\n\n")[0].replace("`", "")
        meanings = _meanings(text)
        for key, about in described.get("properties", {}).items():
            if key not in meanings:
                continue
            if "$ref" in about:  # msgspec says it so for shapes and enumerations
                described["properties"][key] = {"description": meanings[key], **about}
            else:
                about["description"] = meanings[key]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of an audit",
        **made,
    }


def page() -> str:
    """Write the schema as the file that stands in the reference."""
    return json.dumps(json_schema(), indent=2) + "\n"


def _shapes_of(root: type) -> dict[str, type]:
    found: dict[str, type] = {}
    waiting: list[Any] = [root]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, StrEnum)):
            if kind.__name__ in found:
                continue
            found[kind.__name__] = kind
            if is_dataclass(kind):
                hints = get_type_hints(kind)
                waiting += [hints[field.name] for field in fields(kind)]
        else:
            waiting += get_args(kind)
    return found


def _meanings(text: str) -> dict[str, str]:
    """Read what each field means; one line may speak of several."""
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in text.partition("Attributes:\n")[2].splitlines():
        if not line.startswith("    "):
            break
        head = _ATTRIBUTES.fullmatch(line)
        if head is not None:
            names = head.group(1).split(", ")
            meanings |= dict.fromkeys(names, head.group(2).replace("`", ""))
        else:
            more = line.strip().replace("`", "")
            meanings |= {name: f"{meanings[name]} {more}" for name in names}
    return meanings
