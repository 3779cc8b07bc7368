"""What lies in the image cannot be changed by just any process."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.tree import Kind
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="No file or folder can be written by everybody",
    why="A service without rights uses such files to make others run what it wants.",
    fix="Take the write bit of others away; give shared folders the sticky bit.",
    recommendation=1,
    severity=Severity.LOW,
    sources=("Article 1.3", "EN 303 645 5.6-7", "CRA Annex I part I (2)(k)"),
)
_OTHERS, _STICKY = 0o002, 0o1000


def run(image: Image) -> Iterator[Finding]:
    """Look at the modes of files and folders."""
    if not image.opened.owners_kept:
        raise NotApplicable("owners and modes are not those of the image")
    for node in image.tree.walk():
        if not node.mode & _OTHERS or node.path.startswith(":"):
            continue
        if node.kind is Kind.FILE:
            yield Finding(
                where=node.path, what=f"a file that anybody may change (mode {node.mode:o})"
            )
        elif node.kind is Kind.FOLDER and not node.mode & _STICKY:
            yield Finding(
                where=node.path, what=f"a folder that anybody may change (mode {node.mode:o})"
            )
