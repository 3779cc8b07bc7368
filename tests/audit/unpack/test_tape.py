"""tar as made by GNU tar and by the standard library, and hostile headers."""

import io
import os
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError, LimitError
from holdfast.audit.tree import Kind, Tree
from holdfast.audit.unpack.source import Bytes
from holdfast.audit.unpack.tape import READER, measure, nodes
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

FORMS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)


def archive(
    *entries: tuple[str, bytes, dict[str, object]], form: int = tarfile.PAX_FORMAT
) -> bytes:
    """Write an archive: name, content, and other facts of each entry."""
    stream = io.BytesIO()
    with tarfile.open(
        fileobj=stream, mode="w", format=form, encoding="utf-8", errors="surrogateescape"
    ) as tape:
        for name, raw, facts in entries:
            about = tarfile.TarInfo(name)
            about.size = len(raw)
            for key, value in facts.items():
                setattr(about, key, value)
            tape.addfile(about, io.BytesIO(raw))
    return stream.getvalue()


def header(name: bytes = b"file", kind: bytes = b"0", **fields: bytes) -> bytes:
    """Write one header with fields as they are given."""
    raw = bytearray(512)
    places = {"mode": 100, "uid": 108, "size": 124, "mtime": 136, "target": 157}
    raw[: len(name)] = name
    raw[156:157] = kind
    raw[257:265] = b"ustar\00000"
    for key, value in fields.items():
        raw[places[key] : places[key] + len(value)] = value
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


@pytest.mark.servers
@pytest.mark.parametrize(
    "options",
    [
        "--format=ustar",
        "--format=gnu",
        "--format=posix",
        "--format=gnu -S",
        "--format=posix -S --sparse-version=0.0",
        "--format=posix -S --sparse-version=0.1",
        "--format=posix -S --sparse-version=1.0",
    ],
)
def test_archives_of_tar(need: Callable[[str], str], tmp_path: Path, options: str) -> None:
    folder = make(tmp_path / "root")
    if "ustar" in options:
        (folder / ("n" * 250)).unlink()  # too long for it
        (folder / "etc/far").unlink()
    with (folder / "holes").open("wb") as holes:
        for number in range(120):
            holes.seek(number * 40960)
            holes.write(b"%04d" % number * 1024)
        holes.truncate(120 * 40960 + 99_999)
    for path in (folder / "holes", folder, folder / "etc"):
        os.utime(path, (1_234_567_890, 1_234_567_890))
    image = process.run([need("tar"), "-c", *options.split(), "."], cwd=folder, timeout_s=60).stdout
    measured = measure(Bytes(image))
    assert measured is not None
    assert len(image) - 10240 < measured.size_bytes <= len(image)
    tree = tree_of(READER, image)
    assert differences(tree, folder) == []
    assert same_file(tree, "bin/su", "bin/busybox")


@pytest.mark.parametrize("form", FORMS)
def test_archives_of_the_standard_library(form: int) -> None:
    far: dict[str, object] = {"type": tarfile.BLKTYPE, "devmajor": 259, "devminor": 70000}
    image = archive(
        ("dev", b"", {"type": tarfile.DIRTYPE, "mode": 0o755}),
        ("dev/far", b"", far),
        ("dev/pipe", b"", {"type": tarfile.FIFOTYPE}),
        ("su", b"program", {"mode": 0o4755, "uid": 100_000, "gid": 200_000, "mtime": 77}),
        ("hard", b"", {"type": tarfile.LNKTYPE, "linkname": "./su"}),
        ("sh", b"", {"type": tarfile.SYMTYPE, "linkname": "/bin/busybox"}),
        ("d" * 90 + "/" + "f" * 90, b"long", {}),
        ("\udce9", b"not UTF-8", {}),
        form=form,
    )
    tree = Tree(nodes(Bytes(image), budget()))
    su = node_of(tree, "su")
    assert (su.mode, su.uid, su.gid, su.mtime) == (0o4755, 100_000, 200_000, 77)
    assert same_file(tree, "su", "hard")
    assert node_of(tree, "hard").mode == 0o4755
    assert node_of(tree, "dev/far").device == (259, 70000)
    assert node_of(tree, "dev/pipe").kind is Kind.PIPE
    assert node_of(tree, "sh").target == "/bin/busybox"
    assert content(tree, "d" * 90 + "/" + "f" * 90) == b"long"
    assert content(tree, "\udce9") == b"not UTF-8"


def test_large_numbers() -> None:
    gnu, pax = ({"uid": 3_000_000_000, "mtime": -5}, {"uid": 3_000_000_000, "mtime": 1.5})
    for facts, form, mtime in ((gnu, tarfile.GNU_FORMAT, -5), (pax, tarfile.PAX_FORMAT, 1)):
        node = node_of(tree_of(READER, archive(("f", b"", dict(facts)), form=form)), "f")
        assert (node.uid, node.mtime) == (3_000_000_000, mtime)


