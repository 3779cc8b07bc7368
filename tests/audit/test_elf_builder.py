"""The builder of ELF files is believed by other tests, so readelf and lief must believe it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lief
import pytest

from holdfast.core import process
from tests.audit.elf_builder import MACHINES, build

SHAPES: dict[str, dict[str, Any]] = {
    "dynamic": {
        "needed": ("libc.so.0", "libm.so.0"),
        "imports": ("system", "popen"),
        "exports": ("main",),
        "strings": ("BusyBox v1.14.1",),
        "relro": "full",
        "canary": True,
        "build_id": "ab" * 20,
        "rpath": "/opt/lib",
    },
    "pie": {"pie": True, "relro": "partial", "fortify": True, "stripped": False},
    "library": {"type": "library", "soname": "libx.so.1", "exports": ("a", "b"), "nx": False},
    "static": {"static": True, "canary": True, "stripped": False, "nx": None},
    "module": {
        "type": "module",
        "modinfo": {"name": "ppp", "vermagic": "2.6.36 mod_unload MIPS32"},
        "imports": ("printk",),
        "exports": ("init_module",),
    },
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("machine", MACHINES)
def test_readelf_finds_nothing_odd(
    machine: str, shape: str, tmp_path: Path, need: Callable[[str], str]
) -> None:
    made = tmp_path / shape
    made.write_bytes(build(machine=machine, **SHAPES[shape]))
    seen = process.run([need("readelf"), "-aW", made], timeout_s=10)
    told = (seen.stdout + seen.stderr).decode()
    assert "Warning" not in told
    assert "Error" not in told


@pytest.mark.parametrize("machine", MACHINES)
def test_lief_reads_what_was_asked_for(machine: str) -> None:
    seen = lief.ELF.parse(build(machine=machine, **SHAPES["dynamic"]))
    assert seen is not None
    assert list(seen.libraries) == ["libc.so.0", "libm.so.0"]
    assert {one.name for one in seen.imported_functions} == {"system", "popen", "__stack_chk_fail"}
    assert {one.name for one in seen.exported_functions} == {"main"}
    assert seen.has_nx
    assert not seen.is_pie
    library = lief.ELF.parse(build(machine=machine, **SHAPES["library"]))
    assert library is not None
    assert not library.has_nx
    assert library.header.file_type is lief.ELF.Header.FILE_TYPE.DYN
