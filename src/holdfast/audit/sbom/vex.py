"""What the known vulnerabilities mean for this image: a VEX in CycloneDX 1.6."""

import re
from decimal import Decimal
from typing import Final
from urllib.parse import quote

from cyclonedx.model import Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.impact_analysis import (
    ImpactAnalysisJustification,
    ImpactAnalysisResponse,
    ImpactAnalysisState,
)
from cyclonedx.model.vulnerability import (
    BomTarget,
    Vulnerability,
    VulnerabilityAnalysis,
    VulnerabilityRating,
    VulnerabilityScoreSource,
    VulnerabilitySeverity,
    VulnerabilitySource,
)

from holdfast.audit.report.shapes import Report
from holdfast.audit.report.standing import severity_of
from holdfast.audit.report.texts import visible
from holdfast.audit.sbom.cyclonedx import SUBJECT_REF, metadata, written
from holdfast.audit.sbom.inventory import identity, items, refs_by_name
from holdfast.audit.verdicts import Severity, Waived
from holdfast.audit.vulnerabilities.shapes import Match

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,9}")
_METHODS: Final = {
    "CVSS:3.0/": VulnerabilityScoreSource.CVSS_V3,
    "CVSS:3.1/": VulnerabilityScoreSource.CVSS_V3_1,
    "CVSS:4.0/": VulnerabilityScoreSource.CVSS_V4,
}
_SEVERITIES: Final = {
    Severity.CRITICAL: VulnerabilitySeverity.CRITICAL,
    Severity.HIGH: VulnerabilitySeverity.HIGH,
    Severity.MEDIUM: VulnerabilitySeverity.MEDIUM,
    Severity.LOW: VulnerabilitySeverity.LOW,
    Severity.INFO: VulnerabilitySeverity.UNKNOWN,
}
_JUSTIFICATIONS: Final = {
    "not-present": ImpactAnalysisJustification.CODE_NOT_PRESENT,
    "not-reachable": ImpactAnalysisJustification.CODE_NOT_REACHABLE,
    "needs-configuration": ImpactAnalysisJustification.REQUIRES_CONFIGURATION,
    "mitigated": ImpactAnalysisJustification.PROTECTED_BY_MITIGATING_CONTROL,
}


def render(report: Report) -> bytes:
    """Write the VEX; what it is about is named as the bill of materials of the same report does."""
    bill = identity(report, "sbom")
    refs = refs_by_name(items(report))
    # One vulnerability of several components that mean the same is one entry.
    entries: dict[tuple[object, ...], Vulnerability] = {}
    for match in report.vulnerabilities:
        targets = refs.get(match.component, [SUBJECT_REF])
        affects = [BomTarget(ref=f"urn:cdx:{bill}/1#{quote(ref, safe='')}") for ref in targets]
        number = len(entries)
        key = (match.cve, match.state, match.reason, match.waived, match.because, match.cvss)
        if key in entries:
            entries[key].affects.update(affects)
        else:
            entries[key] = _vulnerability(match, affects, number)
    bom = Bom(
        serial_number=identity(report, "vex"),
        metadata=metadata(report),
        vulnerabilities=entries.values(),
    )
    return written(bom)


def _vulnerability(match: Match, affects: list[BomTarget], number: int) -> Vulnerability:
    known = _CVE.fullmatch(match.cve) is not None
    properties = [Property(name="holdfast:reach", value=match.reach)]
    if match.kev:
        properties.append(Property(name="holdfast:exploited-since", value=visible(match.kev)))
    if match.epss is not None:
        properties.append(Property(name="holdfast:epss", value=f"{match.epss:.5f}"))
    return Vulnerability(
        bom_ref=f"vulnerability-{number}",
        id=visible(match.cve),
        source=VulnerabilitySource(
            name="CVE", url=XsUri(f"https://www.cve.org/CVERecord?id={match.cve}")
        )
        if known
        else None,
        ratings=[_rating(match)],
        description=visible(match.title) or None,
        detail=visible(match.because) or None,
        recommendation=f"Update to {visible(match.fixed_in)}" if match.fixed_in else None,
        analysis=_analysis(match),
        affects=affects,
        properties=properties,
    )


def _rating(match: Match) -> VulnerabilityRating:
    method = next(
        (each for start, each in _METHODS.items() if match.vector.startswith(start)),
        VulnerabilityScoreSource.OTHER,
    )
    return VulnerabilityRating(
        score=Decimal(str(round(match.cvss, 1))) if match.cvss is not None else None,
        severity=_SEVERITIES[severity_of(match)],
        method=method if match.cvss is not None else None,
        vector=visible(match.vector) or None,
    )


def _analysis(match: Match) -> VulnerabilityAnalysis:
    if match.waived is not None:
        return _of_waiver(match.waived)
    told = visible(match.reason)
    if match.state == "fixed":
        return VulnerabilityAnalysis(
            state=ImpactAnalysisState.RESOLVED, detail=told or "the package says that it is fixed"
        )
    if match.state == "not-built":
        return VulnerabilityAnalysis(
            state=ImpactAnalysisState.NOT_AFFECTED,
            justification=ImpactAnalysisJustification.CODE_NOT_PRESENT,
            detail=told or "the part that is vulnerable is not in the image",
        )
    if match.state == "affected" and match.kev and match.reach == "listening":
        return VulnerabilityAnalysis(
            state=ImpactAnalysisState.EXPLOITABLE,
            responses=[ImpactAnalysisResponse.UPDATE] if match.fixed_in else [],
            detail="it is used by attackers, and what holds it listens on a network",
        )
    return VulnerabilityAnalysis(
        state=ImpactAnalysisState.IN_TRIAGE,
        responses=[ImpactAnalysisResponse.UPDATE] if match.fixed_in else [],
        detail=told or "the version is affected; nobody has looked into its use yet",
    )


def _of_waiver(waived: Waived) -> VulnerabilityAnalysis:
    detail = visible(f"{waived.reason} ({waived.who}, until {waived.until})")
    if waived.kind == "false-positive":
        return VulnerabilityAnalysis(state=ImpactAnalysisState.FALSE_POSITIVE, detail=detail)
    if waived.kind in _JUSTIFICATIONS:
        return VulnerabilityAnalysis(
            state=ImpactAnalysisState.NOT_AFFECTED,
            justification=_JUSTIFICATIONS[waived.kind],
            detail=detail,
        )
    return VulnerabilityAnalysis(
        state=ImpactAnalysisState.EXPLOITABLE,
        responses=[ImpactAnalysisResponse.WILL_NOT_FIX],
        detail=detail,
    )
