"""CVE records of format 5: single, in lists, as the zip of the CVE list, and slimmed down.

Source:
    CVE record format 5.1, `affected` and its product and version encodings.
"""

import re
from collections.abc import Iterator

import msgspec

from holdfast.audit.vulnerabilities.forms import nvd
from holdfast.audit.vulnerabilities.forms.moments import moment_of
from holdfast.audit.vulnerabilities.identifiers import (
    NAMELESS,
    plain_name,
    plain_vendor,
    read_cpe,
)
from holdfast.audit.vulnerabilities.products import scheme_of
from holdfast.audit.vulnerabilities.ranges import MOST_RANGES, Range, Statement
from holdfast.audit.vulnerabilities.writing import Told, Writer

_MOST_FILES = 60
_NO_VERSION = "the record names no version"


class _Change(msgspec.Struct, rename="camel"):
    at: str
    status: str


class _Version(msgspec.Struct, rename="camel"):
    version: str | None = ""
    status: str | None = "affected"
    less_than: str | None = None
    less_than_or_equal: str | None = None
    version_type: str | None = None
    changes: list[_Change] | None = None


class _Affected(msgspec.Struct, rename="camel"):
    vendor: str | None = ""
    product: str | None = ""
    default_status: str | None = None
    versions: list[_Version] | None = None
    cpes: list[str] | None = None
    program_files: list[str] | None = None
    src: str = "cna"


class _Text(msgspec.Struct, rename="camel"):
    value: str
    lang: str = "en"


class _Score(msgspec.Struct, rename="camel"):
    base_score: float | None = None
    vector_string: str | None = ""


class _Metric(msgspec.Struct, rename="camel"):
    cvss31: _Score | None = msgspec.field(default=None, name="cvssV3_1")
    cvss30: _Score | None = msgspec.field(default=None, name="cvssV3_0")
    cvss40: _Score | None = msgspec.field(default=None, name="cvssV4_0")
    cvss20: _Score | None = msgspec.field(default=None, name="cvssV2_0")
    # The slim form:
    v: str = ""
    vector: str | None = ""
    score: float | None = None


class _Container(msgspec.Struct, rename="camel"):
    title: str | None = ""
    descriptions: list[_Text] = []
    affected: list[_Affected] = []
    metrics: list[_Metric] = []
    cpe_applicability: list[nvd.Configuration] = []


class _Containers(msgspec.Struct, rename="camel"):
    cna: _Container = msgspec.field(default_factory=_Container)
    adp: list[_Container] = []


class _Metadata(msgspec.Struct, rename="camel"):
    cve_id: str
    state: str = "PUBLISHED"
    date_updated: str | None = ""


class _Record(msgspec.Struct, rename="camel"):
    cve_metadata: _Metadata
    containers: _Containers = msgspec.field(default_factory=_Containers)


class _Slim(msgspec.Struct, rename="camel"):
    id: str
    affected: list[_Affected]
    updated: str | None = ""
    title: str | None = ""
    desc: str | None = ""
    metrics: list[_Metric] | None = None


_WHOLE = msgspec.json.Decoder(_Record)
_SLIM = msgspec.json.Decoder(_Slim)


def take(writer: Writer, raw: msgspec.Raw | bytes) -> None:
    """Take one record of the CVE list in.

    Raises:
        MsgspecError: It is no such record.
    """
    record = _WHOLE.decode(raw)
    name = record.cve_metadata.cve_id
    writer.published("cve5", moment_of(record.cve_metadata.date_updated or ""))
    if record.cve_metadata.state == "REJECTED":
        writer.withdraw("cve5", name)
        return
    cna = record.containers.cna
    text = next((one.value for one in cna.descriptions if one.lang.startswith("en")), "")
    entries = [(one, 3) for one in cna.affected]
    entries += [(one, 1) for adp in record.containers.adp for one in adp.affected]
    found = list(_statements(entries, title=cna.title or "", text=text))
    if not any(statement.ranges for _, statement in found):
        found += nvd.statements_of(cna.cpe_applicability, authority=3)
    for adp in record.containers.adp:
        found += nvd.statements_of(adp.cpe_applicability, authority=1)
    scored = _score(cna.metrics, 3)
    for adp in record.containers.adp:
        scored = max(scored, _score(adp.metrics, 0), key=lambda one: one[2])
    writer.record("cve5", name, found, _told(cna.title or "", text, scored))


def take_slim(writer: Writer, raw: msgspec.Raw | bytes) -> None:
    """Take one slimmed record in.

    Raises:
        MsgspecError: It is no such record.
    """
    record = _SLIM.decode(raw)
    writer.published("cve5", moment_of(record.updated or ""))
    text = record.desc or ""
    entries = [(one, 3 if one.src == "cna" else 1) for one in record.affected]
    found = list(_statements(entries, title=record.title or "", text=text))
    scored = _score(record.metrics or [], 3)
    writer.record("cve5", record.id, found, _told(record.title or "", text, scored))


def _told(title: str, text: str, scored: tuple[float | None, str, int]) -> Told:
    return Told(
        title=title or nvd.first_sentence(text),
        title_rank=2 if title else 1 if text else 0,
        cvss=scored[0],
        vector=scored[1],
        score_rank=scored[2],
    )


def _score(metrics: list[_Metric], worth: int) -> tuple[float | None, str, int]:
    best: tuple[float | None, str, int] = (None, "", 0)
    for one in metrics:
        for kind, rank, score in (
            ("cvssV3_1", 4, one.cvss31),
            ("cvssV3_0", 3, one.cvss30),
            ("cvssV4_0", 2, one.cvss40),
            ("cvssV2_0", 1, one.cvss20),
        ):
            base = score.base_score if score else one.score if one.v == kind else None
            vector = (score.vector_string if score else one.vector) or ""
            if base is not None and rank + worth > best[2]:
                best = (base, vector, rank + worth)
    return best


