"""Patterns that checks of recommendation 1 need."""

from typing import Final

from holdfast.audit.patterns import backdoors
from holdfast.audit.patterns.pattern import Pattern

PATTERNS: Final[tuple[Pattern, ...]] = (
    *backdoors.PATTERNS,
    Pattern(
        name="igd-device",
        expression=rb"urn:schemas-upnp-org:device:InternetGatewayDevice:[12]",
        most=2,
    ),
    Pattern(
        name="igd-service",
        expression=rb"urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection:[12]",
        most=2,
    ),
    Pattern(name="igd-port-mapping", expression=rb"AddPortMapping", most=2),
    Pattern(name="igd-search", expression=rb"M-SEARCH \* HTTP/1\.1", most=2),
    Pattern(name="nat-pmp-request", expression=rb"sendnewportmappingrequest", most=2),
)
