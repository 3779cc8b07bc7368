"""The management pages can be reached encrypted."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.checks.hardening._listeners import called, found, web_servers
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Listener
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="The management pages are encrypted",
    why="Over plain HTTP everybody in the same network reads the password of the owner.",
    fix="Serve the pages by TLS with a certificate made on the device, and lead HTTP there.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("EN 303 645 5.5-1", "CRA Annex I part I (2)(e)", "EN 18031 SCM"),
)
_PORTS: Final = frozenset({443, 8443})
_CONFIGURED: Final = "configured="
_LEADS_AWAY: Final = re.compile(
    r"(?:url\.redirect|ssl\.redirect|redirect_https|return\s+30[1278]|rewrite\b[^\n]*https"
    r"|^\s*Redirect\b[^\n]*https|RewriteRule[^\n]*https)",
    re.IGNORECASE | re.MULTILINE,
)


def run(image: Image) -> Iterator[Finding]:
    """Fail if web servers are started and none of them speaks TLS, or HTTP is no way there."""
    servers = web_servers(image)
    if not servers:
        raise NotApplicable("no web server was found")
    encrypted = {one.program for one in servers if one.service == "https" or one.port in _PORTS}
    for server in servers:
        if not encrypted:
            yield found(image, server, f"{called(server)} serves pages over plain HTTP only")
        elif server.program in encrypted and server.service == "http" and _serves(image, server):
            yield found(image, server, f"{called(server)} serves pages over plain HTTP as well")


def _serves(image: Image, server: Listener) -> bool:
    """Tell whether the settings that were read lead nobody from this port to the encrypted one."""
    places = [
        one.removeprefix(_CONFIGURED) for one in server.options if one.startswith(_CONFIGURED)
    ]
    texts = [image.text(place.rpartition(":")[0]) for place in places]
    if server.port in _PORTS or server.address == "loopback" or not texts or None in texts:
        return False
    return not any(_LEADS_AWAY.search(text or "") for text in texts)
