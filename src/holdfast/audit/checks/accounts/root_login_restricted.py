"""Nobody logs in over the network as root with a password."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Root cannot log in over the network with a password",
    why="The name root is known, so the password alone stands between the internet and all of it.",
    fix="Set PermitRootLogin to prohibit-password; for dropbear use -g, or RootPasswordAuth off.",
    recommendation=2,
    severity=Severity.HIGH,
    sources=("Article 1.4", "EN 303 645 5.1-5", "EN 303 645 5.6-7", "CRA Annex I part I (2)(d)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at what SSH and Telnet daemons allow root to do."""
    doors = [one for one in image.model.listeners if one.service in {"ssh", "telnet"}]
    doors = [one for one in doors if one.started is not Started.NO]
    if not doors:
        raise NotApplicable("no SSH or Telnet daemon is started, or can be")
    for door in doors:
        if "root-login=yes" in door.options:
            low = Severity.LOW if door.started is Started.STARTABLE else None
            yield Finding(
                where=door.where,
                what=f"{door.service} lets root in with a password",
                evidence=door.options,
                severity=low,
            )
