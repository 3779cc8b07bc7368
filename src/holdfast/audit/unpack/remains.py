"""Judges what no reader explains: filler, text, signatures, boot loaders, or something unknown."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from math import log2
from typing import Final

from pyperscan import BlockDatabase, Flag, Pattern, Scan

from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.kernels import chunks, is_kernel
from holdfast.audit.unpack.source import Region, Source

SMALL_BYTES: Final = 512  # the headers and trailers of vendors; no program fits in
_SAMPLES: Final = 64
_SAMPLE_BYTES: Final = 1 << 14
_WINDOW_BYTES: Final = 1 << 14
PACKED_ENTROPY: Final = 7.6  # of 8 bits; machine code stays well below, compression above
_PACKED_RUN_BYTES: Final = 1 << 15
_LONGEST_PROGRAM: Final = 1 << 25
_PATTERN_BYTES: Final = 16
_LEAST_FILLER: Final = 64
_TEXT_PART: Final = 0.97
_TEXT: Final = bytes({*range(32, 127), 9, 10, 13})
_LONGEST_SIGNATURE: Final = 1 << 17
_SHA256_BYTES: Final = 32
_VERITY_BLOCK: Final = 4096

# Programs that boot a system, and systems that are a single program, by what they say of
# themselves. What such a program is linked with is found by its strings like in any other.
_PROGRAMS: Final = (
    ("U-Boot", rb"U-Boot (?:SPL )?[0-9]{1,4}\.[0-9]"),
    ("CFE", rb"CFE version [0-9]|Broadcom CFE|CFE\d\.\d"),
    ("RedBoot", rb"RedBoot\(tm\)|RedBoot>"),
    ("Barebox", rb"barebox 20[0-9]{2}\."),
    ("Trusted Firmware-A", rb"BL(?:1|2|31): v[0-9]\.[0-9]|Trusted Firmware-[AM]"),
    ("GRUB", rb"GRUB(?: version| 2\.| loading)|GNU GRUB"),
    ("Breed", rb"Breed Bootloader|hackpascal"),
    ("PMON", rb"PMON2000|PMON version"),
    ("YAMON", rb"YAMON ROM Monitor"),
    ("RouterBOOT", rb"RouterBOOT"),
    ("LILO", rb"LILO (?:boot|[0-9]{2})"),
    ("SYSLINUX", rb"(?:SYS|ISO|EXT|PXE)LINUX [0-9]"),
    ("OpenSBI", rb"OpenSBI v[0-9]"),
    ("OP-TEE", rb"OP-TEE (?:version|core)"),
    ("MyLoader", rb"MyLoader version"),
    ("VxWorks", rb"VxWorks [0-9]|VxWorks\(R\)|WIND version [0-9]"),
    ("eCos", rb"eCos(?:Pro)? (?:release|version|kernel)|ecos-[0-9]"),
    ("ThreadX", rb"ThreadX [A-Z0-9]{2}"),
    ("FreeRTOS", rb"FreeRTOS [Vv]?[0-9]"),
    ("Zephyr", rb"Booting Zephyr OS"),
    ("RTEMS", rb"RTEMS[- ][0-9]"),
)
_SIGNED_DATA: Final = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What a region is taken for.

    Attributes:
        offset: Where it starts in the source that was judged.
        size_bytes: Its length.
        kind: `filler`, `trailer` (too short to hold a program), `text`, `signature`, `hash-tree`,
            `program`, `kernel`, or `unknown`.
        name: Of the program, or what kind of signature.
        entropy: Bits per byte; 0 for filler.
    """

    offset: int
    size_bytes: int
    kind: str
    name: str = ""
    entropy: float = 0.0

    @property
    def understood(self) -> bool:
        """Whether nothing in it can hide from the checks."""
        return self.kind != "unknown"

    @property
    def packed(self) -> bool:
        """Whether it is compressed or encrypted, by its entropy."""
        return self.entropy >= PACKED_ENTROPY


def entropy(content: bytes) -> float:
    """Give the bits per byte of a content, 0 to 8."""
    total = len(content)
    return sum(-n / total * log2(n / total) for n in Counter(content).values()) + 0.0