def test_names_that_lead_out_become_plain() -> None:
    names = ("../../etc/shadow", "/root/key", "a/../../b")
    image = archive(*((name, b"x", {}) for name in names))
    assert [node.path for node in Tree(nodes(Bytes(image), budget())).files()] == [
        "b",
        "etc/shadow",
        "root/key",
    ]


def test_a_later_entry_counts_and_a_lost_hard_link_is_told() -> None:
    image = archive(
        ("file", b"old", {}),
        ("file", b"newer", {}),
        ("link", b"", {"type": tarfile.LNKTYPE, "linkname": "nowhere"}),
    )
    found, why = until_damage(READER, image)
    assert [(node.path, node.size_bytes) for node in found] == [("file", 5)]
    assert "hard link" in why


def _pax(*records: bytes, kind: bytes = b"x") -> bytes:
    raw = b"".join(records)
    return header(b"pax", kind, size=b"%011o" % len(raw)) + raw + bytes(-len(raw) % 512)


def _record(text: bytes) -> bytes:
    length = len(text) + 2
    while len(b"%d %s\n" % (length, text)) != length:
        length += 1
    return b"%d %s\n" % (length, text)


END = bytes(1024)
HOSTILE: Sequence[bytes] = (
    header(size=b"\xff" * 12) + END,
    header(size=b"\x80" + b"\xff" * 11) + END,
    header(size=b"77777777777\0") + END,
    header(size=b"12x45678901\0") + END,
    header(kind=b"L", size=b"77777777777\0") + END,
    _pax(_record(b"size=-5")) + header() + END,
    _pax(_record(b"size=" + b"9" * 400)) + header() + END,
    _pax(_record(b"path=" + b"p" * 9000)) + header() + END,
    _pax(b"99999999 path=x\n") + header() + END,
    _pax(b"0 path=x\n" * 9) + header() + END,
    _pax(b"x" * 100) + header() + END,
    _pax(_record(b"GNU.sparse.major=1"), _record(b"GNU.sparse.realsize=9")) + header() + END,
    header(kind=b"S", size=b"00000000000\0") + b"\xff" * 3 + END,
    header()[:300],
)


@pytest.mark.parametrize("image", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_headers_are_told(image: bytes) -> None:
    assert until_damage(READER, image)[1]


@pytest.mark.parametrize(
    "records",
    [
        [b"GNU.sparse.map=0,1,5,10", b"GNU.sparse.size=9"],
        [b"GNU.sparse.map=5,1,0,1", b"GNU.sparse.size=9"],
        [b"GNU.sparse.map=0,-1", b"GNU.sparse.size=9"],
        [b"GNU.sparse.offset=0", b"GNU.sparse.numbytes=9", b"GNU.sparse.size=9"],
    ],
    ids=str,
)
def test_a_hostile_map_is_told_when_read(records: list[bytes]) -> None:
    image = _pax(*map(_record, records)) + header(size=b"00000000004\0") + bytes(512) + END
    tree = tree_of(READER, image)
    with pytest.raises(FormatError):
        reading(tree, "file")()


def test_a_sparse_bomb_is_a_limit() -> None:
    records = (_record(b"GNU.sparse.map=0,1"), _record(b"GNU.sparse.size=%d" % (1 << 50)))
    image = _pax(*records) + header(size=b"00000000001\0") + bytes(512) + END
    read = reading(tree_of(READER, image), "file")
    with pytest.raises(LimitError):
        read()


def test_thousands_of_records_and_long_names_take_no_time() -> None:
    image = _pax(*[_record(b"k%d=v" % number) for number in range(5000)]) * 5
    image += (header(kind=b"L", size=b"00000000005\0") + b"name\0" + bytes(507)) * 1000
    image += header() + END
    start = time.monotonic()
    assert [node.path for node in tree_of(READER, image).files()] == ["name"]
    assert time.monotonic() - start < 5


def test_an_archive_that_ends_early_gives_what_is_whole() -> None:
    image = archive(("whole", b"w" * 600, {}), ("cut", b"c" * 6000, {}))
    found, why = until_damage(READER, image[:3000])
    assert [node.path for node in found] == ["whole"]
    assert "ends early" in why
    assert until_damage(READER, image[: 512 + 1024])[1]


def test_other_bytes_are_not_tar() -> None:
    assert measure(Bytes(b"")) is None
    raw = bytearray(noise(2000))
    raw[257:262] = b"ustar"
    assert measure(Bytes(bytes(raw))) is None
    with pytest.raises(FormatError):
        list(nodes(Bytes(bytes(raw)), budget()))
