"""The web server does not run as root."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import called, found, web_servers
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="The management pages never run as root",
    why="A single hole in the pages of a root web server gives the whole device away.",
    fix=(
        "Give the web server a user of its own, in its configuration or in the unit that starts it."
    ),
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.6", "EN 303 645 5.6-7", "CRA Annex I part I (2)(k)"),
)
_WHY = {
    "absent": "nothing gives it another user",
    "config": "its configuration says so",
    "command": "its command line says so",
    "unit": "its unit says so",
    "seen": "it was seen running so",
}


def run(image: Image) -> Iterator[Finding]:
    """Look at the user of every web server; where nothing says another, it is root's."""
    servers = web_servers(image)
    if not servers:
        raise NotApplicable("no web server was found")
    for server in servers:
        if server.user in {"root", "0"}:
            why = _WHY.get(server.user_why, server.user_why)
            yield found(image, server, f"{called(server)} runs as root: {why}")
