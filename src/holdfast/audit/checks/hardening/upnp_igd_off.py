"""UPnP-IGD is not started."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import RUNNING, found, must_be_whole
from holdfast.audit.image import Image
from holdfast.audit.model.update_scene import MANUALS
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="UPnP-IGD, NAT-PMP and PCP are off as shipped",
    why=(
        "Any program in the home network, malware too, opens the gateway to the internet with them."
    ),
    fix="Do not start the daemon; the owner opens a port himself, told of the risk.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.14", "Article 1.16", "EN 303 645 5.6-1", "CRA Annex I part I (2)(b)"),
)


_MAPPING = frozenset({"upnp-igd", "nat-pmp", "pcp"})


def run(image: Image) -> Iterator[Finding]:
    """Look for a daemon that offers port mappings and is started, or may be."""
    known = [one for one in image.model.listeners if one.service in _MAPPING]
    for listener in known:
        if listener.started in RUNNING:
            yield found(image, listener)
    if known:
        must_be_whole(image)
    if not known and (path := _described(image)):
        raise Undecided(f"{path} describes it, but what serves it was not recognised")


def _described(image: Image) -> str:
    """Find what describes a gateway to others, and is no program that only looks for one."""
    seekers = {path for path, _ in image.hits("igd-search")}
    for path, _ in image.hits("igd-device"):
        if path not in seekers and not MANUALS.search(path):
            return path
    return ""
