"""Nobody but root can change what the start runs."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started
from holdfast.audit.tree import Kind, Node
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Start-up files can be changed by root alone",
    why="Malware that can write a start-up file survives the reboot that owners are told to try.",
    fix="Give the files to root and take the write bits of group and others away.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.3", "EN 303 645 5.6-7", "CRA Annex I part I (2)(f)"),
)
_OTHERS, _STICKY = 0o002, 0o1000
# As the start-up graph words it where it cannot go on.
_FOREIGN: Final = re.compile(r"(\S+) runs (/\S+), and it comes from elsewhere into (/\S+)")
_MEDIUM: Final = re.compile(
    r"/(?:sd(?:card|[0-9]|[a-z][0-9]*)?|mmc\w*|tf(?:card)?|usb\w*|u?disk\w*|media|card|removable)"
    r"(?:/|$)",
    re.IGNORECASE,
)


def run(image: Image) -> Iterator[Finding]:
    """Look at every file that the start-up graph names, at its program, and at their folders."""
    seen: set[str] = set()
    for step in image.model.start_up.steps:
        if step.started in {Started.NO, Started.STARTABLE}:
            continue
        for path in (
            step.where.partition(":")[0] if not step.where.startswith(":") else "",
            step.program,
        ):
            node = image.tree.resolve(path) if path else None
            if node is not None and node.path not in seen:
                seen.add(node.path)
                yield from _writable(image, node)
    for why in image.model.start_up.cut:
        match = _FOREIGN.fullmatch(why)
        if match is not None and _MEDIUM.search(match[3]):
            yield Finding(
                where=match[1], what=f"whoever puts a medium in brings along what runs: {match[2]}"
            )


def _writable(image: Image, node: Node) -> Iterator[Finding]:
    if node.kind is Kind.FILE and node.mode & _OTHERS:
        yield Finding(where=node.path, what=f"anybody may change it (mode {node.mode:o})")
    folder = image.tree.resolve(node.path.rpartition("/")[0])
    if folder is not None and folder.mode & _OTHERS and not folder.mode & _STICKY:
        yield Finding(
            where=node.path, what=f"anybody may replace it: its folder has mode {folder.mode:o}"
        )
