"""Makes squashfs images that no tool makes any more: versions 1 to 4, both orders, any compression.

Written after the C headers of the format and not after the reader, so that one checks the other.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.audit.tree import Kind

METADATA = 8192
NONE = 0xFFFFFFFF
TYPES = {
    Kind.FOLDER: 1,
    Kind.FILE: 2,
    Kind.LINK: 3,
    Kind.BLOCK: 4,
    Kind.CHARACTER: 5,
    Kind.PIPE: 6,
    Kind.SOCKET: 7,
}
FORMATS = {(4, 0): 96, (3, 1): 119, (3, 0): 119, (2, 1): 63, (2, 0): 63, (1, 0): 51}


@dataclass(frozen=True, kw_only=True)
class Item:
    """A name that goes into the image; `same` makes it a hard link."""

    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 1_111_111_111
    content: bytes = b""
    target: bytes = b""
    device: tuple[int, int] = (0, 0)
    same: str = ""


@dataclass(kw_only=True)
class Maker:
    """What kind of image is made."""

    version: tuple[int, int] = (4, 0)
    big: bool = False
    compress: Callable[[bytes], bytes] = zlib.compress
    compress_content: Callable[[bytes], bytes] | None = None
    compression: int = 1
    magic: bytes = b""
    block: int = 32768
    marked: bool = False
    fragments: bool = True
    _data: bytearray = field(default_factory=bytearray)
    _tail: bytearray = field(default_factory=bytearray)
    _fragments: list[bytes] = field(default_factory=list)

    def bits(self, *fields: tuple[int, int]) -> bytes:
        """Pack bit fields as a C compiler of that order does."""
        texts = [format(value % (1 << width), f"0{width}b") for value, width in fields]
        whole = "".join(texts if self.big else texts[::-1])
        return int(whole or "0", 2).to_bytes(len(whole) // 8, "big" if self.big else "little")

    @property
    def major(self) -> int:
        return self.version[0]

    def stored(self, content: bytes, compress: Callable[[bytes], bytes]) -> tuple[bytes, bool]:
        small = compress(content)
        return (small, True) if len(small) < len(content) else (content, False)

    def metadata_block(self, content: bytes) -> bytes:
        small, compressed = self.stored(content, self.compress)
        header = self.bits((len(small) | (0 if compressed else 0x8000), 16))
        return header + (b"\xff" if self.marked else b"") + small

    def word(self, size: int, *, compressed: bool) -> bytes:
        if self.major == 1:
            return self.bits((size % 0x8000 | (0 if compressed else 0x8000), 16))
        return self.bits((size | (0 if compressed else 1 << 24), 32))

    def file(self, content: bytes) -> tuple[int, bytes, int, int]:
        """Store a content: where it starts, its words, its fragment, and where in that."""
        start, words = FORMATS[self.version] + len(self._data), b""
        tail = len(content) % self.block if self.fragments and self.major > 1 else 0
        for at in range(0, len(content) - tail, self.block):
            piece = content[at : at + self.block]
            if self.major > 2 and not any(piece):
                words += self.word(0, compressed=True)
                continue
            small, compressed = self.stored(piece, self.compress_content or self.compress)
            self._data += small
            words += self.word(len(small), compressed=compressed)
        if not tail:
            return start, words, NONE, 0
        if len(self._tail) + tail > self.block:
            self.end_fragment()
        place = len(self._tail)
        self._tail += content[-tail:]
        return start, words, len(self._fragments), place

    def end_fragment(self) -> None:
        small, compressed = self.stored(bytes(self._tail), self.compress_content or self.compress)
        start = FORMATS[self.version] + len(self._data)
        self._data += small
        self._tail.clear()
        entry = self.bits((start, 32 if self.major == 2 else 64))
        entry += self.word(len(small), compressed=compressed)
        self._fragments.append(entry + (b"" if self.major == 2 else bytes(4)))

    def make(self, items: dict[str, Item]) -> bytes:
        """Make an image; `items` names every folder but the root."""
        return _Image(self, items).whole()


class _Table:
    """A table of metadata that is being written."""

    def __init__(self, maker: Maker) -> None:
        self.maker, self.done, self.open = maker, bytearray(), bytearray()

    def add(self, record: bytes) -> tuple[int, int]:
        place = (len(self.done), len(self.open))
        self.open += record
        while len(self.open) >= METADATA:
            self.done += self.maker.metadata_block(bytes(self.open[:METADATA]))
            del self.open[:METADATA]
        return place

    def whole(self) -> bytes:
        if self.open:
            self.done += self.maker.metadata_block(bytes(self.open))
            self.open.clear()
        return bytes(self.done)


class _Image:
    def __init__(self, maker: Maker, items: dict[str, Item]) -> None:
        self.maker = maker
        self.items = {"": Item(kind=Kind.FOLDER, mode=0o755), **items}
        self.inodes, self.folders = _Table(maker), _Table(maker)
        self.places: dict[str, tuple[int, int]] = {}
        self.numbers: dict[str, int] = {}
        self.uids = sorted({each.uid for each in self.items.values()})
        self.gids = sorted({each.gid for each in self.items.values()})
        if maker.major == 4:
            self.uids = self.gids = sorted({*self.uids, *self.gids})

    def base(self, kind: int, item: Item, path: str) -> bytes:
        m, uid, gid = self.maker, self.uids.index(item.uid), self.gids.index(item.gid)
        if m.major == 4:
            first = m.bits((kind, 16), (item.mode, 16), (uid, 16), (gid, 16))
            return first + m.bits((item.mtime, 32), (self.numbers[path], 32))
        same = item.uid == item.gid
        if m.major == 1:
            group = 15 if same else gid
            if item.kind in {Kind.PIPE, Kind.SOCKET}:
                return m.bits((0, 4), (item.mode, 12), (uid % 16, 4), (group, 4))
            return m.bits((kind + uid // 16 * 5, 4), (item.mode, 12), (uid % 16, 4), (group, 4))
        first = m.bits((kind, 4), (item.mode, 12), (uid, 8), (255 if same else gid, 8))
        if m.major == 3:
            first += m.bits((item.mtime, 32), (self.numbers[path], 32))
        return first

    def file(self, path: str, item: Item) -> bytes:
        m = self.maker
        start, words, fragment, place = m.file(item.content)
        size, kind = len(item.content), 2
        if m.major == 1:
            body = m.bits((item.mtime, 32), (start, 32), (size, 32))
        elif m.major == 2:
            body = m.bits((item.mtime, 32), (start, 32), (fragment, 32), (place, 32), (size, 32))
        elif item.mode & 0o100 and m.major == 3:  # the longer form, for some of them
            kind = 9
            body = m.bits((1, 32), (start, 64), (fragment, 32), (place, 32), (size, 64))
        elif item.mode & 0o100:
            kind = 9
            body = m.bits((start, 64), (size, 64), (0, 64), (1, 32), (fragment, 32))
            body += m.bits((place, 32), (NONE, 32))
        else:
            width = 64 if m.major == 3 else 32
            body = m.bits((start, width), (fragment, 32), (place, 32), (size, 32))
        return self.base(kind, item, path) + body + words

    def other(self, path: str, item: Item) -> bytes:
        m, links = self.maker, b"" if self.maker.major < 3 else self.maker.bits((1, 32))
        base = self.base(TYPES[item.kind], item, path)
        if item.kind is Kind.LINK:
            width = 32 if m.major == 4 else 16
            return base + links + m.bits((len(item.target), width)) + item.target
        if item.kind in {Kind.BLOCK, Kind.CHARACTER}:
            major, minor = item.device
            if m.major == 4:
                number = minor & 0xFF | major << 8 | (minor & 0xFFF00) << 12
                return base + links + m.bits((number, 32))
            return base + links + m.bits((major << 8 | minor, 16))
        if m.major == 1:
            return base + m.bits(
                (item.kind is Kind.SOCKET, 4), (self.uids.index(item.uid) // 16, 4)
            )
        return base + links

    def folder(self, path: str, item: Item) -> bytes:
        m = self.maker
        prefix = f"{path}/" if path else ""
        names = sorted(
            each
            for each in self.items
            if each and each.startswith(prefix) and "/" not in each[len(prefix) :]
        )
        (start, offset), size = self.listing(names, len(prefix)), self.listed
        if m.major == 1 or (m.major == 2 and len(names) < 100):
            body = m.bits((size, 19), (offset, 13), (item.mtime, 32), (start, 24))
            return self.base(1, item, path) + body
        if m.major == 2:
            body = m.bits((size, 27), (offset, 13), (item.mtime, 32), (start, 24), (0, 16))
            return self.base(8, item, path) + body
        size += 3
        if m.major == 3 and len(names) < 100:
            body = m.bits((2, 32), (size, 19), (offset, 13), (start, 32), (1, 32))
            return self.base(1, item, path) + body
        if m.major == 3:
            body = m.bits((2, 32), (size, 27), (offset, 13), (start, 32), (0, 16), (1, 32))
            return self.base(8, item, path) + body
        if size < 1 << 16:
            body = m.bits((start, 32), (2, 32), (size, 16), (offset, 16), (1, 32))
            return self.base(1, item, path) + body
        body = m.bits((2, 32), (size, 32), (start, 32), (1, 32), (0, 16), (offset, 16), (NONE, 32))
        return self.base(8, item, path) + body

    def listing(self, names: list[str], skip: int) -> tuple[int, int]:
        m, where, self.listed = self.maker, (len(self.folders.done), len(self.folders.open)), 0
        while names:
            block = self.places[names[0]][0]
            run = [names.pop(0)]
            while names and self.places[names[0]][0] == block and len(run) < 256:
                run.append(names.pop(0))
            if m.major < 3:
                record = m.bits((len(run) - 1, 8), (block, 24))
            else:
                first = self.numbers[run[0]]
                record = m.bits((len(run) - 1, 8 if m.major == 3 else 32), (block, 32), (first, 32))
            for each in run:
                name, offset = each[skip:].encode(errors="surrogateescape"), self.places[each][1]
                kind = TYPES[self.items[each].kind]
                if m.major == 4:
                    record += m.bits((offset, 16), (self.numbers[each] - first, 16), (kind, 16))
                    record += m.bits((len(name) - 1, 16))
                else:
                    record += m.bits((offset, 13), (kind, 3), (len(name) - 1, 8))
                    if m.major == 3:
                        record += m.bits((self.numbers[each] - first, 16))
                record += name
            self.folders.add(record)
            self.listed += len(record)
        return where

    def whole(self) -> bytes:
        m = self.maker

        # Folders come last, the deepest first, for they point to what is in them.
        def rank(path: str) -> tuple[bool, int]:
            return self.items[path].kind is Kind.FOLDER, -path.count("/")

        order = [*sorted((p for p in self.items if p and not self.items[p].same), key=rank), ""]
        self.numbers = {path: number for number, path in enumerate(order, 1)}
        for path in order:
            item = self.items[path]
            if item.kind is Kind.FOLDER:
                links = {name: each.same for name, each in self.items.items() if each.same}
                self.places |= {name: self.places[same] for name, same in links.items()}
                self.numbers |= {name: self.numbers[same] for name, same in links.items()}
                record = self.folder(path, item)
            else:
                record = (self.file if item.kind is Kind.FILE else self.other)(path, item)
            self.places[path] = self.inodes.add(record)
        if m._tail:
            m.end_fragment()
        return self.join(len(order))

    def join(self, inodes: int) -> bytes:
        m, head = self.maker, FORMATS[self.maker.version]
        image = bytearray(head) + m._data
        tables = {"inodes": len(image)}
        image += self.inodes.whole()
        tables["folders"] = len(image)
        image += self.folders.whole()
        width = 32 if m.major == 2 else 64
        if m.major > 1:
            tables["fragments"] = self.indexed(image, b"".join(m._fragments), width)
        if m.major == 4:
            ids = b"".join(m.bits((uid, 32)) for uid in self.uids)
            tables["uids"] = self.indexed(image, ids, 64)
        else:
            for name, numbers in (("uids", self.uids), ("gids", self.gids)):
                tables[name] = len(image)
                image += b"".join(m.bits((number, 32)) for number in numbers)
        block, offset = self.places[""]
        image[:head] = self.superblock(inodes, tables, len(image), block << 16 | offset)
        return bytes(image)

    def indexed(self, image: bytearray, table: bytes, width: int) -> int:
        index = b""
        for at in range(0, len(table), METADATA):
            index += self.maker.bits((len(image), width))
            image += self.maker.metadata_block(table[at : at + METADATA])
        image += index
        return len(image) - len(index)

    def superblock(self, inodes: int, tables: dict[str, int], used: int, root: int) -> bytes:
        m, (major, minor) = self.maker, self.maker.version
        magic = m.magic or (b"sqsh" if m.big else b"hsqs")
        log, made = m.block.bit_length() - 1, 1_222_222_222
        if major == 4:
            return magic + m.bits(
                (inodes, 32), (made, 32), (m.block, 32), (len(m._fragments), 32),
                (m.compression, 16), (log, 16), (0, 16), (len(self.uids), 16), (major, 16),
                (minor, 16), (root, 64), (used, 64), (tables["uids"], 64), (-1, 64),
                (tables["inodes"], 64), (tables["folders"], 64), (tables["fragments"], 64),
                (-1, 64),
            )  # fmt: skip
        old = major < 3
        head = magic + m.bits(
            (inodes, 32), (used * old, 32), (tables["uids"] * old, 32),
            (tables["gids"] * old, 32), (tables["inodes"] * old, 32),
            (tables["folders"] * old, 32), (major, 16), (minor, 16), (m.block, 16), (log, 16),
            (4 * m.marked, 8), (len(self.uids), 8), (len(self.gids), 8), (made, 32), (root, 64),
        )  # fmt: skip
        if major > 1:
            fragments = tables["fragments"]
            head += m.bits((m.block, 32), (len(m._fragments), 32), (fragments * old, 32))
        if major == 3:
            names = ("uids", "gids", "inodes", "folders", "fragments")
            head += m.bits((used, 64), *((tables[name], 64) for name in names), (-1, 64))
        return head
