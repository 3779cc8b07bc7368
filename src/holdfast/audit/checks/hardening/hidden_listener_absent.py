"""Every program that listens is one that somebody knows."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import (
    called,
    found,
    must_be_sure,
    must_be_whole,
    running,
)
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Listener
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Nothing unknown listens after the start",
    why="Maintenance services of suppliers were the door to whole fleets, unknown to the makers.",
    fix="Find out what the program is for; declare it in the profile, or remove it.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.11", "EN 303 645 5.6-1", "CRA Annex I part I (2)(d)"),
)
_RUNS_COMMANDS = frozenset({"system", "popen", "execl", "execlp", "execv", "execve", "execvp"})


def run(image: Image) -> Iterator[Finding]:
    """Look for listeners at boot that no table, package or profile knows."""
    for listener in running(image):
        if listener.service == "unknown" and not _declared(image, listener):
            facts = image.facts_of(listener.program)
            elf = facts.elf if facts else None
            commands = sorted(_RUNS_COMMANDS.intersection(elf.imports)) if elf else []
            what = f"{called(listener)} listens, and nothing says what for"
            if commands:
                what += f"; it also runs commands ({', '.join(commands)})"
            yield found(image, listener, what, severity=Severity.HIGH if commands else None)
    must_be_whole(image)
    must_be_sure(image)


def _declared(image: Image, listener: Listener) -> bool:
    if image.profile is None or listener.port is None:
        return False
    declared = {(one.port, one.protocol) for one in image.profile.services}
    return (listener.port, listener.protocol) in declared
