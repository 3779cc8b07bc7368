"""The bill of materials, and what its vulnerabilities mean, in CycloneDX 1.6."""

from decimal import Decimal
from typing import Final

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.component_evidence import (
    AnalysisTechnique,
    ComponentEvidence,
    Identity,
    IdentityField,
    Method,
)
from cyclonedx.model.component_evidence import Occurrence as CycloneOccurrence
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import LicenseExpression
from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6

from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible
from holdfast.audit.sbom.inventory import (
    MOST_LETTERS,
    Item,
    identity,
    items,
    sentences,
    subject_name,
)

_TECHNIQUES: Final = {
    "package": AnalysisTechnique.MANIFEST_ANALYSIS,
    "string": AnalysisTechnique.BINARY_ANALYSIS,
    "soname": AnalysisTechnique.BINARY_ANALYSIS,
    "symbol": AnalysisTechnique.BINARY_ANALYSIS,
    "kernel": AnalysisTechnique.BINARY_ANALYSIS,
    "file": AnalysisTechnique.FILENAME,
}
_TYPES: Final = {"linux": ComponentType.OPERATING_SYSTEM}
SUBJECT_REF: Final = "image"
"""The name of the image within the bill."""


def render(report: Report) -> bytes:
    """Write the bill of materials; the same report gives the same bytes."""
    found = items(report)
    bom = Bom(
        serial_number=identity(report, "sbom"),
        metadata=metadata(report),
        components=[_component(item) for item in found],
        dependencies=[
            Dependency(
                ref=BomRef(SUBJECT_REF),
                dependencies=[Dependency(ref=BomRef(item.ref)) for item in found],
            ),
            *(Dependency(ref=BomRef(item.ref)) for item in found),
        ],
    )
    return written(bom)


def written(bom: Bom) -> bytes:
    """Write a document as indented JSON."""
    return JsonV1Dot6(bom).output_as_string(indent=2).encode() + b"\n"


def metadata(report: Report) -> BomMetaData:
    """Say what was looked at, when, and with what."""
    digest = report.subject.sha256
    complete = "yes" if report.opened.complete else "no"
    return BomMetaData(
        timestamp=report.made,
        lifecycles=[PredefinedLifecycle(LifecyclePhase.POST_BUILD)],
        tools=ToolRepository(
            components=[
                Component(
                    name="holdfast",
                    version=visible(report.holdfast, most=MOST_LETTERS),
                    type=ComponentType.APPLICATION,
                    bom_ref="holdfast",
                )
            ]
        ),
        component=Component(
            name=subject_name(report),
            version=visible(report.subject.version, most=MOST_LETTERS) or None,
            type=ComponentType.FIRMWARE,
            bom_ref=SUBJECT_REF,
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else [],
        ),
        properties=[Property(name="holdfast:everything-opened", value=complete)],
    )


def _component(item: Item) -> Component:
    certainty = Decimal(str(round(min(1.0, max(0.0, item.component.confidence)), 2)))
    technique = _TECHNIQUES.get(item.component.how, AnalysisTechnique.OTHER)
    fields = [IdentityField.PURL] if item.purl else [IdentityField.NAME]
    if item.cpe:
        fields.append(IdentityField.CPE)
    return Component(
        name=item.name,
        version=item.version or None,
        type=_TYPES.get(item.name, ComponentType.LIBRARY),
        bom_ref=item.ref,
        purl=item.purl,
        cpe=item.cpe or None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=item.sha256)] if item.sha256 else [],
        licenses=[LicenseExpression(item.licence)] if item.licence else [],
        evidence=ComponentEvidence(
            identity=[
                Identity(
                    field=field,
                    confidence=certainty,
                    methods=[
                        Method(
                            technique=technique,
                            confidence=certainty,
                            value="; ".join(sentences(item)),
                        )
                    ],
                )
                for field in fields
            ],
            occurrences=[
                CycloneOccurrence(
                    bom_ref=f"{item.ref}/{number}",
                    location=each.path,
                    offset=each.offset,
                    line=each.line,
                )
                for number, each in enumerate(item.occurrences)
            ],
        ),
        properties=[
            Property(name="holdfast:started", value=item.component.started.value),
            Property(name="holdfast:listening", value=str(item.component.listening).lower()),
        ],
    )
