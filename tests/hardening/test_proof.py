"""The owner's proof: attacked by forging, replay, other calls and turned clocks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.hardening import proof
from holdfast.hardening.errors import ProofError
from holdfast.hardening.proof import Used

KEY = b"k" * 32
ARGS = {"name": "ssh", "port": 22}
NOW_S = 5000.0
CALL: dict[str, Any] = {"verb": "service.on", "args": ARGS}


def made(**changes: Any) -> str:  # noqa: ANN401 - any argument
    given_ = {"key": KEY, **CALL, "by": "ada", "now_s": NOW_S, **changes}
    return proof.made(given_.pop("key"), **given_)


def holds(text: str, **changes: Any) -> bool:  # noqa: ANN401 - any argument
    given_ = {"key": KEY, **CALL, "now_s": NOW_S + 1, **changes}
    try:
        proof.checked(text, given_.pop("key"), **given_)
    except ProofError:
        return False
    return True


def test_a_proof_holds_for_its_call_and_says_who_made_it() -> None:
    text = made()
    assert len(text) <= proof.LONGEST
    proven = proof.checked(text, KEY, **CALL, now_s=NOW_S)
    assert (proven.by, proven.at_ms) == ("ada", 5_000_000)


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "service.off"},
        {"args": {**ARGS, "port": 23}},
        {"args": {"name": "ssh"}},
        {"args": {**ARGS, "more": 1}},
        {"args": {**ARGS, "port": "22"}},
        {"args": {"name": "ssh", "port": True}},
        {"args": {}},
        {"key": b"x" * 32},
        {"key": b""},
        {"key": KEY + b"k"},
        {"now_s": NOW_S + proof.LIFE_S},
        {"now_s": NOW_S - 1},  # made in the future: the clock went backwards
        {"now_s": 0.0},
    ],
)
def test_it_holds_for_nothing_else(changes: dict[str, Any]) -> None:
    assert holds(made())
    assert not holds(made(), **changes)


def test_the_order_of_arguments_does_not_matter() -> None:
    assert holds(made(), args={"port": 22, "name": "ssh"})


def test_every_changed_sign_is_noticed() -> None:
    text = made()
    for at, sign in enumerate(text):
        other = "1" if sign != "1" else "2"
        assert not holds(text[:at] + other + text[at + 1 :])
        assert not holds(text[:at] + text[at + 1 :])


def test_another_name_is_noticed() -> None:
    assert not holds(made(by="eve").replace(".eve", ".ada"))


@given(st.text())
def test_no_text_breaks_the_check(text: str) -> None:
    assert not holds(text)
    assert not holds(f"1.5000000.{'0' * 32}.{'0' * 64}.{text}")


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=9) | st.integers(), max_size=4))
def test_canonical_form_tells_arguments_apart(args: dict[str, Any]) -> None:
    assert holds(made(args=args), args=dict(reversed(args.items())))
    assert not holds(made(args=args), args={**args, "\0more": 1})


def test_each_is_heard_once() -> None:
    used = Used()
    proven = proof.checked(made(), KEY, **CALL, now_s=NOW_S)
    used.use(proven, now_s=NOW_S)
    for later_s in (0, 1, 59):
        with pytest.raises(ProofError):
            used.use(proven, now_s=NOW_S + later_s)


def test_a_flood_of_proofs_is_refused_and_forgets_none() -> None:
    used = Used()
    first = proof.checked(made(), KEY, **CALL, now_s=NOW_S)
    used.use(first, now_s=NOW_S)
    for _ in range(proof.MOST_USED - 1):
        used.use(proof.checked(made(), KEY, **CALL, now_s=NOW_S), now_s=NOW_S)
    with pytest.raises(ProofError):
        used.use(proof.checked(made(), KEY, **CALL, now_s=NOW_S), now_s=NOW_S)
    assert first.nonce in used.seen
    later_s = NOW_S + 61
    used.use(proof.checked(made(now_s=later_s), KEY, **CALL, now_s=later_s), now_s=later_s)
    assert len(used.seen) == 1


def test_what_was_made_before_is_not_heard_where_memory_was_lost() -> None:
    used = Used(not_before_ms=int(NOW_S * 1000) + 1)
    with pytest.raises(ProofError):
        used.use(proof.checked(made(), KEY, **CALL, now_s=NOW_S), now_s=NOW_S)


@pytest.mark.parametrize(
    ("names", "needed"),
    [
        ({"gui"}, True),
        ({"agent"}, False),
        ({"root"}, False),
        ({"gui", "root"}, False),  # all share one user, so nobody can be told apart
        ({"gui", "auth"}, True),
        (set(), True),
    ],
)
def test_who_needs_one(names: set[str], *, needed: bool) -> None:
    assert proof.is_needed({"gui"}, {"gui", "agent", "root"}, names) == needed
