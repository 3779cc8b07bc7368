"""The bill of materials fulfils SPDX 2.3."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from holdfast.audit.sbom.spdx import render
from tests.audit.report.sample import components, fine, hostile, sample

with warnings.catch_warnings():
    # What it brings along still uses what newer Pythons will drop.
    warnings.simplefilter("ignore")
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

REPORTS = {"sample": sample(), "fine": fine(), "hostile": hostile()}


@pytest.mark.parametrize("name", list(REPORTS))
def test_it_is_valid(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sbom.spdx.json"
    path.write_bytes(render(REPORTS[name]))
    document = parse_file(str(path))
    assert validate_full_spdx_document(document) == []
    assert render(REPORTS[name]) == path.read_bytes()


def test_what_it_says() -> None:
    made: dict[str, Any] = json.loads(render(sample()))
    assert made["spdxVersion"] == "SPDX-2.3"
    assert "may be missing" in made["creationInfo"]["comment"]
    image, *packages = made["packages"]
    assert image["checksums"] == [{"algorithm": "SHA256", "checksumValue": "36" * 32}]
    assert {each["name"] for each in packages} == {each.name for each in components()}
    (dnsmasq,) = [each for each in packages if each["name"] == "dnsmasq"]
    assert dnsmasq["licenseDeclared"] == "GPL-2.0-only OR GPL-3.0-only"
    assert "in usr/sbin/dnsmasq" in dnsmasq["sourceInfo"]
    kinds = [each["relationshipType"] for each in made["relationships"]]
    assert kinds == ["DESCRIBES", *["CONTAINS"] * len(packages)]
