"""Whether an image may be released: the one rule for the command line and for the hub."""

from collections.abc import Sequence
from typing import Final

from holdfast.audit.errors import AuditError
from holdfast.audit.report.shapes import Report
from holdfast.audit.report.texts import visible
from holdfast.audit.verdicts import FAILED, TOO_LONG, Verdict

MOST_NAMED: Final = 5
LONGEST_LINE: Final = 300
_PIECES_NAMED: Final = 2


class GateError(AuditError):
    """The audit keeps a release back."""

    code = "audit-gate"
    http_status = 409
    exit_code = 1
    hint = "Mend what is named, waive single findings in product.toml, or waive the whole."


def objections(report: Report) -> tuple[str, ...]:
    """Say what speaks against releasing an image; nothing if it may go out.

    A failed check does, and so does anything that could not be opened or was not looked at: nobody
    knows what it is. A check that could not decide, because an image does not tell what it asks
    for, does not; but the report and the page show it. What comes before
    the first colon of a line says what kind of objection it is, the same in each audit.
    """
    said = [f"{each.rule}: {each.title}" for each in report.checks if each.verdict is Verdict.FAIL]
    said += [
        f"{one.rule} was not done: {one.reason}"
        for one in report.checks
        if one.verdict is Verdict.UNDECIDED and one.reason.startswith((FAILED, TOO_LONG))
    ]
    if not any(volume.root for volume in report.opened.volumes):
        said.append("nothing to judge: there is no root file system in the image")
    elif not any(one.verdict is Verdict.PASS for one in report.checks):
        said.append("nothing could be judged: not one check passed")
    if not report.opened.complete:
        pieces = report.opened.unopened[:_PIECES_NAMED]
        named = [f"limit {one.limit} was reached" for one in report.opened.limits[:1]]
        named += [f"{visible(one.where, most=60)}: {visible(one.why, most=120)}" for one in pieces]
        said.append("not everything could be opened: " + "; ".join(named))
    return tuple(visible(line)[:LONGEST_LINE] for line in said)


def refusal(against: Sequence[str]) -> GateError:
    """Make the refusal of an image that something speaks against; it names the first few."""
    more = f" and {len(against) - MOST_NAMED} more" if len(against) > MOST_NAMED else ""
    return GateError(f"the audit says no: {'; '.join(against[:MOST_NAMED])}{more}")
