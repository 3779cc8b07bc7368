"""What an ELF file says of itself, read by lief."""

import re
from collections.abc import Iterable
from typing import Final, Literal

import lief

from holdfast.audit.facts.shapes import ElfFacts

MOST_NAMES: Final = 4000
_MOST_ROWS: Final = 200  # of the dynamic section that are kept, such as libraries
_MOST_LETTERS: Final = 512  # of one name; mangled C++ gets long
_LEAST_BYTES: Final = 52  # the header of a 32-bit file
_CLASS_64: Final = 2
_BIG_ENDIAN: Final = 2
_MOST_PAIRS: Final = 1_000_000  # of a segment and a section
_MOST_NOTES: Final = 8192
_MOST_ID: Final = 64
_NOTE_HEADER: Final = 12
_GNU_BUILD_ID: Final = 3
_UNDEFINED: Final = 0
_CANARY: Final = frozenset(
    {"__stack_chk_fail", "__stack_chk_guard", "__stack_chk_fail_local", "__stack_smash_handler"}
)
_CANARY_TEXT: Final = b"stack smashing detected"
_CHECKED: Final = re.compile(r"__(?!stack_chk)\w+_chk")
_MACHINES: Final = {"i386": "x86", "ppc": "powerpc", "ppc64": "powerpc64", "sh": "superh"}
_TYPE: Final = lief.ELF.Header.FILE_TYPE
_SYMBOL: Final = lief.ELF.Symbol.TYPE
_FUNCTIONS: Final = (_SYMBOL.NOTYPE, _SYMBOL.FUNC, _SYMBOL.GNU_IFUNC)
_TAG: Final = lief.ELF.DynamicEntry.TAG
_NOW: Final = int(lief.ELF.DynamicEntryFlags.FLAG.BIND_NOW)
_TYPES: Final = {int(_TYPE.EXEC): "program", int(_TYPE.REL): "object"}

lief.logging.disable()  # it would write about hostile files to standard error


def parsed(content: bytes) -> lief.ELF.Binary | None:
    """Let lief read what facts are taken from, and nothing else; None if it cannot."""
    if len(content) < _LEAST_BYTES:
        return None
    config = lief.ELF.ParserConfig()
    config.parse_relocations = False
    config.parse_symbol_versions = False
    config.parse_overlay = False
    config.parse_notes = False
    binary = lief.ELF.parse(_bounded(content), config)
    return binary if isinstance(binary, lief.ELF.Binary) else None


def _bounded(content: bytes) -> bytes:
    """Take the sections off a file that claims absurdly many; the kernel needs none to load it.

    lief looks for every section in every segment: 65,535 of each take minutes and gigabytes.
    """
    numbers, offset, width = (56, 40, 8) if content[4] == _CLASS_64 else (44, 32, 4)
    order: Literal["little", "big"] = "big" if content[5] == _BIG_ENDIAN else "little"
    segments = int.from_bytes(content[numbers : numbers + 2], order)
    sections = int.from_bytes(content[numbers + 4 : numbers + 6], order)
    if segments * sections <= _MOST_PAIRS:
        return content
    patched = bytearray(content)
    patched[offset : offset + width] = bytes(width)
    patched[numbers + 4 : numbers + 8] = bytes(4)
    return bytes(patched)


def elf_facts(binary: lief.ELF.Binary, content: bytes) -> ElfFacts:
    """Collect the facts of an ELF file.

    Args:
        binary: As `parsed` gave it.
        content: The file; a program without any symbols is searched for traces.
    """
    header = binary.header
    dynamic = _Dynamic(binary)
    interpreter = _interpreter(binary)
    kind = _TYPES.get(int(header.file_type), "library")
    position_free = header.file_type is _TYPE.DYN
    if position_free and not dynamic.soname and (interpreter or dynamic.pie):
        kind = "program"
    static = kind == "program" and not interpreter and not dynamic.needed
    named = binary.symtab_symbols if static or kind == "object" else binary.dynamic_symbols
    names = _Names(named)
    stripped = not binary.has_section(".symtab")
    return ElfFacts(
        machine=_machine(header.machine_type),
        bits=64 if header.identity_class is lief.ELF.Header.CLASS.ELF64 else 32,
        big_endian=_big_endian(binary),
        type=kind,
        interpreter=interpreter,
        soname=dynamic.soname,
        needed=tuple(dynamic.needed),
        imports=names.imports,
        exports=names.exports,
        build_id=_build_id(binary),
        nx=_data_stack(binary),
        pie=position_free,
        relro=_relro(binary, now=dynamic.now),
        canary=names.canary or (static and stripped and _CANARY_TEXT in content),
        fortify=names.fortify,
        stripped=stripped,
        static=static,
        rpath=tuple(dynamic.rpath),
    )


