"""No program gets more rights than who starts it, but the few that need them."""

from collections.abc import Iterator
from typing import Final

from holdfast.audit.facts.shapes import FileKind
from holdfast.audit.image import Image
from holdfast.audit.tree import Node
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Only well-known programs are setuid",
    why="Each setuid program is a door from any hijacked service to root.",
    fix="Take the bit away (chmod u-s), or give the program the one capability that it needs.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.11", "EN 303 645 5.6-7", "CRA Annex I part I (2)(k)"),
)
EXPECTED: Final = frozenset({
    "su", "sudo", "passwd", "chsh", "chfn", "gpasswd", "newgrp", "mount", "umount", "ping",
    "ping6", "unix_chkpwd", "fusermount", "fusermount3", "pam_timestamp_check",
    "dbus-daemon-launch-helper", "doas", "crontab", "expiry", "chage", "wall", "write", "bsd-write",
    "ssh-agent", "polkit-agent-helper-1", "pkexec", "dotlockfile", "mount.nfs", "newuidmap",
    "newgidmap", "utempter", "locate", "plocate", "ssh-keysign",
})  # fmt: skip
"""Programs whose makers harden them for it."""
_SETUID, _SETGID, _BY_OTHERS = 0o4000, 0o2000, 0o002


def run(image: Image) -> Iterator[Finding]:
    """Look at the setuid and setgid bits of every executable file."""
    for node in image.tree.files():
        if node.mode & _SETUID or (node.mode & _SETGID and node.mode & 0o010):
            yield from _of(image, node)


def _of(image: Image, node: Node) -> Iterator[Finding]:
    who = "root" if node.uid == 0 else f"user {node.uid}"
    right = f"setuid {who}" if node.mode & _SETUID else f"setgid {node.gid}"
    facts = image.facts_of(node.path)
    if node.mode & _BY_OTHERS:
        yield Finding(
            where=node.path, what=f"{right}, and anybody may change it", severity=Severity.CRITICAL
        )
    elif facts is not None and facts.kind is FileKind.SCRIPT:
        yield Finding(where=node.path, what=f"a script that is {right}", severity=Severity.HIGH)
    elif node.path.rpartition("/")[2] not in EXPECTED:
        # A group of its own gives little; root's powers are what counts.
        low = Severity.INFO if not node.mode & _SETUID else None
        yield Finding(where=node.path, what=right, severity=low)
