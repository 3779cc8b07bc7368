"""Findings as SARIF 2.1.0, for code hosts and editors that show them where they are."""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import msgspec

from holdfast.audit.checks import every
from holdfast.audit.errors import amount
from holdfast.audit.report.shapes import Checked, Placed, Report
from holdfast.audit.report.texts import visible, whole
from holdfast.audit.verdicts import Severity, Verdict, Waived

_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT: Final = "IMAGE"
_LINE = re.compile(r"(.+):([0-9]{1,9})", re.DOTALL)
_LEVELS: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "none",
}
# Code hosts sort by this; it is the middle of the range that CVSS gives the same name.
_SCORES: Final = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFO: "0.0",
}


class _Shape(msgspec.Struct, rename="camel", omit_defaults=True):
    """Names as in the specification; what is left out is not written."""


class Message(_Shape, kw_only=True):
    """Text for people."""

    text: str


class ArtifactLocation(_Shape, kw_only=True):
    """Where a file is, from the root of the image."""

    uri: str
    uri_base_id: str | None = None


class Region(_Shape, kw_only=True):
    """A line, or a byte."""

    start_line: int | None = None
    byte_offset: int | None = None


class PhysicalLocation(_Shape, kw_only=True):
    """A place in a file."""

    artifact_location: ArtifactLocation
    region: Region | None = None


class Location(_Shape, kw_only=True):
    """A place."""

    physical_location: PhysicalLocation


class Suppression(_Shape, kw_only=True):
    """A waiver."""

    kind: str
    status: str
    justification: str
    properties: dict[str, str] = {}


class Result(_Shape, kw_only=True):
    """A finding, or a check that could not decide."""

    rule_id: str
    rule_index: int
    kind: str
    level: str
    message: Message
    locations: tuple[Location, ...]
    partial_fingerprints: dict[str, str] = {}
    suppressions: tuple[Suppression, ...] = ()


class Rule(_Shape, kw_only=True):
    """A check."""

    id: str
    short_description: Message
    full_description: Message | None = None
    help: Message | None = None
    default_configuration: dict[str, str]
    properties: dict[str, Any]


class Driver(_Shape, kw_only=True):
    """This program."""

    name: str
    version: str
    rules: tuple[Rule, ...]


class Tool(_Shape, kw_only=True):
    """This program and its extensions, of which there are none."""

    driver: Driver


class Notification(_Shape, kw_only=True):
    """Something that could not be looked at."""

    level: str
    message: Message


class Invocation(_Shape, kw_only=True):
    """One audit."""

    execution_successful: bool
    end_time_utc: str
    tool_execution_notifications: tuple[Notification, ...] = ()


class Artifact(_Shape, kw_only=True):
    """The image."""

    location: ArtifactLocation
    roles: tuple[str, ...]
    hashes: dict[str, str] = {}


class Run(_Shape, kw_only=True):
    """One audit of one image."""

    tool: Tool
    invocations: tuple[Invocation, ...]
    automation_details: dict[str, str]
    original_uri_base_ids: dict[str, dict[str, Message]]
    artifacts: tuple[Artifact, ...]
    results: tuple[Result, ...]
    column_kind: str


class Log(_Shape, kw_only=True):
    """The file."""

    schema: str = msgspec.field(name="$schema")
    version: str
    runs: tuple[Run, ...]


def render(report: Report) -> bytes:
    """Write a report as SARIF: what fails, what could not be decided, and what was waived."""
    index = {check.rule: number for number, check in enumerate(report.checks)}
    name = visible(report.subject.name)
    hashes = {"sha-256": report.subject.sha256} if report.subject.sha256 else {}
    run = Run(
        tool=Tool(
            driver=Driver(
                name="Holdfast",
                version=report.holdfast,
                rules=tuple(_rule(check) for check in report.checks),
            )
        ),
        invocations=(_invocation(report),),
        automation_details={"id": f"holdfast/{name}/"},
        original_uri_base_ids={
            _ROOT: {"description": Message(text=f"The root file system of {name}")}
        },
        artifacts=(
            Artifact(
                location=ArtifactLocation(uri=_uri(report.subject.name) or "image"),
                roles=("analysisTarget",),
                hashes=hashes,
            ),
        ),
        results=tuple(
            result for check in report.checks for result in _results(check, index, report)
        ),
        column_kind="unicodeCodePoints",
    )
    log = Log(schema=_SCHEMA, version="2.1.0", runs=(run,))
    return msgspec.json.format(msgspec.json.encode(log), indent=2) + b"\n"


