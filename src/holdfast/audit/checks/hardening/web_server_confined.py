"""The web server is locked in."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import called, found, web_servers
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="The management pages are confined to what they need",
    why=(
        "Code that an attacker runs in the pages sees all files of the device unless walls stop it."
    ),
    fix=(
        "Use systemd's sandbox settings, AppArmor, a jail of procd or at least chroot for the "
        "server."
    ),
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.7", "EN 303 645 5.6-7", "EN 303 645 5.6-8", "CRA Annex I part I (2)(k)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for web servers that nothing confines."""
    servers = web_servers(image)
    if not servers:
        raise NotApplicable("no web server was found")
    for server in servers:
        if not server.confinement:
            yield found(image, server, f"nothing confines {called(server)}")
