"""Reading of files into shapes: every fault at once, at its line, without a traceback."""

import os
import time as clock
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.config import (
    MAX_BYTES,
    ConfigError,
    Problem,
    ProblemsError,
    having,
    load,
    must_hold,
    parse,
    rule,
)
from holdfast.core.limits import Between, Items, Length, Matching, Unique


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    name: Annotated[str, Length(1, 8)]
    watts: Annotated[int, Between(1, 100)] = 5
    colour: Colour = Colour.RED

    def __post_init__(self) -> None:
        must_hold(self)

    @rule
    def _red_is_weak(self) -> Iterator[Problem]:
        if self.colour is Colour.RED and self.watts > 50:
            yield Problem(("watts",), "a red lamp has 50 watts at most")
            yield Problem(("colour",), "too strong for red")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorbell:
    rings: int = 1

    def __post_init__(self) -> None:
        if self.rings > 9:
            raise ValueError("nobody rings so often")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    owner: Annotated[str, Matching(r"[a-z]+", "lower-case letters")]
    built: date
    wakes: time | None = None
    seen: datetime | None = None
    cellar: Path = Path("cellar")
    kind: Literal["hut", "villa", 3] = "hut"
    height_m: float = 3.0
    heated: bool = True
    tags: Annotated[tuple[str, ...], Items(0, 3), Unique()] = ()
    lamps: tuple[Lamp, ...] = ()
    rooms: dict[str, Annotated[int, Between(1, 9)]] = field(default_factory=dict)
    bell: Doorbell = field(default_factory=Doorbell)
    gate: Doorbell | None = None

    @rule
    def _lamps_differ(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for index, lamp in having(self.lamps, "name"):
            if lamp.name in seen:
                yield Problem(("lamps", index, "name"), "is taken")
            seen.add(lamp.name)


FULL = """\
owner = "ada"
built = 1999-12-31
wakes = 06:30:00
seen = 2026-01-01T00:00:00Z
cellar = "down/below"
kind = 3
height_m = 4
heated = false
tags = ["a", "b"]

[[lamps]]
name = "one"
watts = 60
colour = "green"

[[lamps]]
name = "two"

[rooms]
hall = 2
"odd name" = 3

[bell]
rings = 2
"""


def faults(text: str | bytes, shape: type = House) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, shape, name="h.toml")
    assert caught.value.exit_code == 2
    return [str(fault) for fault in caught.value.faults]


def with_line(number: int, text: str) -> str:
    lines = FULL.splitlines()
    lines[number - 1] = text
    return "\n".join(lines)


def test_everything_right_becomes_an_object(tmp_path: Path) -> None:
    path = tmp_path / "house.toml"
    path.write_text(FULL)
    assert load(path, House) == House(
        owner="ada",
        built=date(1999, 12, 31),
        wakes=time(6, 30),
        seen=datetime(2026, 1, 1, tzinfo=UTC),
        cellar=tmp_path / "down/below",
        kind=3,
        height_m=4.0,
        heated=False,
        tags=("a", "b"),
        lamps=(Lamp(name="one", watts=60, colour=Colour.GREEN), Lamp(name="two")),
        rooms={"hall": 2, "odd name": 3},
        bell=Doorbell(rings=2),
    )


def test_an_absolute_path_stays_and_windows_line_ends_are_fine() -> None:
    house = parse(
        'owner = "ada"\r\nbuilt = 1999-12-31\r\ncellar = "/x"\r\n',
        House,
        name="h",
        folder=Path("/q"),
    )
    assert house.cellar == Path("/x")


@pytest.mark.parametrize(
    ("line", "text", "fault"),
    [
        (1, "owner = 3", "owner: must be text in quotes, not 3"),
        (1, 'owner = "Ada"', "owner: must be lower-case letters"),
        (1, 'owner = "ada\\n"', "owner: must be lower-case letters"),
        (
            2,
            'built = "1999-12-31"',
            "built: must be a date such as 2031-12-31, without quotes, not the text",
        ),
        (2, "built = 1999-12-31T00:00:00", "built: must be a date such as"),
        (3, "wakes = 6", "wakes: must be a time such as 02:00:00, without quotes, not 6"),
        (4, "seen = 2026-01-01", "seen: must be a date with time such as"),
        (5, "cellar = 7", "cellar: must be a path in quotes, not 7"),
        (5, 'cellar = ""', "cellar: must be a path"),
        (5, 'cellar = "\\u0000"', "cellar: must be a path"),
        (6, 'kind = "vila"', 'kind: must be "hut" or "villa" or 3'),
        (6, "kind = 3.0", "kind: must be"),
        (6, "kind = [3]", "kind: must be"),
        (7, "height_m = true", "height_m: must be a number, not true"),
        (7, "height_m = nan", "height_m: must be a finite number"),
        (7, "height_m = 1e999", "height_m: must be a finite number"),
        (8, "heated = 1", "heated: must be true or false, not 1"),
        (9, 'tags = "a"', 'tags: must be a list, not the text "a"'),
        (9, 'tags = ["a", 2]', "tags[1]: must be text in quotes, not 2"),
        (9, 'tags = ["a", "a"]', "tags: names 'a' twice"),
        (9, 'tags = ["a", "b", "c", "d"]', "tags: must have 0 to 3 elements, not 4"),
        (12, 'name = ""', "lamps[0].name: must not be empty"),
        (12, 'name = "two"', ""),
        (13, "watts = true", "lamps[0].watts: must be a whole number, not true"),
        (13, "watts = 101", "lamps[0].watts: must be from 1 to 100"),
        (13, "watts = 5.0", "lamps[0].watts: must be a whole number, not 5.0"),
        (14, 'colour = "gren"', 'lamps[0].colour: must be "red" or "green", not the text "gren"'),
        (17, 'nmae = "two"', "lamps[1].nmae: unknown key (did you mean name?)"),
        (20, "hall = 0", "rooms.hall: must be from 1 to 9"),
        (21, '"odd name" = "x"', 'rooms."odd name": must be a whole number, not the text "x"'),
        (24, "rings = 10", ""),
    ],
)
def test_one_fault_has_its_line_and_reason(line: int, text: str, fault: str) -> None:
    if text == 'name = "two"':
        assert faults(with_line(line, text)) == ["h.toml:17: lamps[1].name: is taken"]
    elif text == "rings = 10":
        assert faults(with_line(line, text)) == ["h.toml:23: bell: nobody rings so often"]
    else:
        (found,) = faults(with_line(line, text))
        assert found.startswith(f"h.toml:{line}: {fault}")


