"""The bill of materials in SPDX 2.3, as JSON."""

import json
import re
from typing import Final

from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible
from holdfast.audit.sbom.inventory import Item, identity, items, sentences, subject_name

_UNFIT = re.compile(r"[^A-Za-z0-9.-]+")
_NOTHING: Final = "NOASSERTION"
_IMAGE: Final = "SPDXRef-Image"


def render(report: Report) -> bytes:
    """Write the bill of materials; the same report gives the same bytes."""
    found = items(report)
    ids = [
        f"SPDXRef-{number}-{_UNFIT.sub('-', item.name)[:60]}" for number, item in enumerate(found)
    ]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": subject_name(report),
        "documentNamespace": f"https://holdfast.invalid/spdx/{identity(report, 'spdx')}",
        "creationInfo": {
            "created": report.made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: holdfast-{report.holdfast}"],
            "comment": "Not everything could be opened: components may be missing."
            if not report.opened.complete
            else "Everything in the image was opened.",
        },
        "packages": [
            _image(report),
            *(_package(item, ref) for item, ref in zip(found, ids, strict=True)),
        ],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE),
            *(_relation(_IMAGE, "CONTAINS", ref) for ref in ids),
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _relation(left: str, kind: str, right: str) -> dict[str, str]:
    return {"spdxElementId": left, "relationshipType": kind, "relatedSpdxElement": right}


def _image(report: Report) -> dict[str, object]:
    made: dict[str, object] = {
        "SPDXID": _IMAGE,
        "name": subject_name(report),
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "copyrightText": _NOTHING,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": _NOTHING,
        "primaryPackagePurpose": "FIRMWARE",
        "packageFileName": visible(report.subject.name) or "image",
    }
    if report.subject.version:
        made["versionInfo"] = visible(report.subject.version)
    if report.subject.sha256:
        made["checksums"] = [{"algorithm": "SHA256", "checksumValue": report.subject.sha256}]
    return made


def _package(item: Item, ref: str) -> dict[str, object]:
    places = [each.path for each in item.occurrences]
    references = []
    if item.purl is not None:
        references.append(_reference("PACKAGE-MANAGER", "purl", item.purl.to_string()))
    if item.cpe:
        references.append(_reference("SECURITY", "cpe23Type", item.cpe))
    made: dict[str, object] = {
        "SPDXID": ref,
        "name": item.name,
        "downloadLocation": _NOTHING,
        "filesAnalyzed": False,
        "copyrightText": _NOTHING,
        "licenseConcluded": _NOTHING,
        "licenseDeclared": item.licence or _NOTHING,
        "primaryPackagePurpose": "OPERATING-SYSTEM" if item.name == "linux" else "LIBRARY",
        "sourceInfo": "; ".join([*sentences(item), *(f"in {place}" for place in places)]),
    }
    if item.version:
        made["versionInfo"] = item.version
    if item.sha256:
        made["checksums"] = [{"algorithm": "SHA256", "checksumValue": item.sha256}]
    if references:
        made["externalRefs"] = references
    return made


def _reference(category: str, kind: str, locator: str) -> dict[str, str]:
    return {
        "referenceCategory": category,
        "referenceType": kind,
        "referenceLocator": locator,
    }
