"""NVD 2.0: feeds, answers of its API, and single records; also `cpeApplicability` of CVE 5.

Only CPE names marked as vulnerable are ever matched. The others ("running on") are kept as demands:
they can make a match impossible, for example another hardware revision, but never make one.

Source:
    NVD CVE API 2.0 schema; CVE record format 5.1, `cpeApplicability`.
"""

from collections.abc import Iterator, Sequence

import msgspec

from holdfast.audit.vulnerabilities.forms.moments import moment_of
from holdfast.audit.vulnerabilities.identifiers import Cpe, read_cpe
from holdfast.audit.vulnerabilities.products import scheme_of
from holdfast.audit.vulnerabilities.ranges import MOST_RANGES, Demand, Range, Statement
from holdfast.audit.vulnerabilities.writing import Told, Writer

_MOST_DEMANDS = 500
_KINDS = (("cvssMetricV31", 8), ("cvssMetricV30", 7), ("cvssMetricV40", 6), ("cvssMetricV2", 2))


class CpeMatch(msgspec.Struct, rename="camel"):
    """One CPE name, with the range of versions that it stands for."""

    criteria: str
    vulnerable: bool = True
    version_start_including: str | None = None
    version_start_excluding: str | None = None
    version_end_including: str | None = None
    version_end_excluding: str | None = None


class Node(msgspec.Struct, rename="camel"):
    """Some CPE names, one (`OR`) or all (`AND`) of which must be there."""

    cpe_match: list[CpeMatch] = []
    operator: str | None = "OR"
    negate: bool | None = False


class Configuration(msgspec.Struct, rename="camel"):
    """Some nodes, one or all of which must hold."""

    nodes: list[Node] = []
    operator: str | None = None
    negate: bool | None = False


class _Text(msgspec.Struct, rename="camel"):
    value: str
    lang: str = "en"


class _Score(msgspec.Struct, rename="camel"):
    base_score: float
    vector_string: str = ""


class _Metric(msgspec.Struct, rename="camel"):
    cvss_data: _Score
    type: str = "Secondary"


class _Record(msgspec.Struct, rename="camel"):
    id: str
    last_modified: str = ""
    vuln_status: str | None = ""
    descriptions: list[_Text] = []
    metrics: dict[str, msgspec.Raw] = {}
    configurations: list[Configuration] = []


class _Wrapped(msgspec.Struct, rename="camel"):
    cve: _Record


_BARE = msgspec.json.Decoder(_Record)
_WRAPPED = msgspec.json.Decoder(_Wrapped)
_METRICS = msgspec.json.Decoder(list[_Metric])


def take(writer: Writer, raw: msgspec.Raw | bytes, *, wrapped: bool) -> None:
    """Take one record in.

    Raises:
        MsgspecError: It is no record of the NVD.
    """
    record = _WRAPPED.decode(raw).cve if wrapped else _BARE.decode(raw)
    writer.published("nvd", moment_of(record.last_modified))
    if (record.vuln_status or "").lower() == "rejected":
        writer.withdraw("nvd", record.id)
        return
    text = next((one.value for one in record.descriptions if one.lang == "en"), "")
    score, rank = _score(record.metrics)
    writer.record(
        "nvd",
        record.id,
        statements_of(record.configurations, authority=2),
        Told(
            title=first_sentence(text),
            title_rank=1 if text else 0,
            cvss=score.base_score if score else None,
            vector=score.vector_string if score else "",
            score_rank=rank,
        ),
    )


def first_sentence(text: str) -> str:
    """Cut a description after its first sentence."""
    head = " ".join(text[:600].split())
    end = head.find(". ")
    return head[: end + 1] if end > 0 else head


def _score(metrics: dict[str, msgspec.Raw]) -> tuple[_Score | None, int]:
    best: tuple[_Score | None, int] = (None, 0)
    for kind, rank in _KINDS:
        for metric in _METRICS.decode(metrics.get(kind) or b"[]"):
            worth = rank + (10 if metric.type == "Primary" else 0)
            if worth > best[1]:
                best = (metric.cvss_data, worth)
    return best


def statements_of(
    configurations: Sequence[Configuration], *, authority: int
) -> Iterator[tuple[str, Statement]]:
    """Give what configurations say about each vulnerable product."""
    for one in configurations:
        together = (one.operator or "").upper() == "AND"
        odd = bool(one.negate) or any(node.negate for node in one.nodes)
        for place, node in enumerate(one.nodes):
            others = [
                _alternatives(other.cpe_match)
                for number, other in enumerate(one.nodes)
                if together and number != place
            ]
            demands = tuple(tuple(each) for each in others if each)
            yield from _of_node(node, demands, authority=authority, negated=odd)


def _of_node(
    node: Node, demands: tuple[tuple[Demand, ...], ...], *, authority: int, negated: bool
) -> Iterator[tuple[str, Statement]]:
    if (node.operator or "").upper() == "AND":
        for place, match in enumerate(node.cpe_match[:50]):
            rest = [one for number, one in enumerate(node.cpe_match[:50]) if number != place]
            inner = tuple(tuple(_alternatives([one])) for one in rest)
            alone = Node(cpe_match=[match])
            yield from _of_node(alone, (*demands, *inner), authority=authority, negated=negated)
        return
    groups: dict[tuple[str, str, str], list[tuple[Cpe, CpeMatch]]] = {}
    for match in node.cpe_match[:MOST_RANGES]:
        cpe = read_cpe(match.criteria)
        if match.vulnerable and cpe is not None:
            groups.setdefault((cpe.name, cpe.part, cpe.target), []).append((cpe, match))
    for (name, part, target), members in groups.items():
        ranges = [found for cpe, match in members if (found := _range(cpe, match)) is not None]
        yield (
            name,
            Statement(
                scheme=scheme_of(name),
                ranges=tuple(ranges),
                demands=demands,
                authority=authority,
                part=part,
                note="" if ranges else "the record names no version",
                target="" if target in {"*", "-"} else target,
                negated=negated,
            ),
        )


def _range(cpe: Cpe, match: CpeMatch) -> Range | None:
    if cpe.version == "-":
        # Of firmware and hardware it means "whatever version"; of software it tells nothing.
        return Range() if cpe.part == "h" or cpe.product.endswith("firmware") else None
    if cpe.version != "*":
        updates = cpe.update == "*"
        return Range(low=cpe.whole_version, high=cpe.whole_version, to=True, updates=updates)
    return Range(
        low=match.version_start_including or match.version_start_excluding or "",
        high=match.version_end_including or match.version_end_excluding or "",
        to=bool(match.version_end_including),
        after=bool(match.version_start_excluding and not match.version_start_including),
    )


def _alternatives(matches: Sequence[CpeMatch]) -> list[Demand]:
    return [
        Demand(
            part=cpe.part,
            name=cpe.name,
            version=cpe.whole_version,
            low=match.version_start_including or match.version_start_excluding or "",
            high=match.version_end_including or match.version_end_excluding or "",
            to=bool(match.version_end_including),
            after=bool(match.version_start_excluding and not match.version_start_including),
        )
        for match in matches[:_MOST_DEMANDS]
        if (cpe := read_cpe(match.criteria)) is not None
    ]