def entropy_of(source: Source) -> float:
    """Give the bits per byte of a source, by samples if it is long."""
    step = max(_SAMPLE_BYTES, source.size_bytes // _SAMPLES)
    counted: Counter[int] = Counter()
    for at in range(0, source.size_bytes, step):
        counted.update(source.read_at(at, _SAMPLE_BYTES))
    total = counted.total()
    return sum(-n / total * log2(n / total) for n in counted.values()) + 0.0 if total else 0.0


def trimmed(source: Source, budget: Budget) -> tuple[int, int]:
    """Find where a source starts and ends without the filler around it; equal if all is."""
    start, end = source.size_bytes, 0
    for at, chunk in chunks(source, budget):
        for filler in (b"\0", b"\xff"):
            if not chunk.strip(filler):
                break
        else:
            left = len(chunk) - len(chunk.lstrip(chunk[:1] if chunk[0] in {0, 0xFF} else b""))
            last = chunk[-1:] if chunk[-1] in {0, 0xFF} else b""
            start = min(start, at + left)
            end = max(end, at + len(chunk.rstrip(last)))
    return (start, end) if start < end else (0, 0)


def _is_filler(source: Source, budget: Budget) -> bool:
    """Tell whether a pattern of at most 16 bytes is repeated, with marks of flash file systems."""
    return all(
        chunk[_PATTERN_BYTES:] == chunk[:-_PATTERN_BYTES] for _, chunk in chunks(source, budget)
    )


def _marks_in_filler(source: Source, budget: Budget) -> bool:
    """Tell whether there is next to nothing but filler, as between the marks of a flash."""
    left = sum(len(chunk.translate(None, b"\0\xff")) for _, chunk in chunks(source, budget))
    return left <= SMALL_BYTES and left * 50 < source.size_bytes


def _signature(source: Source) -> bool:
    """Know a signature (CMS) that stands alone, with its length behind or not, as RAUC has it."""
    head = source.read_at(0, 64)
    if head[:1] != b"\x30" or _SIGNED_DATA not in head or source.size_bytes > _LONGEST_SIGNATURE:
        return False
    if head[1] < 0x80:  # noqa: PLR2004 - DER's short form of a length
        length = 2 + head[1]
    else:
        count = head[1] & 0x7F
        length = 2 + count + int.from_bytes(head[2 : 2 + count], "big")
    return length <= source.size_bytes <= length + SMALL_BYTES


def tree_bytes(covered: int) -> int:
    """Tell how long a dm-verity tree over that many bytes is."""
    blocks, total = -(-covered // _VERITY_BLOCK), 0
    while blocks > 1:
        blocks = -(-blocks * _SHA256_BYTES // _VERITY_BLOCK)
        total += blocks
    return total * _VERITY_BLOCK


def _verity_tail(source: Source, covered: int) -> int:
    """Tell how much of a source is the hash tree over what stands before it; 0 if it is none."""
    if not covered:
        return 0
    if source.read_at(0, 8) == b"verity\0\0":
        return min(_VERITY_BLOCK + tree_bytes(covered), source.size_bytes)
    # Without a header: the levels stand in whole blocks, the top one first.
    pad = -covered % _VERITY_BLOCK
    size = pad + tree_bytes(covered)
    top = source.read_at(pad, _VERITY_BLOCK)
    children = -(-covered // _VERITY_BLOCK)
    while children > _VERITY_BLOCK // _SHA256_BYTES:
        children = -(-children * _SHA256_BYTES // _VERITY_BLOCK)
    used = children * _SHA256_BYTES
    whole = len(top) == _VERITY_BLOCK and size <= source.size_bytes
    return size if whole and children > 1 and not any(top[used:]) and any(top[:used]) else 0


def judge(source: Source, budget: Budget, *, covered: int = 0) -> list[Remains]:
    """Say what a region consists of.

    Args:
        source: The region.
        budget: What it may cost.
        covered: Length of the file system that ends where the region begins, 0 if none does.

    Returns:
        Its parts by offset.
    """
    head = _verity_tail(source, covered)
    if head:
        rest = Region(source, head, source.size_bytes - head)
        return [
            Remains(offset=0, size_bytes=head, kind="hash-tree"),
            *_shifted(judge(rest, budget), head),
        ]
    start, end = trimmed(source, budget)
    if start >= end:
        return [Remains(offset=0, size_bytes=source.size_bytes, kind="filler")]
    if not _signature(Region(source, start, end - start)):
        # A few bytes of "filler" may be the beginning or the end of what nobody knows.
        start = start if start >= _LEAST_FILLER else 0
        end = end if source.size_bytes - end >= _LEAST_FILLER else source.size_bytes
    return _shifted(_inner(Region(source, start, end - start), budget), start)


def _shifted(several: list[Remains], by: int) -> list[Remains]:
    return [
        Remains(
            offset=each.offset + by,
            size_bytes=each.size_bytes,
            kind=each.kind,
            name=each.name,
            entropy=each.entropy,
        )
        for each in several
    ]


def _inner(source: Source, budget: Budget) -> list[Remains]:
    size = source.size_bytes
    kind, name = _kind(source, budget)
    known = kind in {"trailer", "filler", "signature"}
    bits = 0.0 if known else entropy_of(source)
    packed: list[tuple[int, int]] = []
    if kind == "program":
        packed = [(0, size)] if size > _LONGEST_PROGRAM else _packed_runs(source, budget)
    if not packed:
        return [Remains(offset=0, size_bytes=size, kind=kind, name=name, entropy=bits)]
    parts: list[Remains] = []
    at = 0
    for start, end in [*packed, (size, size)]:
        for left, right, what in ((at, start, "program"), (start, end, "unknown")):
            if right > left:
                part = Region(source, left, right - left)
                parts.append(
                    Remains(
                        offset=left,
                        size_bytes=right - left,
                        kind=what,
                        name=name if what == "program" else "",
                        entropy=entropy_of(part),
                    )
                )
        at = end
    return parts


def _kind(source: Source, budget: Budget) -> tuple[str, str]:
    """Tell the kind of a region without filler around it, and its name."""
    if source.size_bytes <= SMALL_BYTES or _marks_in_filler(source, budget):
        return "trailer", ""
    if _signature(source):
        return "signature", "CMS"
    for kind, test in (("filler", _is_filler), ("text", _is_text), ("kernel", is_kernel)):
        if test(source, budget):
            return kind, ""
    name = _program(source, budget)
    return ("program", name) if name else ("unknown", "")


def _is_text(source: Source, budget: Budget) -> bool:
    letters = others = 0
    for _, chunk in chunks(source, budget):
        solid = chunk.translate(None, b"\0")  # settings of boot loaders end with it
        other = len(solid.translate(None, _TEXT))
        others += other
        letters += len(solid) - other
    return letters * (1 - _TEXT_PART) >= others


@cache
def _marks() -> BlockDatabase:
    return BlockDatabase(
        *(
            Pattern(mark, Flag.DOTALL, Flag.SINGLEMATCH, tag=number)
            for number, (_, mark) in enumerate(_PROGRAMS)
        )
    )


def _program(source: Source, budget: Budget) -> str:
    """Find the name of the program that a region holds; the first of the table counts."""
    found: set[int] = set()

    def take(_: object, number: int, __: int, ___: int) -> Scan:
        found.add(number)
        return Scan.Continue

    for _, chunk in chunks(source, budget):
        _marks().build(None, take).scan(chunk)
    return _PROGRAMS[min(found)][0] if found else ""


def _packed_runs(source: Source, budget: Budget) -> list[tuple[int, int]]:
    """Find long runs that are compressed or encrypted."""
    runs: list[tuple[int, int]] = []
    for at in range(0, source.size_bytes, _WINDOW_BYTES):
        budget.tick()
        window = source.read_at(at, _WINDOW_BYTES)
        if len(window) < _WINDOW_BYTES or entropy(window) < PACKED_ENTROPY:
            continue
        if runs and runs[-1][1] == at:
            runs[-1] = (runs[-1][0], at + len(window))
        else:
            runs.append((at, at + len(window)))
    return [(start, end) for start, end in runs if end - start >= _PACKED_RUN_BYTES]


def describe(one: Remains) -> str:
    """Put into words why a region counts as not opened."""
    if one.packed:
        return "no reader knows it; it is compressed or encrypted"
    return "no reader knows it; it is neither compressed nor encrypted"
