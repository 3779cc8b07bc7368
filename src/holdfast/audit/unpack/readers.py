"""Which readers there are."""

from typing import Final

from holdfast.audit.unpack import (
    containers,
    cpio,
    cramfs,
    deb,
    erofs,
    extfs,
    fat,
    iso,
    jffs2,
    partitions,
    romfs,
    squashfs,
    tape,
    ubi,
    ubifs,
    vendors,
    yaffs,
    zipped,
)
from holdfast.audit.unpack.reader import Container, FileSystem

FILE_SYSTEMS: Final[tuple[FileSystem, ...]] = (
    squashfs.READER,
    cramfs.READER,
    romfs.READER,
    erofs.READER,
    extfs.READER,
    jffs2.READER,
    ubifs.READER,
    yaffs.READER,
    fat.READER,
    iso.READER,
    cpio.READER,
    tape.READER,
    zipped.READER,
)
CONTAINERS: Final[tuple[Container, ...]] = (
    *containers.CONTAINERS,
    *vendors.CONTAINERS,
    partitions.GPT_READER,
    partitions.MBR_READER,
    ubi.READER,
    deb.READER,
)
