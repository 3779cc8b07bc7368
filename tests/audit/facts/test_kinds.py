"""What a content is."""

import gzip
import lzma
import zlib

import pytest

from holdfast.audit.facts.kinds import entropy_of, interpreter_of, kind_of
from holdfast.audit.facts.shapes import FileKind
from tests.audit.elf_builder import build


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", FileKind.EMPTY),
        (b"#!/bin/sh -e\necho\n", FileKind.SCRIPT),
        (b"#!\x00\x01", FileKind.OTHER),
        (b"root:x:0:0:root:/root:/bin/sh\n", FileKind.TEXT),
        ("Käse \u4e2d\u6587\n".encode(), FileKind.TEXT),
        ("Käse\n".encode("latin-1"), FileKind.TEXT),
        (b"BM is a maker of cars", FileKind.TEXT),
        (b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0" + bytes(40), FileKind.IMAGE),
        (b"\n-----BEGIN CERTIFICATE-----\n", FileKind.PEM),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), FileKind.IMAGE),
        (gzip.compress(b"x", mtime=0), FileKind.COMPRESSED),
        (lzma.compress(b"x"), FileKind.COMPRESSED),
        (lzma.compress(b"x", format=lzma.FORMAT_ALONE), FileKind.COMPRESSED),
        (b"PK\x03\x04" + bytes(30), FileKind.ARCHIVE),
        (b"hsqs" + bytes(90), FileKind.ARCHIVE),
        (bytes(257) + b"ustar\0" + bytes(300), FileKind.ARCHIVE),
        (b"\x27\x05\x19\x56" + bytes(60), FileKind.KERNEL),
        (bytes(0x202) + b"HdrS", FileKind.KERNEL),
        (build(), FileKind.ELF),
        (bytes(64), FileKind.OTHER),
        (zlib.compress(b"x"), FileKind.OTHER),
    ],
)
def test_kind(content: bytes, kind: FileKind) -> None:
    assert kind_of(content) is kind


def test_interpreter() -> None:
    assert interpreter_of(b"#! /usr/bin/env lua\nprint()") == "/usr/bin/env lua"
    assert interpreter_of(b"#!" + b"x" * 9999) == "x" * 256
    assert interpreter_of(b"echo") == ""


def test_entropy_tells_packed_from_plain() -> None:
    assert entropy_of(b"") == 0.0
    assert entropy_of(bytes(5000)) == 0.0
    assert entropy_of(bytes(range(256)) * 40) == pytest.approx(8.0)
