"""Random access to bytes: an image, a region of it, or what came out of a container."""

from typing import Protocol

from holdfast.audit.errors import FormatError


class Source(Protocol):
    """Bytes that can be read anywhere.

    Attributes:
        size_bytes: How many there are.
    """

    @property
    def size_bytes(self) -> int:
        """Length."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Read; shorter at the end, b"" after it."""
        ...


class Bytes:
    """Bytes in memory."""

    def __init__(self, content: bytes | memoryview) -> None:
        self._content = memoryview(content)
        self.size_bytes = len(self._content)

    def read_at(self, offset: int, length: int) -> bytes:
        """Read; shorter at the end."""
        return bytes(self._content[offset : offset + length])


class Region:
    """A part of another source."""

    def __init__(self, source: Source, offset: int, size_bytes: int) -> None:
        self._source, self.offset = source, offset
        self.size_bytes = max(0, min(size_bytes, source.size_bytes - offset))

    def read_at(self, offset: int, length: int) -> bytes:
        """Read; shorter at the end."""
        return self._source.read_at(
            self.offset + offset, max(0, min(length, self.size_bytes - offset))
        )


def exactly(source: Source, offset: int, length: int) -> bytes:
    """Read that many bytes.

    Raises:
        FormatError: There are fewer.
    """
    content = source.read_at(offset, length) if offset >= 0 and length >= 0 else b""
    if len(content) != length:
        raise FormatError(f"it ends early: {length} bytes at {offset} are not all there")
    return content
