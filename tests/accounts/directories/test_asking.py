"""What is asked of the child, and what is made of anything that it may answer."""

import io
import json
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.directories import asking, child
from holdfast.accounts.directories.asking import Visit
from holdfast.accounts.directories.settings import CentralLogin, Group, Server, to_json
from holdfast.accounts.errors import DirectoryChildError
from holdfast.core.process import ProgramError, Result

SECRET = "a secret that nobody may see"
PASSWORD = "correct horse battery staple"
SETTINGS = to_json(
    CentralLogin(
        servers=(
            Server(name="tac", protocol="tacacs+", host="192.0.2.1"),
            Server(name="rad", protocol="radius", host="192.0.2.2"),
        ),
        groups=(Group(name="switches", servers=("tac",)), Group(name="old", servers=("rad",))),
    )
)
VISIT = Visit("start", "ada", "session-1", 1_700_000_000)
ANSWER = {
    "kind": "accepted", "name": "Ada", "role": "owner", "group": "switches", "server": "tac",
    "reason": "", "tries": [{"server": "tac"}], "dead": {"rad": 3}, "is_spelt": False,
    "ending": {"tac": "2031-05-17"},
}  # fmt: skip
Answers = Callable[[object], list[dict[str, Any]]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Have the child answer something; gives the questions that it gets."""
    questions: list[dict[str, Any]] = []

    def install(answer: object) -> list[dict[str, Any]]:
        def run(command: list[str], *, stdin: bytes, timeout_s: float) -> Result:
            assert command[1:] == ["-I", "-m", "holdfast.accounts.directories.child"]
            assert timeout_s > 0
            questions.append(json.loads(stdin))
            if isinstance(answer, Exception):
                raise answer
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            return Result(0, content, b"")

        monkeypatch.setattr(asking, "run", run)
        return questions

    return install


def login(name: str = "ada", password: str = PASSWORD, source: str = "") -> asking.Told:
    return asking.login(
        SETTINGS,
        {"tac": SECRET},
        name=name,
        password=password,
        source=source,
        groups=["switches"],
        dead={"rad": 5.0},
        budget_s=3,
    )


def test_a_login_is_asked_as_it_was_typed(answers: Answers) -> None:
    questions = answers(ANSWER)
    told = login(source="192.0.2.9")
    assert (told.kind, told.name, told.role, told.dead) == ("accepted", "Ada", "owner", {"rad": 3})
    assert questions[0]["login"] == {"name": "ada", "password": PASSWORD, "source": "192.0.2.9"}
    assert questions[0]["dead"] == {"rad": 5.0}
    assert told.is_spelt is False
    assert told.ending == {"tac": "2031-05-17"}
    login(source="\ud800\0")
    assert questions[1]["login"]["source"] == ""


def test_all_protocols_are_asked_for_one_form_of_a_name(answers: Answers) -> None:
    questions = answers(ANSWER)
    login(name="Cafe\N{COMBINING ACUTE ACCENT}", password="\N{VULGAR FRACTION ONE HALF}")
    asked = {"name": "Caf\N{LATIN SMALL LETTER E WITH ACUTE}", "password": "½", "source": ""}
    assert questions[0]["login"] == asked
    assert login(name="ada\N{NO-BREAK SPACE}").kind == "rejected"
    assert len(questions) == 1


def test_the_start_of_the_child_is_part_of_the_budget(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers have until a moment that all processes know, and that leaves time to end."""
    monkeypatch.setattr(asking, "time", SimpleNamespace(monotonic=lambda: 100.0))
    questions = answers(ANSWER)
    login()
    assert questions[0]["until"] == pytest.approx(102.7)
    answers({"steps": [], "role": ""})
    asking.try_out(SETTINGS, {}, server="tac", budget_s=30)
    assert questions[-1]["until"] == pytest.approx(100 + asking.LONGEST_TEST_S)


@given(
    st.text(max_size=5),
    st.text(alphabet=st.characters(categories=["Cc", "Cs"]), min_size=1, max_size=1),
    st.text(max_size=5),
)
def test_what_cannot_be_sent_is_a_no_without_a_child(before: str, bad: str, after: str) -> None:
    text = before + bad + after
    for told in (login(name=text), login(password=text)):
        assert (told.kind, told.tries, told.dead) == ("rejected", (), {"rad": 5.0})
        assert "192.0.2" not in told.reason
    tested = asking.try_out(SETTINGS, {}, server="tac", name="ada", password=text)
    assert [step[:2] for step in tested.steps] == [("password", False)]


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"nonsense", b"\xff", b"[" * 100_000, [], "accepted", None, {}, {"kind": "accepted"},
        {"kind": "owner"}, {**ANSWER, "tries": None}, {**ANSWER, "dead": {"rad": "x"}},
        {**ANSWER, "dead": []}, {**ANSWER, "ending": None},
        {"error": "the question cannot be read"},
        ProgramError("python took more than 8 seconds"),
    ],
    ids=lambda answer: repr(answer)[:40],
)  # fmt: skip
def test_an_answer_that_is_none_lets_nobody_in(answers: Answers, answer: object) -> None:
    answers(answer)
    with pytest.raises(DirectoryChildError) as caught:
        login()
    assert SECRET not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    with pytest.raises(DirectoryChildError):
        asking.try_out(SETTINGS, {}, server="tac")
    assert asking.record(SETTINGS, {}, VISIT, groups=["switches"]) or isinstance(answer, dict)


