"""Every content is looked at once; a worker that dies costs one file."""

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest

from holdfast.audit import crew
from holdfast.audit.contents import Contents, Store, look_at
from holdfast.audit.errors import FormatError
from holdfast.audit.facts.shapes import FileFacts, FileKind
from holdfast.audit.limits import Limits
from holdfast.audit.tree import Kind, Node, Tree
from holdfast.audit.unpack.budget import Budget


def facts(content: bytes, sha256: str) -> FileFacts:
    """Find facts, and do what hostile contents make a parser do."""
    if content == b"crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if content == b"hang":
        time.sleep(60)
    if content == b"mistake":
        raise ZeroDivisionError
    return FileFacts(sha256=sha256, size_bytes=len(content), kind=FileKind.OTHER)


def node(path: str, content: bytes) -> Node:
    return Node(
        path=path, kind=Kind.FILE, mode=0o644, size_bytes=len(content), read=lambda: content
    )


def run(
    tree: Tree, workers: int, known: dict[str, FileFacts] | None = None, **limits: int
) -> Contents:
    budget = Budget(Limits(**{"seconds": 30, **limits}))
    return look_at([tree], known=known or {}, look=facts, budget=budget, workers=workers)


PLAIN = [node(f"folder/{number}", b"content %d" % (number % 50)) for number in range(300)]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_digests_and_facts_of_everything(workers: int) -> None:
    contents = run(Tree(PLAIN), workers)
    assert len(contents.digests[0]) == 300
    assert len(contents.facts) == 50
    assert contents.digests[0]["folder/7"] == hashlib.sha256(b"content 7").hexdigest()
    assert contents.unread == {}
    assert contents.limit is None


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_known_is_not_looked_at(workers: int) -> None:
    before = run(Tree(PLAIN[:20]), 0).facts
    contents = run(Tree(PLAIN), workers, before)
    assert contents.cached == 20
    assert len(contents.facts) == 50
    crashing = hashlib.sha256(b"crash").hexdigest()
    known = {crashing: FileFacts(sha256=crashing, size_bytes=5, kind=FileKind.OTHER)}
    assert run(Tree([node("x", b"crash")]), 2, known).cached == 1


@pytest.mark.parametrize("how", [b"crash", b"mistake"])
def test_a_death_costs_one_file(how: bytes) -> None:
    contents = run(Tree([*PLAIN, node("bad", how), node("bad2", how + b"")]), 2)
    assert set(contents.unread) == {(0, "bad"), (0, "bad2")}
    assert "died" in contents.unread[0, "bad"]
    assert len(contents.digests[0]) == 300
    assert len(contents.facts) == 50


def test_so_does_one_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_SECONDS_PER_ITEM", 0.3)
    contents = run(Tree([*PLAIN[:50], node("bad", b"hang")]), 2)
    assert set(contents.unread) == {(0, "bad")}
    assert "took more than" in contents.unread[0, "bad"]
    assert len(contents.facts) == 50


@pytest.mark.slow
def test_too_many_deaths_end_it() -> None:
    contents = run(Tree([node(f"{number:03}", b"crash") for number in range(80)]), 2)
    assert contents.limit is not None
    assert contents.limit.limit == "deaths"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_file_is_told(workers: int) -> None:
    def damaged() -> bytes:
        raise FormatError("block 3 is damaged")

    bad = Node(path="bad", kind=Kind.FILE, mode=0o644, size_bytes=5, read=damaged)
    contents = run(Tree([*PLAIN, bad]), workers)
    assert contents.unread == {(0, "bad"): "block 3 is damaged"}
    assert len(contents.facts) == 50


@pytest.mark.parametrize("workers", [0, 2])
def test_a_limit_keeps_what_there_is(workers: int) -> None:
    budget = Budget(Limits(seconds=30, unpacked_bytes=200))

    def counted(content: bytes) -> Node:
        def read() -> bytes:
            budget.take_bytes(len(content))
            return content

        return Node(
            path=content.decode(), kind=Kind.FILE, mode=0o644, size_bytes=len(content), read=read
        )

    tree = Tree([counted(b"%09d" % number) for number in range(100)])
    contents = look_at([tree], known={}, look=facts, budget=budget, workers=workers)
    assert contents.limit is not None
    assert contents.limit.limit == "unpacked_bytes"
    assert 0 < len(contents.facts) < 100


def test_hard_links_are_read_once() -> None:
    reads = 0

    def read() -> bytes:
        nonlocal reads
        reads += 1
        return b"same"

    nodes = [Node(path=path, kind=Kind.FILE, mode=0o644, size_bytes=4, read=read) for path in "abc"]
    contents = run(Tree(nodes), 0)
    assert reads == 1
    assert set(contents.digests[0]) == {"a", "b", "c"}


def test_no_process_is_left() -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = children.read_text()
    run(Tree([*PLAIN, node("bad", b"crash")]), 2)
    assert children.read_text() == before


def test_contents_are_read_from_the_store_afterwards(tmp_path: Path) -> None:
    reads = 0

    def read() -> bytes:
        nonlocal reads
        reads += 1
        return b"from the image"

    slow = Node(path="slow", kind=Kind.FILE, mode=0o755, uid=7, size_bytes=14, read=read)
    tree = Tree([*PLAIN, slow, node("empty", b""), node("bad", b"crash")])
    store = Store(tmp_path / "contents", 1_000_000)
    budget = Budget(Limits(seconds=30))
    look_at([tree], known={}, look=facts, budget=budget, workers=2, store=store)
    assert tree.read("slow") == b"from the image"
    assert reads == 0  # the worker read it, in a process of its own
    moved = tree.get("slow")
    assert moved is not None
    assert (moved.mode, moved.uid, moved.size_bytes) == (0o755, 7, 14)
    assert [tree.read(f"folder/{number}") for number in range(300)] == [
        b"content %d" % (number % 50) for number in range(300)
    ]
    assert tree.read("empty") == b""
    # Each content stands there once for each worker at most.
    assert store.path.stat().st_size <= 2 * sum(len(b"content %d" % n) for n in range(50)) + 40


def test_the_store_stays_short(tmp_path: Path) -> None:
    store = Store(tmp_path / "contents", 100)
    tree = Tree(PLAIN)
    budget = Budget(Limits(seconds=30))
    look_at([tree], known={}, look=facts, budget=budget, workers=2, store=store)
    assert store.path.stat().st_size <= 120
    assert tree.read("folder/299") == b"content 49"
