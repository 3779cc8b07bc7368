"""squashfs of every version, byte order and compression that is met in products, read only.

Source:
    The headers of squashfs-tools and of the Linux kernel; vendors' changes as found in images.
"""

from typing import Final

from holdfast.audit.unpack.reader import FileSystem, Magic
from holdfast.audit.unpack.squashfs.superblock import MAGICS
from holdfast.audit.unpack.squashfs.volume import measure, nodes

READER: Final = FileSystem(
    name="squashfs",
    magics=tuple(Magic(content=each) for each in MAGICS),
    measure=measure,
    nodes=nodes,
)
