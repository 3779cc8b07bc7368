"""The parts of the GUI that need no socket."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.logins import Entry
from holdfast.core.errors import NoSpaceError
from holdfast.device.gui import accounts
from holdfast.device.gui.answers import AnswerError, state_of
from holdfast.device.gui.guard import is_own_host, is_own_origin
from holdfast.device.gui.sessions import ABSOLUTE, IDLE, Sessions
from holdfast.device.gui.texts import days, near, size

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=15,
)
TIMES, NAIVE = ("began", "used"), "2026-11-22T12:00:00"
KEYS = ("product", "hub", "preferences", "trouble", "running", "stage", "offer", "percent", "last")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@given(st.text(max_size=60))
def test_no_host_breaks_the_guard(host: str) -> None:
    assert is_own_host(host) in {True, False}
    assert not is_own_host(f"{host}.example.org")


def test_own_origins() -> None:
    host = (b"host", b"127.0.0.1:8080")
    assert is_own_origin(dict([host]))
    assert is_own_origin(dict([host, (b"origin", b"https://127.0.0.1:8080")]))
    assert not is_own_origin(dict([host, (b"origin", b"https://127.0.0.1:8081")]))
    assert not is_own_origin(dict([host, (b"origin", b"http://127.0.0.1:8080")]))
    assert not is_own_origin(dict([host, (b"sec-fetch-site", b"same-site")]))


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_no_answer_of_the_agent_breaks_a_page(answer: dict[str, object]) -> None:
    with pytest.raises(AnswerError):
        state_of(answer)


class Oracle:
    """Says the same to every question."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    async def ask(self, _verb: str, _args: object = None) -> object:
        return self.answer


ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "at": st.datetimes().map(lambda at: at.isoformat()) | JSON,
        "name": JSON,
        "source": JSON,
        "method": JSON,
        "result": st.sampled_from(["in", "wrong"]) | JSON,
        "is_new": JSON,
        "is_emergency": JSON,
        "is_recovery": JSON,
        "times": JSON,
    },
)


@given(st.dictionaries(st.sampled_from(["entries", "pages"]), JSON | st.lists(ENTRY, max_size=2)))
def test_no_answer_of_auth_breaks_the_log(answer: dict[str, object]) -> None:
    told = accounts.logins(Oracle(answer), kind="in", page=0, now=Clock().now)  # type: ignore[arg-type] # answers as Backends does
    try:
        entries, pages = asyncio.run(told)
    except AnswerError:
        return
    assert isinstance(pages, int)
    assert all(isinstance(one.title, str) for one in entries)


def entry(result: str, **changes: object) -> dict[str, object]:
    made = Entry(
        at=Clock().now, name="vera", source="192.0.2.1", method="local", result=result
    ).plain()
    return {**made, **changes}


@pytest.mark.parametrize(
    ("told", "title", "marks"),
    [
        (entry("in"), "vera logged in", ()),
        (entry("in", is_recovery=True), "vera logged in", ("With a recovery code",)),
        (entry("in", is_emergency=True), "vera logged in", ("Emergency account",)),
        (
            entry("no-role", method="people"),
            "vera is known to the servers, but no rule gives a role",
            (),
        ),
    ],
)
def test_the_log_says_what_is_remarkable(
    told: dict[str, object], title: str, marks: tuple[str, ...]
) -> None:
    oracle = Oracle({"entries": [told], "pages": 1})
    asked = accounts.logins(oracle, kind="in", page=0, now=Clock().now)  # type: ignore[arg-type] # as above
    (shown,), _pages = asyncio.run(asked)
    assert (shown.title, shown.marks) == (title, marks)


@given(st.dictionaries(st.sampled_from(["accounts", "pages"]), JSON))
def test_no_answer_of_auth_breaks_the_list_of_accounts(answer: dict[str, object]) -> None:
    try:
        rows = asyncio.run(accounts.rows(Oracle(answer)))  # type: ignore[arg-type] # as above
    except AnswerError:
        return
    assert rows == []


def test_sessions_end_by_idleness_age_and_a_clock_turned_back(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(tmp_path / "sessions.json", now=clock)
    ticket = sessions.begin(name="ada", role="owner")
    clock.now += IDLE - timedelta(seconds=1)
    assert sessions.find(ticket)
    clock.now += IDLE
    assert sessions.find(ticket) is None
    ticket = sessions.begin(name="ada", role="owner")
    for _ in range(int(ABSOLUTE / timedelta(minutes=10)) - 1):
        clock.now += timedelta(minutes=10)
        assert sessions.find(ticket)
    clock.now += timedelta(minutes=10)
    assert sessions.find(ticket) is None
    ticket = sessions.begin(name="ada", role="owner")
    clock.now -= timedelta(days=1)
    assert sessions.find(ticket) is None


def test_pages_that_reload_themselves_do_not_keep_a_session_alive(tmp_path: Path) -> None:
    clock = Clock()
    sessions = Sessions(tmp_path / "sessions.json", now=clock)
    ticket = sessions.begin(name="ada", role="owner")
    for _ in range(14):
        clock.now += timedelta(minutes=1)
        assert sessions.find(ticket, use=False)
    clock.now += timedelta(minutes=1)
    assert sessions.find(ticket, use=False) is None


def test_sessions_survive_a_restart_and_are_bounded(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "sessions.json"
    sessions = Sessions(path, now=clock)
    tickets = [sessions.begin(name="ada", role="owner") for _ in range(40)]
    again = Sessions(path, now=clock)
    assert again.find(tickets[-1])
    assert sum(again.find(ticket) is not None for ticket in tickets) == 32
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "damage",
    [
        "{damaged",
        "[" * 100_000,
        "[]",
        '{"x": {}}',
        json.dumps({"x": {"name": "a", "role": "b", "token": "c"} | dict.fromkeys(TIMES, NAIVE)}),
    ],
    ids=range(5),
)
def test_damaged_sessions_only_log_people_out(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(damage)
    sessions = Sessions(path, now=Clock())
    assert sessions._by_hash == {}
    assert sessions.find(sessions.begin(name="ada", role="owner"))


def test_a_full_disk_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_kwargs: object) -> None:
        raise NoSpaceError("full")

    monkeypatch.setattr("holdfast.device.gui.sessions.write_whole", full)
    clock = Clock()
    sessions = Sessions(tmp_path / "sessions.json", now=clock)
    ticket = sessions.begin(name="ada", role="owner")
    clock.now += timedelta(minutes=5)
    assert sessions.find(ticket)
    sessions.end(ticket)
    assert sessions.find(ticket) is None


@given(st.text(max_size=80))
def test_no_ticket_breaks_the_sessions(ticket: str) -> None:
    sessions = Sessions(Path("/nonexistent/sessions.json"), now=Clock())
    assert sessions.find(ticket) is None


def test_words_for_figures() -> None:
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert size(28_412_345) == "28.4 MB"
    assert size(10) == "1 kB"
    assert (days(1), days(3)) == ("1 day", "3 days")
    assert near(now + timedelta(days=1), now=now).startswith("tomorrow at")
    assert near(now - timedelta(days=40), now=now).startswith("13 October 2026")
