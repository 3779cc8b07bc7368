"""Discovery answers on the local network only."""

import re
from collections.abc import Iterator
from typing import Final

from holdfast.audit.checks.hardening._listeners import running
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="Discovery (SSDP, mDNS, WS-Discovery) stays on the local network",
    why="Answers to SSDP from the internet were a favourite amplifier of floods, and tell anybody "
    "which product lives at an address.",
    fix="Name the local interfaces in the settings of the daemon, and switch reflectors off.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.13", "EN 303 645 5.6-2", "CRA Annex I part I (2)(j)"),
)
_DISCOVERY: Final = frozenset({"mdns", "upnp", "ws-discovery", "llmnr", "lltd"})
_OUTSIDE: Final = r"(?:wan\d*|ppp\d*|pppoe[-\w]*|wwan\d*|usb\d+|rmnet\w*|nas\d+(?:_\d+)?)"
_SETTINGS: Final = (
    ("etc/avahi/avahi-daemon.conf", r"\s*enable-reflector\s*=\s*yes",
     "carries mDNS between all networks"),
    ("etc/avahi/avahi-daemon.conf", rf"\s*allow-interfaces\s*=(?:.*[\s,])?{_OUTSIDE}(?:[\s,]|$)",
     "answers on an outer interface"),
    ("etc/config/umdns", r"\s*list\s+network\s+['\"]?wan\d*\b", "answers on an outer interface"),
    ("etc/minissdpd.conf", rf"\s*interface\s*=\s*{_OUTSIDE}\s*$", "answers on an outer interface"),
    ("etc/minidlna.conf", rf"\s*network_interface\s*=(?:.*[\s,])?{_OUTSIDE}(?:[\s,]|$)",
     "answers on an outer interface"),
)  # fmt: skip
_LIMITS: Final = (
    ("etc/avahi/avahi-daemon.conf", r"\s*allow-interfaces\s*=\s*\S"),
    ("etc/config/umdns", r"\s*list\s+network\s+\S"),
    ("etc/minidlna.conf", r"\s*network_interface\s*=\s*\S"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look at what is set for the daemons that answer; the firewall is not known here."""
    daemons = [one for one in running(image) if one.service in _DISCOVERY]
    if not daemons:
        raise NotApplicable("nothing that answers to discovery is started")
    for path, expression, what in _SETTINGS:
        for number, line in image.lines(path):
            if re.match(expression, line):
                yield Finding(where=f"{path}:{number}", what=what)
    limited = any(
        re.match(expression, line) for path, expression in _LIMITS for _, line in image.lines(path)
    )
    loose = [one for one in daemons if one.address != "lan"]
    if loose and not (limited and len(loose) == 1):
        raise Undecided(
            f"{loose[0].program} is not bound to the local network; a firewall may keep others out"
        )
