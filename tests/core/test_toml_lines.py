"""The line locator against TOML that a generator wrote, line by line, in every style."""

import json
import random
import time
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.shapes import Place
from holdfast.core.toml_lines import MAX_DEPTH, TooDeepError, locate

EXAMPLES = Path(__file__).parents[2] / "examples"

ODD = st.text(alphabet="ab \"'\\#[]{}=,.\n\té\U0001f512-", max_size=12)
NAMES = st.text(alphabet="abcXYZ_-019", min_size=1, max_size=6) | ODD
SCALARS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.dates(date(1900, 1, 1))
    | ODD
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(NAMES, VALUES, max_size=6)


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class Writer:
    """Writes a document in a random mixture of TOML's styles and remembers each line."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.text = ""
        self.explicit: dict[Place, int] = {(): 1}
        self.implied: dict[Place, int] = {}

    @property
    def line(self) -> int:
        return self.text.count("\n") + 1

    @property
    def lines(self) -> dict[Place, int]:
        return self.implied | self.explicit

    def note(self, place: Place, line: int) -> None:
        for depth in range(1, len(place)):
            self.implied.setdefault(place[:depth], line)
        self.explicit[place] = line

    def pick(self, *texts: str) -> str:
        return self.chance.choice(texts)

    def noise(self) -> str:
        return self.pick("", "", "\n", "# [x] y = 1 \"\"\" '''\n", "  \t\n\n")

    def key(self, name: str) -> str:
        bare = name != "" and all(
            mark.isascii() and (mark.isalnum() or mark in "_-") for mark in name
        )
        if bare and self.chance.random() < 0.8:
            return name
        if not set(name) & set("'\n"):
            return self.pick(f"'{name}'", quoted(name))
        return quoted(name)

    def dotted(self, names: tuple[str, ...]) -> str:
        return self.pick(".", " . ").join(map(self.key, names))

    def string(self, text: str) -> str:
        inner = quoted(text)[1:-1]
        styles = [quoted(text), f'"""\n{inner}"""', f'"""{inner}\\\n\n  """']
        if not text.startswith("\n"):
            # Line ends and quotes as they are; an end-of-line backslash after each quote.
            loose = inner.replace("\\\\", "\0").replace("\\n", "\n").replace('\\"', '"\\\n')
            if '"\\\n ' not in loose and '"\\\n\n' not in loose and '"\\\n\\t' not in loose:
                styles.append(f'"""{loose}"""'.replace("\0", "\\\\"))
        if not set(text) & set("'\n"):
            styles.append(f"'{text}'")
        if "''" not in text and not text.endswith("'"):
            styles.append(f"'''\n{text}'''")
        return self.chance.choice(styles)

    def value(self, value: Any, place: Place) -> None:  # noqa: ANN401 - any TOML
        if isinstance(value, dict):
            self.text += "{"
            for number, (name, inner) in enumerate(value.items()):
                self.text += ", " if number else " "
                self.note((*place, name), self.line)
                self.text += self.key(name) + self.pick("=", " = ")
                self.value(inner, (*place, name))
            self.text += " }"
        elif isinstance(value, list):
            self.text += "["
            for index, inner in enumerate(value):
                self.text += self.pick(" ", "\n", "\n# ],[\n\t")
                self.note((*place, index), self.line)
                self.value(inner, (*place, index))
                self.text += self.pick("", " ", "\n")
                if index + 1 < len(value) or self.chance.random() < 0.3:
                    self.text += ","
            self.text += self.pick("", "\n", "# end\n") + "]"
        elif isinstance(value, str):
            self.text += self.string(value)
        elif isinstance(value, bool):
            self.text += str(value).lower()
        else:
            self.text += str(value) if not isinstance(value, float) else repr(value)

    def table(self, table: dict[str, Any], place: Place, written: tuple[str, ...]) -> None:
        """Write pairs first, then what is worth a header of its own."""
        headed: list[tuple[str, Any]] = []
        for name, value in table.items():
            tables = isinstance(value, list) and value and all(isinstance(x, dict) for x in value)
            if (isinstance(value, dict) or tables) and self.chance.random() < 0.6:
                headed.append((name, value))
                continue
            self.text += self.noise() + self.pick("", "  ")
            if isinstance(value, dict) and value and self.chance.random() < 0.6:
                for inner_name, inner in value.items():
                    self.pair((*place, name, inner_name), (name, inner_name), inner)
            else:
                self.pair((*place, name), (name,), value)
        for name, value in headed:
            path = (*written, name)
            if isinstance(value, list):
                for index, element in enumerate(value):
                    self.text += self.noise()
                    self.implied.setdefault((*place, name), self.line)
                    self.note((*place, name, index), self.line)
                    self.text += f"[[{self.pick('', ' ')}{self.dotted(path)}]]\n"
                    self.table(element, (*place, name, index), path)
            else:
                self.text += self.noise()
                self.note((*place, name), self.line)
                self.text += f"[{self.pick('', ' ')}{self.dotted(path)}]{self.pick('', ' # [z]')}\n"
                self.table(value, (*place, name), path)

    def pair(self, place: Place, names: tuple[str, ...], value: object) -> None:
        self.note(place, self.line)
        self.text += self.dotted(names) + self.pick("=", " = ", "\t=\t")
        self.value(value, place)
        self.text += self.pick("\n", "  # 'a comment\n")


def places(value: object, place: Place = ()) -> set[Place]:
    """Name every place of a parsed document."""
    found = {place}
    if isinstance(value, dict):
        pairs: Any = value.items()
    else:
        pairs = enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found |= places(inner, (*place, key))
    return found


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(document=DOCUMENTS, seed=st.integers(0, 2**32))
def test_every_line_is_exact(document: dict[str, Any], seed: int) -> None:
    writer = Writer(random.Random(seed))  # noqa: S311 - not for secrets
    writer.table(document, (), ())
    assert tomllib.loads(writer.text) == document
    assert locate(writer.text).lines == writer.lines


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/*.toml")), ids=lambda path: path.parent.name
)
def test_every_place_of_the_examples_is_found(path: Path) -> None:
    text = path.read_text()
    assert locate(text).lines.keys() == places(tomllib.loads(text))


@pytest.mark.parametrize(
    ("text", "place", "line"),
    [
        ("[a.b]\n[a]\nx = 1", ("a",), 2),  # its own header wins over the implied one
        ("[a.b.c]\n", ("a", "b"), 1),
        ("[[a]]\n[a.b]\nc = 1\n[[a]]\n[a.b]\nc = 2", ("a", 1, "b", "c"), 6),
        ("[[a]]\n[[a]]", ("a",), 1),
        ("[[a]]\n[[a.b]]\n[[a.b]]\nc.d = 1", ("a", 0, "b", 1, "c", "d"), 4),
        ("x = '''\n'a = 1''''\ny = 2", ("y",), 3),
        ('x = """\n""\\"""""\ny = 2', ("y",), 3),
        ("x = [ # ]\n 1,\n [\n 2 ] ]", ("x", 1, 0), 4),
        ("x = 1979-05-27 07:32:00\ny = 2", ("y",), 2),
        ('"\\u0061.b" = 1', ("a.b",), 1),
        ('"a\\"]" = \'#\'\nb = 1', ("b",), 2),
    ],
)
def test_special_cases(text: str, place: Place, line: int) -> None:
    tomllib.loads(text)
    assert locate(text).lines[place] == line


@settings(max_examples=300, deadline=None)
@given(text=st.text(alphabet="ab.=[]{}\"'\\#,\n 1", max_size=80) | st.text(max_size=60))
def test_what_tomllib_reads_is_located_and_the_rest_ends_quietly(text: str) -> None:
    try:
        lines = locate(text).lines
    except TooDeepError:
        return
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    if "\r" not in text:
        assert lines.keys() == places(document)


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * (MAX_DEPTH + 1),
        "x = " + "{ a = " * (MAX_DEPTH + 1),
        "[" + ".".join("a" * 100_000) + "]",
        ".".join("a" * 100_000) + " = 1",
        "ok = 1\n" + "x = " + "[" * 500_000,
    ],
    ids=["lists", "inline-tables", "header", "dotted-key", "many-lists"],
)
def test_depth_is_bounded_and_the_line_known(text: str) -> None:
    with pytest.raises(TooDeepError) as caught:
        locate(text)
    assert caught.value.line == text.count("\n") + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        'x = """' + '""\\' * 300_000,
        "x = '" + "a" * 1_000_000,
        "a" * 1_000_000,
        "#" * 1_000_000,
        "\n" * 1_000_000,
        " = " * 300_000,
        "x = [" + "1," * 300_000 + "]",
        'x = "' + "\\" * 1_000_000,
    ],
    ids=["quotes", "literal", "bare", "comment", "lines", "equals", "list", "backslashes"],
)
def test_a_megabyte_takes_no_longer_than_it_must(text: str) -> None:
    begin = time.monotonic()
    locate(text)
    assert time.monotonic() - begin < 5
