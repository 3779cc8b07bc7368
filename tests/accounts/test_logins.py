"""The log of logins: read back, bounded, and no flood pushes lines out."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from holdfast.accounts.logins import LONGEST_LINE, Entry, Repeats, entries_of, line_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def entry(result: str = "wrong", name: str = "ada", source: str = "192.0.2.1") -> Entry:
    return Entry(at=NOW, name=name, source=source, method="local", result=result)


def test_lines_read_back_and_damage_is_left_out() -> None:
    kept = entry("in")._replace(is_new=True, is_emergency=True, is_recovery=True)
    lines = [line_of(kept), b"", b"{", b"[]", b'{"at": 1}', line_of(kept)[:-20], b"\xff" * 50]
    assert list(entries_of(lines)) == [kept]


def test_the_longest_line_is_read_back() -> None:
    long = entry("wrong-recovery", name="\U0001f600" * 64, source="x" * 64)._replace(
        method="m" * 32
    )
    assert len(line_of(long)) <= LONGEST_LINE
    assert list(entries_of([line_of(long)])) == [long]
    # A directory may know names that are longer; the login is in the log all the same.
    (read,) = entries_of([line_of(long._replace(name="\U0001f600" * 128))])
    assert read == long


def test_a_flood_is_counted_and_not_written() -> None:
    repeats = Repeats()
    written = [one for one in (repeats.worth_writing(entry()) for _ in range(10_000)) if one]
    assert len(written) <= 20
    assert [one.times for one in written[:4]] == [1, 2, 3, 4]
    assert written[-1].times == 8192


def test_getting_in_is_always_written() -> None:
    repeats = Repeats()
    assert all(repeats.worth_writing(entry("in")) for _ in range(100))


def test_thousands_of_sources_stay_bounded() -> None:
    repeats = Repeats()
    for number in range(5000):
        repeats.worth_writing(entry(source=f"10.0.{number >> 8}.{number & 255}"))
    assert len(repeats._seen) == 256


def test_one_owner_of_many_addresses_is_one_source() -> None:
    repeats = Repeats()
    flood = (entry(source=f"2001:db8::{number:x}") for number in range(1000))
    assert len([one for one in flood if repeats.worth_writing(one)]) <= 12


@given(st.binary())
def test_no_bytes_break_reading(line: bytes) -> None:
    list(entries_of([line]))
