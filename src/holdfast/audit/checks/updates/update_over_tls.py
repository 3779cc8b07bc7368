"""Updates that are asked for and fetched in the clear."""

from collections.abc import Iterator

from holdfast.audit.checks.updates._ways import MANAGERS, located, ways
from holdfast.audit.image import Image
from holdfast.audit.model.addresses import host_of
from holdfast.audit.verdicts import About, Finding, NotApplicable, Severity, Undecided

ABOUT = About(
    title="Updates are looked for and fetched over TLS",
    why="In the clear everybody on the way sees which device lacks which fix, can hold a fix back, "
    "and, where no signature is checked, can put his own software in its place.",
    fix="Use https:// addresses, and keep the signature as well.",
    recommendation=3,
    severity=Severity.HIGH,
    sources=(
        "EN 303 645 5.3-10",
        "EN 303 645 5.3-7",
        "EN 303 645 5.5-1",
        "CRA Annex I part I (2)(e)",
        "EN 18031 SUM",
    ),
)

CLEAR = ("http://", "ftp://", "tftp://")
FEEDS = ("etc/opkg", "etc/apt", "etc/apk", "etc/yum", "etc/zypp")


def run(image: Image) -> Iterator[Finding]:
    """Look at the addresses of updates, one finding a host; a signature makes it milder."""
    updates = image.model.updates
    if not updates.urls and updates.automatic:
        raise Undecided("updates are looked for, but no address stands in the image")
    if not updates.urls:
        raise NotApplicable("no address of updates was found")
    clear: dict[str, list[tuple[str, str]]] = {}
    for line in updates.urls:
        where, _, address = line.partition(" ")
        if address.startswith(CLEAR):
            clear.setdefault(host_of(address) or address, []).append((where, address))
    for several in clear.values():
        where, address = several[0]
        path, offset = located(where)
        signed = _signed(image, path)
        more = " (signed, so it can be seen and held back, not changed)" if signed else ""
        yield Finding(
            where=path,
            what=f"asks {address} in the clear{more}",
            offset=offset,
            evidence=tuple(f"also {place} {other}" for place, other in several[1:6]),
            severity=Severity.LOW if signed else None,
        )


def _signed(image: Image, path: str) -> bool:
    """Tell whether what comes from there is checked: packages by their manager, or all of it."""
    found = ways(image) if image.model.updates.tools else []
    if path.startswith(FEEDS):
        found = [way for way in found if way.name in MANAGERS]
    return bool(found) and all(way.verified for way in found)
