"""Private keys that every program on the device can read."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._key_places import is_self_test, split
from holdfast.audit.image import Image
from holdfast.audit.model.keys import PRIVATE
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="Files with private keys can be read by their owner only",
    why="A hole in any service, however small its rights, then gives the key away.",
    fix="Set mode 0600, and give the file to the user that needs it.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("EN 303 645 5.4-1", "CRA Annex I part I (2)(e)", "EN 18031 SSM"),
)

OTHERS_READ = 0o004


def run(image: Image) -> Iterator[Finding]:
    """Look at the modes of files that are keys; programs with keys inside have to be readable."""
    closed: set[str] = set()
    for key in image.model.keys:
        if key.kind not in PRIVATE or key.purpose == "example" or is_self_test(key):
            continue
        for path in (split(place)[0] for place in key.where):
            facts = image.facts_of(path)
            if facts is not None and facts.elf is None:
                closed.add(path)
    if not closed:
        raise NotApplicable("no file with a private key was found")
    if not image.opened.owners_kept:
        raise Undecided("the modes in this image are not those of the device")
    for path in sorted(closed):
        node = image.tree.resolve(path)
        if node is not None and node.mode & OTHERS_READ:
            yield Finding(where=path, what=f"private key with mode {node.mode & 0o7777:04o}")
