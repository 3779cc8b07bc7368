"""From files with passwords to one block list."""

import gzip
import lzma
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from holdfast.accounts.blocklist import builder, layout
from holdfast.accounts.blocklist.builder import Builder, lines_of
from holdfast.accounts.blocklist.reader import BlockList, Lists
from holdfast.accounts.errors import ListFileError
from holdfast.accounts.policy import Context, PasswordRefusedError, must_be_usable
from tests.accounts.blocklist.conftest import Write


def test_what_becomes_of_lines() -> None:
    made = Builder()
    made.add(
        ["Sunshine1", "sunshine1", " sunshine1\r\n", "", "  \t", "short", "x" * 257, "a\0bcdefgh",
         "tab\tinside it", "密码密码密码密码密码", "q" * 256],
        top=1,
    )  # fmt: skip
    tally = made.build(name="n", licence="l").tally
    assert tally == (9, 3, 1, 0, 1, 3)


def test_the_order_of_all_but_the_first_makes_no_difference() -> None:
    words = [f"password number {number}" for number in range(500)]
    made = []
    for _ in range(2):
        one = Builder()
        one.add(words, top=0)
        made.append(one.build(name="n", licence="l").content)
        words.sort(key=lambda word: word[::-1])
    assert made[0] == made[1]


@pytest.mark.parametrize(
    "typed",
    [
        "correct horse battery staple",
        "correcthorsebatterystaple",
        "Correct-Horse-Battery-Staple",
        "correct.horse_battery staple",
        "CorrectHorseBatteryStaple99",
        "c0rrecthorsebatteryst@ple",
        "elpatsyrettabesroHtcerroC",
        "over the hills 1974",
    ],
)
def test_a_phrase_is_refused_however_its_words_are_set_apart(write: Write, typed: str) -> None:
    path, seal = write(["correct horse battery staple", "over-the-hills"], top=0)
    with (
        closing(Lists(BlockList(path, seal=seal))) as lists,
        pytest.raises(PasswordRefusedError) as caught,
    ):
        must_be_usable(typed, Context(), lists)
    assert caught.value.reason in {"listed", "variant"}


def test_what_is_mostly_separators_is_no_phrase() -> None:
    made = Builder()
    made.add(["a-b-c-d-e", "1.2.3.4.5.6.", "- - - - - sunshine"], top=0)
    assert made.build(name="n", licence="l").tally.kept == 3


@pytest.mark.parametrize("name", ["", "x" * 33, "naïve", "a\nb", "a/../b", " a", "a ", "..", "-n"])
def test_names_that_do_not_fit(name: str) -> None:
    made = Builder()
    made.add(["sunshine"])
    with pytest.raises(ListFileError):
        made.build(name=name, licence="MIT")
    with pytest.raises(ListFileError):
        made.build(name="fine", licence=name * 2)


def test_a_list_of_nothing() -> None:
    made = Builder()
    made.add(["a", "b"], top=0)
    with pytest.raises(ListFileError, match="no password"):
        made.build(name="n", licence="l")


def test_more_than_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "MOST_ENTRIES", 3)
    with pytest.raises(ListFileError, match="more than 3"):
        Builder().add(["sunshine"] * 4)


PACK: dict[str, Callable[[bytes], bytes]] = {
    ".txt": bytes,
    ".xz": lzma.compress,
    ".gz": gzip.compress,
}


@pytest.mark.parametrize("suffix", PACK)
def test_files_plain_and_packed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"list{suffix}"
    path.write_bytes(PACK[suffix]("sunshine\n密码\n".encode() + b"fran\xe7ais\nlast"))
    assert [line.strip() for line in lines_of(path)] == ["sunshine", "密码", "français", "last"]


@pytest.mark.parametrize("suffix", [".xz", ".gz"])
def test_damaged_files(tmp_path: Path, suffix: str) -> None:
    whole = PACK[suffix](b"sunshine\n" * 5000)
    path = tmp_path / f"list{suffix}"
    for content in (b"no such thing", whole[:-20], whole[:40] + b"\xff" * 9 + whole[49:]):
        path.write_bytes(content)
        with pytest.raises(ListFileError):
            list(lines_of(path))


def test_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", Path("/dev/zero")):
        with pytest.raises(ListFileError):
            list(lines_of(path))


def test_a_bomb_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "MOST_FILE_BYTES", 1 << 20)
    path = tmp_path / "bomb.xz"
    path.write_bytes(lzma.compress(bytes(2 << 20)))
    with pytest.raises(ListFileError, match="more than 1 MiB"):
        list(lines_of(path))


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 1000, 249_999, 250_001, 5_000_000])
def test_sizes_fit_the_layout(count: int) -> None:
    bits, width = builder._size(count)
    section = layout.Section(count, 20, bits, width)
    assert layout._fits(section)
    # Buckets hold 255 at most: the fullest of a hundred on average has about half as many more.
    assert count / 2**bits < 100
    assert section.size_bytes < 4.5 * count + 200