def _statements(
    entries: list[tuple[_Affected, int]], *, title: str, text: str
) -> Iterator[tuple[str, Statement]]:
    for one, authority in entries:
        names, part = _names(one)
        for name in names:
            scheme = scheme_of(name)
            ranges, told = _ranges(one.versions or [])
            if not told and one.versions:
                continue  # only commits: another entry of the record has the versions
            default = {"affected": "a", "unaffected": "u"}.get(one.default_status or "", "?")
            if not ranges and default == "u":
                continue
            files = tuple(one.program_files or ())[:_MOST_FILES]
            if scheme == "linux" and not files:
                files = _files_told(title, text)
            yield (
                name,
                Statement(
                    scheme=scheme,
                    default=default,
                    ranges=ranges,
                    files=files if scheme == "linux" else (),
                    authority=authority if not name.startswith(":") else 0,
                    part=part,
                    note="" if ranges else _NO_VERSION,
                ),
            )


def _names(one: _Affected) -> tuple[list[str], str]:
    names: dict[str, None] = {}
    part = ""
    for text in (one.cpes or [])[:MOST_RANGES]:
        if (cpe := read_cpe(text)) is not None:
            names[cpe.name] = None
            part = part or cpe.part
    product = plain_name(one.product or "")
    if product:
        names[f"{plain_vendor(one.vendor or '')}:{product}"] = None
    return list(names)[:50], part


_ALL = {"*", "all", "all versions", "any"}
_STAR = re.compile(r"(\d+(?:\.\d+)*)\.[x*]|(\d+)x", re.IGNORECASE)
_SPAN = re.compile(r".{0,60}\(affected ([\w.]+)(?:\s*-\s*([\w.]+))?\)", re.IGNORECASE)
_BELOW = re.compile(
    r"(?:all )?(?:versions? )?(?:before|prior to|earlier than|<) ?(?:version )?v?(\d[\w.]*)",
    re.IGNORECASE,
)
_UP_TO = re.compile(
    r"(?:through|up to|<=) ?v?(\d[\w.]*)|v?(\d[\w.]*) (?:and|or) (?:earlier|below|prior|before)",
    re.IGNORECASE,
)


def _ranges(versions: list[_Version]) -> tuple[tuple[Range, ...], bool]:
    """Read version entries; also tell whether any of them was more than a commit."""
    found: list[Range] = []
    told = False
    for one in versions[:MOST_RANGES]:
        if (one.version_type or "").lower() == "git":
            continue
        told = True
        status = {"affected": "a", "unaffected": "u"}.get((one.status or "").lower(), "?")
        found += _of_version(one, status)
    return tuple(found), told


def _of_version(one: _Version, status: str) -> Iterator[Range]:
    low, end = (one.version or "").strip(), one.less_than or one.less_than_or_equal
    if end is None:
        yield from _single(low, status)
        return
    high = end.strip()
    low = "" if low.lower() in NAMELESS | _ALL | {"0"} else _bare(low)
    to = one.less_than is None
    if high.lower() in NAMELESS | _ALL:
        high = ""
    elif (star := _STAR.fullmatch(high)) is not None:
        high, to = f"{star[1] or star[2]}.*", True
    elif low.startswith(f"{high}."):
        high, to = f"{high}.*", True  # a copied record that lost the star of `5.15.*`
    yield from _with_changes(Range(status=status, low=low, high=high, to=to), one.changes or [])


def _with_changes(whole: Range, changes: list[_Change]) -> Iterator[Range]:
    """Cut a stretch where its status changes on the way."""
    low, status = whole.low, whole.status
    for change in changes[:100]:
        yield Range(status=status, low=low, high=change.at.strip())
        low = change.at.strip()
        status = {"affected": "a", "unaffected": "u"}.get(change.status.lower(), "?")
    yield Range(status=status, low=low, high=whole.high, to=whole.to)


def _bare(version: str) -> str:
    star = _STAR.fullmatch(version)
    return (star[1] or star[2]) if star else version


def _single(version: str, status: str) -> Iterator[Range]:
    lower = version.lower()
    if lower in NAMELESS:
        return
    if lower in _ALL:
        yield Range(status=status)
    elif (star := _STAR.fullmatch(version)) is not None:
        series = star[1] or star[2]
        yield Range(status=status, low=series, high=f"{series}.*", to=True)
    elif (span := _SPAN.fullmatch(version)) is not None:
        yield Range(status=status, low=span[1], high=span[2] or span[1], to=True)
    elif (below := _BELOW.fullmatch(version)) is not None:
        yield Range(status=status, high=below[1])
    elif (up_to := _UP_TO.fullmatch(version)) is not None:
        yield Range(status=status, high=up_to[1] or up_to[2], to=True)
    else:
        yield Range(status=status, low=version, high=version, to=True)


_PATH = re.compile(
    r"\b(?:arch|block|crypto|drivers|fs|init|io_uring|ipc|kernel|lib|mm|net|security|sound|virt)"
    r"/[\w.+/-]{1,120}\.[chS]\b"
)


def _files_told(title: str, text: str) -> tuple[str, ...]:
    """Find the files of the kernel that a record is about, where it has no list of them.

    A record with a title is the kernel's own: its text may quote call traces, so only the subject
    counts, written `:subject`. Others name the file in the text.
    """
    if title:
        subject = title.rpartition(": ")[0].strip().lower()
        return (f":{subject}"[:120],) if subject else ()
    return tuple(dict.fromkeys(_PATH.findall(text[:4000])))[:_MOST_FILES]
