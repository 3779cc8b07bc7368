"""Which readers there are."""

from typing import Final

from holdfast.audit.unpack.reader import Container, FileSystem

FILE_SYSTEMS: Final[tuple[FileSystem, ...]] = ()
CONTAINERS: Final[tuple[Container, ...]] = ()
