"""Which findings a person decided to live with, and which of these decisions hold no longer.

A waived finding stays in the report; it only does not fail the image.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from difflib import get_close_matches
from typing import NamedTuple

from holdfast.audit.report.shapes import Checked, Placed
from holdfast.audit.verdicts import Severity, Verdict, Waived
from holdfast.audit.vulnerabilities.shapes import Match
from holdfast.product.waivers import Waiver

SOON_DAYS = 30
"""So long before its end a waiver is told to end."""

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,9}")
_MARKS = re.compile(r"(?:(?<![^/])\*\*+/)+|\*+|[^*]", re.DOTALL)
_POSITION = re.compile(r"(?::[0-9]+|@(?:0x)?[0-9a-fA-F]+)$")


class Applied(NamedTuple):
    """What waivers make of the results.

    Attributes:
        checks: With what is waived marked, and the verdicts that follow.
        vulnerabilities: Likewise.
        notes: Waivers that ran out, end soon, or cover nothing, in words.
    """

    checks: tuple[Checked, ...]
    vulnerabilities: tuple[Match, ...]
    notes: tuple[str, ...]


class Place:
    """A place of a waiver, ready to be compared with places of findings in linear time.

    `?` and `*` stay within a name, `**` crosses folders, everything else stands for itself.
    """

    def __init__(self, text: str) -> None:
        self._accepts: dict[str, int] = {}
        self._any = self._star = self._stars = self._folders = 0
        bit = 1
        for mark in _MARKS.findall(text.lstrip("/")):
            if mark == "?":
                self._any |= bit
            elif mark == "*":
                self._star |= bit
            elif mark.startswith("**"):
                if mark.endswith("/"):  # some folders, or none at all
                    self._folders |= bit
                    bit <<= 2
                    self._accepts["/"] = self._accepts.get("/", 0) | bit
                    self._stars |= bit >> 1
                else:
                    self._stars |= bit
            else:
                self._accepts[mark] = self._accepts.get(mark, 0) | bit
            bit <<= 1
        self._end = bit

    def covers(self, where: str) -> bool:
        """Compare with a place, taken with its line or offset and without."""
        return self._matches(where) or (
            (bare := _POSITION.sub("", where)) != where and self._matches(bare)
        )

    def _matches(self, text: str) -> bool:
        # Each bit is a number of marks that what was read so far can have used up.
        state = self._skipped(1)
        for letter in text:
            inside = letter != "/"
            step = self._accepts.get(letter, 0) | (self._any if inside else 0)
            stay = self._stars | (self._star if inside else 0)
            state = self._skipped((state & step) << 1 | (state & stay))
            if not state:
                return False
        return bool(state & self._end)

    def _skipped(self, state: int) -> int:
        """Pass over stars that stand for nothing; no two of them are neighbours."""
        folders = state & self._folders
        state |= folders << 1 | folders << 3
        return state | (state & (self._star | self._stars)) << 1


class _InForce:
    """A waiver with what it was good for so far."""

    def __init__(self, waiver: Waiver, *, today: date) -> None:
        self.waiver = waiver
        self.place = Place(waiver.place)
        self.over = waiver.until < today
        self.used = 0
        self.mark = Waived(
            reason=waiver.reason, who=waiver.who, until=waiver.until, kind=waiver.kind
        )

    def covers(self, where: str) -> bool:
        """Tell whether it holds there, and count when it does or would have."""
        if not self.place.covers(where):
            return False
        self.used += 1
        return not self.over


def apply(
    waivers: Sequence[Waiver],
    checks: Sequence[Checked],
    vulnerabilities: Sequence[Match] = (),
    *,
    today: date,
) -> Applied:
    """Mark what is waived, and decide again which checks fail.

    Args:
        waivers: From the product profile.
        checks: What the checks decided.
        vulnerabilities: Of the components.
        today: The day of the audit, UTC; a waiver still holds on its last day.
    """
    every = [_InForce(waiver, today=today) for waiver in waivers]
    by_rule: dict[str, list[_InForce]] = {}
    for each in every:
        by_rule.setdefault(each.waiver.rule, []).append(each)
    judged = tuple(_judged(check, by_rule) for check in checks)
    told = _told(judged)
    marked = tuple(_marked(match, by_rule, told) for match in vulnerabilities)
    known = [check.rule for check in checks]
    notes = tuple(note for each in every for note in _notes(each, known, today))
    return Applied(checks=judged, vulnerabilities=marked, notes=notes)


def _judged(check: Checked, by_rule: dict[str, list[_InForce]]) -> Checked:
    findings = tuple(_waived(each, check.rule, by_rule) for each in check.findings)
    verdict = check.verdict
    if verdict is Verdict.FAIL and not any(_counts(each) for each in findings):
        # A check that could not finish gave its reason, and knows of no more than it found.
        verdict = Verdict.UNDECIDED if check.reason else Verdict.PASS
    return replace(check, findings=findings, verdict=verdict)


def _waived(finding: Placed, rule: str, by_rule: dict[str, list[_InForce]]) -> Placed:
    mark = _mark(by_rule.get(rule, ()), finding.where)
    if mark is None and (named := cves_of(finding)):
        # One waiver for each vulnerability that the finding names, or it still counts.
        marks = [_mark(by_rule.get(cve, ()), finding.where) for cve in named]
        mark = None if None in marks else marks[0]
    return finding if mark is None else replace(finding, waived=mark)


def _mark(waivers: Sequence[_InForce], where: str) -> Waived | None:
    # All are asked, so that each of two that overlap is known to be of use.
    return next((each.mark for each in [one for one in waivers if one.covers(where)]), None)


def _counts(finding: Placed) -> bool:
    return finding.waived is None and finding.severity is not Severity.INFO


def cves_of(finding: Placed) -> list[str]:
    """Name the vulnerabilities that a finding is about, each once, in its order."""
    named = _CVE.findall(finding.what) or _CVE.findall(" ".join(finding.evidence))
    return list(dict.fromkeys(named))


def _told(checks: Sequence[Checked]) -> dict[tuple[str, str], Waived]:
    """Collect which vulnerability of which file was waived by the rule that found it."""
    return {
        (cve, _POSITION.sub("", finding.where)): finding.waived
        for check in checks
        for finding in check.findings
        if finding.waived is not None
        for cve in cves_of(finding)
    }


def _marked(
    match: Match, by_rule: dict[str, list[_InForce]], told: dict[tuple[str, str], Waived]
) -> Match:
    mark = _mark(by_rule.get(match.cve, ()), match.where)
    mark = mark or told.get((match.cve, _POSITION.sub("", match.where)))
    return match if mark is None else replace(match, waived=mark)


def _notes(each: _InForce, known: Sequence[str], today: date) -> Iterator[str]:
    waiver = each.waiver
    named = f"The waiver of {waiver.rule} at {waiver.place} by {waiver.who}"
    if waiver.rule not in known and not _CVE.fullmatch(waiver.rule):
        near = get_close_matches(waiver.rule, known, n=1)
        guess = f" (did you mean {near[0]}?)" if near else ""
        yield f"{named} is of no use: there is no such rule{guess}."
    elif not each.used:
        yield f"{named} covers nothing here: remove it, or correct its place."
    elif each.over:
        yield f"{named} ended on {waiver.until}; what it covered counts again."
    elif (waiver.until - today).days < SOON_DAYS:
        yield f"{named} ends after {waiver.until}; what it covers counts again then."
