"""A file is believed whole, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.blocklist import builtin, layout
from holdfast.accounts.blocklist.builder import Builder
from holdfast.accounts.blocklist.reader import (
    DELIVERED,
    LISTED,
    MOST_COMMON,
    NOT_LISTED,
    BlockList,
    Lists,
)
from holdfast.accounts.errors import BlockListError
from holdfast.accounts.normal import folded

Written = tuple[Path, str]
Write = Callable[..., Written]


def test_ranks(write: Write) -> None:
    path, seal = write(defaults=["iloveyou", "admin"])
    lists = Lists(BlockList(path, seal=seal))
    found = {
        word: lists.rank(folded(word))
        for word in ("Sunshine", "letmein", "dragon", "correct horse battery", "strasse 12345")
    }
    assert found == {
        "Sunshine": MOST_COMMON,
        "letmein": MOST_COMMON,
        "dragon": NOT_LISTED,  # too short to be needed, and not among the first two
        "correct horse battery": LISTED,
        "strasse 12345": LISTED,
    }
    assert lists.rank("iloveyou") == lists.rank("admin") == DELIVERED
    assert lists.rank("x" * 10_000) == lists.rank("") == NOT_LISTED
    assert lists.rank("\udc80" * 9) == NOT_LISTED
    lists.close()


def test_cores(write: Write) -> None:
    path, seal = write()
    lists = Lists(BlockList(path, seal=seal))
    assert [lists.is_core(word) for word in ("sunshine", "letmein", "iloveyou")] == [True] * 3
    assert [lists.is_core(word) for word in ("dragon", "1234", "moonshine", "")] == [False] * 4
    lists.close()


def test_several_lists_are_one(write: Write, tmp_path: Path) -> None:
    path, seal = write(["sunshine"])
    kept = path.rename(tmp_path / "other")
    other, other_seal = write(["moonlight"])
    lists = Lists(BlockList(kept, seal=seal), BlockList(other, seal=other_seal))
    assert lists.rank("sunshine") == lists.rank("moonlight") == MOST_COMMON
    assert [header.name for header in lists.headers] == ["small", "small"]
    lists.let_go()
    assert lists.rank("sunshine") == MOST_COMMON
    lists.close()


def test_what_comes_with_holdfast_is_whole() -> None:
    lists = builtin.opened()
    (header,) = lists.headers
    assert header.name == "common"
    assert "CC-BY-SA" not in header.licence
    assert lists.rank("password") == DELIVERED
    lists.close()


@given(st.sets(st.text(min_size=8, max_size=20), min_size=1, max_size=300))
def test_nothing_that_was_taken_in_is_missed(words: set[str]) -> None:
    builder = Builder()
    builder.add([*words, "moonshine"], top=3)
    built = builder.build(name="any", licence="none")
    folder = Path(f"/proc/self/fd/{os.memfd_create('list')}")
    try:
        folder.write_bytes(built.content)
        lists = Lists(BlockList(folder, seal=layout.seal_of(built.content[:160])))
        missed = {
            word
            for word in words
            if word.strip() == word and word.isprintable() and not lists.rank(folded(word))
        }
        lists.close()
    finally:
        os.close(int(folder.name))
    assert missed == set()


# ---- files that are not what was vouched for ----------------------------------------------------


def test_a_flipped_byte_is_noticed(write: Write) -> None:
    path, seal = write()
    content = path.read_bytes()
    # Between the two lie key and signature, which are not asked here.
    for at in (*range(layout.SEALED_BYTES), *range(layout.HEADER_BYTES, len(content), 3)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :])
        with pytest.raises(BlockListError):
            BlockList(path, seal=seal)


@pytest.mark.parametrize("size", [0, 1, 8, 159, 160, 255, 256, 257, -1])
def test_cut_off(write: Write, size: int) -> None:
    path, seal = write()
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BlockListError):
        BlockList(path, seal=seal)


def test_something_behind_it(write: Write) -> None:
    path, seal = write()
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(BlockListError, match="bytes instead of"):
        BlockList(path, seal=seal)


def test_the_right_file_under_another_seal(write: Write) -> None:
    path, _ = write()
    for wrong in ("", "0" * 64, builtin.SEAL):
        with pytest.raises(BlockListError, match="not the one that was vouched for"):
            BlockList(path, seal=wrong)


def test_missing_folder_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path / "none", tmp_path, pipe, Path("/dev/zero"), tmp_path / "a\0b"):
        with pytest.raises(BlockListError):
            BlockList(path, seal=builtin.SEAL)


def test_no_file_is_left_open(write: Write) -> None:
    path, seal = write()
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(5):
        with pytest.raises(BlockListError):
            BlockList(path, seal="0" * 64)
        BlockList(path, seal=seal)  # forgotten
    assert len([*Path("/proc/self/fd").iterdir()]) == before


@given(st.binary(max_size=400), st.integers(0, 3))
def test_any_header_is_read_or_refused(noise: bytes, version: int) -> None:
    for sealed in (
        noise,
        noise[:160].ljust(160, b"\0"),
        (layout.MAGIC + bytes([0, version]) + noise)[:160].ljust(160, b"\0"),
    ):
        try:
            header = layout.unpacked(sealed, "any")
        except BlockListError:
            continue
        assert layout.packed(header) == sealed
        assert header.size_bytes <= layout.MOST_BYTES


def test_a_sealed_file_that_contradicts_itself_is_noticed(tmp_path: Path) -> None:
    # Nobody can make one without the seal; the reader still goes nowhere that the file is not.
    section = layout.Section(1, 8, 6, 4)
    body = (2**32 - 1).to_bytes(4, "big") + b"\xff" * 64 + bytes(4)
    digest = layout.digesting()
    digest.update(body)
    empty = layout.Section()
    sections = (empty, section, empty, empty)
    sealed = layout.packed(layout.Header(sections, "bad", "none", digest.digest()))
    path = tmp_path / "bad"
    path.write_bytes(sealed.ljust(layout.HEADER_BYTES, b"\0") + body)
    lists = Lists(BlockList(path, seal=layout.seal_of(sealed)))
    with pytest.raises(BlockListError, match="contradicts itself"):
        lists.rank("sunshine")
    lists.close()
