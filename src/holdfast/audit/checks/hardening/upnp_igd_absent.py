"""UPnP-IGD is not even there."""

import re
from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity, Undecided

ABOUT = About(
    title="No gateway control by UPnP (IGD) is in the image",
    why="What is not there cannot be switched on by a hole in the pages, or by the next release.",
    fix="Leave out the daemon and its descriptions; plain discovery (SSDP, mDNS) may stay.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.14", "EN 303 645 5.6-1", "EN 303 645 5.6-6"),
)


_SURE = re.compile(r"(?:mini_?upnpd|mini_?igd|igdd|linux-?igd|upnpigd)(?:[-.][\w.-]+)?")


def run(image: Image) -> Iterator[Finding]:
    """Look for device and service types of IGD in programs, descriptions and pages."""
    seen: set[str] = set()
    for path, hit in image.hits("igd-device", "igd-service"):
        if path not in seen:
            seen.add(path)
            yield Finding(where=path, what=f"names {hit.text}", offset=hit.offset)
    unclear = ""
    for listener in image.model.listeners:
        node = image.tree.resolve(listener.program)
        path = node.path if node else ""
        if listener.service != "upnp-igd" or not path or path in seen:
            continue
        seen.add(path)
        name = listener.program.rpartition("/")[2]
        if _SURE.fullmatch(name):
            yield Finding(where=listener.program, what=f"{name} is a gateway daemon by its name")
        else:
            unclear = f"{listener.program} has the name of a gateway daemon, but names no gateway"
    if unclear:
        raise Undecided(unclear)
