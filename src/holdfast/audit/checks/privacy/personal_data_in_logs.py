"""Switches that write what people do, or their passwords, into logs."""

import re
from collections.abc import Iterator

from holdfast.audit.checks.privacy._places import line_of, own_hits, place
from holdfast.audit.facts.shapes import FileKind
from holdfast.audit.image import Image
from holdfast.audit.model.shapes import Started
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Logs hold neither passwords nor what people look at",
    why="Logs are sent to support, kept without end and read by every program; what is in them is "
    "no longer the owner's.",
    fix="Turn the switch off; log kinds of events, not what they were about.",
    recommendation=5,
    severity=Severity.MEDIUM,
    sources=(
        "Article 5.1",
        "Article 2.5",
        "EN 303 645 6-6",
        "CRA Annex I part I (2)(g)",
        "GDPR Art. 5.1c",
    ),
)

SETTINGS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("etc/ppp/options*", re.compile(r"\s*show-password\b"), "pppd writes passwords to the log"),
    ("etc/ppp/peers/*", re.compile(r"\s*show-password\b"), "pppd writes passwords to the log"),
    (
        "etc/dnsmasq.conf",
        re.compile(r"\s*log-queries\b"),
        "every name that somebody looks up is logged",
    ),
    (
        "etc/dnsmasq.d/*",
        re.compile(r"\s*log-queries\b"),
        "every name that somebody looks up is logged",
    ),
    (
        "etc/config/dhcp",
        re.compile(r"\s*option\s+logqueries\s+['\"]?(?:1|on|true|yes)"),
        "every name that somebody looks up is logged",
    ),
)
COMMANDS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"\b(?:hostapd|wpa_supplicant)\s(?:.*\s)?-[a-zA-Z]*K"),
        "WLAN keys are written to the log",
    ),
    (re.compile(r"\bpppd\s.*\bshow-password\b"), "pppd writes passwords to the log"),
    (
        re.compile(r"\bdnsmasq\s.*(?:--log-queries|\s-q\b)"),
        "every name that somebody looks up is logged",
    ),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for the switches in settings and in the start-up, and for scripts that log secrets."""
    for pattern, setting, what in SETTINGS:
        for node in image.tree.glob(pattern):
            for number, line in image.lines(node.path):
                if setting.match(line):
                    yield Finding(where=f"{node.path}:{number}", what=what)
    for step in image.model.start_up.steps:
        for command, what in COMMANDS:
            if step.started is not Started.NO and command.search(step.text):
                yield Finding(where=step.where, what=what)
    yield from _logged_by_scripts(image)


def _logged_by_scripts(image: Image) -> Iterator[Finding]:
    for path, hit in own_hits(image, "privacy-logger"):
        facts = image.facts_of(path)
        line = line_of(image, path, hit).lstrip()
        if facts is not None and facts.kind is FileKind.SCRIPT and not line.startswith("#"):
            where, offset = place(image, path, hit)
            what = "a secret or a name of a person goes to the log"
            yield Finding(where=where, what=what, offset=offset)
