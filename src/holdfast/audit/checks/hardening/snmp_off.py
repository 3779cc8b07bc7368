"""SNMP is off as shipped."""

from collections.abc import Iterator

from holdfast.audit.checks.hardening._listeners import off
from holdfast.audit.image import Image
from holdfast.audit.verdicts import About, Finding, Severity

ABOUT = About(
    title="SNMP is off as shipped",
    why="SNMP with the community public tells everything about a device, and amplifies floods.",
    fix="Do not start snmpd before the owner has switched it on and has chosen SNMPv3 credentials.",
    recommendation=1,
    severity=Severity.MEDIUM,
    sources=("Article 1.4", "EN 303 645 5.6-1", "EN 303 645 5.6-5", "CRA Annex I part I (2)(b)"),
)


def run(image: Image) -> Iterator[Finding]:
    """Look for an SNMP daemon that starts, or could be started."""
    return off(image, "snmp")
