"""Opening what publishers pack their data in, within bounds, one document at a time."""

import gzip
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from holdfast.audit.vulnerabilities.errors import DataError

_GZIP, _XZ, _ZIP = b"\x1f\x8b", b"\xfd7zXZ\x00", b"PK\x03\x04"
_ZIP_EMPTY = b"PK\x05\x06"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much of a file is opened.

    Attributes:
        document_bytes: Longest document.
        total_bytes: All documents of one file together.
        documents: How many there may be.
        memory_bytes: What unpacking may take.
    """

    document_bytes: int = 1 << 30
    total_bytes: int = 16 << 30
    documents: int = 2_000_000
    memory_bytes: int = 256 << 20


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One unpacked piece.

    Attributes:
        name: File, and member of the archive behind a `!`.
        content: Its bytes.
        alone: Whether the file holds nothing else, so that nonsense in it is an error.
    """

    name: str
    content: bytes
    alone: bool = False


Progress = Callable[[int, int], None]
"""Told bytes read of the packed file, and all its bytes."""


def documents(
    path: Path, bounds: Bounds = BOUNDS, progress: Progress | None = None
) -> Iterator[Document]:
    """Give every document in a file or folder, whatever it is packed in.

    Raises:
        DataError: It cannot be read, is damaged, or exceeds the bounds.
    """
    opener = _Opener(bounds)
    try:
        if path.is_dir():
            yield from opener.folder(path, progress)
            return
        size = path.stat().st_size
        with path.open("rb") as file:
            yield from opener.file(path.name, file, progress, size)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{path} cannot be read: {reason}") from error
    except (NotImplementedError, RuntimeError) as error:  # zipfile: encrypted, unknown method
        raise DataError(f"{path} cannot be unpacked: {error}") from error


class _Opener:
    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._total = 0
        self._count = 0

    def folder(self, path: Path, progress: Progress | None) -> Iterator[Document]:
        files: list[tuple[Path, int]] = []
        for above, _, names in os.walk(path):
            for name in names:
                each = Path(above) / name
                if each.suffix in {".json", ".csv", ".gz", ".xz", ".zip"} and each.is_file():
                    files.append((each, each.stat().st_size))
            self._must(len(files) <= self._bounds.documents, path.name, "holds too many files")
        whole, done = sum(size for _, size in files), 0
        for each, size in sorted(files):
            with each.open("rb") as file:
                for one in self.file(str(each.relative_to(path)), file, None, size):
                    yield Document(name=one.name, content=one.content)
            done += size
            if progress:
                progress(done, whole)

    def file(
        self, name: str, file: BinaryIO, progress: Progress | None, size: int
    ) -> Iterator[Document]:
        magic = file.read(6)
        file.seek(0)
        if magic.startswith((_ZIP, _ZIP_EMPTY)):
            yield from self._archive(name, file, progress, depth=0)
            return
        yield self._document(name, self._unpacked(name, file, magic), alone=True)
        if progress:
            progress(size, size)

    def _archive(
        self, name: str, file: BinaryIO, progress: Progress | None, *, depth: int
    ) -> Iterator[Document]:
        with zipfile.ZipFile(file) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            self._must(len(members) <= self._bounds.documents, name, "holds too many files")
            whole, done = sum(one.compress_size for one in members), 0
            for member in members:
                inside = f"{name}!{member.filename}"
                with archive.open(member) as packed:
                    content = self._bounded(inside, packed)
                if content.startswith(_ZIP) and depth == 0:  # cvelistV5 packs its zip in a zip
                    yield from self._archive(inside, io.BytesIO(content), None, depth=1)
                else:
                    magic = content[:6]
                    plain = self._unpacked(inside, io.BytesIO(content), magic)
                    yield self._document(inside, plain)
                done += member.compress_size
                if progress:
                    progress(done, whole)

    def _unpacked(self, name: str, file: BinaryIO, magic: bytes) -> bytes:
        if magic.startswith(_GZIP):
            with gzip.GzipFile(fileobj=file) as unpacked:
                return self._bounded(name, unpacked)
        if magic.startswith(_XZ):
            return self._unxz(name, file)
        return self._bounded(name, file)

    def _unxz(self, name: str, file: BinaryIO) -> bytes:
        pieces, size = [], 0
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=self._bounds.memory_bytes)
        while not unpacker.eof:
            packed = file.read(_CHUNK) if unpacker.needs_input else b""
            if unpacker.needs_input and not packed:
                raise DataError(f"{name} is cut short")
            piece = unpacker.decompress(packed, _CHUNK)
            size += len(piece)
            self._must(size <= self._bounds.document_bytes, name, "is too long")
            pieces.append(piece)
        return b"".join(pieces)

    def _bounded(self, name: str, file: "IO[bytes] | gzip.GzipFile") -> bytes:
        pieces, size = [], 0
        while piece := file.read(_CHUNK):
            size += len(piece)
            self._must(size <= self._bounds.document_bytes, name, "is too long")
            pieces.append(piece)
        return b"".join(pieces)

    def _document(self, name: str, content: bytes, *, alone: bool = False) -> Document:
        self._total += len(content)
        self._count += 1
        self._must(self._total <= self._bounds.total_bytes, name, "unpacks to too much")
        self._must(self._count <= self._bounds.documents, name, "holds too many documents")
        return Document(name=name, content=content.removeprefix(b"\xef\xbb\xbf"), alone=alone)

    @staticmethod
    def _must(holds: bool, name: str, how: str) -> None:  # noqa: FBT001
        if not holds:
            error = DataError(f"{name} {how}")
            error.hint = "If it is from a publisher you trust, split it and import the parts."
            raise error