def test_all_faults_come_at_once_in_the_order_of_lines() -> None:
    text = """\
ownr = "ada"
tags = 3
[gate]
rings = "x"
[[lamps]]
watts = 0
[[lamps]]
name = "two"
watts = 60
[[lamps]]
name = "two"
colour = "blue"
[[lamps]]
name = 4
x = 1
"""
    assert faults(text) == [
        "h.toml:1: ownr: unknown key (did you mean owner?)",
        "h.toml:1: built: this key is missing",
        "h.toml:2: tags: must be a list, not 3",
        'h.toml:4: gate.rings: must be a whole number, not the text "x"',
        "h.toml:5: lamps[0].name: this key is missing",
        "h.toml:6: lamps[0].watts: must be from 1 to 100",
        "h.toml:7: lamps[1].colour: too strong for red",
        "h.toml:9: lamps[1].watts: a red lamp has 50 watts at most",
        "h.toml:11: lamps[2].name: is taken",
        'h.toml:12: lamps[2].colour: must be "red" or "green", not the text "blue"',
        "h.toml:14: lamps[3].name: must be text in quotes, not 4",
        "h.toml:15: lamps[3].x: unknown key",
    ]


def test_a_table_where_none_belongs_and_none_where_one_does() -> None:
    text = "built = 1999-12-31\nbell = 3\nlamps = [4]\n[owner]\na = 1\n"
    assert faults(text) == [
        "h.toml:2: bell: must be a table, not 3",
        "h.toml:3: lamps[0]: must be a table, not 4",
        "h.toml:4: owner: must be text in quotes, not a table",
    ]


def test_a_program_that_builds_nonsense_is_refused_too() -> None:
    with pytest.raises(ProblemsError) as caught:
        Lamp(name="", watts=300)
    assert [problem.where for problem in caught.value.problems] == [
        ("name",),
        ("watts",),
        ("watts",),
        ("colour",),
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a = ", "h.toml:1: not TOML: Invalid value"),
        ("\n\na = 1\na = 2", "h.toml:4: not TOML: Cannot overwrite a value"),
        ("\nx = '''\n\n", "h.toml:2: not TOML: Expected \"'''\""),
        ("[a]\n[a]", "h.toml:2: not TOML: Cannot declare"),
        ("\n" + "x = " + "[" * 40, "h.toml:2: more than 32 levels"),
        ("\n" + "x = " + "9" * 5000, "h.toml:2: holds a number that is too long"),
        (b"a = 1\n\xff", "h.toml:2: byte 0xff is not UTF-8"),
        ("\ufeffa = 1", "h.toml:1: begins with a byte order mark"),
        ("x" * (MAX_BYTES + 1), "h.toml:1: it is longer than"),
        ("x = \x1b[2J", "h.toml:1: not TOML"),
        ("", "h.toml:1: owner: this key is missing"),
    ],
    ids=range(11),
)
def test_text_that_is_no_toml(text: str | bytes, fault: str) -> None:
    assert faults(text)[0].startswith(fault)


def test_a_fault_never_carries_control_characters_or_endless_text() -> None:
    text = '"\\u001b[2J" = 1\nowner = "\\u001b\\u202e' + "x" * 5000 + '"\n' + "k" * 5000 + " = 1"
    for fault in faults(text):
        assert fault.isprintable()
        assert len(fault) < 250


@pytest.mark.parametrize(
    "kind", ["missing", "folder", "pipe", "oversize", "device", "nul", "secret"]
)
def test_files_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "h.toml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "oversize":
        path.write_bytes(b"#" * (MAX_BYTES + 1))
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "nul":
        path = Path("a\0b")
    elif kind == "secret":
        path.symlink_to(path)  # a loop: root may read everything else
    with pytest.raises(ConfigError) as caught:
        load(path, House)
    (fault,) = caught.value.faults
    assert fault.line == 0
    assert "cannot be read: " in str(fault)
    assert str(fault).isprintable()


def test_a_file_full_of_wrong_keys_is_answered_soon_and_shown_short() -> None:
    text = "\n".join(f"ownerr{number} = 1" for number in range(50_000))
    begin = clock.monotonic()
    with pytest.raises(ConfigError) as caught:
        parse(text, House, name="h.toml")
    assert clock.monotonic() - begin < 10
    assert len(caught.value.faults) >= 50_000
    assert len(str(caught.value).splitlines()) == 51


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_but_a_config_error_comes_out(content: str | bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(content, House, name="h.toml")
    assert caught.value.faults
    assert str(caught.value)


def test_a_shape_of_unknown_types_is_a_mistake_of_the_programmer() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Strange:
        what: complex
        both: int | str = 0

    with pytest.raises(TypeError, match="complex"):
        parse("what = 1", Strange, name="s")
    with pytest.raises(TypeError, match="one type or None"):
        parse("both = 1", Strange, name="s")
