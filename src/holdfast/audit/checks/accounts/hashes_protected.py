"""Only root reads the hashes."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Password
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Password hashes can be read by root alone",
    why="A service without rights that reads the hashes has all night to guess the passwords.",
    fix="Keep hashes in etc/shadow with mode 600, never in etc/passwd.",
    recommendation=2,
    severity=Severity.MEDIUM,
    sources=("Article 2.5", "EN 303 645 5.4-1", "CRA Annex I part I (2)(e)", "EN 18031 SSM"),
)
_OTHERS_READ = 0o004


def run(image: Image) -> Iterator[Finding]:
    """Look at the modes of the files that hold hashes."""
    hashed = [one for one in image.model.accounts if one.password is Password.HASHED]
    if not hashed:
        raise NotApplicable("no password hash is in the image")
    for path in sorted({one.where.partition(":")[0] for one in hashed if ":" in one.where}):
        node = image.tree.resolve(path)
        if node is not None and node.mode & _OTHERS_READ:
            yield Finding(where=path, what=f"everybody may read its hashes (mode {node.mode:o})")
