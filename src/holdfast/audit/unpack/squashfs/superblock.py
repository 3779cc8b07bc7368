"""The superblock of squashfs, whichever version, byte order and vendor's magic."""

from dataclasses import dataclass
from typing import Final

from holdfast.audit.unpack.source import Source
from holdfast.audit.unpack.squashfs.layouts import NEWEST, OLD_SUPERBLOCK, SUPERBLOCK

# Vendors changed the letters to mark LZMA, or to keep tools away; the rest says what it is.
MAGICS: Final = (
    b"hsqs",
    b"sqsh",
    b"qshs",
    b"shsq",
    b"hsqt",
    b"tqsh",
    b"sqlz",
    b"zlqs",
)
STANDARD: Final = frozenset({b"hsqs", b"sqsh"})
METADATA_BYTES: Final = 8192
SMALLEST_BLOCK, LARGEST_BLOCK = 4096, 1024 * 1024
COMPRESSIONS: Final = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}
CHECKED: Final = 4  # flag of versions 1 to 3: a marker stands between length and block
_MAJOR_AT: Final = 28
# Where the superblock ends, which is where the first block may start.
_SIZES: Final = {1: 51, 2: 63, 3: 111, 4: 96}


@dataclass(frozen=True, slots=True, kw_only=True)
class Superblock:
    """What the superblock says.

    Attributes:
        big: Whether numbers stand with their highest byte first.
        major: Version, 1 to 4.
        minor: Version.
        magic: The first four bytes.
        compression: Number of the algorithm, which vendors do not always give truly.
        block_size: Length of a whole block of content.
        marked: Whether a byte stands between length and content of a block of metadata.
        inodes: How many there are.
        fragments: How many there are.
        made: When, seconds since 1970.
        root: Where the inode of the root is: block << 16 | offset.
        bytes_used: Length of the file system.
        uids: How many owners the table has; in version 4 groups too.
        gids: How many groups the table of groups has, before version 4.
        uid_table: Where it is; so for the others.
    """

    big: bool
    major: int
    minor: int
    magic: bytes
    compression: int
    block_size: int
    marked: bool
    inodes: int
    fragments: int
    made: int
    root: int
    bytes_used: int
    uids: int
    gids: int
    uid_table: int
    gid_table: int
    inode_table: int
    folder_table: int
    fragment_table: int

    @property
    def name(self) -> str:
        """Name of the format with variant."""
        parts = [f"squashfs {self.major}.{self.minor}"]
        if self.major == NEWEST:
            parts.append(COMPRESSIONS.get(self.compression, f"compression {self.compression}"))
        parts.append("big-endian" if self.big else "little-endian")
        if self.magic not in STANDARD:
            parts.append(f"({self.magic.decode()})")
        return " ".join(parts)


def superblock(source: Source) -> Superblock | None:
    """Read the superblock; None if it cannot be one."""
    head = source.read_at(0, OLD_SUPERBLOCK.size_bytes)
    if head[:4] not in MAGICS:
        return None
    major = int.from_bytes(head[_MAJOR_AT : _MAJOR_AT + 2], "little")
    big = major not in _SIZES
    if big:
        major = int.from_bytes(head[_MAJOR_AT : _MAJOR_AT + 2], "big")
    if major not in _SIZES or len(head) < _SIZES[major]:
        return None
    made = _newest(head, big=big) if major == NEWEST else _older(head, major, big=big)
    return made if _plausible(made) else None


def _newest(head: bytes, *, big: bool) -> Superblock:
    raw = SUPERBLOCK.read(head[: SUPERBLOCK.size_bytes], big=big)
    return Superblock(
        big=big,
        magic=head[:4],
        marked=False,
        gids=0,
        gid_table=0,
        **{
            name: raw[name]
            for name in (
                *("major", "minor", "compression", "block_size", "inodes", "fragments", "made"),
                *("root", "bytes_used", "uids", "uid_table", "inode_table", "folder_table"),
                "fragment_table",
            )
        },
    )


def _older(head: bytes, major: int, *, big: bool) -> Superblock:
    whole = head.ljust(OLD_SUPERBLOCK.size_bytes, b"\0")
    raw = OLD_SUPERBLOCK.read(whole, big=big)
    narrow = "" if major == NEWEST - 1 else "_2"
    return Superblock(
        big=big,
        major=major,
        minor=raw["minor"],
        magic=head[:4],
        compression=1,
        block_size=raw["block_size_1"] if major == 1 else raw["block_size"],
        marked=bool(raw["flags"] & CHECKED),
        inodes=raw["inodes"],
        fragments=0 if major == 1 else raw["fragments"],
        made=raw["made"],
        root=raw["root"],
        bytes_used=raw["bytes_used" + narrow],
        uids=raw["uids"],
        gids=raw["gids"],
        uid_table=raw["uid_table" + narrow],
        gid_table=raw["gid_table" + narrow],
        inode_table=raw["inode_table" + narrow],
        folder_table=raw["folder_table" + narrow],
        fragment_table=raw["fragment_table" + narrow],
    )


def _plausible(one: Superblock) -> bool:
    """Tell whether the numbers fit each other; random bytes do not pass."""
    smallest = SMALLEST_BLOCK if one.major > 1 else 512
    return (
        one.minor <= 1
        and smallest <= one.block_size <= LARGEST_BLOCK
        and one.block_size.bit_count() == 1
        and 0 < one.inodes < 1 << 31
        and one.fragments <= one.inodes
        and _SIZES[one.major] <= one.inode_table < one.folder_table < one.bytes_used
        and one.root >> 16 < one.folder_table - one.inode_table
        and one.root & 0xFFFF < METADATA_BYTES
        and (not one.fragments or one.folder_table <= one.fragment_table < one.bytes_used)
        and 0 < one.uid_table < one.bytes_used
    )
