"""zip as made by zip and by the standard library."""

import io
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind, Tree
from holdfast.audit.unpack.source import Bytes
from holdfast.audit.unpack.zipped import READER, measure, nodes
from holdfast.core import process
from tests.audit.unpack.sample import (
    budget,
    content,
    differences,
    make,
    node_of,
    noise,
    reading,
    tree_of,
    until_damage,
)


def archive(*entries: tuple[str, bytes, int], system: int = 3, **about: int) -> bytes:
    """Write an archive: name, content and Unix mode of each entry."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, raw, mode in entries:
            info = zipfile.ZipInfo(name, (2009, 2, 13, 23, 31, 30))
            info.create_system, info.external_attr = system, mode << 16
            for key, value in about.items():
                setattr(info, key, value)
            packed.writestr(info, raw, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


@pytest.mark.servers
@pytest.mark.parametrize("options", ["", "-0", "-Z bzip2", "-X", "-fz"])
def test_archives_of_zip(need: Callable[[str], str], tmp_path: Path, options: str) -> None:
    folder = make(tmp_path / "root", many=100)
    command: list[str | Path] = [need("zip"), "-q", "-r", "--symlinks", *options.split()]
    command += [tmp_path / "a.zip", "."]
    environment = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
    process.run(command, cwd=folder, timeout_s=60, env=environment)
    image = (tmp_path / "a.zip").read_bytes()
    tree = tree_of(READER, image)
    assert differences(tree, folder) == []
    measured = measure(Bytes(image + b"PK\5\6 more " + noise(5000)))
    assert measured is not None
    assert measured.size_bytes == len(image)


@pytest.mark.servers
def test_encrypted_entries_are_named_and_not_opened(
    need: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"content")
    process.run([need("zip"), "-q", "-P", "word", "a.zip", "secret"], cwd=tmp_path, timeout_s=60)
    tree = tree_of(READER, (tmp_path / "a.zip").read_bytes())
    assert node_of(tree, "secret").size_bytes == 7
    with pytest.raises(FormatError, match="encrypted"):
        reading(tree, "secret")()


def test_modes_links_and_times() -> None:
    image = archive(
        ("bin/", b"", 0o40755),
        ("bin/su", b"program", 0o104755),
        ("bin/sh", b"/bin/busybox", 0o120777),
        ("../../etc/shadow", b"x", 0o100600),
    )
    tree = Tree(nodes(Bytes(image), budget()))
    assert node_of(tree, "bin/su").mode == 0o4755
    assert node_of(tree, "bin/su").mtime == 1_234_567_890
    assert content(tree, "bin/su") == b"program"
    link = node_of(tree, "bin/sh")
    assert (link.kind, link.target, link.mode) == (Kind.LINK, "/bin/busybox", 0o777)
    assert node_of(tree, "etc/shadow").mode == 0o600


def test_an_archive_of_dos() -> None:
    image = archive(("folder\\file.txt", b"x", 0), ("other", b"", 0), system=0, external_attr=0x10)
    tree = Tree(nodes(Bytes(image), budget()))
    assert node_of(tree, "other").kind is Kind.FOLDER
    assert "folder/file.txt" in tree


def test_names_that_are_not_utf8_survive() -> None:
    image = archive(("cafe", b"x", 0o100644)).replace(b"cafe", b"caf\xe9")
    assert content(Tree(nodes(Bytes(image), budget())), "caf\udce9") == b"x"


def test_an_archive_inside_another_does_not_end_it() -> None:
    inner = archive(("file", b"content", 0o100644))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("inner.zip", inner)
        packed.comment = b"a comment"
    image = stream.getvalue()
    measured = measure(Bytes(image + inner))
    assert measured is not None
    assert measured.size_bytes == len(image)
    assert content(tree_of(READER, image), "inner.zip") == inner


def test_offsets_that_count_from_before_the_start() -> None:
    stream = io.BytesIO(b"#!/bin/sh\n" * 50)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a") as packed:
        packed.writestr("file", b"content")
    image = stream.getvalue()[500:]
    assert content(tree_of(READER, image), "file") == b"content"


def test_damage_of_one_entry_is_told_when_it_is_read() -> None:
    image = bytearray(archive(("good", b"g" * 99, 0o100644), ("bad", b"b" * 99, 0o100644)))
    at = image.index(b"bad") + 3
    image[at + 1] ^= 0xFF
    tree = tree_of(READER, bytes(image))
    assert content(tree, "good") == b"g" * 99
    with pytest.raises(FormatError, match="damaged"):
        reading(tree, "bad")()


def test_bombs_are_limits() -> None:
    bomb = tree_of(READER, archive(("bomb", bytes(10_000_000), 0o100644)), file_bytes=1_000_000)
    with pytest.raises(LimitError):
        reading(bomb, "bomb")()
    image = archive(*((f"{number}", b"", 0o100644) for number in range(200)))
    with pytest.raises(LimitError, match="files"):
        list(nodes(Bytes(image), budget(files=100)))


def test_a_size_that_lies_is_told() -> None:
    image = bytearray(archive(("file", bytes(100_000), 0o100644)))
    central = image.index(b"PK\1\2")
    struct.pack_into("<I", image, central + 24, 50)
    with pytest.raises(FormatError):
        reading(tree_of(READER, bytes(image)), "file")()


def test_headers_without_an_end_take_no_time() -> None:
    start = time.monotonic()
    raw = b"PK\3\4" + struct.pack("<HHH", 20, 0, 8) + bytes(16) + b"\4\0\0\0name"
    assert measure(Bytes(raw + b"PK\5\6" * 100_000)) is None
    assert time.monotonic() - start < 5


def test_an_archive_without_its_end_is_told_once() -> None:
    image = archive(*((f"{number}", noise(500, number), 0o100644) for number in range(9)))
    cut = image[: image.index(b"PK\1\2") - 200]
    measured = measure(Bytes(cut))
    assert measured is not None
    assert measured.size_bytes == len(cut)
    assert until_damage(READER, cut) == ([], "the archive has no end")


def test_other_bytes_are_not_zip() -> None:
    assert measure(Bytes(b"")) is None
    for seed in range(50):
        assert measure(Bytes(b"PK\3\4" + noise(3000, seed))) is None
    with pytest.raises(FormatError):
        list(nodes(Bytes(noise(5000)), budget()))
    image = archive(("file", b"x", 0o100644))
    cut = image[: image.index(b"PK\1\2") + 20] + image[image.index(b"PK\5\6") :]
    assert until_damage(READER, cut)[1]
