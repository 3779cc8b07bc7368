"""Small valid ELF files of every kind that an audit meets, made from words.

`from tests.audit.elf_builder import build`, then for example
`build(machine="mips", needed=("libc.so.0",), imports=("system",), strings=("BusyBox v1.14.1",))`.
The code inside does nothing; all that tools read (headers, segments, dynamic section, symbols,
notes) is as a linker would write it.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

PAGE: Final = 0x1000
TEXT_AT: Final = 0x400
MACHINES: Final[Mapping[str, tuple[int, int, bool, str]]] = {
    # name: e_machine, bits, big endian, usual dynamic loader
    "mips": (8, 32, True, "/lib/ld-uClibc.so.0"),
    "mipsel": (8, 32, False, "/lib/ld-uClibc.so.0"),
    "mips64": (8, 64, True, "/lib64/ld-musl-mips64.so.1"),
    "arm": (40, 32, False, "/lib/ld-linux.so.3"),
    "armeb": (40, 32, True, "/lib/ld-linux.so.3"),
    "aarch64": (183, 64, False, "/lib/ld-linux-aarch64.so.1"),
    "x86": (3, 32, False, "/lib/ld-linux.so.2"),
    "x86_64": (62, 64, False, "/lib64/ld-linux-x86-64.so.2"),
    "powerpc": (20, 32, True, "/lib/ld.so.1"),
    "riscv64": (243, 64, False, "/lib/ld-linux-riscv64-lp64d.so.1"),
}
SIGNED: Final = b"~Module signature appended~\n"

_NULL, _PROGBITS, _SYMTAB, _STRTAB, _HASH, _DYNAMIC, _NOTE, _DYNSYM = 0, 1, 2, 3, 5, 6, 7, 11
_BUILD_ID: Final = ".note.gnu.build-id"
_LOAD, _PT_DYNAMIC, _INTERP, _PT_NOTE, _PHDR = 1, 2, 3, 4, 6
_STACK, _RELRO = 0x6474E551, 0x6474E552


@dataclass(kw_only=True)
class _Section:
    name: str
    kind: int
    content: bytes
    flags: int = 0
    link: str = ""
    info: int = 0
    entry: int = 0
    align: int = 8
    offset: int = 0


@dataclass
class _Strings:
    content: bytearray = field(default_factory=lambda: bytearray(b"\0"))

    def add(self, text: str) -> int:
        if not text:
            return 0
        at = len(self.content)
        self.content += text.encode() + b"\0"
        return at


class _Writer:
    def __init__(self, machine: str) -> None:
        self.machine, self.bits, big, self.loader = MACHINES[machine]
        self.order = ">" if big else "<"
        self.wide = self.bits == 64

    def pack(self, form: str, *values: int) -> bytes:
        """`A` stands for an address, 4 or 8 bytes."""
        return struct.pack(self.order + form.replace("A", "Q" if self.wide else "I"), *values)

    def symbol(self, name: int, value: int, section: int, kind: int = 0x12) -> bytes:
        """Default: a global function."""
        size = 4 if section else 0
        if self.wide:
            return self.pack("IBBHQQ", name, kind, 0, section, value, size)
        return self.pack("IIIBBH", name, value, size, kind, 0, section)

    def segment(self, kind: int, flags: int, place: tuple[int, int, int], align: int) -> bytes:
        offset, address, size = place
        if self.wide:
            return self.pack("IIQQQQQQ", kind, flags, offset, address, address, size, size, align)
        return self.pack("IIIIIIII", kind, offset, address, address, size, size, flags, align)

    def section(self, one: _Section, name: int, address: int, link: int) -> bytes:
        return self.pack(
            "IIAAAAIIAA",
            name, one.kind, one.flags, address, one.offset, len(one.content),
            link, one.info, one.align, one.entry,
        )  # fmt: skip

    @property
    def header_bytes(self) -> int:
        return 64 if self.wide else 52

    @property
    def segment_bytes(self) -> int:
        return 56 if self.wide else 32


def build(
    *,
    machine: str = "mips",
    type: str = "program",  # noqa: A002 - the word of ElfFacts
    needed: Sequence[str] = (),
    imports: Sequence[str] = (),
    exports: Sequence[str] = (),
    soname: str = "",
    interpreter: str | None = None,
    strings: Sequence[str] = (),
    rodata: bytes = b"",
    nx: bool | None = True,
    pie: bool = False,
    relro: str = "none",
    canary: bool = False,
    fortify: bool = False,
    static: bool = False,
    stripped: bool = True,
    build_id: str = "",
    rpath: str = "",
    modinfo: Mapping[str, str] | None = None,
    signed: bool = False,
) -> bytes:
    """Make an ELF file.

    Args:
        machine: A key of `MACHINES`; it settles bits and byte order.
        type: `program`, `library` or `module` (a kernel module, relocatable).
        needed: Libraries in the dynamic section.
        imports: Functions taken from elsewhere.
        exports: Functions offered; in a static program they are in the symbol table only.
        soname: Of a library.
        interpreter: Dynamic loader; None for the usual one of the machine.
        strings: Texts in `.rodata`, each ended by a zero byte.
        rodata: Bytes before the strings in `.rodata`, as they are.
        nx: Whether the stack is marked as data; None leaves the mark out.
        pie: Whether a program can be loaded anywhere.
        relro: `none`, `partial` or `full`.
        canary: Whether it calls `__stack_chk_fail`.
        fortify: Whether it calls `__sprintf_chk`.
        static: Whether it is a program without dynamic section.
        stripped: Whether the symbol table is left out (never of a module).
        build_id: Hexadecimal.
        rpath: Value of RUNPATH.
        modinfo: Fields of `.modinfo`.
        signed: Whether a module's signature is appended.
    """
    writer = _Writer(machine)
    taken = [*imports, *(["__stack_chk_fail"] if canary else [])]
    taken += ["__sprintf_chk"] if fortify else []
    if static:  # what a dynamic program takes from libc is inside
        exports, taken = [*exports, *taken], []
    sections = [
        _Section(name=".text", kind=_PROGBITS, content=bytes(16 * len(exports) + 16), flags=6),
        _Section(name=".rodata", kind=_PROGBITS, content=rodata + _joined(strings), flags=2),
    ]
    if build_id:
        raw = bytes.fromhex(build_id)
        note = writer.pack("III", 4, len(raw), 3) + b"GNU\0" + raw + bytes(-len(raw) % 4)
        sections.append(_Section(name=_BUILD_ID, kind=_NOTE, content=note, flags=2, align=4))
    if modinfo is not None:
        content = b"".join(f"{key}={value}".encode() + b"\0" for key, value in modinfo.items())
        sections.append(_Section(name=".modinfo", kind=_PROGBITS, content=content, flags=2))
    if type == "module":
        sections += _symbols(writer, taken, exports, 0, ".symtab", ".strtab")
        return _assemble(writer, 1, 0, sections, []) + (_signature() if signed else b"")
    base = 0 if pie or type == "library" else 0x400000
    if not static:
        if type == "program":
            loader = (writer.loader if interpreter is None else interpreter).encode() + b"\0"
            sections.append(_Section(name=".interp", kind=_PROGBITS, content=loader, flags=2))
        sections += _symbols(writer, taken, exports, base + TEXT_AT, ".dynsym", ".dynstr")
        sections.append(_hash(writer, 1 + len(taken) + len(exports)))
        entries = [(1, name) for name in needed]
        entries += [(14, soname)] if soname else []
        entries += [(29, rpath)] if rpath else []
        sections.append(_dynamic(writer, sections, entries, full=relro == "full", pie=pie))
    else:
        got = _Section(name=".got", kind=_PROGBITS, content=bytes(16), flags=3)
        sections.append(got)
    if not stripped:
        sections += _symbols(writer, taken, exports, base + TEXT_AT, ".symtab", ".strtab")
    marks: list[tuple[int, int]] = [] if nx is None else [(_STACK, 6 if nx else 7)]
    marks += [] if relro == "none" else [(_RELRO, 4)]
    return _assemble(writer, 3 if pie or type == "library" else 2, base, sections, marks)


def _joined(strings: Sequence[str]) -> bytes:
    return b"\0" + b"".join(text.encode() + b"\0" for text in strings)


def _signature() -> bytes:
    return bytes(64) + struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, 64) + SIGNED


def _symbols(
    writer: _Writer, taken: Sequence[str], given: Sequence[str], text: int, name: str, link: str
) -> list[_Section]:
    names = _Strings()
    table = bytearray(writer.symbol(0, 0, 0, 0))
    size = len(table)
    for each in taken:
        table += writer.symbol(names.add(each), 0, 0)
    for number, each in enumerate(given):
        table += writer.symbol(names.add(each), text + 16 * number, 1)
    dynamic = name == ".dynsym"
    flags, kind = (2, _DYNSYM) if dynamic else (0, _SYMTAB)
    return [
        _Section(
            name=name, kind=kind, content=bytes(table), flags=flags, link=link, info=1, entry=size
        ),
        _Section(name=link, kind=_STRTAB, content=bytes(names.content), flags=flags, align=1),
    ]


def _hash(writer: _Writer, symbols: int) -> _Section:
    """One bucket with one chain through all symbols, as the System V rules allow."""
    first = 1 if symbols > 1 else 0
    chain = [0, *((number + 1) % symbols for number in range(1, symbols))]
    content = writer.pack(f"{3 + symbols}I", 1, symbols, first, *chain)
    return _Section(
        name=".hash", kind=_HASH, content=content, flags=2, link=".dynsym", entry=4, align=4
    )


def _dynamic(
    writer: _Writer,
    sections: list[_Section],
    texts: list[tuple[int, str]],
    *,
    full: bool,
    pie: bool,
) -> _Section:
    """Texts go to `.dynstr` at once; addresses of sections are patched in by `_assemble`."""
    names = next(one for one in sections if one.name == ".dynstr")
    rows = []
    for tag, text in texts:
        rows.append((tag, len(names.content)))
        names.content += text.encode() + b"\0"
    rows += [(4, 0), (5, 0), (6, 0)]  # .hash, .dynstr, .dynsym
    rows += [(10, len(names.content)), (11, 24 if writer.wide else 16)]
    rows += [(30, 8)] if full else []
    flags = (1 if full else 0) | (0x08000000 if pie else 0)
    rows += [(0x6FFFFFFB, flags)] if flags else []
    content = b"".join(writer.pack("AA", *row) for row in [*rows, (0, 0)])
    entry = 16 if writer.wide else 8
    return _Section(
        name=".dynamic", kind=_DYNAMIC, content=content, flags=3, link=".dynstr", entry=entry
    )


def _patched(writer: _Writer, dynamic: bytes, addresses: Mapping[int, int]) -> bytes:
    size = 16 if writer.wide else 8
    rows = [
        struct.unpack(writer.order + ("QQ" if writer.wide else "II"), dynamic[at : at + size])
        for at in range(0, len(dynamic), size)
    ]
    return b"".join(writer.pack("AA", tag, addresses.get(tag, value)) for tag, value in rows)


def _assemble(
    writer: _Writer, kind: int, base: int, sections: list[_Section], marks: list[tuple[int, int]]
) -> bytes:
    loaded = [one for one in sections if one.flags & 2 and not one.flags & 1]
    written = [one for one in sections if one.flags & 1]
    rest = [one for one in sections if not one.flags]
    names = _Strings()
    shstrtab = _Section(name=".shstrtab", kind=_STRTAB, content=b"", align=1)
    order = [*loaded, *written, *rest, shstrtab]
    for one in order:
        names.add(one.name)
    shstrtab.content = bytes(names.content)
    relocatable = kind == 1
    many = 0 if relocatable else 2 + len(marks) + sum(one.name in _SEGMENTS for one in sections)
    many += 0 if relocatable else 1  # PT_PHDR
    at = writer.header_bytes if relocatable else TEXT_AT
    for one in order:
        if one is (written[0] if written else None):
            at += -at % PAGE
        at += -at % one.align
        one.offset = at
        at += len(one.content)
    address = {one.name: 0 if relocatable else base + one.offset for one in [*loaded, *written]}
    for one in sections:
        if one.name == ".dynamic":
            one.content = _patched(
                writer,
                one.content,
                {4: address[".hash"], 5: address[".dynstr"], 6: address[".dynsym"]},
            )
    segments = b""
    if not relocatable:
        segments = _segments(writer, base, many, (loaded, written), marks)
    body = bytearray(segments)
    for one in order:
        body += bytes(one.offset - writer.header_bytes - len(body)) + one.content
    body += bytes(-len(body) % 8 + (-writer.header_bytes) % 8)
    table = writer.header_bytes + len(body)
    body += writer.section(_Section(name="", kind=_NULL, content=b"", align=0), 0, 0, 0)
    index = {one.name: number for number, one in enumerate(order, start=1)}
    for one in order:
        body += writer.section(
            one,
            shstrtab.content.index(b"\0" + one.name.encode() + b"\0") + 1,
            address.get(one.name, 0),
            index.get(one.link, 0),
        )
    entry = address.get(".text", 0)
    ident = b"\x7fELF" + bytes([2 if writer.wide else 1, 2 if writer.order == ">" else 1, 1])
    header = ident.ljust(16, b"\0") + writer.pack(
        "HHIAAAIHHHHHH",
        kind, writer.machine, 1, entry, writer.header_bytes if many else 0, table, 0,
        writer.header_bytes, writer.segment_bytes if many else 0, many,
        64 if writer.wide else 40, len(order) + 1, len(order),
    )  # fmt: skip
    return header + bytes(body)


_SEGMENTS: Final = {".interp": _INTERP, ".dynamic": _PT_DYNAMIC, _BUILD_ID: _PT_NOTE}


def _segments(
    writer: _Writer,
    base: int,
    many: int,
    parts: tuple[list[_Section], list[_Section]],
    marks: list[tuple[int, int]],
) -> bytes:
    loaded, written = parts

    def place(first: int, sections: list[_Section]) -> tuple[int, int, int]:
        end = sections[-1].offset + len(sections[-1].content)
        return first, base + first, end - first

    head = writer.header_bytes
    made = writer.segment(_PHDR, 4, (head, base + head, many * writer.segment_bytes), 8)
    for one in [*loaded, *written]:
        if one.name == ".interp":
            made += writer.segment(_INTERP, 4, place(one.offset, [one]), 1)
    made += writer.segment(_LOAD, 5, place(0, loaded), PAGE)
    made += writer.segment(_LOAD, 6, place(written[0].offset, written), PAGE)
    for one in [*loaded, *written]:
        if one.name in _SEGMENTS and one.name != ".interp":
            flags = 6 if one.name == ".dynamic" else 4
            made += writer.segment(_SEGMENTS[one.name], flags, place(one.offset, [one]), one.align)
    for kind, flags in marks:
        where = place(written[0].offset, written) if kind == _RELRO else (0, 0, 0)
        made += writer.segment(kind, flags, where, 16 if kind == _STACK else 1)
    return made
