"""What a kernel module says of itself in `.modinfo`, compressed or not."""

import lzma
import zlib
from collections.abc import Callable
from typing import Final

import lief
import zstandard

from holdfast.audit.facts.shapes import ModuleFacts

MOST_BYTES: Final = 64 * 1024 * 1024
_MOST_MEMORY: Final = 256 * 1024 * 1024  # of a decoder, for its window
_MOST_FIELD: Final = 512
_MOST_DEPENDS: Final = 100
_SIGNED: Final = b"~Module signature appended~\n"
_MAGIC: Final = b"\x7fELF"


def _gunzip(content: bytes, most: int) -> bytes:
    return zlib.decompressobj(31).decompress(content, most)


def _unxz(content: bytes, most: int) -> bytes:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY).decompress(content, most)


def _unzstd(content: bytes, most: int) -> bytes:
    decoder = zstandard.ZstdDecompressor(max_window_size=_MOST_MEMORY)
    with decoder.stream_reader(content) as inside:
        return inside.read(most)


_DECODERS: Final[tuple[tuple[bytes, Callable[[bytes, int], bytes]], ...]] = (
    (b"\x1f\x8b\x08", _gunzip),
    (b"\xfd7zXZ\0", _unxz),
    (b"\x28\xb5\x2f\xfd", _unzstd),
)


def decompressed(content: bytes) -> bytes | None:
    """Give the ELF file inside a gzip, xz or zstd file; None if there is none, or it is too long.

    A file that holds something else costs the decompression of four bytes.
    """
    decoder = next((each for magic, each in _DECODERS if content.startswith(magic)), None)
    if decoder is None:
        return None
    try:
        if decoder(content, len(_MAGIC)) != _MAGIC:
            return None
        whole = decoder(content, MOST_BYTES)
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, EOFError, MemoryError):
        return None
    return whole if len(whole) < MOST_BYTES else None


def module_facts(binary: lief.ELF.Binary, content: bytes) -> ModuleFacts | None:
    """Read what a kernel module says of itself.

    Args:
        binary: As `elf.parsed` gave it.
        content: The whole file; a signature stands behind the ELF file.

    Returns:
        The facts; None if it is no kernel module.
    """
    section = binary.get_section(".modinfo")
    if section is None:
        return None
    fields: dict[str, str] = {}
    for line in bytes(section.content).split(b"\0"):
        key, equals, value = line.partition(b"=")
        if equals and len(key) < _MOST_FIELD:
            fields.setdefault(
                key.decode(errors="replace"), value[:_MOST_FIELD].decode(errors="replace")
            )
    depends = [name for name in fields.get("depends", "").split(",") if name]
    return ModuleFacts(
        name=fields.get("name") or _linked_name(binary),
        version=fields.get("version", ""),
        vermagic=fields.get("vermagic", "").strip(),
        license=fields.get("license", ""),
        depends=tuple(depends[:_MOST_DEPENDS]),
        signed=content.endswith(_SIGNED),
    )


def _linked_name(binary: lief.ELF.Binary) -> str:
    """Kernels before 4.13 keep the name only in `struct module`, behind state and list."""
    section = binary.get_section(".gnu.linkonce.this_module")
    if section is None:
        return ""
    wide = binary.header.identity_class is lief.ELF.Header.CLASS.ELF64
    raw = bytes(section.content[(24 if wide else 12) :][:64])
    name = raw.split(b"\0", 1)[0].decode(errors="replace")
    return name if name.isprintable() else ""
