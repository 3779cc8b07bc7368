"""How the versions of squashfs lay out their records, and how to read those.

Until version 3 the records are C bit fields, written as the making machine held them: the first
field in the lowest bits of a little-endian record, in the highest bits of a big-endian one. So one
table of fields and widths serves both orders.

Source:
    The headers of squashfs-tools and of the Linux kernel, versions 1.0 to 4.0.
"""

import struct
from typing import Final

from holdfast.audit.tree import Kind

_WHOLE: Final = {8: "B", 16: "H", 32: "I", 64: "Q"}


class Layout:
    """The fields of a record, in the order in which they stand.

    Attributes:
        names: Of the fields.
        size_bytes: Of the record.
    """

    def __init__(self, fields: str) -> None:
        """Take fields as `name:bits name:bits`."""
        pairs = [field.split(":") for field in fields.split()]
        self.names = tuple(name for name, _ in pairs)
        self._widths = tuple(int(bits) for _, bits in pairs)
        self.size_bytes = sum(self._widths) // 8
        self._structs: dict[bool, struct.Struct] = {}
        if all(width in _WHOLE for width in self._widths):
            letters = "".join(_WHOLE[width] for width in self._widths)
            self._structs = {big: struct.Struct("<>"[big] + letters) for big in (False, True)}

    def read(self, record: bytes, *, big: bool) -> dict[str, int]:
        """Read the fields of a record.

        Raises:
            struct.error: The record is not of this size.
        """
        if len(record) != self.size_bytes:
            raise struct.error("the record is cut off")
        if self._structs:
            return dict(zip(self.names, self._structs[big].unpack(record), strict=True))
        whole = int.from_bytes(record, "big" if big else "little")
        left = self.size_bytes * 8
        values: dict[str, int] = {}
        for name, width in zip(self.names, self._widths, strict=True):
            left -= width
            if big:
                values[name] = whole >> left & (1 << width) - 1
            else:
                values[name] = whole & (1 << width) - 1
                whole >>= width
        return values


NEWEST: Final = 4
SUPERBLOCK: Final = Layout(
    "magic:32 inodes:32 made:32 block_size:32 fragments:32 compression:16 block_log:16 flags:16"
    " uids:16 major:16 minor:16 root:64 bytes_used:64 uid_table:64 xattr_table:64 inode_table:64"
    " folder_table:64 fragment_table:64 export_table:64"
)
# Version 2 ends before the second bytes_used, version 1 before the second block_size.
OLD_SUPERBLOCK: Final = Layout(
    "magic:32 inodes:32 bytes_used_2:32 uid_table_2:32 gid_table_2:32 inode_table_2:32"
    " folder_table_2:32 major:16 minor:16 block_size_1:16 block_log:16 flags:8 uids:8 gids:8"
    " made:32 root:64 block_size:32 fragments:32 fragment_table_2:32 bytes_used:64 uid_table:64"
    " gid_table:64 inode_table:64 folder_table:64 fragment_table:64"
)

_BASES: Final = {
    1: "type:4 mode:12 uid:4 gid:4",
    2: "type:4 mode:12 uid:8 gid:8",
    3: "type:4 mode:12 uid:8 gid:8 mtime:32 number:32",
    4: "type:16 mode:16 uid:16 gid:16 mtime:32 number:32",
}
BASES: Final = {version: Layout(fields) for version, fields in _BASES.items()}

# By version and type: what it stands for, and the fields after the base. A link's target and a
# file's list of blocks follow their record.
_BODIES: Final = {
    1: {
        0: (Kind.PIPE, "type_1:4 uids_1:4"),  # or a socket: type_1 tells
        1: (Kind.FOLDER, "size:19 offset:13 mtime:32 start:24"),
        2: (Kind.FILE, "mtime:32 start:32 size:32"),
        3: (Kind.LINK, "size:16"),
        4: (Kind.BLOCK, "device:16"),
        5: (Kind.CHARACTER, "device:16"),
    },
    2: {
        1: (Kind.FOLDER, "size:19 offset:13 mtime:32 start:24"),
        2: (Kind.FILE, "mtime:32 start:32 fragment:32 offset:32 size:32"),
        3: (Kind.LINK, "size:16"),
        4: (Kind.BLOCK, "device:16"),
        5: (Kind.CHARACTER, "device:16"),
        6: (Kind.PIPE, ""),
        7: (Kind.SOCKET, ""),
        8: (Kind.FOLDER, "size:27 offset:13 mtime:32 start:24 indexes:16"),
    },
    3: {
        1: (Kind.FOLDER, "links:32 size:19 offset:13 start:32 parent:32"),
        2: (Kind.FILE, "start:64 fragment:32 offset:32 size:32"),
        3: (Kind.LINK, "links:32 size:16"),
        4: (Kind.BLOCK, "links:32 device:16"),
        5: (Kind.CHARACTER, "links:32 device:16"),
        6: (Kind.PIPE, "links:32"),
        7: (Kind.SOCKET, "links:32"),
        8: (Kind.FOLDER, "links:32 size:27 offset:13 start:32 indexes:16 parent:32"),
        9: (Kind.FILE, "links:32 start:64 fragment:32 offset:32 size:64"),
    },
    4: {
        1: (Kind.FOLDER, "start:32 links:32 size:16 offset:16 parent:32"),
        2: (Kind.FILE, "start:32 fragment:32 offset:32 size:32"),
        3: (Kind.LINK, "links:32 size:32"),
        4: (Kind.BLOCK, "links:32 device:32"),
        5: (Kind.CHARACTER, "links:32 device:32"),
        6: (Kind.PIPE, "links:32"),
        7: (Kind.SOCKET, "links:32"),
        8: (Kind.FOLDER, "links:32 size:32 start:32 parent:32 indexes:16 offset:16 xattr:32"),
        9: (Kind.FILE, "start:64 size:64 sparse:64 links:32 fragment:32 offset:32 xattr:32"),
        10: (Kind.LINK, "links:32 size:32"),  # the number of its xattr follows the target
        11: (Kind.BLOCK, "links:32 device:32 xattr:32"),
        12: (Kind.CHARACTER, "links:32 device:32 xattr:32"),
        13: (Kind.PIPE, "links:32 xattr:32"),
        14: (Kind.SOCKET, "links:32 xattr:32"),
    },
}
BODIES: Final = {
    version: {number: (kind, Layout(fields)) for number, (kind, fields) in bodies.items()}
    for version, bodies in _BODIES.items()
}
# Version 1 keeps four bits of an owner's number, and in the type which sixteen owners are meant.
TYPES_1: Final = 5
SOCKET_1: Final = 1
LINK_WITH_XATTR: Final = 10

_NAMED: Final = {  # a run of names of a folder whose inodes stand in one block, and one of them
    1: ("count:8 start:24", "offset:13 type:3 size:8"),
    2: ("count:8 start:24", "offset:13 type:3 size:8"),
    3: ("count:8 start:32 number:32", "offset:13 type:3 size:8 number:16"),
    4: ("count:32 start:32 number:32", "offset:16 number:16 type:16 size:16"),
}
RUNS: Final = {version: Layout(run) for version, (run, _) in _NAMED.items()}
ENTRIES: Final = {version: Layout(entry) for version, (_, entry) in _NAMED.items()}
MOST_RUN: Final = 256

FRAGMENTS: Final = {
    2: Layout("start:32 size:32"),
    3: Layout("start:64 size:32 unused:32"),
    4: Layout("start:64 size:32 unused:32"),
}
