"""What is to be mounted where: fstab.

Source:
    fstab(5).
"""

from collections.abc import Iterator
from typing import Final

from holdfast.audit.errors import FormatError
from holdfast.audit.model.shapes import Mount
from holdfast.audit.tree import Tree

_MOST_BYTES: Final = 64 * 1024
_FIELDS: Final = 4


def mounts_of(tree: Tree) -> Iterator[Mount]:
    """Read etc/fstab."""
    try:
        content = tree.read("etc/fstab", _MOST_BYTES) or b""
    except FormatError:
        return
    for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
        fields = line.split()
        if len(fields) >= _FIELDS and not fields[0].startswith("#"):
            yield Mount(
                place=fields[1], kind=fields[2], options=tuple(fields[3].split(",")),
                where=f"etc/fstab:{number}",
            )  # fmt: skip
