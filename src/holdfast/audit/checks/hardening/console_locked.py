"""Debug consoles ask who is there."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No console gives a shell without a login",
    why="Whoever opens the case of one device reads the keys of all from its serial port.",
    fix="Start `getty` or `login` on the console, or nothing at all in a product that is sold.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.11", "EN 303 645 5.6-4A", "CRA Annex I part I (2)(d)"),
)
_SHELLS = frozenset({"sh", "ash", "bash", "dash", "zsh", "-sh", "-ash", "-bash"})
_ACTIONS = ("respawn", "askfirst", "once", "sysinit", "wait", "start")


def run(image: Image) -> Iterator[Finding]:
    """Look for bare shells in inittab, and for gettys and units that log somebody in unasked."""
    for number, line in image.lines("etc/inittab"):
        yield from _of_inittab(number, line.strip())
    for step in image.model.start_up.steps:
        words = step.text.split()
        if step.started in {Started.BOOT, Started.MAYBE} and _logs_in(words):
            yield Finding(where=step.where, what="logs somebody in without asking")


def _of_inittab(number: int, line: str) -> Iterator[Finding]:
    fields = line.split(":", 3)
    if line.startswith("#") or len(fields) != 4 or not fields[3]:  # noqa: PLR2004 - of inittab(5)
        return
    terminal, _, action, command = fields
    words = command.split()
    name = words[0].rpartition("/")[2] if words else ""
    bare = name in _SHELLS and not any(
        word == "-c" or not word.startswith("-") for word in words[1:]
    )
    if bare and action in _ACTIONS:
        at = f" on {terminal}" if terminal else " on the console"
        yield Finding(where=f"etc/inittab:{number}", what=f"a shell{at} without a login")


def _logs_in(words: list[str]) -> bool:
    name = words[0].rpartition("/")[2] if words else ""
    if name in {"getty", "agetty"}:
        return any(word in {"-a", "--autologin", "-n", "--skip-login"} for word in words[1:]) or (
            any(word.rpartition("/")[2] in _SHELLS for word in words[1:])
        )
    return name == "login" and "-f" in words[1:]
