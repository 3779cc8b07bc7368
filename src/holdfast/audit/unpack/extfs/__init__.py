"""Reader of ext2, ext3 and ext4.

Folders are read linearly, which their hash trees allow on purpose. The journal of an image that was
taken from a running system is played back first, in memory.
"""

from collections.abc import Iterator
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.limits import Limits
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.extfs.superblock import ROOT_INODE, SUPER_AT, SUPER_MAGIC, superblock
from holdfast.audit.unpack.extfs.volume import Volume
from holdfast.audit.unpack.inodes import kind_of
from holdfast.audit.unpack.reader import FileSystem, Magic, Measured
from holdfast.audit.unpack.source import Source


def measure(source: Source) -> Measured | None:
    """Look at the superblock, and whether there is a root."""
    sup = superblock(source)
    if sup is None:
        return None
    volume = Volume(source, Budget(Limits()), sup)
    try:
        root = volume.inode(ROOT_INODE)
    except FormatError:
        return None
    if kind_of(root.mode) is not Kind.FOLDER:
        return None
    size = min(sup.blocks * sup.block_bytes, source.size_bytes)
    return Measured(size_bytes=size, format=sup.name)


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name."""
    sup = superblock(source)
    if sup is None:
        raise FormatError("this is no ext2, ext3 or ext4")
    yield from Volume(source, budget, sup).nodes()


READER: Final = FileSystem(
    name="ext",
    magics=(Magic(content=SUPER_MAGIC.to_bytes(2, "little"), at=SUPER_AT + 56),),
    measure=measure,
    nodes=nodes,
)
