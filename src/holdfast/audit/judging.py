"""Runs the checks over one root, and turns what they say into the report's form."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from holdfast.audit.checks import Check
from holdfast.audit.errors import MISTAKES, AuditError
from holdfast.audit.image import Image
from holdfast.audit.report.shapes import Checked, Placed
from holdfast.audit.rows import row_of
from holdfast.audit.timing import Overtime, within
from holdfast.audit.verdicts import (
    FAILED,
    TOO_LONG,
    Finding,
    NotApplicable,
    Severity,
    Undecided,
    Verdict,
)

MOST_FINDINGS: Final = 1000
_LONGEST_TEXT: Final = 500
_MOST_EVIDENCE: Final = 20
_POSITION: Final = re.compile(r"(?::[0-9]+|@(?:0x)?[0-9a-fA-F]+)$")
_NUMBERS: Final = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One root that is judged.

    Attributes:
        image: What the checks see.
        name: Of its volume, "" for the main root.
        chains: The way from the image to each volume, by `Node.origin`.
        missing: Why nothing can pass here, "" if things can; for example because there is no root.
    """

    image: Image
    name: str = ""
    chains: Sequence[tuple[str, ...]] = ()
    missing: str = ""


def judged(
    checks: Mapping[str, Check],
    roots: Sequence[Root],
    *,
    seconds: Callable[[], float],
    progress: Callable[[float, str], None] = lambda _, __: None,
) -> tuple[Checked, ...]:
    """Run every check over every root; the first root is the main one.

    Args:
        checks: By id.
        roots: What is judged.
        seconds: Tells how long a single check may take from now.
        progress: Is told how far it is.
    """
    found: list[Checked] = []
    for number, (rule, check) in enumerate(checks.items()):
        progress(number / len(checks), rule)
        own, *others = [_checked(check, root, seconds()) for root in roots]
        found.append(_with_others(own, others))
    return tuple(found)


def _checked(check: Check, root: Root, seconds: float) -> Checked:
    findings: list[Finding] = []
    verdict, reason = Verdict.PASS, ""
    try:
        with within(seconds):
            for finding in check.run(root.image):
                findings.append(finding)
                if len(findings) >= MOST_FINDINGS:
                    reason = f"more than {MOST_FINDINGS} findings; the others are not listed"
                    break
    except NotApplicable as answer:
        verdict, reason = Verdict.NOT_APPLICABLE, str(answer)
    except Undecided as answer:
        verdict, reason = Verdict.UNDECIDED, str(answer)
    except Overtime:
        verdict, reason = Verdict.UNDECIDED, f"{TOO_LONG} {seconds:.0f} seconds"
    except MISTAKES as mistake:
        told = str(mistake)[:200] if isinstance(mistake, AuditError) else type(mistake).__name__
        verdict, reason = Verdict.UNDECIDED, f"{FAILED}: {told}"
    if verdict is Verdict.PASS and root.missing:
        verdict, reason = Verdict.UNDECIDED, root.missing
    placed = _placed(check, findings, root)
    if any(each.severity is not Severity.INFO for each in placed):
        verdict = Verdict.FAIL
    return Checked(
        rule=check.rule,
        recommendation=check.about.recommendation,
        title=check.about.title,
        severity=check.about.severity,
        verdict=verdict,
        reason=reason,
        findings=placed,
        rows=tuple(row for row in map(row_of, check.about.sources) if row is not None),
    )


def _placed(check: Check, findings: Iterable[Finding], root: Root) -> tuple[Placed, ...]:
    seen: Counter[str] = Counter()
    placed: list[Placed] = []
    for finding in _once(findings):
        where = finding.where
        if root.name:
            where = f":{root.name}/{where}"
        kind = f"{check.rule}\0{_POSITION.sub('', where)}\0{_NUMBERS.sub('#', finding.what)}"
        seen[kind] += 1
        plain = f"{kind}\0{seen[kind]}".encode(errors="surrogateescape")
        placed.append(
            Placed(
                id=hashlib.sha256(plain).hexdigest()[:16],
                where=where,
                what=finding.what[:_LONGEST_TEXT],
                severity=finding.severity or check.about.severity,
                offset=finding.offset,
                evidence=tuple(each[:_LONGEST_TEXT] for each in finding.evidence[:_MOST_EVIDENCE]),
                chain=_chain(finding.where, root),
            )
        )
    return tuple(sorted(placed, key=lambda each: (-each.severity.rank, each.where, each.what)))


def _once(findings: Iterable[Finding]) -> Iterable[Finding]:
    """Make one of those that say the same of the same place, with the evidence of all."""
    kept: dict[tuple[str, str, int | None, Severity | None], Finding] = {}
    for finding in findings:
        key = (finding.where, finding.what, finding.offset, finding.severity)
        known = kept.setdefault(key, finding)
        if known is not finding and len(known.evidence) < _MOST_EVIDENCE:
            both = tuple(dict.fromkeys((*known.evidence, *finding.evidence)))
            kept[key] = replace(known, evidence=both)
    return kept.values()


def _chain(where: str, root: Root) -> tuple[str, ...]:
    tree = root.image.tree
    node = tree.get(where) or tree.get(_POSITION.sub("", where))
    if node is None or not 0 <= node.origin < len(root.chains):
        return ()
    return root.chains[node.origin]


def _with_others(own: Checked, others: Iterable[Checked]) -> Checked:
    """Add what was found in further roots, as far as it has a place there.

    What is missing in a further root, such as an initramfs, is none of its faults.
    """
    more = tuple(
        finding
        for other in others
        for finding in other.findings
        if not finding.where.endswith("/")  # the other root as a whole
    )
    if not more:
        return own
    grave = any(each.severity is not Severity.INFO for each in more)
    return replace(
        own,
        verdict=Verdict.FAIL if grave else own.verdict,
        findings=tuple(
            sorted((*own.findings, *more), key=lambda each: (-each.severity.rank, each.where))
        ),
    )
