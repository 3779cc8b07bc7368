"""Writes yaffs2 images, since no distribution has a program that does."""

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

ROOT = 1
NOTHING = 0xFFFFFFFF


@dataclass
class Writer:
    """Appends pages.

    Attributes:
        order: `<` or `>`.
        tags_at: Where the tags stand in the spare area.
        sequence: Number of the block that is written; goes up after 64 pages.
    """

    order: str = "<"
    page_bytes: int = 2048
    spare_bytes: int = 64
    tags_at: int = 0
    sequence: int = 0x1000
    pages: list[bytes] = field(default_factory=list)
    made: int = 256

    def page(self, content: bytes, *, thing: int, number: int, size: int) -> None:
        tags = struct.pack(
            self.order + "IIII", self.sequence + len(self.pages) // 64, thing, number, size
        )
        spare = b"\xff" * self.tags_at + tags
        self.pages.append(
            content.ljust(self.page_bytes, b"\xff") + spare.ljust(self.spare_bytes, b"\xff")
        )

    def header(
        self,
        kind: int,
        parent: int,
        name: bytes,
        *,
        thing: int = 0,
        size: int = 0,
        about: os.stat_result | None = None,
        target: bytes = b"",
        same_as: int = 0,
        mode: int = 0o644,
        device: int = 0,
        shrink: int = NOTHING,
        shadow: int = NOTHING,
    ) -> int:
        """Write a header; give the number of the object."""
        if not thing:
            self.made += 1
            thing = self.made
        raw = bytearray(b"\xff" * 512)
        struct.pack_into(self.order + "IIH", raw, 0, kind, parent, 0xFFFF)
        raw[10:268] = name.ljust(258, b"\0")
        facts = (about.st_mode, about.st_uid, about.st_gid) if about else (mode, 0, 0)
        time = int(about.st_mtime) if about else 0
        struct.pack_into(self.order + "IIIIII", raw, 268, *facts, time, time, time)
        struct.pack_into(self.order + "II", raw, 292, size, same_as)
        raw[300:460] = target.ljust(160, b"\0")
        struct.pack_into(self.order + "I", raw, 460, device)
        struct.pack_into(self.order + "II", raw, 504, shadow, shrink)
        self.page(bytes(raw), thing=thing, number=0, size=0xFFFF)
        return thing

    def content(self, thing: int, content: bytes, first: int = 1) -> None:
        for at in range(0, len(content), self.page_bytes):
            piece = content[at : at + self.page_bytes]
            number = first + at // self.page_bytes
            if piece.strip(b"\0"):  # a page of zeros is a hole
                self.page(piece, thing=thing, number=number, size=len(piece))

    def folder(self, folder: Path, thing: int = ROOT) -> None:
        """Write what is in a folder."""
        linked: dict[int, int] = {}
        todo = [(folder, thing)]
        while todo:
            above, parent = todo.pop()
            for path in sorted(above.iterdir()):
                about, name = path.lstat(), os.fsencode(path.name)
                if about.st_ino in linked:
                    self.header(4, parent, name, same_as=linked[about.st_ino])
                elif path.is_symlink():
                    self.header(2, parent, name, about=about, target=os.fsencode(path.readlink()))
                elif path.is_dir():
                    todo.append((path, self.header(3, parent, name, about=about)))
                else:
                    content = path.read_bytes()
                    made = self.header(1, parent, name, about=about, size=len(content))
                    self.content(made, content)
                    if about.st_nlink > 1:
                        linked[about.st_ino] = made

    def image(self) -> bytes:
        return b"".join(self.pages)
