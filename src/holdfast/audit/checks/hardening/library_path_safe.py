"""Programs take their libraries from folders that root alone can change."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No program looks for libraries in folders that others can write",
    why="A library that is planted in such a folder runs with the rights of the program.",
    fix="Remove RPATH from the build, or let it name a folder of the read-only system.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.3", "EN 303 645 5.6-7", "CRA Annex I part I (2)(k)"),
)
_OPEN = ("/tmp", "/var/tmp", "/dev/shm", "/media", "/mnt", "/home", "/root")  # noqa: S108 - looked for
_BUILD = ("/build", "/work")


def run(image: Image) -> Iterator[Finding]:
    """Look at RPATH and RUNPATH, and at ld.so.preload."""
    for node, facts in image.elves():
        for folder in facts.elf.rpath if facts.elf else ():
            if _unsafe(folder):
                yield Finding(
                    where=node.path, what=f"looks for libraries in {folder or 'any folder'}"[:200]
                )
    for number, line in image.lines("etc/ld.so.preload"):
        if line.strip() and not line.startswith("#"):
            yield Finding(
                where=f"etc/ld.so.preload:{number}",
                what=f"loads {line.strip()[:100]} into all programs",
            )


def _unsafe(folder: str) -> bool:
    if folder.startswith(("$ORIGIN", "${ORIGIN}")):
        return False
    inside = any(folder == one or folder.startswith(one + "/") for one in _OPEN + _BUILD)
    return inside or not folder.startswith("/")
