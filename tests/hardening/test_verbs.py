"""The table of verbs: closed, typed, bounded."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.cli.device import reference
from holdfast.hardening.arguments import Text
from holdfast.hardening.errors import (
    ArgumentError,
    CallerError,
    UnknownVerbError,
    VerbError,
)
from holdfast.hardening.verbs import AGENT, AGENT_VERBS, AUTH_VERBS, BROKER, GUI, ROOT, Verb, allow

TABLES = {"broker": BROKER, "agent": AGENT_VERBS, "auth": AUTH_VERBS}
AGENTS = frozenset({AGENT})

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_broker_has_exactly_the_six_verbs() -> None:
    assert set(BROKER) == {
        "slot.install", "slot.activate", "slot.confirm", "slot.rollback", "reboot", "status",
    }  # fmt: skip


def test_gui_may_change_nothing_through_the_broker_by_itself() -> None:
    alone = [name for name, verb in BROKER.items() if GUI in verb.callers - verb.proof_of]
    assert alone == ["status"]


def test_a_proof_is_only_asked_of_callers_and_never_of_root() -> None:
    for table in TABLES.values():
        for verb in table.values():
            assert verb.proof_of <= verb.callers - {ROOT}


def test_no_name_stands_in_two_tables() -> None:
    """A proof names a verb and not the process that carries it out."""
    names = [name for table in TABLES.values() for name in table]
    assert len(names) == len(set(names))


def test_what_may_be_left_out_is_an_argument() -> None:
    for table in TABLES.values():
        for verb in table.values():
            assert verb.optional <= set(verb.args) | {"source", "cookie"}


def test_passwords_of_all_scripts_pass() -> None:
    for text in ("\u3000 \u00a0", "\U0001f468\u200d\U0001f469", "\ud800", "\0", "a\nb"):
        AUTH_VERBS["account.login"].check({"name": "ada", "password": text})


@pytest.mark.parametrize("table", TABLES)
def test_every_verb_says_its_purpose_and_every_text_is_bounded(table: str) -> None:
    for verb in TABLES[table].values():
        assert verb.purpose.endswith(".")
        assert verb.callers
        assert 0 < verb.calls <= 100
        for rule in verb.args.values():
            if isinstance(rule, Text):
                assert rule.longest <= 1024


@pytest.mark.parametrize(
    ("verb", "args", "error"),
    [
        ("slot.install", {"version": "1.1"}, None),
        ("slot.install", {"version": "1.2.3"}, None),
        ("slot.install", {}, ArgumentError),
        ("slot.install", {"version": 1.1}, ArgumentError),
        ("slot.install", {"version": "1"}, ArgumentError),
        ("slot.install", {"version": "1.1\n"}, ArgumentError),
        ("slot.install", {"version": "\u0661.1"}, ArgumentError),
        ("slot.install", {"version": "../../x"}, ArgumentError),
        ("slot.install", {"version": "1.1", "path": "/etc"}, ArgumentError),
        ("slot.rollback", {"reason": "x" * 400}, None),
        ("slot.rollback", {"reason": "x" * 401}, ArgumentError),
        ("slot.rollback", {"reason": ""}, ArgumentError),
        ("slot.rollback", {"reason": "a\x1b[2Jb"}, ArgumentError),
        ("slot.rollback", {"reason": "a\u202eb"}, ArgumentError),
        ("reboot", {"now": True}, ArgumentError),
        ("reboot", {}, None),
        ("shell", {}, UnknownVerbError),
        ("__class__", {}, UnknownVerbError),
        ("", {}, UnknownVerbError),
        ("STATUS", {}, UnknownVerbError),
    ],
)
def test_table_decides(verb: str, args: dict[str, object], error: type[VerbError] | None) -> None:
    if error is None:
        assert allow(BROKER, verb, args, AGENTS) is BROKER[verb]
    else:
        with pytest.raises(error):
            allow(BROKER, verb, args, AGENTS)


@pytest.mark.parametrize("callers", [frozenset(), frozenset({GUI}), frozenset({"stranger"})])
def test_callers_that_are_not_named_are_refused(callers: frozenset[str]) -> None:
    with pytest.raises(CallerError):
        allow(BROKER, "slot.activate", {}, callers)


def test_refused_caller_learns_nothing_about_the_arguments() -> None:
    with pytest.raises(CallerError):
        allow(BROKER, "slot.install", {"nonsense": 1}, frozenset({GUI}))


@pytest.mark.parametrize(
    ("value", "fits"),
    [(1, True), (365, True), (0, False), (366, False), (True, False), (1.0, False)],
)
def test_number_is_whole_and_bounded(*, value: object, fits: bool) -> None:
    rule = AGENT_VERBS["update.later"]
    if fits:
        rule.check({"days": value})
    else:
        with pytest.raises(ArgumentError):
            rule.check({"days": value})


@given(verb=st.sampled_from(sorted(BROKER)) | st.text(), args=st.dictionaries(st.text(), ANYTHING))
def test_whatever_is_sent_only_a_refusal_or_a_described_call_comes_out(
    verb: str, args: dict[str, object]
) -> None:
    try:
        rule = allow(BROKER, verb, args, frozenset({ROOT}))
    except VerbError:
        return
    assert isinstance(rule, Verb)
    assert set(args) == set(rule.args)


def test_reference_page_shows_the_tables_as_they_are_enforced() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "broker-verbs.md"
    assert page.read_text() == reference(), "run holdfast device verbs > docs/reference/..."
