"""Where a hit stands, and whether it is in what the product runs or configures."""

from collections.abc import Iterator

from holdfast.audit.errors import FormatError
from holdfast.audit.facts.shapes import FileKind, Hit
from holdfast.audit.image import Image
from holdfast.audit.model.update_scene import MANUALS

MOST_BYTES = 64 * 1024 * 1024
TEXT = frozenset({FileKind.TEXT, FileKind.SCRIPT, FileKind.PEM})


def own_hits(image: Image, *patterns: str) -> Iterator[tuple[str, Hit]]:
    """Give hits outside manuals, translations and other people's libraries."""
    for path, hit in image.hits(*patterns):
        if not MANUALS.search(path):
            yield path, hit


def content(image: Image, path: str) -> bytes:
    """Read a file; b"" if it is damaged or too long."""
    try:
        return image.tree.read(path, MOST_BYTES) or b""
    except FormatError:
        return b""


def place(image: Image, path: str, hit: Hit) -> tuple[str, int | None]:
    """Give `path:line` for text, else the path and the offset."""
    facts = image.facts_of(path)
    if facts is None or facts.kind not in TEXT:
        return path, hit.offset
    above = content(image, path).count(b"\n", 0, hit.offset)
    return f"{path}:{above + 1}", None


def line_of(image: Image, path: str, hit: Hit) -> str:
    """Give the line in which a hit stands; of a binary the string."""
    whole = content(image, path)
    start = max(whole.rfind(b"\n", 0, hit.offset), whole.rfind(b"\0", 0, hit.offset)) + 1
    ends = [at for mark in (b"\n", b"\0") if (at := whole.find(mark, hit.offset)) >= 0]
    return whole[start : min([*ends, start + 400])].decode(errors="replace")
