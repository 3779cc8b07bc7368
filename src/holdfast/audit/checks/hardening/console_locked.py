"""Debug consoles ask who is there."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import must_be_followed
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started, Step
from holdfast.audit.model.startup.wrappers import SHELLS, unwrap
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No console gives a shell without a login",
    why="Whoever opens the case of one device reads the keys of all from its serial port.",
    fix="Start `getty` or `login` on the console, or nothing at all in a product that is sold.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.11", "EN 303 645 5.6-4A", "CRA Annex I part I (2)(d)"),
)
_ASKS_NOTHING = frozenset({"-a", "--autologin", "-n", "--skip-login"})
_SAYS_ONLY = frozenset({"--version", "--help"})


def run(image: Image) -> Iterator[Finding]:
    """Look for bare shells that start-up leads to, and for what logs somebody in unasked."""
    told: set[str] = set()
    for step in image.model.start_up.steps:
        if step.kind != "command" or step.started not in {Started.BOOT, Started.MAYBE}:
            continue
        what = _what(unwrap(step.text.split()).words)
        if what and step.where not in told:
            told.add(step.where)
            when = f", if {step.condition}" if step.started is Started.MAYBE else ""
            yield Finding(where=step.where, what=f"{what.format(_terminal(image, step))}{when}")
    must_be_followed(image)


def _what(words: list[str]) -> str:
    """Say what is wrong with a command; "" if nothing is."""
    name = words[0].rpartition("/")[2].removeprefix("-") if words else ""
    if name in SHELLS:
        bare = all(word.startswith("-") for word in words[1:])
        return "a shell on {} without a login" if bare and not _SAYS_ONLY & {*words} else ""
    if name in {"getty", "agetty"}:
        shell = any(word.rpartition("/")[2].removeprefix("-") in SHELLS for word in words[1:])
        unasked = shell or not _ASKS_NOTHING.isdisjoint(words)
    else:
        unasked = name == "login" and "-f" in words[1:]
    return "logs somebody in on {} without asking" if unasked else ""


def _terminal(image: Image, step: Step) -> str:
    """Name the terminal that a line of inittab is for."""
    path, _, number = step.where.rpartition(":")
    if not path.endswith("/inittab"):
        return "the console"
    terminal = next((line for at, line in image.lines(path) if str(at) == number), "")
    return terminal.strip().partition(":")[0] or "the console"
