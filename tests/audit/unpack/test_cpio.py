"""cpio in every form, as made by cpio and written here."""

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind
from holdfast.audit.unpack.cpio import READER, measure, nodes
from holdfast.audit.unpack.source import Bytes
from holdfast.core import process
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


def entry(
    name: bytes,
    content: bytes = b"",
    *,
    mode: int = 0o100644,
    links: int = 1,
    inode: int = 1,
    uid: int = 0,
    device: tuple[int, int] = (0, 0),
    magic: bytes = b"070701",
    check: int = 0,
) -> bytes:
    """Write an entry as newc."""
    numbers = (inode, mode, uid, uid, links, 9, len(content), 8, 1, *device, len(name) + 1, check)
    raw = magic + b"".join(b"%08X" % number for number in numbers) + name + b"\0"
    raw += bytes(-len(raw) % 4) + content
    return raw + bytes(-len(raw) % 4)


TRAILER = entry(b"TRAILER!!!", mode=0, inode=0)


@pytest.mark.servers
@pytest.mark.parametrize("depth_first", [False, True])
@pytest.mark.parametrize(
    ("option", "form"),
    [("newc", "newc"), ("crc", "crc"), ("odc", "odc"), ("bin", "binary little-endian")],
)
def test_archives_of_cpio(
    need: Callable[[str], str], tmp_path: Path, option: str, form: str, *, depth_first: bool
) -> None:
    folder = make(tmp_path / "root")
    names = [b".", *(os.fsencode(path.relative_to(folder)) for path in folder.rglob("*"))]
    names.sort(reverse=depth_first)
    command = [need("cpio"), "-0", "-o", "--quiet", "-H", option]
    image = process.run(command, stdin=b"\0".join(names), cwd=folder, timeout_s=60).stdout
    measured = measure(Bytes(image))
    assert measured is not None
    assert measured.format == f"cpio {form}"
    tree = tree_of(READER, image)
    assert differences(tree, folder) == []
    assert same_file(tree, "bin/su", "bin/busybox")


def test_the_old_form_in_the_other_order() -> None:
    words = struct.pack(">13H", 0o070707, 1, 2, 0o100755, 3, 4, 1, 0, 0x0001, 0x0002, 5, 0x0000, 3)
    image = words + b"name\0\0abc\0"
    trailer = struct.pack(">13H", 0o070707, 0, 0, 0, 0, 0, 1, 0, 0, 0, 11, 0, 0) + b"TRAILER!!!\0\0"
    tree = tree_of(READER, image + trailer)
    node = node_of(tree, "name")
    assert (node.mode, node.uid, node.gid, node.mtime) == (0o755, 3, 4, 65538)
    assert content(tree, "name") == b"abc"


def test_devices_owners_and_links() -> None:
    image = entry(b"dev", mode=0o40755) + entry(
        b"dev/far", mode=0o60640, uid=100_000, device=(259, 70000)
    )
    image += entry(b"one", links=2, inode=7, mode=0o104755)
    image += entry(b"two", b"shared", links=2, inode=7, mode=0o104755)
    image += entry(b"absolute", b"/etc/passwd", mode=0o120777) + TRAILER
    tree = tree_of(READER, image)
    far = node_of(tree, "dev/far")
    assert (far.kind, far.device, far.uid) == (Kind.BLOCK, (259, 70000), 100_000)
    assert same_file(tree, "one", "two")
    assert content(tree, "one") == b"shared"
    assert node_of(tree, "one").size_bytes == 6
    assert node_of(tree, "absolute").target == "/etc/passwd"


def test_archives_behind_each_other_are_one() -> None:
    first = entry(b"kept", b"1") + entry(b"replaced", b"1") + TRAILER
    second = entry(b"replaced", b"22") + entry(b"added", b"2") + TRAILER
    image = first + bytes(-len(first) % 512) + second
    measured = measure(Bytes(image + bytes(700) + b"\x1f\x8b something else"))
    assert measured is not None
    assert measured.size_bytes == len(image)
    tree = tree_of(READER, image)
    assert [content(tree, name) for name in ("kept", "replaced", "added")] == [b"1", b"22", b"2"]


def test_names_that_lead_out_become_plain() -> None:
    names = (b"../../etc/shadow", b"/root/key", b"a/./b//c", b"caf\xe9", b"..", b"x/../../y")
    image = b"".join(entry(name, name) for name in names) + TRAILER
    nodes, why = until_damage(READER, image)
    found = {node.path for node in nodes}
    assert "root" in why
    assert found == {"etc/shadow", "root/key", "a/b/c", os.fsdecode(b"caf\xe9"), "y"}


def test_a_wrong_sum_is_told() -> None:
    right = entry(b"right", b"abc", magic=b"070702", check=294)
    wrong = entry(b"wrong", b"abc", magic=b"070702", check=295)
    tree = tree_of(READER, right + wrong + TRAILER)
    assert content(tree, "right") == b"abc"
    with pytest.raises(FormatError, match="sum"):
        reading(tree, "wrong")()


@pytest.mark.parametrize(("cut", "whole"), [(12, 2), (124, 2), (190, 1), (330, 0)])
def test_an_archive_that_ends_early_gives_what_is_whole(cut: int, whole: int) -> None:
    image = entry(b"first", b"w" * 10) + entry(b"second", b"s" * 60) + TRAILER
    found, why = until_damage(READER, image[:-cut])
    assert why
    assert [node.path for node in found] == ["first", "second"][:whole]


def test_many_names_are_a_limit() -> None:
    image = b"".join(entry(b"%d" % number) for number in range(100)) + TRAILER
    with pytest.raises(LimitError, match="files"):
        list(nodes(Bytes(image), budget(files=50)))
    # Folders that are only implied count too.
    deep = entry(b"/".join([b"d"] * 1000) + b"/file") + TRAILER
    with pytest.raises(LimitError, match="files"):
        list(nodes(Bytes(deep), budget(files=500)))


def test_a_name_or_link_that_is_too_long_is_damage() -> None:
    image = entry(b"n" * 5000) + TRAILER
    assert measure(Bytes(image)) is None
    image = entry(b"link", b"t" * 5000, mode=0o120777) + entry(b"file") + TRAILER
    found, why = until_damage(READER, image)
    assert [node.path for node in found] == ["file"]
    assert "too long" in why


def test_thousands_of_empty_archives_take_no_time() -> None:
    start = time.monotonic()
    assert until_damage(READER, (entry(b"file") + TRAILER + TRAILER * 5) * 2000)[1] == ""
    assert time.monotonic() - start < 5


def test_other_bytes_are_not_cpio() -> None:
    assert measure(Bytes(b"")) is None
    for magic in (b"070701", b"070702", b"070707", b"\xc7\x71", b"\x71\xc7"):
        for seed in range(50):
            assert measure(Bytes(magic + noise(300, seed))) is None
    assert measure(Bytes(b"070701" + b"g" * 200)) is None
    assert measure(Bytes(b"070701" + b" " * 104 + b"x\0")) is None
    with pytest.raises(FormatError):
        list(nodes(Bytes(noise(5000)), budget()))
