"""The bill of materials and the VEX fulfil the schema of CycloneDX 1.6, and say what is known."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from holdfast.audit.report.shapes import Report
from holdfast.audit.sbom import cyclonedx, vex
from holdfast.audit.vulnerabilities.shapes import Match
from tests.audit.report.sample import WAIVED, components, fine, hostile, model, sample

REPORTS = {"sample": sample(), "fine": fine(), "hostile": hostile(), "bare": sample(others={})}
STRICT = JsonStrictValidator(SchemaVersion.V1_6)


def bill(report: Report) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(cyclonedx.render(report))
    return made


def statements(report: Report) -> dict[str, dict[str, Any]]:
    made = json.loads(vex.render(report))
    return {each["id"]: each for each in made.get("vulnerabilities", [])}


@pytest.mark.parametrize("name", list(REPORTS))
def test_both_are_valid(name: str) -> None:
    for render in (cyclonedx.render, vex.render):
        assert STRICT.validate_str(render(REPORTS[name]).decode()) is None


@pytest.mark.parametrize("name", list(REPORTS))
def test_the_same_report_gives_the_same_bytes(name: str) -> None:
    for render in (cyclonedx.render, vex.render):
        assert render(REPORTS[name]) == render(REPORTS[name])


def test_the_image_is_what_the_bill_is_of() -> None:
    made = bill(sample())
    image = made["metadata"]["component"]
    assert (image["name"], image["type"]) == ("acme-router", "firmware")
    assert image["hashes"] == [{"alg": "SHA-256", "content": "36" * 32}]
    assert made["metadata"]["timestamp"] == "2026-11-22T17:04:05+00:00"
    (contains,) = [one for one in made["dependencies"] if one["ref"] == image["bom-ref"]]
    assert sorted(contains["dependsOn"]) == sorted(one["bom-ref"] for one in made["components"])


def test_a_component_is_told_with_its_evidence() -> None:
    (busybox,) = [one for one in bill(sample())["components"] if one["name"] == "busybox"]
    assert busybox["purl"] == "pkg:generic/busybox@1.19.2"
    assert busybox["cpe"].startswith("cpe:2.3:a:busybox:busybox:1.19.2:")
    assert busybox["licenses"] == [{"expression": "GPL-2.0-only"}]
    assert busybox["hashes"] == [{"alg": "SHA-256", "content": "11" * 32}]
    (place,) = busybox["evidence"]["occurrences"]
    assert (place["location"], place["offset"]) == ("bin/busybox", 0x4F210)
    assert busybox["evidence"]["identity"][0]["confidence"] == 0.95


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("bin/a@0x10", {"location": "bin/a", "offset": 16}),
        ("bin/a@10", {"location": "bin/a", "offset": 10}),
        ("usr/lib/opkg/status:312", {"location": "usr/lib/opkg/status", "line": 312}),
        (":jffs2@0x10/bin/a", {"location": ":jffs2@0x10/bin/a"}),
        ("bin/a@", {"location": "bin/a@"}),
        ("@10", {"location": "@10"}),
    ],
)
def test_places_are_taken_apart(where: str, told: dict[str, object]) -> None:
    one = replace(components()[0], where=(where,))
    (made,) = bill(sample(model=replace(model(), components=(one,))))["components"]
    (place,) = made["evidence"]["occurrences"]
    assert place == {"bom-ref": f"{made['bom-ref']}/0", **told}


def test_what_is_linked_into_something_else_has_not_its_digest() -> None:
    (openssl,) = [one for one in bill(sample())["components"] if one["name"] == "openssl"]
    assert "hashes" not in openssl


def test_the_same_component_in_two_roots_is_one() -> None:
    twice = sample(others={"initramfs": model()})
    assert len(bill(twice)["components"]) == len(components())


def test_identifiers_that_are_none_are_left_out() -> None:
    (one, *_) = components()
    wrong = replace(one, purl="nonsense", cpe="cpe:2.3:a:b", licence="Do what you like!")
    (made,) = bill(sample(model=replace(model(), components=(wrong,))))["components"]
    assert not {"purl", "cpe", "licenses"} & set(made)


def test_whether_all_was_opened_is_told() -> None:
    for report, told in ((sample(), "no"), (fine(), "yes")):
        (said,) = bill(report)["metadata"]["properties"]
        assert said == {"name": "holdfast:everything-opened", "value": told}


def test_states() -> None:
    told = {
        cve: (each["analysis"]["state"], each["analysis"].get("justification"))
        for cve, each in statements(sample()).items()
    }
    assert told == {
        "CVE-2017-14491": ("exploitable", None),
        "CVE-2016-7406": ("in_triage", None),
        "CVE-2021-42373": ("in_triage", None),
        "CVE-2016-5195": ("in_triage", None),
        "CVE-2013-1763": ("not_affected", "code_not_present"),
        "CVE-2016-0800": ("not_affected", "protected_by_mitigating_control"),
        "CVE-2015-3197": ("resolved", None),
    }


@pytest.mark.parametrize(
    ("kind", "state", "more"),
    [
        ("accepted", "exploitable", {"response": ["will_not_fix"]}),
        ("false-positive", "false_positive", {}),
        ("not-present", "not_affected", {"justification": "code_not_present"}),
        ("not-reachable", "not_affected", {"justification": "code_not_reachable"}),
        ("needs-configuration", "not_affected", {"justification": "requires_configuration"}),
        ("something later", "exploitable", {"response": ["will_not_fix"]}),
    ],
)
def test_a_waiver_says_why(kind: str, state: str, more: dict[str, object]) -> None:
    match = Match(cve="CVE-2020-1", component="x", waived=replace(WAIVED, kind=kind))
    (made,) = statements(sample(vulnerabilities=(match,))).values()
    analysis = made["analysis"]
    assert analysis["state"] == state
    assert more.items() <= analysis.items()
    assert "Ada Example" in analysis["detail"]
    assert "2027-03-31" in analysis["detail"]


def test_what_is_affected_is_named_as_in_the_bill() -> None:
    made = bill(sample())
    refs = {one["bom-ref"] for one in made["components"]} | {
        made["metadata"]["component"]["bom-ref"]
    }
    serial = made["serialNumber"].removeprefix("urn:uuid:")
    for each in statements(sample()).values():
        for target in each["affects"]:
            link, _, ref = target["ref"].partition("#")
            assert link == f"urn:cdx:{serial}/1"
            assert unquote(ref) in refs


def test_one_statement_stands_for_several_components_alike() -> None:
    (one, *_) = components()
    both = replace(model(), components=(one, replace(one, purl="pkg:deb/debian/linux@2.6.36")))
    match = Match(cve="CVE-2016-5195", component="linux 2.6.36")
    (made,) = statements(sample(model=both, vulnerabilities=(match,))).values()
    assert len(made["affects"]) == 2


def test_ratings_name_their_method() -> None:
    (rating,) = statements(sample())["CVE-2017-14491"]["ratings"]
    assert rating == {
        "method": "CVSSv31",
        "score": 9.8,
        "severity": "critical",
        "vector": "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    }
