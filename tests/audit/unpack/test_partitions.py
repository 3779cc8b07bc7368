"""Partition tables as made by sfdisk."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.partitions import GPT_READER, MBR_READER
from holdfast.audit.unpack.reader import Container, Part
from holdfast.audit.unpack.source import Bytes
from holdfast.core import process
from tests.audit.unpack.sample import budget, noise, parts_of

MIB = 1 << 20
Make = Callable[..., bytes]


@pytest.fixture
def sfdisk(need: Callable[[str], str], tmp_path: Path) -> Make:
    def build(*lines: str, megabytes: int = 16) -> bytes:
        disk = tmp_path / "disk"
        with disk.open("wb") as file:
            file.truncate(megabytes << 20)
        text = "\n".join(lines).encode() + b"\n"
        process.run([need("sfdisk"), "-q", disk], stdin=text, timeout_s=60)
        return disk.read_bytes()

    return build


def _found(reader: Container, image: bytes) -> list[tuple[str, int, int]]:
    return [(part.name, part.offset, part.source.size_bytes) for part in parts_of(reader, image)]


def _until_damage(reader: Container, image: bytes) -> tuple[list[Part], str]:
    found: list[Part] = []
    try:
        found.extend(reader.parts(Bytes(image), budget()))
    except FormatError as error:
        return found, str(error)
    return found, ""


@pytest.mark.servers
def test_mbr_with_logical_partitions(sfdisk: Make) -> None:
    lines = ("label: dos", ",1M,c", ",1M,83", ",8M,5", ",2M", ",1M,82", ",1M", ",1M")
    image = sfdisk(*lines)
    assert _found(MBR_READER, image) == [
        ("partition1", 1 * MIB, MIB),
        ("partition2", 2 * MIB, MIB),
        ("partition5", 4 * MIB, MIB),
        ("partition6", 6 * MIB, MIB),
        ("partition7", 8 * MIB, MIB),
        ("partition4", 11 * MIB, 2 * MIB),
    ]
    assert GPT_READER.measure(Bytes(image)) is None


@pytest.mark.servers
@pytest.mark.parametrize(("reader", "label"), [(MBR_READER, "dos"), (GPT_READER, "gpt")])
def test_what_stands_between_is_given_but_no_table(
    sfdisk: Make, reader: Container, label: str
) -> None:
    image = bytearray(sfdisk(f"label: {label}", "start=4096,size=1M", "start=10240,size=1M"))
    image[0x8000:0x8004] = b"boot"
    image[4 * MIB : 4 * MIB + 4] = b"\xffenv"
    found = _found(reader, bytes(image))
    assert [(name, at) for name, at, _ in found] == [
        ("between", 512 if label == "dos" else 34 * 512),
        ("partition1", 2 * MIB),
        ("between", 3 * MIB),
        ("partition2", 5 * MIB),
    ]
    blank = bytes(image).replace(b"boot", bytes(4)).replace(b"\xffenv", b"\xff" * 4)
    # Two kinds of blank bytes in one gap are blank too.
    assert [name for name, _, _ in _found(reader, blank)] == ["partition1", "partition2"]


@pytest.mark.servers
@pytest.mark.parametrize("sector", [512, 4096])
def test_gpt(sfdisk: Make, sector: int) -> None:
    lines = ("label: gpt", 'start=2048,size=1M,name="boot: a/b"', "size=2M", 'size=1M,name="../.."')
    image = sfdisk(*lines) if sector == 512 else sfdisk(f"sector-size: {sector}", *lines)
    if sector == 512:
        assert _found(GPT_READER, image) == [
            ("partition1-boot-a-b", MIB, MIB),
            ("partition2", 2 * MIB, 2 * MIB),
            ("partition3", 4 * MIB, MIB),
        ]
    measured = GPT_READER.measure(Bytes(image + noise(5000)))
    assert measured is not None
    assert measured.size_bytes == len(image)
    assert MBR_READER.measure(Bytes(image)) is None  # it only guards the other table


@pytest.mark.servers
def test_a_disk_that_ends_early_is_told(sfdisk: Make) -> None:
    for reader, label in ((MBR_READER, "dos"), (GPT_READER, "gpt")):
        image = sfdisk(f"label: {label}", "size=1M", "size=4M", "size=1M")
        found, why = _until_damage(reader, image[: 4 * MIB])
        assert [part.name for part in found] == ["partition1", "partition2"]
        assert "not all there" in why


@pytest.mark.servers
def test_a_damaged_table_is_told(sfdisk: Make) -> None:
    image = bytearray(sfdisk("label: gpt", "size=1M"))
    image[1024 + 40] ^= 1
    assert "sum" in _until_damage(GPT_READER, bytes(image))[1]
    image[512 + 60] ^= 1
    assert GPT_READER.measure(Bytes(bytes(image))) is None


def _table(*entries: tuple[int, int, int, int]) -> bytes:
    raw = b"".join(struct.pack("<B3xB3xII", *entry) for entry in entries)
    return bytes(446) + raw.ljust(64, b"\0") + b"\x55\xaa"


def test_logical_partitions_in_a_circle_end() -> None:
    chain = _table((0, 0x83, 1, 1), (0, 5, 4, 8))
    image = _table((0, 5, 8, 100)) + bytes(7 * 512) + chain + bytes(3 * 512) + chain + bytes(60_000)
    found, why = _until_damage(MBR_READER, image)
    assert "circle" in why
    assert len(found) <= 128


@pytest.mark.parametrize(
    "table",
    [
        _table(),
        _table((0x80, 0x83, 0, 10)),  # starts in the table itself
        _table((0x7F, 0x83, 8, 10)),
        _table((0, 0x83, 8, 10), (0, 0x83, 12, 10)),  # over each other
        _table((0, 0x83, 1 << 30, 10)),  # behind the end
        _table((0, 0xEE, 1, 100)),
        noise(510) + b"\x55\xaa",
    ],
)
def test_other_tables_are_none(table: bytes) -> None:
    image = Bytes(table + bytes(20_000))
    assert MBR_READER.measure(image) is None
    assert GPT_READER.measure(image) is None
    for reader in (MBR_READER, GPT_READER):
        with pytest.raises(FormatError):
            list(reader.parts(image, budget()))
