"""ISO 9660 as made by genisoimage."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind
from holdfast.audit.unpack.iso import READER, measure, nodes
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

Make = Callable[..., bytes]
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
DEEP = "/".join(f"d{number}" for number in range(12))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make(tmp_path_factory.mktemp("iso") / "root", many=100)
    (folder / DEEP).mkdir(parents=True)
    (folder / DEEP / "file").write_bytes(b"deep")
    return folder


@pytest.fixture
def mkisofs(need: Callable[[str], str], folder: Path, tmp_path: Path) -> Make:
    def build(*options: str) -> bytes:
        command: list[str | Path] = [need("genisoimage"), "-quiet", *options]
        command += ["-o", tmp_path / "iso", folder]
        process.run(command, timeout_s=60, env=ENVIRONMENT)
        return (tmp_path / "iso").read_bytes()

    return build


@pytest.mark.servers
@pytest.mark.parametrize("options", [("-R",), ("-R", "-J"), ("-R", "-D")])
def test_rock_ridge(mkisofs: Make, folder: Path, options: tuple[str, ...]) -> None:
    image = mkisofs(*options)
    measured = measure(Bytes(image + b"more"))
    assert measured is not None
    assert measured.size_bytes == len(image)
    tree = tree_of(READER, image)
    assert differences(tree, folder, more=("rr_moved",)) == []
    assert same_file(tree, "bin/su", "bin/busybox")
    assert content(tree, f"{DEEP}/file") == b"deep"


@pytest.mark.servers
def test_names_without_rock_ridge(mkisofs: Make) -> None:
    joliet, plain = tree_of(READER, mkisofs("-J")), tree_of(READER, mkisofs())
    assert content(joliet, "many/a-rather-long-name-for-a-file-7") == b"7\n"
    assert content(plain, "bin/busybox") == content(joliet, "bin/busybox")
    assert (node_of(plain, "short").mode, node_of(plain, "short").uid) == (0o644, 0)


@pytest.mark.servers
def test_owners_and_devices(mkisofs: Make) -> None:
    image = bytearray(mkisofs("-R"))
    # The numbers of one file, as a program run by root would have written them.
    name = image.index(b"NM\x0a\x01\x00short")
    record = image.rindex(b"SHORT.;1", 0, name) - 33
    numbers = image.index(b"PX", record)
    for at, value in zip((4, 20, 28), (0o20600, 70000, 80000), strict=True):
        struct.pack_into("<I", image, numbers + at, value)
    time = image.index(b"TF", record)
    image[time : time + 26] = b"PN\x14\x01" + struct.pack("<I4xI4x", 300, 7) + b"XX\x06\x01\0\0"
    node = node_of(tree_of(READER, bytes(image)), "short")
    assert (node.kind, node.device) == (Kind.CHARACTER, (300, 7))
    assert (node.uid, node.gid) == (70000, 80000)


@pytest.mark.servers
def test_boasts_and_circles_end(mkisofs: Make) -> None:
    image = bytearray(mkisofs("-R"))
    short = image.index(b"SHORT.;1") - 33
    struct.pack_into("<I", image, short + 10, 0xFFFFFFF0)
    read = reading(tree_of(READER, bytes(image)), "short")
    with pytest.raises(LimitError):
        read()
    # A folder that is its own root, and another that is longer than the disc.
    etc, bin_ = image.index(b"\x03ETC") - 32, image.index(b"\x03BIN") - 32
    image[etc + 2 : etc + 6] = image[16 * 2048 + 158 : 16 * 2048 + 162]
    struct.pack_into("<I", image, bin_ + 10, 0xFFFFF800)
    found, why = until_damage(READER, bytes(image))
    assert why
    assert "short" in {node.path for node in found}
    assert len(found) < 400


def test_other_bytes_are_not_iso() -> None:
    raw = bytes(16 * 2048) + b"\1CD001\1" + noise(9000)
    for each in (b"", noise(60_000), raw):
        assert measure(Bytes(each)) is None
    with pytest.raises(FormatError):
        list(nodes(Bytes(raw), budget()))
