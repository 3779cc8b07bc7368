"""The schema is that of the shapes, and what is written fulfils it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from holdfast.audit.report.document import encode
from holdfast.audit.report.schema import json_schema, page
from holdfast.audit.report.shapes import Report
from tests.audit.report.sample import fine, hostile, sample

PAGE = Path(__file__).parents[3] / "docs/reference/audit-report.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(
    json_schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def test_the_committed_schema_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run script/docs"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("report", [sample(), fine(), hostile()], ids=["sample", "fine", "hostile"])
def test_reports_fulfil_it(report: Report) -> None:
    VALIDATOR.validate(json.loads(encode(report)))


@pytest.mark.parametrize(
    ("key", "value"),
    [("format", 2), ("made", 3), ("outcome", "fine"), ("checks", None), ("cached", [1])],
)
def test_it_refuses_what_is_none(key: str, value: object) -> None:
    raw: dict[str, Any] = json.loads(encode(sample()))
    raw[key] = value
    assert not VALIDATOR.is_valid(raw)


def test_what_fields_mean_stands_in_it() -> None:
    shapes = json_schema()["$defs"]
    assert "16 hexadecimal" in shapes["Placed"]["properties"]["id"]["description"]
    assert shapes["Placed"]["properties"]["where"]["description"]
    silent = {
        f"{name}.{key}"
        for name, shape in shapes.items()
        for key, about in shape.get("properties", {}).items()
        if "description" not in about and name not in {"Model", "LimitHit"}
    }
    assert silent == set()
