"""The next server or method is asked only when one could not be reached, never after a no."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.directories.answers import (
    Accepted,
    Answer,
    Claim,
    Login,
    Rejected,
    Step,
    StepName,
    Unavailable,
)
from holdfast.accounts.directories.chain import Chain, Outcome, segments
from holdfast.accounts.directories.roles import role_of
from holdfast.accounts.directories.settings import (
    CentralLogin,
    Group,
    Methods,
    RoleRule,
    Server,
)

ADA = Login(name="ada", password="correct horse battery staple")
YES = Accepted(name="ada", claims=(Claim(kind="group", value="Admins"),))
NO = Rejected(reason="wrong password")
GONE = Unavailable(step="route", reason="refused")


class Scripted:
    """A server that answers what it was told to, and takes its time by the clock of the test."""

    def __init__(self, world: "World", server: Server) -> None:
        self.world, self.server = world, server

    def authenticate(self, login: Login, *, until: float) -> Answer:
        assert login is ADA
        self.world.asked.append(self.server.name)
        answer, takes = self.world.script[self.server.name]
        self.world.now = min(self.world.now + takes, until)
        return answer if takes <= until else GONE

    def test(
        self, login: Login | None, *, until: float, tell: Callable[[Step], None]
    ) -> Answer:  # pragma: no cover - not asked here
        raise NotImplementedError


class World:
    def __init__(self, script: Mapping[str, Any]) -> None:
        self.now = 100.0
        self.asked: list[str] = []
        self.script: dict[str, tuple[Answer, float]] = {
            name: each if isinstance(each, tuple) else (each, 0.1) for name, each in script.items()
        }

    def ask(
        self,
        groups: Mapping[str, Sequence[str]],
        *,
        dead: Mapping[str, float] | None = None,
        budget_s: float = 10,
    ) -> Outcome:
        settings = CentralLogin(
            servers=tuple(
                Server(name=name, protocol="tacacs+", host="127.0.0.1") for name in self.script
            ),
            groups=tuple(Group(name=name, servers=tuple(each)) for name, each in groups.items()),
            roles=(RoleRule(role="owner", group="admins"),),
        )
        chain = Chain(
            settings,
            directory=lambda server: Scripted(self, server),
            dead=dead or {},
            monotonic=lambda: self.now,
        )
        return chain.ask(ADA, tuple(groups), budget_s=budget_s)


def test_the_first_yes_decides() -> None:
    world = World({"a": YES, "b": NO})
    outcome = world.ask({"first": ["a", "b"]})
    assert (outcome.kind, outcome.role, outcome.server) == ("accepted", "owner", "a")
    assert world.asked == ["a"]


def test_after_a_no_nobody_else_is_asked() -> None:
    world = World({"a": NO, "b": YES, "c": YES})
    outcome = world.ask({"first": ["a", "b"], "second": ["c"]})
    assert (outcome.kind, outcome.server, outcome.name, outcome.role) == ("rejected", "a", "", "")
    assert world.asked == ["a"]


def test_who_cannot_be_reached_is_followed_by_the_next_and_then_the_next_group() -> None:
    world = World({"a": GONE, "b": GONE, "c": YES})
    outcome = world.ask({"first": ["a", "b"], "second": ["c"]})
    assert (outcome.kind, outcome.group) == ("accepted", "second")
    assert [(one.server, one.step) for one in outcome.tries] == [
        ("a", "route"), ("b", "route"), ("c", ""),
    ]  # fmt: skip
    assert outcome.dead == {"a": pytest.approx(119.8), "b": pytest.approx(119.9)}


def test_a_dead_server_is_left_out_until_its_time_is_over() -> None:
    world = World({"a": YES, "b": YES})
    assert world.ask({"first": ["a", "b"]}, dead={"a": 60}).server == "b"
    assert world.ask({"first": ["a", "b"]}, dead={"a": 0}).server == "a"


def test_where_all_are_dead_the_one_that_is_due_first_is_asked_all_the_same() -> None:
    world = World({"a": GONE, "b": YES, "c": GONE})
    outcome = world.ask({"first": ["a", "b", "c"]}, dead={"a": 60, "b": 30, "c": 90})
    assert (outcome.kind, world.asked) == ("accepted", ["b"])
    assert set(outcome.dead) == {"a", "c"}


def test_where_nobody_else_answers_one_that_was_dead_is_asked_before_the_next_group() -> None:
    # A stranger may have made it look dead, with a name that it says nothing to.
    world = World({"a": YES, "b": GONE, "c": NO, "d": NO})
    outcome = world.ask({"first": ["a", "b", "c"], "second": ["d"]}, dead={"a": 60, "c": 90})
    assert (outcome.kind, world.asked) == ("accepted", ["b", "a"])
    assert set(outcome.dead) == {"b", "c"}


@pytest.mark.parametrize("step", ["password", "search", "role"])
def test_what_fails_for_one_person_leaves_the_server_alive(step: StepName) -> None:
    world = World({"a": Unavailable(step=step, reason="too many groups"), "b": NO})
    outcome = world.ask({"first": ["a", "b"]})
    assert (outcome.kind, outcome.server, outcome.dead) == ("rejected", "b", {})


def test_a_server_that_had_too_little_time_is_not_dead() -> None:
    world = World({"a": (GONE, 99.0), "b": (GONE, 99.0)})
    outcome = world.ask({"first": ["a", "b"]}, budget_s=1.5)
    assert [one.seconds for one in outcome.tries] == [0.75, 0.75]
    assert outcome.dead == {}


def test_a_no_without_asking_does_not_bring_the_dead_back() -> None:
    world = World({"a": Rejected(reason="has more than 128 bytes")})
    outcome = world.ask({"first": ["a"]}, dead={"a": 60})
    assert outcome.kind == "rejected"
    assert outcome.dead == {"a": pytest.approx(59.9)}
    world = World({"a": Rejected(reason="wrong", server="192.0.2.1:300")})
    assert world.ask({"first": ["a"]}, dead={"a": 60}).dead == {}


def test_a_server_of_two_groups_is_asked_once() -> None:
    world = World({"a": GONE, "b": YES})
    assert world.ask({"first": ["a"], "second": ["a", "b"]}).group == "second"
    assert world.asked == ["a", "b"]


def test_the_time_for_all_is_bounded_and_everybody_gets_some_of_it() -> None:
    script = {**dict.fromkeys("abcd", (GONE, 99.0)), "e": (YES, 0.1)}
    world = World(script)
    outcome = world.ask({"first": list("abcd")}, budget_s=10)
    assert outcome.kind == "unavailable"
    assert world.now == pytest.approx(110)
    assert world.asked == list("abcd")
    assert set(outcome.dead) == set("abcd")
    world = World(script)
    assert world.ask({"first": list("ab"), "second": ["e"]}, budget_s=10).kind == "accepted"
    assert world.now == pytest.approx(107.1)  # 4 s for the first, of which 6 were wanted, and 3


def test_right_password_without_a_role_is_no_access() -> None:
    world = World({"a": Accepted(name="ada", claims=(Claim(kind="group", value="guests"),))})
    outcome = world.ask({"first": ["a"]})
    assert (outcome.kind, outcome.role, outcome.name) == ("no-role", "", "ada")


@pytest.mark.parametrize(
    ("order", "cut"),
    [
        (("local",), [("local",)]),
        (("t", "r", "local"), [("t", "r"), ("local",)]),
        (("local", "t", "r"), [("local",), ("t", "r")]),
        (("t", "local", "r"), [("t",), ("local",), ("r",)]),
        (("t",), [("t",)]),
    ],
)
def test_methods_are_cut_where_local_stands(
    order: tuple[str, ...], cut: list[tuple[str, ...]]
) -> None:
    assert list(segments(Methods(service="gui", order=order))) == cut


RULES = (
    RoleRule(role="owner", level=15),
    RoleRule(role="owner", group="cn=admins,dc=example", methods=("ldap",)),
    RoleRule(role="viewer", attribute="filter-id", value="readers"),
    RoleRule(role="viewer", level=1),
    RoleRule(role="boss", group="cn=boss,dc=example"),
)


@pytest.mark.parametrize(
    ("claims", "method", "role"),
    [
        ([Claim(kind="level", value="15")], "t", "owner"),
        ([Claim(kind="level", value="7")], "t", "viewer"),
        ([Claim(kind="level", value="0")], "t", None),
        ([Claim(kind="level", value="-1")], "t", None),
        ([Claim(kind="level", value="99")], "t", None),
        ([Claim(kind="level", value="²")], "t", None),
        ([Claim(kind="level", value="")], "t", None),
        ([Claim(kind="group", value="CN=Admins,DC=example")], "ldap", "owner"),
        ([Claim(kind="group", value="CN=Admins,DC=example")], "radius", None),
        ([Claim(kind="group", value="CN=BOSS,DC=example")], "ldap", "boss"),
        ([Claim(kind="group", value="cn=boß,dc=example")], "ldap", None),
        ([Claim(kind="attribute", name="Filter-Id", value="readers")], "r", "viewer"),
        ([Claim(kind="attribute", name="filter-id", value="Readers")], "r", None),
        ([Claim(kind="attribute", name="class", value="readers")], "r", None),
        ([], "t", None),
    ],
)
def test_roles_follow_from_claims(claims: list[Claim], method: str, role: str | None) -> None:
    assert role_of(claims, RULES, method=method) == role


@given(
    st.lists(
        st.builds(
            Claim,
            kind=st.sampled_from(["group", "attribute", "level"]),
            name=st.text(max_size=8),
            value=st.text(max_size=8),
        ),
        max_size=5,
    )
)
def test_no_rules_no_access(claims: list[Claim]) -> None:
    assert role_of(claims, (), method="t") is None
