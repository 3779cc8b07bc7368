"""Which part of a running system is read: what decides how it starts, and who gets in."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from holdfast.audit.live.observation import Observation
from holdfast.audit.report.texts import number, size, visible
from holdfast.audit.tree import Node

LONGEST_IDLE: Final = 4 << 20
"""Files longer than this are looked into only if they run just now, or run as their owner."""

_SETID: Final = 0o6000
_MOST_NAMED: Final = 3
# Folders below these are gone into, however deep.
_WHOLE: Final = (
    "etc", "sbin", "bin", "usr/sbin", "usr/bin", "usr/libexec", "usr/local/sbin", "usr/local/bin",
    "usr/local/etc", "lib/systemd", "usr/lib/systemd", "usr/local/lib/systemd", "usr/lib/pam.d",
    "usr/lib/sysusers.d", "lib/apk", "usr/lib/opkg", "usr/lib/apk", "var/spool/cron", "www", "rom",
)  # fmt: skip
# Only what lies in these themselves is looked at.
_FLAT: Final = (
    "", "usr", "usr/local", "usr/lib", "lib", "lib64", "usr/lib64", "boot", "var", "var/lib",
    "var/lib/dpkg", "var/lib/rpm", "var/lib/opkg", "var/spool", "usr/local/lib",
)  # fmt: skip


def entered(path: str) -> bool:
    """Tell whether a folder is looked into; the path has no leading slash.

    What belongs to people (home, srv, media) and what only the kernel makes (proc, sys, dev) is
    left alone, and so is the bulk of the libraries.
    """
    return path in _FLAT or any(path == one or path.startswith(f"{one}/") for one in _WHOLE)


def told(unread: Iterable[Node]) -> tuple[str, ...]:
    """Say in the report what part of a running system was not read."""
    notes = ["Of this system the folders of programs, settings and start-up were read, no others."]
    longest = sorted(unread, key=lambda node: -node.size_bytes)
    if longest:
        named = [f"{visible(one.path)} ({size(one.size_bytes)})" for one in longest[:_MOST_NAMED]]
        notes.append(
            f"{number(len(longest), 'file')} longer than {size(LONGEST_IDLE)} that nobody runs "
            f"just now were not looked into: {', '.join(named)}"
            f"{' ...' if len(longest) > _MOST_NAMED else '.'}"
        )
    return tuple(notes)


def without_idle(nodes: Iterable[Node], seen: Observation) -> tuple[list[Node], list[Node]]:
    """Leave out the contents of long files that do not run.

    Returns:
        All nodes, and those whose content is left out.
    """
    running = {one.program.lstrip("/") for one in seen.processes}
    kept, idle = [], []
    for node in nodes:
        awake = node.size_bytes <= LONGEST_IDLE or node.path in running or node.mode & _SETID
        kept.append(node if awake else replace(node, read=None))
        if not awake:
            idle.append(node)
    return kept, idle
