"""ar archives and Debian packages."""

from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.deb import READER, measure, parts
from holdfast.audit.unpack.source import Bytes
from holdfast.core import process
from tests.audit.unpack.sample import budget, noise, parts_of


def member(name: bytes, content: bytes, size: bytes | None = None) -> bytes:
    size = b"%d" % len(content) if size is None else size
    head = name.ljust(16) + b"0".ljust(12) + b"0     0     100644  " + size.ljust(10) + b"`\n"
    return head + content + b"\n" * (len(content) % 2)


@pytest.mark.servers
def test_a_package_of_dpkg(need: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "p/DEBIAN").mkdir(parents=True)
    control = "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n"
    (tmp_path / "p/DEBIAN/control").write_text(control)
    process.run([need("dpkg-deb"), "-b", tmp_path / "p", tmp_path / "x.deb"], timeout_s=60)
    image = (tmp_path / "x.deb").read_bytes()
    found = {part.name: part for part in parts_of(READER, image)}
    assert [name.partition(".")[0] for name in found] == ["debian-binary", "control", "data"]
    version = found["debian-binary"]
    assert version.source.read_at(0, 99) == b"2.0\n"
    assert image[version.offset :].startswith(b"2.0\n")
    measured = measure(Bytes(image + noise(100)))
    assert measured is not None
    assert (measured.size_bytes, measured.format) == (len(image), "deb")


def test_long_names_of_both_kinds() -> None:
    image = b"!<arch>\n" + member(b"/", b"index") + member(b"//", b"a-very-long-name.o/\nb.o/\n")
    image += member(b"/0", b"first") + member(b"/20", b"second")
    image += member(b"#1/20", b"name-of-BSD\0\0\0\0\0\0\0\0\0third")
    found = [(part.name, part.source.read_at(0, 99)) for part in parts_of(READER, image)]
    assert found == [
        ("a-very-long-name.o", b"first"),
        ("b.o", b"second"),
        ("name-of-BSD", b"third"),
    ]


def test_names_lead_nowhere() -> None:
    image = b"!<arch>\n" + member(b"../../x/", b"1") + member(b"/", b"") + member(b"/999", b"2")
    assert [part.name for part in parts_of(READER, image)] == ["..-..-x", "member"]


@pytest.mark.parametrize(
    "tail",
    [member(b"cut/", b"x" * 50)[:-20], member(b"boast/", b"", b"9999999999"), b"nonsense" * 20],
)
def test_damage_is_told_after_what_is_whole(tail: bytes) -> None:
    image = b"!<arch>\n" + member(b"whole/", b"content") + tail
    found = parts(Bytes(image), budget())
    assert next(found).name == "whole"
    with pytest.raises(FormatError):
        next(found)


def test_other_bytes_are_not_ar() -> None:
    for raw in (b"", b"!<arch>\n", b"!<arch>\n" + noise(500)):
        assert measure(Bytes(raw)) is None
