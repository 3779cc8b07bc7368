"""Kernel modules, packed and not."""

import gzip
import lzma
from collections.abc import Callable

import pytest
import zstandard

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.facts.kernel_module import decompressed
from holdfast.audit.facts.shapes import FileKind, ModuleFacts
from tests.audit.elf_builder import build

FIELDS = {
    "license": "GPL",
    "depends": "ppp_generic,slhc",
    "name": "pppoe",
    "vermagic": "3.18.23 mod_unload MIPS32_R1 32BIT ",
    "version": "0.7",
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("packer", PACKERS)
def test_modinfo_is_read(packer: str) -> None:
    made = build(type="module", modinfo=FIELDS, imports=("printk",), signed=True)
    known = facts_of(PACKERS[packer](made))
    assert known.kind is FileKind.MODULE
    assert known.module == ModuleFacts(
        name="pppoe",
        version="0.7",
        vermagic="3.18.23 mod_unload MIPS32_R1 32BIT",
        license="GPL",
        depends=("ppp_generic", "slhc"),
        signed=True,
    )
    assert known.elf is not None
    assert (known.elf.type, known.elf.imports) == ("object", ("printk",))
    assert known.fault == ""


def test_an_object_file_is_no_module() -> None:
    known = facts_of(build(type="module"))
    assert (known.kind, known.module) == (FileKind.ELF, None)


def test_another_compressed_file_is_no_module() -> None:
    known = facts_of(gzip.compress(b"a long text " * 100))
    assert (known.kind, known.elf, known.module, known.fault) == (
        FileKind.COMPRESSED, None, None, "",
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("packer", ["gz", "xz", "zst"])
def test_a_bomb_is_no_module(packer: str) -> None:
    bomb = PACKERS[packer](b"\x7fELF" + bytes(70 * 1024 * 1024))
    assert decompressed(bomb) is None


@pytest.mark.parametrize("packer", ["gz", "xz", "zst"])
def test_a_torso_is_no_module(packer: str) -> None:
    torso = PACKERS[packer](build(type="module", modinfo=FIELDS))[:40]
    assert facts_of(torso).module is None
