"""Where a product keeps what its owner brings: mounts that survive a restart."""

import re
from collections.abc import Iterator

from holdfast.audit.checks.privacy._places import line_of, own_hits, place
from holdfast.audit.image import Image

WRITABLE = frozenset(
    {"ext2", "ext3", "ext4", "jffs2", "ubifs", "yaffs", "yaffs2", "f2fs", "btrfs", "xfs", "vfat"}
)
SYSTEM = frozenset({"/", "/boot", "/boot/efi", "/rom", "/usr", "/proc", "/sys", "/dev", "none"})
MOUNT = re.compile(r"mount\s+.*?-t\s+(\S+)\s+(?:-\S+\s+\S+\s+)*(/dev/\S+|\S+:\S+|\S+)\s+(/\S+)")


def kept(image: Image) -> Iterator[tuple[str, str, str]]:
    """Give place, mount point and source of file systems that keep data and are writable."""
    yield from _of_fstab(image)
    yield from _of_units(image)
    for path, hit in own_hits(image, "privacy-mount"):
        line = line_of(image, path, hit)
        match = MOUNT.search(line)
        if match is not None and match[3] not in SYSTEM and not line.lstrip().startswith("#"):
            yield place(image, path, hit)[0], match[3], match[2]
    if "sbin/mount_root" in image.tree and "overlay" in image.tree:  # OpenWrt's rootfs_data
        yield "sbin/mount_root", "/overlay", "rootfs_data"


def _of_fstab(image: Image) -> Iterator[tuple[str, str, str]]:
    for number, line in image.lines("etc/fstab"):
        words = line.split()
        if len(words) > 3 and not line.lstrip().startswith("#"):  # noqa: PLR2004 - fstab(5)
            source, point, kind, options = words[:4]
            if kind in WRITABLE and point not in SYSTEM and "ro" not in options.split(","):
                yield f"etc/fstab:{number}", point, source


def _of_units(image: Image) -> Iterator[tuple[str, str, str]]:
    empty = (0, "")
    for node in image.tree.glob("etc/systemd/system/*.mount", "usr/lib/systemd/system/*.mount"):
        fields: dict[str, tuple[int, str]] = {}
        for number, line in image.lines(node.path):
            name, mark, text = line.partition("=")
            if mark:
                fields[name.strip()] = (number, text.strip())
        number, point = fields.get("Where", empty)
        if fields.get("Type", empty)[1] in WRITABLE and point not in SYSTEM:
            yield f"{node.path}:{number}", point, fields.get("What", empty)[1]


def encryption(image: Image) -> Iterator[str]:
    """Give the places that set up an encrypted file system."""
    for number, line in image.lines("etc/crypttab"):
        if line.strip() and not line.lstrip().startswith("#"):
            yield f"etc/crypttab:{number}"
    for path, hit in own_hits(image, "privacy-encryption"):
        # The tools themselves, and their libraries, only could.
        if not path.rpartition("/")[2].startswith(("cryptsetup", "libcrypt", "dmsetup", "fscrypt")):
            yield place(image, path, hit)[0]