class _Dynamic:
    """The rows of the dynamic section that matter."""

    def __init__(self, binary: lief.ELF.Binary) -> None:
        self.soname = ""
        self.needed: list[str] = []
        self.rpath: list[str] = []
        self.now = self.pie = False
        for row in binary.dynamic_entries:
            if len(self.needed) + len(self.rpath) >= _MOST_ROWS:
                return
            self._take(row)

    def _take(self, row: lief.ELF.DynamicEntry) -> None:
        if isinstance(row, lief.ELF.DynamicEntryLibrary):
            self.needed.append(_text(row.name))
        elif isinstance(row, lief.ELF.DynamicSharedObject):
            self.soname = _text(row.name)
        elif isinstance(row, lief.ELF.DynamicEntryRunPath):
            self.rpath += [part for part in _text(row.runpath).split(":") if part]
        elif isinstance(row, lief.ELF.DynamicEntryRpath):
            self.rpath += [part for part in _text(row.rpath).split(":") if part]
        elif row.tag is _TAG.BIND_NOW:
            self.now = True
        elif row.tag is _TAG.FLAGS:
            self.now |= bool(row.value & _NOW)
        elif row.tag is _TAG.FLAGS_1:
            self.now |= bool(row.value & 1)
            self.pie = bool(row.value & 0x08000000)


class _Names:
    """Functions taken and offered."""

    def __init__(self, symbols: Iterable[lief.ELF.Symbol]) -> None:
        taken: set[str] = set()
        given: set[str] = set()
        self.canary = self.fortify = False
        for symbol in symbols:
            name = _text(symbol.name)
            if not name:
                continue
            self.canary |= name in _CANARY
            if symbol.type not in _FUNCTIONS:
                continue
            if symbol.shndx == _UNDEFINED:
                taken.add(name)
            elif symbol.binding is not lief.ELF.Symbol.BINDING.LOCAL:
                given.add(name)
        self.fortify = any(_CHECKED.fullmatch(name) for name in taken)
        self.imports = tuple(sorted(taken)[:MOST_NAMES])
        self.exports = tuple(sorted(given)[:MOST_NAMES])


def _text(raw: str | bytes) -> str:
    text = raw if isinstance(raw, str) else raw.decode(errors="replace")
    return text[:_MOST_LETTERS]


def _machine(arch: lief.ELF.ARCH) -> str:
    name = arch.name.lower() if isinstance(arch, lief.ELF.ARCH) else f"machine-{int(arch)}"
    return _MACHINES.get(name, name)


def _interpreter(binary: lief.ELF.Binary) -> str:
    for segment in binary.segments:
        if segment.type is lief.ELF.Segment.TYPE.INTERP:
            return _text(bytes(segment.content[:_MOST_LETTERS]).split(b"\0", 1)[0])
    return ""


def _build_id(binary: lief.ELF.Binary) -> str:
    """Notes are read here: lief turns the bytes of a description round on big-endian machines."""
    order: Literal["big", "little"] = "big" if _big_endian(binary) else "little"
    for segment in binary.segments:
        if segment.type is not lief.ELF.Segment.TYPE.NOTE:
            continue
        notes = bytes(segment.content[:_MOST_NOTES])
        while len(notes) >= _NOTE_HEADER:
            name, size, kind = (
                int.from_bytes(notes[at : at + 4], order) for at in range(0, _NOTE_HEADER, 4)
            )
            start = _NOTE_HEADER + name + -name % 4
            if kind == _GNU_BUILD_ID and notes[_NOTE_HEADER:].startswith(b"GNU\0"):
                return notes[start : start + min(size, _MOST_ID)].hex()
            notes = notes[start + size + -size % 4 :]
    return ""


def _big_endian(binary: lief.ELF.Binary) -> bool:
    return binary.header.identity_data is lief.ELF.Header.ELF_DATA.MSB


def _data_stack(binary: lief.ELF.Binary) -> bool:
    """Without the mark the kernel makes the stack executable on most machines."""
    for segment in binary.segments:
        if segment.type is lief.ELF.Segment.TYPE.GNU_STACK:
            return not int(segment.flags) & 1
    return False


def _relro(binary: lief.ELF.Binary, *, now: bool) -> str:
    mark = lief.ELF.Segment.TYPE.GNU_RELRO
    if not any(segment.type is mark for segment in binary.segments):
        return "none"
    return "full" if now else "partial"
