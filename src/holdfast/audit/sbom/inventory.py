"""Components of a report made fit for a bill of materials: valid identifiers, each thing once."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.spdx import is_expression
from packageurl import PackageURL

from holdfast.audit.model.shapes import Component
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible

_CPE = re.compile(r"cpe:2\.3:[aho](?::(?:[A-Za-z0-9._*-]|\\[!-/:-@\[-`{-~])+){10}")
_PLACE = re.compile(
    r"(.+?)(?:@0x(?P<hex>[0-9a-fA-F]{1,15})|@(?P<offset>[0-9]{1,18})|:(?P<line>[0-9]{1,9}))",
    re.DOTALL,
)
MOST_LETTERS: Final = 400
_FEW_OCCURRENCES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One place where a component was found, with the byte or the line if they are known."""

    path: str
    offset: int | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One component.

    Attributes:
        ref: Name within the bill, its own and the same each time.
        component: As found; of several alike the surest.
        name, version: Fit to be written.
        purl: Package URL; None if it is none.
        cpe: CPE 2.3; "" if it is none.
        licence: SPDX expression; "" if it is none.
        sha256: Of the file, if it is the component and nothing else; else "".
        occurrences: Where.
    """

    ref: str
    component: Component
    name: str
    version: str
    purl: PackageURL | None
    cpe: str
    licence: str
    sha256: str
    occurrences: tuple[Occurrence, ...]


def items(report: Report) -> list[Item]:
    """List the components of all roots; the same one in several places is one."""
    digests = {entry.path: entry.sha256 for entry in report.files if entry.sha256}
    alike: dict[tuple[str, str, str], list[Component]] = {}
    for model in (report.model, *report.others.values()):
        for each in model.components:
            alike.setdefault((each.name, each.version, each.purl), []).append(each)
    made = []
    taken: dict[str, int] = {}
    for group in alike.values():
        item = _item(group, digests)
        count = taken[item.ref] = taken.get(item.ref, 0) + 1
        made.append(item if count == 1 else _renamed(item, f"{item.ref}#{count}"))
    return sorted(made, key=lambda one: (one.name, one.version, one.ref))


def _renamed(item: Item, ref: str) -> Item:
    return replace(item, ref=ref)


def _item(group: list[Component], digests: Mapping[str, str]) -> Item:
    best = max(group, key=lambda one: one.confidence)
    places = dict.fromkeys(place for each in group for place in each.where)
    occurrences = tuple(_occurrence(place) for place in list(places)[:_FEW_OCCURRENCES])
    purl = _purl(best.purl)
    name = visible(best.name, most=MOST_LETTERS) or "unnamed"
    version = visible(best.version, most=MOST_LETTERS)
    own = not best.copied and best.how != "package" and len(occurrences) == 1
    return Item(
        ref=purl.to_string() if purl else f"component:{name}@{version}",
        component=best,
        name=name,
        version=version,
        purl=purl,
        cpe=best.cpe if _CPE.fullmatch(best.cpe) else "",
        licence=best.licence if best.licence and is_expression(best.licence) else "",
        sha256=digests.get(occurrences[0].path, "") if own else "",
        occurrences=occurrences,
    )


def _occurrence(place: str) -> Occurrence:
    found = _PLACE.fullmatch(place)
    if found is None:
        return Occurrence(path=visible(place, most=MOST_LETTERS))
    path = visible(found[1], most=MOST_LETTERS)
    if found["line"]:
        return Occurrence(path=path, line=int(found["line"]))
    offset = int(found["hex"], 16) if found["hex"] else int(found["offset"])
    return Occurrence(path=path, offset=offset)


def _purl(text: str) -> PackageURL | None:
    try:
        found = PackageURL.from_string(text)
        return found if found.to_string().isascii() else None
    except ValueError:
        return None


def identity(report: Report, kind: str) -> UUID:
    """Give the same number to the same report each time, another for each kind of document."""
    told = (
        report.subject.sha256,
        report.subject.name,
        report.made.isoformat(),
        report.rules,
        report.holdfast,
        kind,
    )
    return uuid5(NAMESPACE_URL, "holdfast:" + "\0".join(visible(each) for each in told))


def subject_name(report: Report) -> str:
    """Name what was judged."""
    named = report.subject.product or report.subject.name
    return visible(named, most=MOST_LETTERS) or "image"


def refs_by_name(found: list[Item]) -> dict[str, list[str]]:
    """Find the references of a component by the words with which a match names it."""
    refs: dict[str, list[str]] = {}
    for item in found:
        named = f"{item.component.name} {item.component.version}".strip()
        refs.setdefault(named, []).append(item.ref)
    return refs


def sentences(item: Item) -> Iterator[str]:
    """Say in words how a component was found."""
    component = item.component
    yield f"found by {component.how}, {component.confidence:.0%} sure"
    if component.copied:
        yield "linked into another program"
    if component.package:
        yield f"package {visible(component.package)}"
    if component.evidence:
        yield f"read: {visible(component.evidence)}"
