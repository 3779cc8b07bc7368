"""Patterns that the start-up graph needs: names of daemons in command lines, Go programs."""

import re
from typing import Final

from holdfast.audit.model.daemons import DAEMONS
from holdfast.audit.patterns.pattern import Pattern

_VAGUE: Final = frozenset(
    {"igd", "webs", "upnp", "named", "monkey", "h2o", "ssdp", "apache", "goahead", "rsync",
     "caddy", "stunnel", "debug", "racoon", "charon", "iperf", "ksmbd", "unbound", "asterisk",
     "nfsd", "pluto", "haproxy", "collectd", "openvpn", "ushare", "appweb", "mongoose", "gerbera"}
)  # fmt: skip
"""Names that stand in too many other places."""
NAMES: Final = tuple(sorted(name for name in DAEMONS if name not in _VAGUE))

PATTERNS: Final[tuple[Pattern, ...]] = (
    Pattern(
        # Between what ends a word in a string of a program, and in a command line.
        name="start-daemon",
        expression=rb"[\x00-\x20/\"'`;&|(](?:"
        + b"|".join(re.escape(name).encode() for name in NAMES)
        + rb")[\x00-\x20\"'`;&|)]",
        most=64,
    ),
    Pattern(name="go-build-information", expression=rb"\xff Go buildinf:", most=1),
)
