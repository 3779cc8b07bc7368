"""Logs that are sent away in the clear."""

import re
from collections.abc import Iterator

from holdfast.audit.image import Image
from holdfast.audit.model.addresses import is_called
from holdfast.audit.model.shapes import Started
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="Logs are sent to nobody as shipped",
    why="A log that leaves the house unasked, by UDP and in the clear, tells everybody on the way "
    "who is at home.",
    fix="Let the owner set a log host, and send by TLS.",
    recommendation=5,
    severity=Severity.MEDIUM,
    sources=(
        "Article 5.1",
        "EN 303 645 6-4",
        "EN 303 645 5.8-1",
        "CRA Annex I part I (2)(e)",
        "CRA Annex I part I (2)(g)",
    ),
)

HOST = r"\[?([a-zA-Z0-9][a-zA-Z0-9.-]{2,80})\]?"
SETTINGS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("etc/rsyslog.conf", re.compile(rf"\s*[^#$].*\s@@?{HOST}")),
    ("etc/rsyslog.d/*", re.compile(rf"\s*[^#$].*\s@@?{HOST}")),
    ("etc/syslog.conf", re.compile(rf"\s*[^#].*\s@{HOST}")),
    ("etc/syslog-ng/*", re.compile(rf"\s*[^#]*\b(?:udp|tcp|network|syslog)\(\s*\"{HOST}\"")),
    ("etc/config/system", re.compile(rf"\s*option\s+log_ip\s+['\"]?{HOST}")),
    ("etc/syslog-startup.conf", re.compile(rf"\s*REMOTE_?LOG\w*=.*?\"?{HOST}")),
)
COMMAND = re.compile(rf"\bsyslogd\s(?:.*\s)?-R\s*{HOST}")


def run(image: Image) -> Iterator[Finding]:
    """Look for log hosts outside in the settings and start lines of syslog."""
    for pattern, setting in SETTINGS:
        for node in image.tree.glob(pattern):
            for number, line in image.lines(node.path):
                match = setting.match(line)
                if match is not None and is_called(f"//{match[1]}"):
                    yield Finding(where=f"{node.path}:{number}", what=f"sends logs to {match[1]}")
    for step in image.model.start_up.steps:
        match = COMMAND.search(step.text)
        if match is not None and step.started is not Started.NO and is_called(f"//{match[1]}"):
            yield Finding(where=step.where, what=f"sends logs to {match[1]}")
