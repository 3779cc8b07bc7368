"""What a content is, told by its first bytes."""

from typing import Final

from unblob import math_tools

from holdfast.audit.facts.shapes import FileKind

_STARTS: Final[tuple[tuple[bytes, FileKind], ...]] = (
    (b"\x7fELF", FileKind.ELF),
    (b"\x27\x05\x19\x56", FileKind.KERNEL),  # legacy image of U-Boot
    (b"ANDROID!", FileKind.KERNEL),
    (b"\x1f\x8b\x08", FileKind.COMPRESSED),
    (b"BZh", FileKind.COMPRESSED),
    (b"\xfd7zXZ\0", FileKind.COMPRESSED),
    (b"\x28\xb5\x2f\xfd", FileKind.COMPRESSED),
    (b"\x04\x22\x4d\x18", FileKind.COMPRESSED),
    (b"\x02\x21\x4c\x18", FileKind.COMPRESSED),
    (b"\x89LZO\0\r\n\x1a\n", FileKind.COMPRESSED),
    (b"LZIP\x01", FileKind.COMPRESSED),
    (b"\x5d\x00\x00", FileKind.COMPRESSED),
    (b"PK\x03\x04", FileKind.ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", FileKind.ARCHIVE),
    (b"!<arch>\n", FileKind.ARCHIVE),
    (b"070701", FileKind.ARCHIVE),
    (b"070702", FileKind.ARCHIVE),
    (b"\xed\xab\xee\xdb", FileKind.ARCHIVE),  # rpm
    (b"hsqs", FileKind.ARCHIVE),
    (b"sqsh", FileKind.ARCHIVE),
    (b"UBI#", FileKind.ARCHIVE),
    (b"\x89PNG\r\n", FileKind.IMAGE),
    (b"\xff\xd8\xff", FileKind.IMAGE),
    (b"GIF8", FileKind.IMAGE),
    (b"BM", FileKind.IMAGE),
    (b"\0\0\1\0", FileKind.IMAGE),
    (b"RIFF", FileKind.IMAGE),
)
_MARKS: Final[tuple[tuple[int, bytes, FileKind], ...]] = (
    (0x24, b"\x18\x28\x6f\x01", FileKind.KERNEL),  # ARM zImage
    (0x24, b"\x01\x6f\x28\x18", FileKind.KERNEL),
    (0x38, b"ARM\x64", FileKind.KERNEL),  # arm64 Image
    (0x38, b"RSC\x05", FileKind.KERNEL),  # riscv Image
    (0x202, b"HdrS", FileKind.KERNEL),  # x86 bzImage
    (257, b"ustar", FileKind.ARCHIVE),
)
_SAMPLE_BYTES: Final = 8192
_NOT_TEXT: Final = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b") | {127})
_ENTROPY_BYTES: Final = 1024 * 1024


def kind_of(content: bytes) -> FileKind:
    """Tell what a content is; an ELF file may still turn out to be a module."""
    if not content:
        return FileKind.EMPTY
    for start, kind in _STARTS:
        # Two letters are a word of any language, so a bitmap must also have its header's length.
        if content.startswith(start) and (start != b"BM" or content[14:18] == b"\x28\0\0\0"):
            return kind
    for at, mark, kind in _MARKS:
        if content.startswith(mark, at):
            return kind
    if is_text(content):
        if content.startswith(b"#!"):
            return FileKind.SCRIPT
        return FileKind.PEM if content.lstrip().startswith(b"-----BEGIN ") else FileKind.TEXT
    return FileKind.OTHER


def is_text(content: bytes) -> bool:
    """Tell whether a content reads like text in some language, by its first and last bytes."""
    sample = content[:_SAMPLE_BYTES] + content[_SAMPLE_BYTES:][-_SAMPLE_BYTES:]
    return len(sample.translate(None, _NOT_TEXT)) == len(sample)


def interpreter_of(content: bytes) -> str:
    """Give the words after `#!`; "" if there are none."""
    if not content.startswith(b"#!"):
        return ""
    return content[2:258].split(b"\n", 1)[0].decode(errors="replace").strip()


def entropy_of(content: bytes) -> float:
    """Give the bits per byte of a content's first mebibyte."""
    return math_tools.shannon_entropy(content[:_ENTROPY_BYTES]) if content else 0.0
