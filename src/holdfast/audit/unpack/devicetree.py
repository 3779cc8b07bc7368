"""Reads flattened device trees, of which FIT images are made.

Source:
    Devicetree specification 0.4, chapter 5, flattened devicetree format.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from holdfast.audit.errors import FormatError
from holdfast.audit.unpack.source import Source, exactly

_MAGIC: Final = b"\xd0\x0d\xfe\xed"
_HEADER: Final = struct.Struct(">10I")
_BEGIN, _END, _PROPERTY, _NOTHING, _LAST = 1, 2, 3, 4, 9
_MOST_TOKENS: Final = 200_000
_DEEPEST: Final = 32
_LONGEST_NAME: Final = 256


class Property(NamedTuple):
    """A property of a node.

    Attributes:
        node: Path of the node, "" for the root, `/images/kernel`.
        name: Of the property.
        offset: Where its value starts in the source.
        size: Length of its value.
    """

    node: str
    name: str
    offset: int
    size: int


def total_size(source: Source) -> int | None:
    """Read how long the tree says that it is; None if it is none."""
    header = source.read_at(0, _HEADER.size)
    if len(header) < _HEADER.size or header[:4] != _MAGIC:
        return None
    _, total, structure, strings, _, version, oldest, _, _, length = _HEADER.unpack(header)
    if not 16 <= version <= 32 or oldest > version or structure % 4:  # noqa: PLR2004
        return None
    if not _HEADER.size <= structure < total or strings > total or length > total:
        return None
    return int(total)


def properties(source: Source) -> Iterator[Property]:
    """Give every property in order.

    Raises:
        FormatError: The tree is damaged.
    """
    total = total_size(source)
    if total is None:
        raise FormatError("it is no device tree")
    _, _, at, strings, _, _, _, _, _, _ = _HEADER.unpack(exactly(source, 0, _HEADER.size))
    path: list[str] = []
    for _ in range(_MOST_TOKENS):
        (token,) = struct.unpack(">I", exactly(source, at, 4))
        at += 4
        if token == _BEGIN:
            name = _text(source, at)
            at += len(name) + 1
            at += -at % 4
            path.append(name.decode("ascii", "replace").replace("/", "_"))
            if len(path) > _DEEPEST:
                raise FormatError("the device tree is nested too deep")
        elif token == _END and path:
            path.pop()
        elif token == _PROPERTY:
            size, name_at = struct.unpack(">II", exactly(source, at, 8))
            at += 8
            name = _text(source, strings + name_at)
            yield Property("/".join(path), name.decode("ascii", "replace"), at, size)
            at += size + -size % 4
        elif token == _LAST:
            return
        elif token != _NOTHING:
            raise FormatError(f"the device tree makes no sense: token {token}")
        if at > total:
            raise FormatError("a property leads out of the device tree")
    raise FormatError("the device tree has too many tokens")


def _text(source: Source, at: int) -> bytes:
    name, end, _ = source.read_at(at, _LONGEST_NAME).partition(b"\0")
    if not end:
        raise FormatError("a name of the device tree does not end")
    return name
