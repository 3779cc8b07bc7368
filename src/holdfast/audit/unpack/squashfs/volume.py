"""The tree of a squashfs image."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.tree import Kind, Node
from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.inodes import Content, below, new_device, old_device, text
from holdfast.audit.unpack.reader import Measured
from holdfast.audit.unpack.source import Source
from holdfast.audit.unpack.squashfs.codecs import Decoder
from holdfast.audit.unpack.squashfs.contents import Contents
from holdfast.audit.unpack.squashfs.inodes import Inode, Inodes, are_inodes
from holdfast.audit.unpack.squashfs.layouts import ENTRIES, MOST_RUN, NEWEST, RUNS
from holdfast.audit.unpack.squashfs.metadata import Cursor, Metadata
from holdfast.audit.unpack.squashfs.superblock import Superblock, superblock

_SETTLING_BLOCKS: Final = 64
# Versions 3 and 4 count "." and ".." into the length of a folder, though they do not store them.
_UNSTORED_BYTES: Final = {1: 0, 2: 0, 3: 3, 4: 3}


def measure(source: Source) -> Measured | None:
    """Look at the superblock."""
    one = superblock(source)
    if one is None:
        return None
    return Measured(size_bytes=min(one.bytes_used, source.size_bytes), format=one.name)


def nodes(source: Source, budget: Budget) -> Iterator[Node]:
    """Give every name, folders before what is in them.

    Raises:
        FormatError: The image is damaged, or compressed in an unknown way.
        LimitError: It is too much.
    """
    one = superblock(source)
    if one is None:
        raise FormatError("this is no squashfs")
    yield from _Volume(source, budget, one).nodes()


class _Volume:
    """One image, while its tree is read."""

    def __init__(self, source: Source, budget: Budget, one: Superblock) -> None:
        self._budget, self._superblock = budget, one
        decoder = Decoder(one)
        self._metadata = Metadata(source, budget, one, decoder)
        self._settle(decoder)
        self._inodes = Inodes(source, one, self._metadata)
        self._contents = Contents(source, budget, one, self._metadata, decoder)
        self._reads: dict[int, Content] = {}

    def _settle(self, decoder: Decoder) -> None:
        """Find out the compression, unless the inodes are stored as they are."""
        one, at = self._superblock, self._superblock.inode_table
        block, compressed, following = self._metadata.raw(at)
        if compressed:
            full = following < one.folder_table
            decoder.settle(block, partial(are_inodes, one), full=full)

    def nodes(self) -> Iterator[Node]:
        root = self._inodes.read(self._superblock.root)
        if root.kind is not Kind.FOLDER:
            raise FormatError("the root is no folder")
        yield self._node("", self._superblock.root, root)
        seen, waiting = {self._superblock.root}, [("", root)]
        while waiting:
            path, folder = waiting.pop()
            for name, reference in self._names(folder):
                self._budget.take_file()
                inode, whole = self._inodes.read(reference), below(path, name)
                if inode.kind is Kind.FOLDER:
                    if reference in seen:
                        raise FormatError("a folder is inside itself, or in two places")
                    seen.add(reference)
                    waiting.append((whole, inode))
                yield self._node(whole, reference, inode)

    def _names(self, folder: Inode) -> Iterator[tuple[bytes, int]]:
        """Give the names in a folder, and where their inodes are."""
        one = self._superblock
        run_layout, entry_layout = RUNS[one.major], ENTRIES[one.major]
        left = folder.size_bytes - _UNSTORED_BYTES[one.major]
        if left <= 0:
            return
        cursor = Cursor(self._metadata, one.folder_table + folder.start, folder.offset)
        while left > 0:
            run = run_layout.read(cursor.take(run_layout.size_bytes), big=one.big)
            left -= run_layout.size_bytes
            if run["count"] >= MOST_RUN:
                raise FormatError("a folder has an impossible count of names")
            for _ in range(run["count"] + 1):
                entry = entry_layout.read(cursor.take(entry_layout.size_bytes), big=one.big)
                length = (entry["size"] & 0xFF) + 1
                left -= entry_layout.size_bytes + length
                yield cursor.take(length), run["start"] << 16 | entry["offset"]
        if left:
            raise FormatError("a folder is shorter than its names")

    def _node(self, path: str, reference: int, inode: Inode) -> Node:
        device = None
        if inode.kind in {Kind.CHARACTER, Kind.BLOCK}:
            split = new_device if self._superblock.major == NEWEST else old_device
            device = split(inode.device)
        is_file = inode.kind is Kind.FILE
        return Node(
            path=path,
            kind=inode.kind,
            mode=inode.mode,
            uid=inode.uid,
            gid=inode.gid,
            size_bytes=inode.size_bytes if is_file else 0,
            target=text(inode.target),
            device=device,
            mtime=inode.mtime,
            read=self._read(reference, inode) if is_file else None,
        )

    def _read(self, reference: int, inode: Inode) -> Content:
        """Give the reading of a file, the same for each of its names."""
        content = self._reads.get(reference)
        if content is None:
            self._contents.notice(inode)
            make = partial(self._contents.read, inode)
            content = Content(self._budget, inode.size_bytes, make)
            self._reads[reference] = content
        return content
