"""Inodes of squashfs, the same from every version."""

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind
from holdfast.audit.unpack.inodes import MOST_PATH
from holdfast.audit.unpack.source import Source, exactly
from holdfast.audit.unpack.squashfs.layouts import (
    BASES,
    BODIES,
    LINK_WITH_XATTR,
    NEWEST,
    SOCKET_1,
    TYPES_1,
    Layout,
)
from holdfast.audit.unpack.squashfs.metadata import Cursor, Metadata
from holdfast.audit.unpack.squashfs.superblock import METADATA_BYTES, Superblock

NO_FRAGMENT: Final = 2**32 - 1
PROVEN: Final = 64  # inodes in a row that make sense
ENOUGH: Final = 3  # where the row is interrupted
_SAME_GROUP: Final = {1: 15, 2: 255, 3: 255}  # the group has the number of the owner


@dataclass(frozen=True, slots=True, kw_only=True)
class Inode:
    """What an inode says.

    Attributes:
        kind: What it is.
        mode: Permissions.
        uid: Owner.
        gid: Group.
        mtime: Seconds since 1970.
        size_bytes: Of a file's content, or of a folder's list of names.
        start: Where the content begins in the image, or in the table of folders.
        offset: Where it begins in the fragment, or in the block of the table.
        fragment: Number of the fragment with the end of a file; `NO_FRAGMENT` if none.
        device: Number of a device.
        target: Of a link.
        blocks: Where the list of a file's blocks is.
    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime: int
    size_bytes: int
    start: int
    offset: int
    fragment: int
    device: int
    target: bytes
    blocks: tuple[int, int]


class Inodes:
    """Reads inodes by where they are."""

    def __init__(self, source: Source, superblock: Superblock, metadata: Metadata) -> None:
        self._source, self._superblock, self._metadata = source, superblock, metadata
        self._base, self._bodies = BASES[superblock.major], BODIES[superblock.major]

    def read(self, reference: int) -> Inode:
        """Read the inode at block << 16 | offset of the table.

        Raises:
            FormatError: There is none.
        """
        one = self._superblock
        cursor = Cursor(self._metadata, one.inode_table + (reference >> 16), reference & 0xFFFF)
        raw = self._base.read(cursor.take(self._base.size_bytes), big=one.big)
        kind, body = body_of(one, raw["type"])
        raw |= body.read(cursor.take(body.size_bytes), big=one.big)
        target = b""
        if kind is Kind.LINK:
            if raw["size"] > MOST_PATH:
                raise FormatError("a link is too long")
            target = cursor.take(raw["size"])
        if raw.get("type_1") == SOCKET_1:
            kind = Kind.SOCKET
        uid, gid = self._owners(raw)
        return Inode(
            kind=kind,
            mode=raw["mode"] & 0o7777,
            uid=uid,
            gid=gid,
            mtime=raw.get("mtime", one.made),
            size_bytes=raw.get("size", 0),
            start=raw.get("start", 0),
            offset=raw.get("offset", 0),
            fragment=raw.get("fragment", NO_FRAGMENT),
            device=raw.get("device", 0),
            target=target,
            blocks=cursor.place,
        )

    def _owners(self, raw: dict[str, int]) -> tuple[int, int]:
        major, uid, gid = self._superblock.major, raw["uid"], raw["gid"]
        try:
            if major == NEWEST:
                return self._users[uid], self._users[gid]
            if major == 1:
                uid += 16 * raw.get("uids_1", max(0, raw["type"] - 1) // TYPES_1)
            owner = self._users[uid]
            return owner, owner if gid == _SAME_GROUP[major] else self._groups[gid]
        except IndexError:
            raise FormatError("an owner is not in the table of owners") from None

    @cached_property
    def _users(self) -> tuple[int, ...]:
        one = self._superblock
        if one.major == NEWEST:
            return self._compressed_users()
        return self._numbers(exactly(self._source, one.uid_table, 4 * one.uids))

    @cached_property
    def _groups(self) -> tuple[int, ...]:
        one = self._superblock
        return self._numbers(exactly(self._source, one.gid_table, 4 * one.gids))

    def _compressed_users(self) -> tuple[int, ...]:
        one, numbers = self._superblock, bytearray()
        places = 4 * one.uids // METADATA_BYTES + bool(4 * one.uids % METADATA_BYTES)
        index = exactly(self._source, one.uid_table, 8 * places)
        for place in struct.unpack(f"{'<>'[one.big]}{places}Q", index):
            block, _ = self._metadata.block(place)
            numbers += block[: 4 * one.uids - len(numbers)]
        return self._numbers(bytes(numbers[: len(numbers) // 4 * 4]))

    def _numbers(self, raw: bytes) -> tuple[int, ...]:
        return struct.unpack(f"{'<>'[self._superblock.big]}{len(raw) // 4}I", raw)


def body_of(superblock: Superblock, number: int) -> tuple[Kind, Layout]:
    """Find what a type of inode stands for, and the layout of what follows its base.

    Raises:
        FormatError: There is no such type.
    """
    if superblock.major == 1 and number:
        number = (number - 1) % TYPES_1 + 1
    body = BODIES[superblock.major].get(number)
    if body is None:
        raise FormatError("an inode is of an unknown type")
    return body


def block_count(superblock: Superblock, size_bytes: int, fragment: int) -> int:
    """Count the blocks of a file beside its fragment."""
    whole, rest = divmod(size_bytes, superblock.block_size)
    return whole + bool(rest and fragment == NO_FRAGMENT)


def are_inodes(superblock: Superblock, content: bytes) -> bool:
    """Tell whether a block can be the first of the table of inodes, one following the other."""
    wanted, found, at = min(PROVEN, superblock.inodes), 0, 0
    base = BASES[superblock.major]
    while found < wanted:
        try:
            raw = base.read(content[at : at + base.size_bytes], big=superblock.big)
            kind, body = body_of(superblock, raw["type"])
            at += base.size_bytes
            raw |= body.read(content[at : at + body.size_bytes], big=superblock.big)
        except FormatError:
            return False
        except struct.error:  # it goes on in the next block, if there can be one
            return len(content) == METADATA_BYTES and found > 0
        if not _sensible(superblock, raw):
            return False
        found += 1
        if raw.get("indexes"):
            return found >= min(wanted, ENOUGH)
        at += body.size_bytes
        if kind is Kind.LINK:
            at += raw["size"] + 4 * (raw["type"] == LINK_WITH_XATTR)
        elif kind is Kind.FILE:
            count = block_count(superblock, raw["size"], raw.get("fragment", NO_FRAGMENT))
            at += count * block_word_bytes(superblock)
    return True


def block_word_bytes(superblock: Superblock) -> int:
    """Tell how long a number in the list of a file's blocks is."""
    return 2 if superblock.major == 1 else 4


def _sensible(superblock: Superblock, raw: dict[str, int]) -> bool:
    one, gid = superblock, raw["gid"]
    if one.major == NEWEST:
        owned = raw["uid"] < one.uids and gid < one.uids and raw["mode"] <= 0o7777  # noqa: PLR2004
    else:
        owned = raw["uid"] < one.uids and (gid == _SAME_GROUP[one.major] or gid < one.gids)
    return owned and 0 < raw.get("number", 1) <= one.inodes
