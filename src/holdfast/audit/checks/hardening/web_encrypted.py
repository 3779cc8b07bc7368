"""The management pages can be reached encrypted."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import called, found, web_servers
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="The management pages are encrypted",
    why="Over plain HTTP everybody in the same network reads the password of the owner.",
    fix="Serve the pages by TLS with a certificate made on the device, and lead HTTP there.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("EN 303 645 5.5-1", "CRA Annex I part I (2)(e)", "EN 18031 SCM"),
)


def run(image: Image) -> Iterator[Finding]:
    """Fail if web servers are started and none of them speaks TLS."""
    servers = web_servers(image)
    if not servers:
        raise NotApplicable("no web server was found")
    if any(one.service == "https" or one.port in {443, 8443} for one in servers):
        return
    for server in servers:
        yield found(image, server, f"{called(server)} serves pages over plain HTTP only")
