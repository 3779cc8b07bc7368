"""The lists that Holdfast publishes are what their sources make, bit for bit."""

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from holdfast.accounts.blocklist import builtin
from holdfast.accounts.blocklist.reader import BlockList

ROOT = Path(__file__).parents[3]
PROBABLE = ROOT / "packages/blocklist-probable/src/holdfast_blocklist_probable/probable.blocklist"


@cache
def script() -> ModuleType:
    found = importlib.util.spec_from_file_location("blocklist", ROOT / "script/blocklist.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_they_can_be_built_again() -> None:
    made = dict(script().files())
    stale = [path.name for path, content in made.items() if path.read_bytes() != content]
    assert stale == [], "run script/blocklist"
    code = script().SEALS.read_text()
    by_name = {path.name: content for path, content in made.items()}
    assert script().with_seals(code, by_name) == code


def test_the_one_of_another_licence_lies_outside() -> None:
    inside = [path.name for path in (ROOT / "src").rglob("*.blocklist")]
    assert inside == ["common.blocklist"]
    opened = BlockList(PROBABLE, seal=builtin.PROBABLE_SEAL)
    assert opened.header.licence == "CC-BY-SA-4.0"
    opened.close()


def test_every_source_is_named_with_its_licence() -> None:
    sources = ROOT / "packages/blocklist-sources"
    told = (sources / "README.md").read_text()
    assert [path.name for path in sources.glob("*.xz") if path.name not in told] == []
    for notice in (sources / "NOTICE", builtin.PATH.with_name("NOTICE")):
        assert "Permission is hereby granted" in notice.read_text()
