"""OSV records: Alpine, Debian, OpenWrt and the ecosystems of programming languages.

Source:
    Open Source Vulnerability format, version 1.7.
"""

from collections.abc import Iterator

import msgspec

from holdfast.audit.vulnerabilities.forms.moments import moment_of
from holdfast.audit.vulnerabilities.forms.nvd import first_sentence
from holdfast.audit.vulnerabilities.identifiers import number_of
from holdfast.audit.vulnerabilities.products import OSV_SCHEMES
from holdfast.audit.vulnerabilities.ranges import MOST_RANGES, Range, Statement
from holdfast.audit.vulnerabilities.writing import Told, Writer


class _Package(msgspec.Struct):
    ecosystem: str
    name: str


class _Event(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None


class _Range(msgspec.Struct):
    type: str
    events: list[_Event] = []


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None


class _Record(msgspec.Struct):
    id: str
    modified: str
    withdrawn: str | None = None
    aliases: list[str] | None = None
    upstream: list[str] | None = None
    summary: str | None = ""
    details: str | None = ""
    affected: list[_Affected] | None = None


_MOST_IDS = 300
_RECORD = msgspec.json.Decoder(_Record)


def take(writer: Writer, raw: msgspec.Raw | bytes) -> None:
    """Take one record in; it keeps its own id beside the CVE ids that it stands for.

    Raises:
        MsgspecError: It is no OSV record.
    """
    record = _RECORD.decode(raw)
    writer.published("osv", moment_of(record.modified))
    names = (record.id, *(record.aliases or ()), *(record.upstream or ()))
    ids = tuple(dict.fromkeys(name for name in names if number_of(name) is not None))
    if record.withdrawn:
        writer.withdraw("osv", record.id)
        return
    text = record.summary or first_sentence(record.details or "")
    told = Told(title=text, title_rank=1 if text else 0)
    writer.record("osv", record.id, _statements(record, ids[:_MOST_IDS]), told)
    for name in ids[:_MOST_IDS]:
        writer.tell(name, told)


def _statements(record: _Record, ids: tuple[str, ...]) -> Iterator[tuple[str, Statement]]:
    for one in record.affected or ():
        if one.package is None:
            continue
        ecosystem, _, release = one.package.ecosystem.partition(":")
        ecosystem = ecosystem.strip().lower()
        ranges = [
            found
            for each in one.ranges or ()
            if each.type in {"ECOSYSTEM", "SEMVER"}
            for found in _stretches(each.events)
        ]
        if not ranges:
            ranges = [
                Range(low=version, high=version, to=True)
                for version in (one.versions or ())[:MOST_RANGES]
            ]
        if not ranges:
            continue
        yield (
            f"{ecosystem}/{one.package.name.lower()}",
            Statement(
                scheme=OSV_SCHEMES.get(ecosystem, "generic"),
                default="u",
                ranges=tuple(ranges),
                authority=3,
                release=release,
                ids=ids,
            ),
        )


def _stretches(events: list[_Event]) -> Iterator[Range]:
    low: str | None = None
    for event in events[:MOST_RANGES]:
        if event.introduced is not None:
            low = "" if event.introduced == "0" else event.introduced
        elif low is not None and event.fixed is not None:
            yield Range(low=low, high=event.fixed)
            low = None
        elif low is not None and event.last_affected is not None:
            yield Range(low=low, high=event.last_affected, to=True)
            low = None
    if low is not None:
        yield Range(low=low)
