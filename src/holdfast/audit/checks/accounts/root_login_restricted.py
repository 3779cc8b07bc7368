"""Nobody logs in over the network as root with a password."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Listener, Password, Started
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity

ABOUT = About(
    title="Root cannot log in over the network with a password",
    why="The name root is known, so the password alone stands between the internet and all of it.",
    fix="Set PermitRootLogin to prohibit-password; for dropbear use -g, or RootPasswordAuth off.",
    recommendation=2,
    severity=Severity.HIGH,
    sources=("Article 1.4", "EN 303 645 5.1-5", "EN 303 645 5.6-7", "CRA Annex I part I (2)(d)"),
)
_OTHER_DOORS = frozenset({"smb", "ppp", "snmp", "ftp"})


def run(image: Image) -> Iterator[Finding]:
    """Look at what SSH and Telnet daemons allow root to do."""
    doors = [one for one in image.model.listeners if one.service in {"ssh", "telnet"}]
    doors = [one for one in doors if one.started is not Started.NO]
    if not doors:
        raise NotApplicable("no SSH or Telnet daemon is started, or can be")
    if _root_is_locked(image):
        return
    for door in doors:
        if "root-login=yes" in door.options and _takes_passwords(door):
            low = Severity.LOW if door.started is Started.STARTABLE else None
            yield Finding(
                where=door.where,
                what=f"{door.service} lets root in with a password",
                evidence=door.options,
                severity=low,
            )


def _takes_passwords(door: Listener) -> bool:
    """Tell whether a password is of any use there: a key may be all that counts."""
    return "password-login=no" not in door.options or "interactive-login=yes" in door.options


def _root_is_locked(image: Image) -> bool:
    """Tell whether every password of root that the image knows, or sets at boot, opens nothing.

    Where a vendor's settings name one for root, its shadow file may be written from them.
    """
    roots = [
        one
        for one in image.model.accounts
        if (one.uid == 0 or one.name == "root") and one.service not in _OTHER_DOORS
    ]
    known = any(one.uid == 0 and one.service == "system" for one in roots)
    return known and all(one.password is Password.LOCKED for one in roots)
