"""What can be written gives nobody rights."""

from collections.abc import Iterator
from typing import Final

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="File systems that can be written give no rights",
    why="A setuid file or device node that an intruder drops there makes him root.",
    fix="Mount temporary and data file systems with nosuid and nodev.",
    recommendation=1,
    severity=Severity.LOW,
    sources=("Article 1.3", "EN 303 645 5.6-7", "CRA Annex I part I (2)(k)"),
)
_TEMPORARY: Final = frozenset({"/tmp", "/var/tmp", "/dev/shm", "/run", "/var/run", "/var"})  # noqa: S108 - looked for
_DATA: Final = ("/data", "/home", "/media", "/mnt", "/overlay", "/usr/local", "/config", "/srv")
_WANTED: Final = ("nosuid", "nodev")


def run(image: Image) -> Iterator[Finding]:
    """Look at the options of what is mounted for data."""
    mounts = [
        one for one in image.model.mounts
        if (one.place in _TEMPORARY or one.place.startswith(_DATA)) and "ro" not in one.options
    ]  # fmt: skip
    if not mounts:
        raise NotApplicable("nothing says how data is mounted")
    for mount in mounts:
        missing = [one for one in _WANTED if one not in mount.options]
        if missing:
            yield Finding(
                where=mount.where, what=f"{mount.place} is mounted without {' and '.join(missing)}"
            )
