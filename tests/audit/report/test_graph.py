"""The drawing shows what matters, where it belongs, however large or hostile the graph is."""

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.model.shapes import Listener, Model, Started, StartUp, Step
from holdfast.audit.report.page.graph import HEIGHT, MOST_NODES, Drawing, draw, forest
from tests.audit.report.sample import hostile, model


def started(count: int, edges: list[tuple[int, int]], *listeners: Listener) -> Model:
    steps = tuple(
        Step(id=number, kind="command", where=f"etc/rc:{number}", text=f"program-{number}")
        for number in range(count)
    )
    start = StartUp(init="sysv", steps=steps, edges=tuple(edges))
    return Model(start_up=start, listeners=listeners)


def overlaps(drawing: Drawing) -> list[tuple[str, str]]:
    nodes = drawing.nodes
    return [
        (one.title, other.title)
        for number, one in enumerate(nodes)
        for other in nodes[number + 1 :]
        if abs(one.y - other.y) < HEIGHT and one.x < other.x + other.width
        and other.x < one.x + one.width
    ]  # fmt: skip


def test_what_is_started_stands_to_the_right_of_what_starts_it() -> None:
    drawing = draw(model())
    assert drawing.left_out == 0
    assert overlaps(drawing) == []
    for node in drawing.nodes:
        if node.parent is not None:
            above = drawing.nodes[node.parent]
            assert node.x >= above.x + above.width
    assert drawing.nodes[0].title == "Linux 2.6.36"
    assert (drawing.nodes[0].x, drawing.nodes[0].y) == (1, 1)


def test_listeners_hang_from_the_step_that_leads_to_them() -> None:
    drawing = draw(model())
    above = {
        node.title: drawing.nodes[node.parent].title
        for node in drawing.nodes
        if node.kind == "listener" and node.parent is not None
    }
    assert above["dns · udp 53"].startswith("dnsmasq")
    assert above["http · tcp 80"].startswith("httpd")
    assert len(above) == 5


def test_users_pass_on_until_somebody_else_is_named() -> None:
    looks = {node.title: node.look for node in draw(model()).nodes}
    assert looks["S50web"] == "script root boot"
    assert looks["dns · udp 53"] == "listener user boot"
    assert "maybe" in looks["telnet · tcp 23"]
    assert "later" in looks["S60dropbear"]


def test_findings_are_flagged() -> None:
    drawing = draw(model(), flagged=frozenset({"etc/init.d/S50web:6"}))
    assert {node.title for node in drawing.nodes if node.flagged} == {
        "httpd -f /var/…pd.conf",
        "http · tcp 80",
    }


def test_of_a_large_graph_what_listens_is_kept_and_the_rest_summed_up() -> None:
    edges = [(0, number) for number in range(1, 300)]
    far = Listener(
        service="http", program="p", where="w", started=Started.BOOT, steps=(299,), port=80
    )
    drawing = draw(started(300, edges, far), flagged=frozenset({"etc/rc:250"}))
    titles = [node.title for node in drawing.nodes]
    assert "program-299" in titles
    assert "program-250" in titles
    assert "http · tcp 80" in titles
    # Kernel, the first, the two that matter, two beside them, a listener, and what is left out.
    assert drawing.left_out == 294
    assert "+ 294 more" in titles
    assert len(titles) == 8
    assert overlaps(drawing) == []


def test_there_are_never_too_many_however_much_listens() -> None:
    edges = [(0, number) for number in range(1, 300)]
    many = tuple(
        Listener(service=f"s{n}", program="p", where="w", started=Started.BOOT, steps=(0, n))
        for n in range(1, 300)
    )
    drawing = draw(started(300, edges, *many))
    assert len(drawing.nodes) <= 2 * MOST_NODES + 1
    assert drawing.left_out == 2 * 299 + 1 - 2 * MOST_NODES
    assert overlaps(drawing) == []


def test_what_leads_to_a_listener_comes_first() -> None:
    edges = [(0, 1), (1, 2), (1, 3), (1, 4), (4, 5)]
    far = Listener(service="x", program="p", where="w", started=Started.BOOT, steps=(0, 1, 4, 5))
    drawing = draw(started(6, edges, far))
    first_row = [node.title for node in drawing.nodes if node.y == 1]
    assert first_row == ["program-0", "program-1", "program-4", "program-5", "x · tcp"]


def test_circles_strangers_and_lost_edges_are_drawn_once() -> None:
    drawing = draw(started(5, [(0, 1), (1, 2), (2, 0), (2, 2), (3, 4), (4, 3), (0, 9), (-1, 2)]))
    assert len(drawing.nodes) == 5
    assert sum(crossing for _, crossing in drawing.lines) == 3
    assert overlaps(drawing) == []


def test_nothing_is_drawn_of_nothing() -> None:
    drawing = draw(started(0, []))
    assert (drawing.nodes, drawing.left_out) == ((), 0)


@pytest.mark.slow
def test_a_long_chain_and_a_wide_fan_take_no_time() -> None:
    count = 20_000
    chain = [(number, number + 1) for number in range(count - 1)]
    last = Listener(service="x", program="p", where="w", started=Started.BOOT, steps=(count - 1,))
    began = time.perf_counter()
    drawing = draw(started(count, chain, last))
    assert len(drawing.nodes) <= MOST_NODES + 3
    draw(started(count, [(0, number) for number in range(1, count)]))
    assert time.perf_counter() - began < 2


def test_hostile_names_fit_their_boxes() -> None:
    drawing = draw(hostile().model)
    assert all(len(node.title) <= 26 and node.title.isprintable() for node in drawing.nodes)
    assert all(node.under.isprintable() and node.told.isprintable() for node in drawing.nodes)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(-1, 41), st.integers(-1, 41)), max_size=80),
    st.lists(st.integers(-1, 41), max_size=4),
)
def test_any_graph_is_a_forest_without_overlaps(
    count: int, edges: list[tuple[int, int]], steps: list[int]
) -> None:
    listener = Listener(
        service="x", program="p", where="w", started=Started.BOOT, steps=tuple(steps)
    )
    shown = started(count, edges, listener)
    trees = forest(shown)
    assert sorted(trees.order) == list(range(count))
    assert all(len(trees.way_to(one, count + 1)) <= count for one in range(count))
    drawing = draw(shown)
    assert len(drawing.nodes) == count + 1
    assert overlaps(drawing) == []


def test_what_is_not_started_is_no_listener() -> None:
    none = replace(model().listeners[0], started=Started.NO)
    drawing = draw(replace(model(), listeners=(none,)))
    assert not [node for node in drawing.nodes if node.kind == "listener"]
