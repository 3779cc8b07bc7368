"""The superblock, and where the descriptors of the groups are."""

from dataclasses import dataclass
from typing import Final

from holdfast.audit.unpack.source import Source

ROOT_INODE: Final = 2
SUPER_MAGIC: Final = 0xEF53
SUPER_AT: Final = 1024
MOST_LOG_BLOCK: Final = 6  # blocks of 64 KiB
MOST_DESCRIPTOR: Final = 1024
OLD_DESCRIPTOR: Final = 32
OLD_INODE: Final = 128

JOURNAL: Final = 0x4  # compatible feature
RECOVER: Final = 0x4  # incompatible features from here
META_BG: Final = 0x10
WIDE: Final = 0x80
# Extents, 64 bit, several mounts, flexible groups, large attributes, data in folders, checksum
# seed, large folders, inline data, encryption.
ONLY_EXT4: Final = 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000
# Huge files, checksums of groups, many links, large inodes, big allocation, checksums.
ONLY_EXT4_READ_ONLY: Final = 0x8 | 0x10 | 0x20 | 0x40 | 0x200 | 0x400
SPARSE_SUPER: Final = 0x1  # of the read-only set


@dataclass(frozen=True, slots=True, kw_only=True)
class Super:
    """What the superblock says."""

    block_bytes: int
    blocks: int
    inodes: int
    first_block: int
    blocks_per_group: int
    inodes_per_group: int
    inode_bytes: int
    descriptor_bytes: int
    compatible: int
    incompatible: int
    read_only: int
    first_meta_group: int
    journal: int

    @property
    def name(self) -> str:
        """Tell which of the three it is."""
        if self.incompatible & ONLY_EXT4 or self.read_only & ONLY_EXT4_READ_ONLY:
            return "ext4"
        return "ext3" if self.compatible & JOURNAL else "ext2"

    def descriptor_at(self, group: int) -> int:
        """Give the place of the descriptor of a group, in bytes."""
        per_block = self.block_bytes // self.descriptor_bytes
        block, place = divmod(group, per_block)
        at = SUPER_AT // self.block_bytes + 1 + block
        if self.incompatible & META_BG and block >= self.first_meta_group:
            first = block * per_block
            at = self.first_block + first * self.blocks_per_group + self._has_super(first)
        return at * self.block_bytes + place * self.descriptor_bytes

    def _has_super(self, group: int) -> bool:
        if not self.read_only & SPARSE_SUPER or group <= 1:
            return True
        for base in (3, 5, 7):
            power = base
            while power < group:
                power *= base
            if power == group:
                return True
        return False


def number(raw: bytes, at: int, length: int) -> int:
    """Read a number."""
    return int.from_bytes(raw[at : at + length], "little")


def superblock(source: Source) -> Super | None:
    """Read the superblock; None if it is none, or a copy of one."""
    raw = source.read_at(SUPER_AT, SUPER_AT)
    if len(raw) != SUPER_AT or number(raw, 56, 2) != SUPER_MAGIC:
        return None
    if number(raw, 24, 4) > MOST_LOG_BLOCK:
        return None
    dynamic = number(raw, 76, 4) > 0
    incompatible = number(raw, 96, 4) if dynamic else 0
    wide = bool(incompatible & WIDE)
    found = Super(
        block_bytes=1024 << number(raw, 24, 4),
        blocks=number(raw, 4, 4) | (number(raw, 336, 4) << 32 if wide else 0),
        inodes=number(raw, 0, 4),
        first_block=number(raw, 20, 4),
        blocks_per_group=number(raw, 32, 4),
        inodes_per_group=number(raw, 40, 4),
        inode_bytes=number(raw, 88, 2) if dynamic else OLD_INODE,
        descriptor_bytes=number(raw, 254, 2) if wide else OLD_DESCRIPTOR,
        compatible=number(raw, 92, 4) if dynamic else 0,
        incompatible=incompatible,
        read_only=number(raw, 100, 4) if dynamic else 0,
        first_meta_group=number(raw, 260, 4),
        journal=number(raw, 224, 4) if dynamic else 0,
    )
    plausible = (
        number(raw, 76, 4) <= 1
        and (not dynamic or number(raw, 90, 2) == 0)  # a copy of the superblock has its group here
        and found.blocks > found.first_block
        and found.first_block <= (1 if found.block_bytes == SUPER_AT else 0)
        and found.blocks_per_group > 0
        and found.inodes >= ROOT_INODE
        and 0 < found.inodes_per_group <= found.inodes
        and OLD_INODE <= found.inode_bytes <= found.block_bytes
        and found.inode_bytes.bit_count() == 1
        and OLD_DESCRIPTOR <= found.descriptor_bytes <= MOST_DESCRIPTOR
        and found.descriptor_bytes.bit_count() == 1
    )
    return found if plausible else None
