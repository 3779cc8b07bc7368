"""Nothing binds a shell to a port."""

import re
from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import must_be_whole
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Start-up binds no shell to a port",
    why="A shell on a port that only insiders know of is found by every port scanner.",
    fix="Remove the line; a maintenance access is switched on by the owner and asks who comes.",
    recommendation=1,
    severity=Severity.CRITICAL,
    sources=("Article 1.11", "EN 303 645 5.6-1", "CRA Annex I part I (2)(d)"),
)
_SHELL = r"(?:/bin/|/usr/bin/)?(?:ba|da|a)?sh\b"
_FORMS = (
    (re.compile(rf"\btelnetd\b.*\s-l\s*{_SHELL}"), "Telnet gives a shell without a login"),
    (re.compile(r"\btelnetd\b.*\s-u\s*\S"), "Telnet with a user fixed in the image"),
    (re.compile(rf"\b(?:nc|ncat|netcat)\b.*\s-(?:\w*e|-exec|c)\s*{_SHELL}"), "netcat runs a shell"),
    (re.compile(rf"\b(?:nc|ncat|netcat)\b.*\|\s*{_SHELL}"), "netcat feeds a shell"),
    (re.compile(rf"\bsocat\b.*EXEC:\S*{_SHELL}", re.IGNORECASE), "socat runs a shell"),
    (re.compile(r"/dev/(?:tcp|udp)/\S+/\d+"), "a shell reads from the network"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at each command of the start-up graph, started or startable."""
    told = set()  # a line of inittab and the command in it are two steps
    for step in image.model.start_up.steps:
        if step.started is Started.NO:
            continue
        for form, what in _FORMS:
            if form.search(step.text):
                if (step.where, what) in told:
                    break
                told.add((step.where, what))
                yield Finding(where=step.where, what=what)
                break
    must_be_whole(image)
