"""Whether a bundle of SWUpdate, the image itself or one inside it, is signed as a whole."""

import re
from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="A bundle of updates is signed, and its signature covers all that it brings",
    why="A device that takes this bundle takes one of anybody; a part that no checksum names can "
    "be exchanged though the description is signed.",
    fix="Build SWUpdate with CONFIG_SIGNED_IMAGES, sign sw-description, and give each image and "
    "script in it a sha256.",
    recommendation=3,
    severity=Severity.HIGH,
    sources=(
        "Article 3.7",
        "Article 3.8",
        "EN 303 645 5.3-9",
        "EN 303 645 5.3-10",
        "CRA Annex I part I (2)(f)",
        "EN 18031 SUM",
    ),
)
MOST_BYTES = 1024 * 1024
_FILE = re.compile(r"\bfilename[\"']?\s*[=:]\s*[\"']([^\"']{1,200})[\"']")
_SUM = re.compile(r"\bsha256[\"']?\s*[=:]\s*[\"'](?:[0-9a-fA-F]{64}|[$@][^\"']{1,200})[\"']")


def run(image: Image) -> Iterator[Finding]:
    """Look at each volume that begins with a description of SWUpdate."""
    found = [
        node.path for node in image.tree.files()
        if node.path.startswith(":") and node.path.rpartition("/")[2] == "sw-description"
    ]  # fmt: skip
    if not found:
        raise NotApplicable("the image is no bundle of SWUpdate and holds none")
    for path in found:
        text = image.text(path, MOST_BYTES)
        if image.tree.get(f"{path}.sig") is None:
            what = "the bundle is not signed: it has no sw-description.sig"
            yield Finding(where=path, what=what)
        elif text is None:
            raise Undecided(f"{path} is too long to be read")
        else:
            for name in _uncovered(text):
                yield Finding(where=path, what=f"no sha256 is given for {name}, so it is unsigned")


def _uncovered(text: str) -> list[str]:
    """Give the files whose block in the description names no SHA-256."""
    found: list[str] = []
    open_blocks: list[list[str]] = [[]]
    for part in re.split(r"([{}])", text):
        if part == "{":
            open_blocks.append([])
        elif part == "}" and len(open_blocks) > 1:
            block = " ".join(open_blocks.pop())  # without the blocks inside it
            match = _FILE.search(block)
            if match is not None and not _SUM.search(block):
                found.append(match[1])
        elif part != "}":
            open_blocks[-1].append(part)
    return list(dict.fromkeys(found))