@pytest.mark.parametrize("settings", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_damaged_settings_are_no_answer(settings: bytes) -> None:
    with pytest.raises(DirectoryChildError):
        asking.login(
            settings, {}, name="ada", password="x", source="", groups=[], dead={}, budget_s=1
        )
    with pytest.raises(DirectoryChildError):
        asking.try_out(settings, {}, server="tac")
    assert asking.record(settings, {}, VISIT, groups=["switches"])


def test_only_servers_of_tacacs_are_told_who_came(answers: Answers) -> None:
    questions = answers({"noted_by": "tac", "reason": ""})
    for groups in ([], ["old"], ["nowhere"]):
        assert asking.record(SETTINGS, {}, VISIT, groups=groups) == ""
    assert not questions
    assert asking.record(SETTINGS, {"tac": SECRET}, VISIT, groups=["switches"]) == ""
    assert questions[0]["record"]["kind"] == "start"
    answers({"noted_by": "", "reason": "tac: it is silent"})
    assert asking.record(SETTINGS, {}, VISIT, groups=["switches"]) == "tac: it is silent"


def test_records_that_are_told_aside_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    going, told = threading.Event(), threading.Semaphore(0)
    reasons: list[str] = []

    def run(command: object, *, stdin: bytes, timeout_s: float) -> Result:
        assert command
        assert stdin
        assert going.wait(timeout_s)
        return Result(0, b'{"noted_by": "", "reason": "gone"}', b"")

    def tell(reason: str) -> None:
        reasons.append(reason)
        told.release()

    monkeypatch.setattr(asking, "run", run)

    def one() -> bool:
        return asking.record_aside(SETTINGS, {}, VISIT, groups=["switches"], told=tell)

    assert [one() for _ in range(5)] == [True] * asking.MOST_RECORDS + [False] * 3
    going.set()
    for _ in range(asking.MOST_RECORDS):
        assert told.acquire(timeout=5)
    assert reasons == ["gone"] * asking.MOST_RECORDS


# --- the child's side --------------------------------------------------------------------------


def answer_of(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - JSON
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=out))
    assert child.main() == 0
    return json.loads(out.getvalue())


def question(**changes: object) -> bytes:
    plain = {
        "settings": json.loads(SETTINGS),
        "secrets": {"tac": SECRET},
        "login": {"name": "ada", "password": PASSWORD},
        "groups": ["switches"],
        "until": 1e9,  # a moment that does not come, and the same for every worker
    }
    return json.dumps(plain | changes).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"nonsense", b"\xff\xfe", b"[" * 200_000, b"null", question(more=1),
        question(secrets={"tac": "\ud800"}), question(login=None), question(groups=["nowhere"]),
        question(login={"name": "", "password": "x"}), question(record={"kind": "visit"}),
        question(login={"name": "ada", "password": ""}), question(server="nobody"),
        question(settings={"servers": [{"name": "x"}]}),
        question(login={"name": SECRET, "password": ["x"]}),
    ],
    ids=lambda content: repr(content[-40:]),
)  # fmt: skip
def test_nonsense_is_answered_as_such(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = answer_of(content, monkeypatch)
    assert list(answer) == ["error"]
    assert SECRET not in answer["error"]
    assert PASSWORD not in answer["error"]


def test_a_child_that_began_too_late_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "directory_of", None)
    answer = answer_of(question(until=time.monotonic() - 0.1), monkeypatch)
    assert (answer["kind"], answer["tries"]) == ("unavailable", [])


def test_a_fault_of_our_own_tells_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise RuntimeError(f"{PASSWORD} with {SECRET}")

    monkeypatch.setattr(child, "directory_of", broken)
    assert answer_of(question(), monkeypatch) == {"error": "RuntimeError while servers were asked"}
