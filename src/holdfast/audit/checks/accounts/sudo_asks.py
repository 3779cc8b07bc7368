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
_FREE = re.compile(r"NOPASSWD\s*:\s*(.*?)(?:\bPASSWD\s*:|$)")
_TAG = re.compile(r"^(?:[A-Z_]+\s*:\s*)+")
# Whoever may run these, with arguments of his own, reads or writes what he likes.
_EVERYTHING = frozenset(
    {"passwd", "chpasswd", "cat", "cp", "mv", "tee", "dd", "chmod", "chown", "tar", "find", "vi",
     "vim", "nano", "sed", "awk", "gawk", "env", "mount", "busybox", "less", "more", "ed", "ln",
     "install", "rsync", "nmap", "gdb", "strace", "xargs", "su", "sudo", "visudo", "crontab"}
)  # fmt: skip
_LANGUAGES = re.compile(
    r"(?:ba|da|a|k|z|c|tc|mk)?sh|python[\d.]*|perl[\d.]*|php[\d.]*|lua[\d.]*|ruby|node"
)


def run(image: Image) -> Iterator[Finding]:
    """Look for rules that give everything for nothing."""
    files = [*image.tree.glob("etc/sudoers", "etc/sudoers.d/*", "etc/doas.conf", "etc/doas.d/*")]
    if not files:
        raise NotApplicable("there is no sudo or doas")
    for node in files:
        for number, line in image.lines(node.path):
            rule = line.split("#", 1)[0].strip()
            free = _FREE.search(rule)
            if (free and any(map(_is_all, free[1].split(",")))) or _free_doas(node.path, rule):
                yield Finding(where=f"{node.path}:{number}", what="root without a password")


def _is_all(command: str) -> bool:
    """Tell whether one command of a rule is as good as all of them."""
    words = _TAG.sub("", command.strip()).split()
    if not words or words[0].startswith("!"):
        return False
    name = words[0].rpartition("/")[2]
    if words[0] == "ALL" or "*" in words[0] or _LANGUAGES.fullmatch(name):
        return True
    return name in _EVERYTHING and (len(words) == 1 or "*" in words[1:])


def _free_doas(path: str, rule: str) -> bool:
    words = rule.split()
    return "doas" in path and words[:1] == ["permit"] and "nopass" in words and "cmd" not in words