def _rule(check: Checked) -> Rule:
    known = every().get(check.rule)
    about = known.about if known else None
    return Rule(
        id=visible(check.rule),
        short_description=Message(text=visible(check.title)),
        full_description=Message(text=about.why) if about else None,
        help=Message(text=about.fix) if about else None,
        default_configuration={"level": _LEVELS[check.severity]},
        properties={
            "security-severity": _SCORES[check.severity],
            "tags": [
                "security",
                f"recommendation-{check.recommendation}",
                *(visible(row) for row in dict.fromkeys(check.rows)),
            ],
        },
    )


def _results(check: Checked, index: dict[str, int], report: Report) -> Iterator[Result]:
    number = index[check.rule]
    if check.verdict is Verdict.UNDECIDED:
        yield Result(
            rule_id=visible(check.rule),
            rule_index=number,
            kind="open",
            level="none",
            message=Message(text=f"Could not be decided: {visible(check.reason)}"),
            locations=(_location("", None, report),),
        )
    for finding in check.findings:
        told = [visible(each) for each in finding.evidence]
        evidence = f" ({'; '.join(told)})" if told else ""
        informs = finding.severity is Severity.INFO
        yield Result(
            rule_id=visible(check.rule),
            rule_index=number,
            kind="informational" if informs else "fail",
            level=_LEVELS[finding.severity],
            message=Message(text=f"{visible(finding.what)}{evidence}"),
            locations=(_location(finding.where, finding, report),),
            partial_fingerprints={"holdfast/v1": visible(finding.id)},
            suppressions=(_suppression(finding.waived),) if finding.waived else (),
        )


def _location(where: str, finding: Placed | None, report: Report) -> Location:
    if not where:
        uri = _uri(report.subject.name) or "image"
        return Location(
            physical_location=PhysicalLocation(artifact_location=ArtifactLocation(uri=uri))
        )
    region = None
    line = _LINE.fullmatch(where)
    if line is not None:
        where = line.group(1)
        region = Region(start_line=max(1, int(line.group(2))))
    elif finding is not None and finding.offset is not None and finding.offset >= 0:
        region = Region(byte_offset=finding.offset)
    place = ArtifactLocation(uri=_uri(where), uri_base_id=_ROOT)
    return Location(physical_location=PhysicalLocation(artifact_location=place, region=region))


def _uri(path: str) -> str:
    # A colon in the first part would make it a scheme.
    return quote(whole(path).lstrip("/"), safe="/@+,=~")


def _suppression(waived: Waived) -> Suppression:
    return Suppression(
        kind="external",
        status="accepted",
        justification=visible(f"{waived.reason} ({waived.who}, until {waived.until})"),
        properties={
            "who": visible(waived.who),
            "until": waived.until.isoformat(),
            "kind": visible(waived.kind),
        },
    )


def _invocation(report: Report) -> Invocation:
    opened = report.opened
    told = [
        *(
            f"not opened: {visible(each.where)} at {each.offset}, {each.size_bytes} bytes: "
            f"{visible(each.why)}"
            for each in opened.unopened
        ),
        *(
            f"a limit was reached: {visible(each.limit)} = {amount(each.limit, each.most)}"
            for each in opened.limits
        ),
        *(visible(note) for note in report.notes),
    ]
    return Invocation(
        execution_successful=opened.complete,
        end_time_utc=report.made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        tool_execution_notifications=tuple(
            Notification(level="warning", message=Message(text=text)) for text in told
        ),
    )
