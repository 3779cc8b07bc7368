"""yaffs2, as made by a writer of our own in the layouts that are met."""

import os
from pathlib import Path
from typing import Any

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind
from holdfast.audit.unpack.source import Bytes
from holdfast.audit.unpack.yaffs import READER, measure, nodes
from tests.audit.unpack.sample import (
    budget,
    content,
    differences,
    make,
    node_of,
    noise,
    reading,
    same_file,
    tree_of,
    until_damage,
)
from tests.audit.unpack.yaffs_writer import Writer

LAYOUTS: list[dict[str, Any]] = [
    {},
    {"order": ">", "tags_at": 2},
    {"page_bytes": 512, "spare_bytes": 16, "sequence": 1},
    {"page_bytes": 1024, "spare_bytes": 32},
    {"page_bytes": 2048, "spare_bytes": 128, "tags_at": 30, "order": ">"},
    {"page_bytes": 4096, "spare_bytes": 128, "tags_at": 2},
    {"page_bytes": 4096, "spare_bytes": 224},
    {"page_bytes": 8192, "spare_bytes": 256, "tags_at": 8},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_layout(tmp_path: Path, layout: dict[str, Any]) -> None:
    folder, writer = make(tmp_path / "root", many=60), Writer(**layout)
    writer.header(3, 1, b"", thing=1, mode=0o40700)
    writer.folder(folder)
    writer.header(5, 1, b"console", mode=0o20600, device=0x501)
    image = writer.image()
    tree = tree_of(READER, image)
    assert differences(tree, folder, more=("console",)) == []
    assert same_file(tree, "bin/su", "bin/busybox")
    console = node_of(tree, "console")
    assert (console.kind, console.device) == (Kind.CHARACTER, (5, 1))
    assert node_of(tree, "").mode == 0o700
    measured = measure(Bytes(image + b"\xff" * 300_000 + noise(3_000_000)))
    assert measured is not None
    assert measured.size_bytes == len(image)
    word = "big" if layout.get("order") == ">" else "little"
    assert measured.format == f"yaffs2 {writer.page_bytes}+{writer.spare_bytes} {word}-endian"


def test_later_pages_count() -> None:
    writer = Writer()
    kept = writer.header(1, 1, b"kept", size=5000)
    writer.content(kept, b"a" * 5000)
    gone = writer.header(1, 1, b"gone", size=3)
    cut = writer.header(1, 1, b"cut", size=6000)
    writer.content(cut, b"b" * 6000)
    old = writer.header(1, 1, b"same", size=3)
    writer.content(kept, b"c" * 2048, first=2)
    writer.header(1, 4, b"gone", thing=gone)  # in the folder of what was deleted
    writer.header(1, 1, b"cut", thing=cut, size=10, shrink=1)
    writer.header(1, 1, b"cut", thing=cut, size=4000)  # made longer again: with zeros
    new = writer.header(1, 1, b"same", size=3, shadow=old)
    writer.content(new, b"new")
    growing = writer.header(1, 1, b"growing")
    writer.content(growing, b"grown")  # its header was not written again yet
    tree = tree_of(READER, writer.image())
    assert {node.path for node in tree.walk()} == {"", "kept", "cut", "same", "growing"}
    assert content(tree, "kept") == b"a" * 2048 + b"c" * 2048 + b"a" * 904
    assert content(tree, "cut") == b"b" * 2048 + bytes(1952)
    assert content(tree, "same") == b"new"
    assert content(tree, "growing") == b"grown"


def test_a_later_block_counts_wherever_it_stands() -> None:
    writer = Writer(sequence=0x2000)
    thing = writer.header(1, 1, b"file", size=5)
    writer.content(thing, b"newer")
    writer.sequence = 0x1000
    writer.header(1, 1, b"old name", thing=thing, size=5)
    writer.content(thing, b"older")
    tree = tree_of(READER, writer.image())
    assert content(tree, "file") == b"newer"
    assert tree.get("old name") is None


def test_a_boastful_size_is_a_limit() -> None:
    writer = Writer()
    writer.header(1, 1, b"file", size=0xFFFFFFF0)
    read = reading(tree_of(READER, writer.image()), "file")
    with pytest.raises(LimitError):
        read()


def test_damage_of_the_structure_is_told_after_what_is_whole() -> None:
    writer = Writer()
    writer.content(writer.header(1, 1, b"good", size=4), b"good")
    writer.header(4, 1, b"nowhere", same_as=999)
    writer.header(1, 777, b"lost")
    writer.header(1, 1, b"../up")
    loop = writer.header(3, 1, b"a", mode=0o40755)
    writer.header(3, loop, b"a", thing=loop, mode=0o40755)
    found, why = until_damage(READER, writer.image())
    assert [node.path for node in found] == ["", "good"]
    assert why


def test_other_bytes_are_not_yaffs() -> None:
    assert measure(Bytes(b"")) is None
    header = Writer()
    header.header(3, 1, b"", thing=1)
    assert measure(Bytes(header.image()[:512] + noise(100_000))) is None
    with pytest.raises(FormatError):
        list(nodes(Bytes(noise(5000)), budget()))


def test_names_that_are_not_utf8_survive() -> None:
    writer = Writer()
    writer.header(2, 1, b"caf\xe9", target=b"\xff\xfe")
    node = node_of(tree_of(READER, writer.image()), os.fsdecode(b"caf\xe9"))
    assert os.fsencode(node.target) == b"\xff\xfe"
