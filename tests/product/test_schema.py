"""The schema for editors and the reference page say what the checker says."""

import copy
import json
import random
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import product
from holdfast.product import ProfileError
from holdfast.product.schema import json_schema, reference

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/product.toml"))
VALIDATOR = jsonschema.Draft202012Validator(
    json_schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)
OTHERS = [
    3,
    -1,
    99_999_999,
    2.5,
    True,
    "",
    "x y\n",
    "X!",
    "\u202e",
    [],
    ["", ""],
    [1],
    {},
    {"a": 1},
]


def toml(value: object) -> str:
    """Write a value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return value.isoformat() if isinstance(value, date) else json.dumps(value, ensure_ascii=False)


def document(raw: dict[str, Any]) -> str:
    return "\n".join(f"{json.dumps(key)} = {toml(value)}" for key, value in raw.items())


def plain(raw: object) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(json.dumps(raw, default=str))


def places(value: object) -> list[tuple[Any, Any]]:
    """Give each inner place as its container and key."""
    pairs = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    return [place for key, inner in pairs for place in [(value, key), *places(inner)]]


def is_refused(raw: dict[str, Any]) -> bool:
    try:
        product.parse(document(raw))
    except ProfileError:
        return True
    return False


def test_the_committed_schema_is_up_to_date() -> None:
    committed = (ROOT / "docs/reference/product.schema.json").read_text()
    assert committed == json.dumps(json_schema(), indent=2) + "\n", (
        "run: holdfast product schema > docs/reference/product.schema.json"
    )


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs/reference/product-profile.md").read_text()
    assert reference() in page, "put the output of `holdfast product schema --as markdown` into it"


def test_the_schema_is_a_schema_and_describes_every_key() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    tables = [schema, *plain(schema)["$defs"].values()]
    for table in tables:
        for name, described in table["properties"].items():
            assert described["description"], name
        assert table["additionalProperties"] is False


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_fulfil_it(path: Path) -> None:
    raw = tomllib.loads(path.read_text())
    VALIDATOR.validate(plain(raw))
    assert product.parse(document(raw)) == product.read(path)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(path=st.sampled_from(EXAMPLES), seed=st.integers(0, 2**32))
def test_what_the_schema_refuses_the_checker_refuses(path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    raw = tomllib.loads(path.read_text())
    container, key = chance.choice(places(raw))
    how = chance.randrange(3)
    if how == 0:
        del container[key]
    elif how == 1:
        container[key] = copy.deepcopy(chance.choice(OTHERS))
    elif isinstance(container, dict):
        container[f"{key}-x"] = 1
    if not VALIDATOR.is_valid(plain(raw)):
        assert is_refused(raw)


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_both_refuse_what_both_can_say(path: Path) -> None:
    good = tomllib.loads(path.read_text())
    optional = {"gui", "port", "protocol", "default", "switchable", "encryption", "languages"}
    optional |= {"bounty", "signatures", "channels", "window", "consent", "later_days", "health_s"}
    optional |= {"low", "medium", "high", "critical", "sensitive", "outbound", "waivers"}
    tried = 0
    for number in range(len(places(good))):
        for change in ("delete", "retype", "unknown"):
            raw = copy.deepcopy(good)
            container, key = places(raw)[number]
            if change == "delete":
                if isinstance(container, list) or key in optional - (
                    {"port"} if "host" in container else set()
                ):
                    continue
                del container[key]
            elif change == "retype":
                container[key] = 2.5
            elif isinstance(container[key], dict):
                container[key]["unknown"] = 1
            else:
                continue
            tried += 1
            assert is_refused(raw), (change, key)
            assert not VALIDATOR.is_valid(plain(raw)), (change, key)
    assert tried > 200


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"home-gateway"', '"targets"'),
        ('"home-gateway"', '"h"'),
        ('["a", "b"]', '["a", "a"]'),
        ('["a", "b"]', "[]"),
        ('"GB"', '"UK"'),
        ("port = 853", "port = 65536"),
        ("health_s = 120", "health_s = 3601"),
        ('"02:00-05:00"', '"25:00-05:00"'),
        ('"30 days"', '"30days"'),
        ('"https://nordlicht.example/security"', '"http://nordlicht.example"'),
        ('"mailto:security@nordlicht.example"', '"security@nordlicht.example"'),
        ('"Nordlicht Home"', '" Nordlicht"'),
        ('"dns.nordlicht.example"', '"*.nordlicht.example"'),
        ("signatures = 2", "signatures = 0"),
    ],
)
def test_limits_are_told_to_editors(old: str, new: str) -> None:
    text = (ROOT / "examples/home-gateway/product.toml").read_text().replace(old, new, 1)
    raw = tomllib.loads(text)
    assert is_refused(raw)
    assert not VALIDATOR.is_valid(plain(raw))
