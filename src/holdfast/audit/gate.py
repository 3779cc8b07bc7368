"""Whether an image may be released: the one rule for the command line and for the hub."""

from typing import Final

from holdfast.audit.errors import AuditError
from holdfast.audit.report.shapes import Report
from holdfast.audit.verdicts import Verdict

MOST_NAMED: Final = 5


class GateError(AuditError):
    """The audit keeps a release back."""

    code = "audit-gate"
    http_status = 409
    exit_code = 1
    hint = "Mend what is named, waive single findings in product.toml, or waive the whole."


def objections(report: Report) -> tuple[str, ...]:
    """Say what speaks against releasing an image; nothing if it may go out.

    A failed check does, and so does anything that could not be opened: nobody knows what it is.
    A check that could not decide does not, but the report and the page show it.
    """
    said = [f"{each.rule}: {each.title}" for each in report.checks if each.verdict is Verdict.FAIL]
    if not report.opened.complete:
        named = [f"{one.where}: {one.why}" for one in report.opened.unopened]
        named += [f"limit {one.limit} was reached" for one in report.opened.limits]
        said.append("not everything could be opened: " + "; ".join(named[:3]))
    return tuple(said)


def must_be_open(report: Report) -> None:
    """Refuse an image that something speaks against.

    Raises:
        GateError: Something does; the message names the first few.
    """
    against = objections(report)
    if against:
        more = f" and {len(against) - MOST_NAMED} more" if len(against) > MOST_NAMED else ""
        raise GateError(f"the audit says no: {'; '.join(against[:MOST_NAMED])}{more}")
