"""What an ELF file says of itself."""

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from holdfast.audit.facts.gather import facts_of
from holdfast.audit.facts.shapes import ElfFacts
from holdfast.core import process
from tests.audit.elf_builder import MACHINES, build


def elf(**facts: Any) -> ElfFacts:  # noqa: ANN401 - arguments of the builder
    known = facts_of(build(**facts))
    assert known.elf is not None
    assert known.fault == ""
    return known.elf


@pytest.mark.parametrize("machine", MACHINES)
def test_everything_is_read_on_every_machine(machine: str) -> None:
    _, bits, big, loader = MACHINES[machine]
    names = {"mipsel": "mips", "mips64": "mips", "armeb": "arm", "riscv64": "riscv"}
    seen = elf(
        machine=machine,
        needed=("libc.so.0", "libcrypt.so.0"),
        imports=("system", "accept"),
        exports=("main", "handler"),
        build_id="0123456789abcdef",
        rpath="/opt/lib:/lib",
        relro="full",
        canary=True,
        fortify=True,
    )
    assert seen == ElfFacts(
        machine=names.get(machine, machine),
        bits=bits,
        big_endian=big,
        type="program",
        interpreter=loader,
        needed=("libc.so.0", "libcrypt.so.0"),
        imports=("__sprintf_chk", "__stack_chk_fail", "accept", "system"),
        exports=("handler", "main"),
        build_id="0123456789abcdef",
        nx=True,
        pie=False,
        relro="full",
        canary=True,
        fortify=True,
        stripped=True,
        static=False,
        rpath=("/opt/lib", "/lib"),
    )


@pytest.mark.parametrize(
    ("facts", "name", "value"),
    [
        ({"nx": False}, "nx", False),
        ({"nx": None}, "nx", False),  # no mark: the kernel makes the stack executable
        ({"relro": "none"}, "relro", "none"),
        ({"relro": "partial"}, "relro", "partial"),
        ({"pie": True}, "pie", True),
        ({"pie": True}, "type", "program"),
        ({"type": "library", "soname": "libx.so.1"}, "soname", "libx.so.1"),
        ({"type": "library", "soname": "libx.so.1"}, "type", "library"),
        ({"type": "library", "soname": "libx.so.1"}, "pie", True),
        ({"canary": False}, "canary", False),
        ({"fortify": False, "canary": True}, "fortify", False),
        ({"stripped": False}, "stripped", False),
        ({"static": True}, "static", True),
        ({"static": True}, "interpreter", ""),
        ({"static": True, "stripped": False, "canary": True}, "canary", True),
        ({"static": True, "strings": ("*** stack smashing detected ***: %s",)}, "canary", True),
        ({"strings": ("*** stack smashing detected ***",)}, "canary", False),  # libc has it, not we
        ({"static": True, "stripped": False, "exports": ("run",)}, "exports", ("run",)),
    ],
)  # fmt: skip
def test_hardening(facts: dict[str, Any], name: str, value: object) -> None:
    assert getattr(elf(**facts), name) == value


def test_names_are_bounded() -> None:
    seen = elf(exports=[f"f{number}" for number in range(5000)])
    assert len(seen.exports) == 4000


def test_an_interpreter_that_is_no_text_is_no_obstacle() -> None:
    content = build().replace(b"/lib/ld-uClibc", b"\xff\xfe\xfd\xfcld-uClibc")
    known = facts_of(content)
    assert known.elf is not None
    assert known.fault == ""


def test_what_only_begins_like_elf_is_a_fault() -> None:
    known = facts_of(b"\x7fELF" + bytes(10))
    assert known.elf is None
    assert "not a readable ELF file" in known.fault


SOURCE = "#include <stdio.h>\nint main(int n, char **a) { char b[64]; return sprintf(b, a[0]); }\n"


@pytest.mark.servers
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            "-O2 -pie -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wl,-z,relro,-z,now",
            {"pie": True, "relro": "full", "canary": True, "fortify": True, "nx": True},
        ),
        (
            "-O0 -no-pie -fno-stack-protector -U_FORTIFY_SOURCE -Wl,-z,norelro -z execstack",
            {"pie": False, "relro": "none", "canary": False, "fortify": False, "nx": False},
        ),
        (
            "-O0 -no-pie -fno-stack-protector -U_FORTIFY_SOURCE -Wl,-z,relro,-z,lazy",
            {"pie": False, "relro": "partial", "canary": False, "nx": True},
        ),
        ("-static -s", {"static": True, "stripped": True, "canary": True}),
    ],
)
def test_what_a_compiler_makes(
    options: str, expected: dict[str, object], tmp_path: Path, need: Callable[[str], str]
) -> None:
    (tmp_path / "a.c").write_text(SOURCE)
    command = [need("gcc"), "-w", *options.split(), "-o", "a", "a.c"]
    process.run(command, timeout_s=30, cwd=tmp_path)
    seen = facts_of((tmp_path / "a").read_bytes()).elf
    assert seen is not None
    assert {name: getattr(seen, name) for name in expected} == expected


@pytest.mark.parametrize("machine", ["x86_64", "mips"])
def test_absurdly_many_sections_hide_nothing_and_take_no_time(machine: str) -> None:
    plain = build(machine=machine, needed=("libc.so.0",), imports=("socket", "listen"))
    wide, order = (True, "little") if machine == "x86_64" else (False, "big")
    start, size, numbers = (32, 8, 54) if wide else (28, 4, 42)  # phoff; phentsize, phnum, ...
    table = int.from_bytes(plain[start : start + size], order)  # type: ignore[arg-type]
    row = int.from_bytes(plain[numbers : numbers + 2], order)  # type: ignore[arg-type]
    count = int.from_bytes(plain[numbers + 2 : numbers + 4], order)  # type: ignore[arg-type]
    made = bytearray(plain)
    made[start : start + size] = len(plain).to_bytes(size, order)  # type: ignore[arg-type]
    made[numbers + 2 : numbers + 4] = made[numbers + 6 : numbers + 8] = b"\xff\xff"
    rows = plain[table : table + row * count]
    made += rows + bytes(row) * (0xFFFF - count)
    started = process_time()
    facts = facts_of(bytes(made)).elf
    assert facts is not None
    assert (facts.needed, facts.imports) == (("libc.so.0",), ("listen", "socket"))
    assert process_time() - started < 5
