"""Whether a failed update leaves something that starts, as far as the image shows it."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.checks.updates._ways import ways
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="An update that fails leaves the old software, or a way back to it",
    why="Power fails while thousands of devices write their flash; those with a single copy of the "
    "system never start again.",
    fix="Write to a second slot and count the tries of the boot loader (RAUC, SWUpdate or Mender "
    "with U-Boot's bootcount), and confirm the new system when it works.",
    recommendation=3,
    severity=Severity.MEDIUM,
    sources=("Article 3.1", "EN 303 645 5.3-2", "EN 303 645 5.9-2", "CRA Annex I part I (2)(h)"),
)
_SLOT: Final = re.compile(r"\s*\[slot\.([\w-]+)\.(\d+)\]")
_PART: Final = re.compile(r'"RootfsPart([AB])"\s*:\s*"([^"]{1,200})"')
_WHOLE: Final = frozenset({"holdfast", "ostree", "update_engine", "snapd"})  # by construction
_COUNTED: Final = re.compile(r"\b(?:bootcount|bootlimit|upgrade_available|boot_count)\b")
_SECOND: Final = re.compile(
    r"(?:rootfs|system|kernel|firmware|linux)[-_]?(?:[ab12]\b|alt\b)|altbootcmd|boot_?slot"
    r"|(?:active|current|boot)_?(?:bank|slot|part)", re.IGNORECASE,
)  # fmt: skip
_SCRIPTS: Final = ("etc/fw_env.config", "etc/init.d/*", "etc/u-boot*", "boot/*.txt", "boot/*.env",
                   "boot/*.cmd", "usr/bin/*.sh", "usr/sbin/*.sh", "etc/swupdate*", "etc/swupdate/*",
                   "lib/upgrade/*", "etc/default/*")  # fmt: skip
_MOST_BYTES: Final = 64 * 1024


def run(image: Image) -> Iterator[Finding]:
    """Ask each tool for a second slot; one that is alone in a configuration is a fault."""
    names = {way.name for way in ways(image)}
    slots = _rauc(image) if "rauc" in names else {}
    for name, places in slots.items():
        if name in {"rootfs", "system"} and len(places) == 1:
            yield Finding(where=places[0], what=f"there is a single slot for {name}: it is written "
                          "over while it is the only one")  # fmt: skip
    parts = _mender(image) if "mender" in names else {}
    if len(parts) == 2 and len(set(parts.values())) == 1:  # noqa: PLR2004 - A and B
        yield Finding(where="etc/mender/mender.conf", what="both slots are the same partition")
    if names & _WHOLE or any(len(places) > 1 for places in slots.values()) or len(parts) > 1:
        return
    trace = _trace(image)
    if trace:
        raise Undecided(f"{trace}, but the boot loader decides what it does with that")
    raise Undecided("no second slot and no count of tries was seen; the boot loader may have both")


def _rauc(image: Image) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in ("etc/rauc/system.conf", "usr/lib/rauc/system.conf"):
        for number, line in image.lines(path):
            if (match := _SLOT.match(line)) is not None:
                found.setdefault(match[1], []).append(f"{path}:{number}")
    return found


def _mender(image: Image) -> dict[str, str]:
    text = image.text("etc/mender/mender.conf") or ""
    return {match[1]: match[2] for match in _PART.finditer(text)}


def _trace(image: Image) -> str:
    for node in image.tree.glob(*_SCRIPTS):
        text = image.text(node.path, _MOST_BYTES) or ""
        for form, what in ((_COUNTED, "counts the tries"), (_SECOND, "speaks of a second slot")):
            if form.search(text):
                return f"{node.path} {what}"
    return ""
