"""Where contents go that are too long for memory: files without names in the scratch folder."""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

from holdfast.audit.unpack.budget import Budget
from holdfast.audit.unpack.source import Bytes, Source

IN_MEMORY_BYTES = 8 * 1024 * 1024


class OpenFile:
    """Bytes of an open file, which is closed with this object."""

    def __init__(self, fd: int, size_bytes: int | None = None) -> None:
        self._fd = fd
        self.size_bytes = os.fstat(fd).st_size if size_bytes is None else size_bytes

    def read_at(self, offset: int, length: int) -> bytes:
        """Read; shorter at the end."""
        length = min(length, self.size_bytes - offset)
        if length <= 0:
            return b""
        content = os.pread(self._fd, length, offset)
        while len(content) < length:  # a single call gives 2 GiB at most
            more = os.pread(self._fd, length - len(content), offset + len(content))
            if not more:
                break
            content += more
        return content

    def __del__(self) -> None:
        """Close it."""
        os.close(self._fd)


class Scratch:
    """Keeps what comes out of containers, in memory while it is short.

    Attributes:
        folder: Where files are made; None keeps everything in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def keep(self, chunks: Iterable[bytes], budget: Budget) -> Source:
        """Take chunks until there are no more, counting them.

        Raises:
            FormatError: The chunks end in damage.
            LimitError: There are too many.
        """
        first: list[bytes] = []
        length = 0
        chunks = iter(chunks)
        for chunk in chunks:
            length += len(chunk)
            budget.must_fit(length)
            budget.take_bytes(len(chunk))
            first.append(chunk)
            if length > IN_MEMORY_BYTES and self.folder is not None:
                return self._to_disk(first, chunks, budget)
        return Bytes(b"".join(first))

    def _to_disk(self, first: list[bytes], rest: Iterable[bytes], budget: Budget) -> Source:
        with TemporaryFile(dir=self.folder, buffering=1 << 18) as file:
            length = 0
            for chunk in first:
                length += file.write(chunk)
            first.clear()
            for chunk in rest:
                budget.must_fit(length + len(chunk))
                budget.take_bytes(len(chunk))
                length += file.write(chunk)
            file.flush()
            return OpenFile(os.dup(file.fileno()))
