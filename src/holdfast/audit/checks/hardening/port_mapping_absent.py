"""Nothing asks a gateway to open ports."""

from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="No program asks the owner's gateway to open a port",
    why="Cameras that opened ports by themselves made up most of the botnets of 2016.",
    fix="Connect outwards to your service, or to the owner's phone; remove the client library.",
    recommendation=1,
    severity=Severity.HIGH,
    sources=("Article 1.14", "Article 1.15", "EN 303 645 5.6-1", "CRA Annex I part I (2)(j)"),
)
_LIBRARIES = ("libminiupnpc.so", "libnatpmp.so", "libpcpnatpmp.so")
_CALLS = frozenset({"UPNP_AddPortMapping", "UPNP_AddAnyPortMapping", "sendnewportmappingrequest"})
_PROGRAMS = frozenset({"upnpc", "upnpc-static", "natpmpc"})


def run(image: Image) -> Iterator[Finding]:
    """Look for client libraries, their calls, and programs that search and ask by themselves."""
    seekers = {path for path, _ in image.hits("igd-search")}
    askers = {path: hit for path, hit in image.hits("igd-port-mapping") if path in seekers}
    # A gateway's own daemon knows the service by its whole name, and answers searches.
    servers = {path for path, _ in image.hits("igd-device")}
    for node, facts in image.elves():
        elf = facts.elf
        if elf is None:
            continue
        calls = sorted(_CALLS.intersection((*elf.imports, *elf.exports)))
        if node.path.rpartition("/")[2] in _PROGRAMS or calls:
            yield Finding(
                where=node.path, what=f"is or calls a client for it {calls or ''}".strip()
            )
        elif any(name.startswith(_LIBRARIES) for name in elf.needed):
            yield Finding(where=node.path, what="needs a client library for it")
        elif node.path in askers and node.path not in servers:
            yield Finding(
                where=node.path,
                what="searches gateways and sends AddPortMapping",
                offset=askers[node.path].offset,
            )
