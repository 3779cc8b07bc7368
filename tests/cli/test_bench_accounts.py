"""The measurement of accounts says when a goal is missed, and tries what the rules do not know."""

import json
import sys
from random import Random
from types import ModuleType, SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from holdfast.cli.bench import accounts, accounts_crackers, accounts_habits, accounts_variants
from holdfast.cli.bench.errors import BenchError
from holdfast.cli.bench.figures import Figure, Figures

APP = typer.Typer()
APP.command()(accounts.bench)


@pytest.mark.parametrize(
    ("figure", "holds", "goal"),
    [
        (Figure(1.3, most=1.3), True, "at most 1.3"),
        (Figure(1.31, most=1.3), False, "at most 1.3"),
        (Figure(89, least=89), True, "at least 89"),
        (Figure(88.9, least=89), False, "at least 89"),
        (Figure(5), True, ""),
    ],
)
def test_a_figure_and_its_goal(figure: Figure, goal: str, *, holds: bool) -> None:
    assert (figure.holds, figure.goal) == (holds, goal)


@pytest.mark.parametrize(("value", "code"), [(1.0, 0), (3.0, 1)])
def test_a_missed_goal_is_told(monkeypatch: pytest.MonkeyPatch, value: float, code: int) -> None:
    def measure() -> Figures:
        return {"one_mb": Figure(value, most=2), "other": Figure(7)}

    monkeypatch.setattr(accounts, "PARTS", {"a": "measured_part"})
    monkeypatch.setitem(sys.modules, "measured_part", SimpleNamespace(measure=measure))
    done = CliRunner().invoke(APP, ["--json"])
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["holds"]) == (code, code == 0)
    assert answer["a"]["one_mb"] == {"value": value, "goal": "at most 2", "holds": code == 0}
    shown = CliRunner().invoke(APP, [])
    assert ("MISSED" in shown.stdout) == (code == 1)


def test_an_unknown_part() -> None:
    assert isinstance(CliRunner().invoke(APP, ["--part", "none"]).exception, BenchError)


@pytest.mark.parametrize(
    ("generator", "different"),
    [(accounts_variants, 400), (accounts_crackers, 250), (accounts_habits, 350)],
)
def test_variants_are_many_and_made_of_the_word(generator: ModuleType, different: int) -> None:
    chance = Random(1)  # noqa: S311 - the same each time
    made = {generator.variant("sunshine", chance) for _ in range(500)}
    assert len(made) > different
    assert sum("sun" in one.lower() for one in made) > 100
    assert sum(len(one) >= 8 for one in made) > 0.9 * len(made)


def test_each_rule_changes_every_word() -> None:
    chance = Random(1)  # noqa: S311 - the same each time
    for rule in accounts_crackers.RULES.values():
        for word in ("love", "dragon", "password"):
            assert {rule(word, chance) for _ in range(50)} - {word}
