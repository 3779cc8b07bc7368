"""What no reader of ours knows goes to unblob, and unblob is kept on a leash."""

import os
import struct
from pathlib import Path

import pytest

from holdfast.audit.errors import LimitError
from holdfast.audit.limits import Limits
from holdfast.audit.unpack import foreign
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.foreign import Unblob
from holdfast.audit.unpack.opening import Result, open_image
from holdfast.audit.unpack.source import Bytes
from tests.audit.unpack.boxes import SYSTEM, cpio, kernel, lzma_alone, noise, squeezed, uimage

pytestmark = pytest.mark.slow

KEY = b"\xac\x78\x3c\x9e\xcf\x67\xb3\x59"


def engenius(content: bytes) -> bytes:
    """Hide an image as one vendor does; it gives its key away where there are zeros."""
    head = struct.pack(
        ">III20sII16s32sI4s8s8I",
        0, 0x101, 1, b"1.0.0", 0, 0, bytes(16), bytes(32), 0, b"\x12\x34\x56\x78", b"all",
        1, 0, 0, 20240101, 1, 0, 0, 6,
    ) + b"EAP300"  # fmt: skip
    plain = bytes(16) + content + bytes(200)
    head = head[:32] + struct.pack(">I", len(plain)) + head[36:]
    return head + bytes(byte ^ KEY[at % 8] for at, byte in enumerate(plain))


IMAGE = engenius(uimage(lzma_alone(kernel())) + b"\xff" * 100 + squeezed(cpio(SYSTEM)))


def opened(image: bytes, unblob: Unblob, budget: Budget | None = None) -> Result:
    return open_image(Bytes(image), "image", budget or Budget(Limits()), foreign=unblob)


def test_a_vendors_disguise_is_seen_through(tmp_path: Path) -> None:
    unblob = Unblob(tmp_path, Limits())
    result = opened(noise(2000) + IMAGE, unblob)
    assert result.tree.read("etc/passwd") == SYSTEM["etc/passwd"]
    formats = [volume.format for volume in result.opened.volumes]
    assert "engenius" in formats
    assert "Linux kernel" in formats
    # What stood in front of it is still not known.
    assert [(piece.offset, piece.size_bytes) for piece in result.opened.unopened] == [(0, 2000)]
    assert unblob.barren == set()


def test_where_nothing_is_found_nobody_looks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unblob = Unblob(tmp_path, Limits())
    first = opened(noise(50_000), unblob)
    assert not first.opened.complete
    assert len(unblob.barren) == 1
    monkeypatch.setattr(os, "fork", None)  # a second look would need it
    second = opened(noise(50_000), Unblob(tmp_path, Limits(), barren=unblob.barren))
    assert second.opened == first.opened


def test_it_may_not_take_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "SECONDS", 0.1)
    result = opened(IMAGE, Unblob(tmp_path, Limits()))
    assert [hit.limit for hit in result.opened.limits] == ["foreign_seconds"]
    assert not result.opened.complete
    assert result.opened.unopened[0].size_bytes == len(IMAGE)


def test_it_may_not_write_much(tmp_path: Path) -> None:
    unblob = Unblob(tmp_path, Limits(unpacked_bytes=1_000_000))
    with pytest.raises(LimitError, match="unpacked_bytes"):
        unblob([Bytes(noise(3_000_000))], Budget(Limits()))


def test_no_process_is_left(tmp_path: Path) -> None:
    before = set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
    opened(IMAGE, Unblob(tmp_path, Limits()))
    assert set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()) == before
