"""SARIF keeps the rules that its readers rely on."""

import json
import re
from typing import Any

import pytest

from holdfast.audit.report.sarif import render
from holdfast.audit.report.shapes import Report
from holdfast.audit.verdicts import Severity, Verdict
from tests.audit.report.sample import fine, hostile, sample

LEVELS = {"none", "note", "warning", "error"}
KINDS = {"notApplicable", "pass", "fail", "review", "open", "informational"}
URI = re.compile(r"(?:[A-Za-z0-9/@+,=~._-]|%[0-9A-F]{2})+")


def run_of(report: Report) -> dict[str, Any]:
    log = json.loads(render(report))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    assert set(log) == {"$schema", "version", "runs"}
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


@pytest.mark.parametrize("report", [sample(), fine(), hostile()], ids=["sample", "fine", "hostile"])
def test_the_form(report: Report) -> None:
    run = run_of(report)
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) == len(report.checks)
    for rule in rules:
        assert rule["defaultConfiguration"]["level"] in LEVELS
        assert len(set(rule["properties"]["tags"])) == len(rule["properties"]["tags"])
        assert 0 <= float(rule["properties"]["security-severity"]) <= 10
    assert run["columnKind"] == "unicodeCodePoints"
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in LEVELS
        assert result["kind"] in KINDS
        # Section 3.27.10: a level is for what fails.
        assert (result["kind"] == "fail") == (result["level"] != "none")
        assert result["message"]["text"].isprintable()
        for location in result["locations"]:
            place = location["physicalLocation"]
            assert URI.fullmatch(place["artifactLocation"]["uri"])
            assert place["artifactLocation"].get("uriBaseId", "IMAGE") in run["originalUriBaseIds"]
            for value in place.get("region", {}).values():
                assert value >= 0


def results(rule: str) -> list[dict[str, Any]]:
    return [each for each in run_of(sample())["results"] if each["ruleId"] == rule]


def test_a_line_and_a_byte_are_told() -> None:
    (telnet,) = results("telnet-off")
    assert telnet["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "etc/init.d/S80telnetd.sh", "uriBaseId": "IMAGE"},
        "region": {"startLine": 9},
    }
    assert "etc/inittab:1 starts" in telnet["message"]["text"]
    assert telnet["partialFingerprints"] == {"holdfast/v1": "0000000000000001"}


def test_what_concerns_the_whole_image_is_placed_at_the_image() -> None:
    (contact,) = results("security-contact")
    place = contact["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "acme-router-2.15.bin"}}


def test_a_waiver_is_a_suppression_with_its_reason() -> None:
    waived, other = results("upnp-igd-off")
    assert waived["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "Replaced with the next board (Ada Example, product security, until "
            "2027-03-31)",
            "properties": {
                "who": "Ada Example, product security",
                "until": "2027-03-31",
                "kind": "mitigated",
            },
        }
    ]
    assert "suppressions" not in other


def test_what_could_not_be_decided_is_open_and_not_silent() -> None:
    (signed,) = results("update-verified")
    assert (signed["kind"], signed["level"]) == ("open", "none")
    assert "not a known installer" in signed["message"]["text"]


def test_what_could_not_be_opened_is_told() -> None:
    (invocation,) = run_of(sample())["invocations"]
    assert invocation["executionSuccessful"] is False
    told = [each["message"]["text"] for each in invocation["toolExecutionNotifications"]]
    assert any("not opened: image@0x0" in text for text in told)
    assert any("depth = 10" in text for text in told)
    assert run_of(fine())["invocations"][0]["executionSuccessful"] is True


def test_every_finding_is_there() -> None:
    wanted = sum(len(check.findings) for check in sample().checks)
    undecided = sum(check.verdict is Verdict.UNDECIDED for check in sample().checks)
    assert len(run_of(sample())["results"]) == wanted + undecided
    graves = [each["level"] for each in run_of(sample())["results"]].count("error")
    assert graves == sum(
        finding.severity in {Severity.HIGH, Severity.CRITICAL}
        for check in sample().checks
        for finding in check.findings
    )


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render(sample()) == render(sample())
