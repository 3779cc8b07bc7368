"""A password of two forms is asked for in both, one of a single form once."""

from collections.abc import Callable

import pytest

from holdfast.accounts.directories.answers import (
    Accepted,
    Answer,
    Login,
    Rejected,
    Step,
    Unavailable,
)
from holdfast.accounts.directories.forms import TwoForms

TYPED, NFKC = "half a ½ and a ﬁsh", "half a 1\N{FRACTION SLASH}2 and a fish"
YES, NO = Accepted(name="ada"), Rejected(reason="wrong", server="192.0.2.1:636")
NOT_ASKED = Rejected(reason="too long; no server was asked")
GONE = Unavailable(step="route", reason="refused")


class Knowing:
    """A server that answers each password as it was told to."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers, self.asked, self.until = answers, list[str](), set[float]()

    def authenticate(self, login: Login, *, until: float) -> Answer:
        self.asked.append(login.password)
        self.until.add(until)
        return self.answers[login.password]

    def test(self, login: Login | None, *, until: float, tell: Callable[[Step], None]) -> Answer:
        tell(Step(name="route", ok=True, told="it answers"))
        if login is None:
            return YES
        answer = self.authenticate(login, until=until)
        tell(Step(name="password", ok=answer == YES, told=login.password))
        return answer


@pytest.mark.parametrize(
    ("typed", "answers", "asked", "decided"),
    [
        (TYPED, {TYPED: YES}, [TYPED], YES),
        (TYPED, {TYPED: NO, NFKC: YES}, [TYPED, NFKC], YES),
        (TYPED, {TYPED: NO, NFKC: NO}, [TYPED, NFKC], NO),
        (TYPED, {TYPED: NO, NFKC: GONE}, [TYPED, NFKC], NO),
        (TYPED, {TYPED: GONE}, [TYPED], GONE),
        (TYPED, {TYPED: NOT_ASKED}, [TYPED], NOT_ASKED),
        ("plain", {"plain": NO}, ["plain"], NO),
        (NFKC, {NFKC: NO}, [NFKC], NO),
        ("ﷺ" * 15, {"ﷺ" * 15: NO}, ["ﷺ" * 15], NO),
    ],
)  # fmt: skip
def test_only_a_no_brings_a_second_question(
    typed: str, answers: dict[str, Answer], asked: list[str], decided: Answer
) -> None:
    login = Login(name="ada", password=typed)
    server = Knowing(answers)
    assert TwoForms(server).authenticate(login, until=7.0) == decided
    assert (server.asked, server.until) == (asked, {7.0})
    steps: list[Step] = []
    server = Knowing(answers)
    assert TwoForms(server).test(login, until=7.0, tell=steps.append) == decided
    assert server.asked == asked
    told = asked[-1] if decided == YES else typed
    assert [step.told for step in steps] == ["it answers", told]


def test_without_a_login_there_is_one_question() -> None:
    steps: list[Step] = []
    assert TwoForms(Knowing({})).test(None, until=1.0, tell=steps.append) == YES
    assert len(steps) == 1
