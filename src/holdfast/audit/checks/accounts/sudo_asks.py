"""sudo asks for a password."""

import re
from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Nobody becomes root by sudo without being asked",
    why="A rule NOPASSWD: ALL makes the user of the web server root as soon as it is taken over.",
    fix="Name the one command with its arguments, or remove the rule.",
    recommendation=2,
    severity=Severity.HIGH,
    sources=("Article 1.8", "EN 303 645 5.6-7", "CRA Annex I part I (2)(k)"),
)
_FREE = re.compile(r"NOPASSWD\s*:\s*(?:ALL|\S*/(?:ba|a|da)?sh\b|\S*\*)")


def run(image: Image) -> Iterator[Finding]:
    """Look for rules that give everything for nothing."""
    files = [*image.tree.glob("etc/sudoers", "etc/sudoers.d/*", "etc/doas.conf", "etc/doas.d/*")]
    if not files:
        raise NotApplicable("there is no sudo or doas")
    for node in files:
        for number, line in image.lines(node.path):
            rule = line.split("#", 1)[0].strip()
            if _FREE.search(rule) or _free_doas(node.path, rule):
                yield Finding(where=f"{node.path}:{number}", what="root without a password")


def _free_doas(path: str, rule: str) -> bool:
    words = rule.split()
    return "doas" in path and words[:1] == ["permit"] and "nopass" in words and "cmd" not in words
