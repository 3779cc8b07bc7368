"""Facts are kept by scope, whole or not at all, and damage is as good as nothing."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit import cache
from holdfast.audit.cache import Store, default_folder, dump, load, scope_of
from holdfast.audit.facts.shapes import FileFacts, FileKind, Hit

FACTS = [
    FileFacts(
        sha256=f"{number:064x}",
        size_bytes=number,
        kind=FileKind.ELF,
        hits=(Hit(pattern="busybox", offset=3, text="BusyBox v1.30.1", version="1.30.1"),),
    )
    for number in range(20)
]


def kept(folder: Path, scope: str, content: bytes) -> cache.Known:
    store = Store(folder)
    assert store.keep(scope, content)
    handle = store.open(scope)
    assert handle is not None
    try:
        return load(handle, "rules")
    finally:
        os.close(handle)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    known = kept(tmp_path, "product box", dump("rules", FACTS, {"ab" * 32}))
    assert list(known.facts.values()) == FACTS
    assert known.barren == {"ab" * 32}


def test_scopes_do_not_meet(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.keep(scope_of(product="box", sha256="1"), dump("rules", FACTS, ()))
    assert store.open(scope_of(product="", sha256="1")) is None
    assert store.open(scope_of(product="other", sha256="1")) is None
    assert scope_of(product="", sha256="x") != scope_of(product="x", sha256="")


def test_other_rules_know_nothing(tmp_path: Path) -> None:
    assert kept(tmp_path, "a", dump("older rules", FACTS, ())).facts == {}


@settings(max_examples=200, deadline=None)
@given(place=st.floats(0, 1), value=st.integers(0, 255), cut=st.floats(0, 1), junk=st.binary())
def test_damage_is_as_good_as_nothing(place: float, value: int, cut: float, junk: bytes) -> None:
    whole = bytearray(dump("rules", FACTS[:3], {"ab" * 32}))
    whole[int(place * (len(whole) - 1))] = value
    for content in (bytes(whole), bytes(whole[: int(cut * len(whole))]), junk, b"\x94" * 5000):
        read_end = os.memfd_create("damaged")
        try:
            os.write(read_end, content)
            known = load(read_end, "rules")
        finally:
            os.close(read_end)
        assert all(isinstance(each, FileFacts) for each in known.facts.values())


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    assert store.keep("a", dump("rules", FACTS, ()))
    (file,) = (tmp_path / "cache").iterdir()
    secret = tmp_path / "secret"
    file.rename(secret)
    file.symlink_to(secret)
    assert store.open("a") is None


def test_it_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "MOST_BYTES", 10_000)
    monkeypatch.setattr(cache, "MOST_SCOPE_BYTES", 5_000)
    store = Store(tmp_path)
    assert not store.keep("too long", bytes(5001))
    assert not store.keep("nothing", b"")
    for number in range(6):
        assert store.keep(f"scope {number}", bytes([1]) * 3000)
        (newest,) = [path for path in tmp_path.iterdir() if path.stat().st_mtime > 1_000_000]
        os.utime(newest, (number + 1, number + 1))
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert sum(sizes) <= 10_000
    assert store.open("scope 0") is None
    handle = store.open("scope 5")
    assert handle is not None
    os.close(handle)


def test_many_facts_are_cut_where_they_do_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MOST_SCOPE_BYTES", 8_000)
    content = dump("rules", FACTS * 100, ())
    assert len(content) < 8_000
    found = list(kept(tmp_path, "a", content).facts)
    assert len(found) > 5
    assert found == [each.sha256 for each in FACTS][: len(found)]


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert not Store(tmp_path / "file/cache").keep("a", b"x")
    assert Store(tmp_path / "missing").open("a") is None


def test_it_lies_where_caches_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_folder() == Path("/somewhere/holdfast/audit")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_folder() == Path("/home/ada/.cache/holdfast/audit")
