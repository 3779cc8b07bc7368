"""Where an image stands: what its report comes to, worst first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from holdfast.audit.errors import amount
from holdfast.audit.report.shapes import Checked, Placed, Report
from holdfast.audit.report.texts import number, visible
from holdfast.audit.verdicts import Severity, Verdict
from holdfast.audit.vulnerabilities.ages import freshness
from holdfast.audit.vulnerabilities.shapes import Match

TITLES: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "A hardened platform",
        2: "Passwords that hold",
        3: "Signed updates that arrive",
        4: "An ear for researchers",
        5: "Little personal data",
    }
)
"""The article's five recommendations."""

OUTCOMES: Final = MappingProxyType(
    {"pass": "Passes", "fail": "Fails", "undecided": "Could not be decided"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the checks of one recommendation come to.

    Attributes:
        recommendation: Its number.
        title: What it asks for.
        passed, failed, undecided, not_applicable: How many checks.
        worst: Gravest severity that fails; None if nothing does.
    """

    recommendation: int
    title: str
    passed: int
    failed: int
    undecided: int
    not_applicable: int
    worst: Severity | None

    @property
    def outcome(self) -> Literal["pass", "fail", "undecided", "none"]:
        """Sum it up; `none` if there was nothing to judge."""
        if self.failed:
            return "fail"
        if self.undecided:
            return "undecided"
        return "pass" if self.passed else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """The gravest finding of one check that fails.

    Attributes:
        check: The check.
        finding: Its gravest finding that is not waived.
        more: How many others it has that count.
    """

    check: Checked
    finding: Placed
    more: int


def counts(finding: Placed) -> bool:
    """Tell whether a finding makes its check fail."""
    return finding.waived is None and finding.severity is not Severity.INFO


def gravity(check: Checked) -> int:
    """Rank what a check found, 0 for nothing to 4 for critical; its own severity if it is open."""
    grave = [each.severity.rank for each in check.findings if counts(each)]
    return max(grave, default=check.severity.rank if check.verdict is Verdict.UNDECIDED else 0)


def standings(report: Report) -> tuple[Standing, ...]:
    """Count the checks of each recommendation."""
    return tuple(_standing(number, title, report.checks) for number, title in TITLES.items())


def _standing(recommendation: int, title: str, checks: tuple[Checked, ...]) -> Standing:
    own = [each for each in checks if each.recommendation == recommendation]
    by_verdict = {verdict: sum(each.verdict is verdict for each in own) for verdict in Verdict}
    grave = [
        finding.severity
        for each in own
        if each.verdict is Verdict.FAIL
        for finding in each.findings
        if counts(finding)
    ]
    return Standing(
        recommendation=recommendation,
        title=title,
        passed=by_verdict[Verdict.PASS],
        failed=by_verdict[Verdict.FAIL],
        undecided=by_verdict[Verdict.UNDECIDED],
        not_applicable=by_verdict[Verdict.NOT_APPLICABLE],
        worst=max(grave, key=lambda one: one.rank, default=None),
    )


def worst(report: Report) -> list[Worst]:
    """Give the gravest finding of each check that fails, the gravest first."""
    found = []
    for check in report.checks:
        open_ones = [each for each in check.findings if counts(each)]
        if check.verdict is Verdict.FAIL and open_ones:
            gravest = max(open_ones, key=lambda one: one.severity.rank)
            found.append(Worst(check=check, finding=gravest, more=len(open_ones) - 1))
    return sorted(
        found,
        key=lambda one: (
            -one.finding.severity.rank,
            one.check.recommendation,
            one.check.rule,
        ),
    )


def of_verdict(report: Report, verdict: Verdict) -> list[Checked]:
    """Give the checks that decided so."""
    return [each for each in report.checks if each.verdict is verdict]


def affected(report: Report) -> list[Match]:
    """Give the vulnerabilities that nothing speaks against, in their order."""
    return [each for each in report.vulnerabilities if is_open(each)]


def is_open(match: Match) -> bool:
    """Tell whether a vulnerability is there as far as is known, and not waived."""
    return match.state in {"affected", "undecided"} and match.waived is None


def severity_of(match: Match) -> Severity:
    """Read a CVSS base score in the words of its specification; `info` without one."""
    bounds = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM))
    if match.cvss is None:
        return Severity.INFO
    return next((word for bound, word in bounds if match.cvss >= bound), Severity.LOW)


def exploited(report: Report) -> list[Match]:
    """Give those among them that are known to be used by attackers, the certain ones first."""
    listed = [each for each in affected(report) if each.kev]
    return sorted(listed, key=lambda one: one.state != "affected")


def sentence(report: Report) -> str:
    """Say in one sentence what the outcome rests on."""
    judged = [each for each in report.checks if each.verdict is not Verdict.NOT_APPLICABLE]
    failed = len(of_verdict(report, Verdict.FAIL))
    undecided = len(of_verdict(report, Verdict.UNDECIDED))
    parts = []
    if failed:
        fail = "fails" if failed == 1 else "fail"
        parts.append(f"{failed} of {number(len(judged), 'check')} {fail}")
    if undecided:
        parts.append(f"{undecided} {'is' if undecided == 1 else 'are'} undecided")
    if not report.opened.complete:
        parts.append("not everything was opened")
    if not parts:
        return f"All {number(len(judged), 'check')} that apply hold."
    words = ", ".join(parts[:-1]) + (" and " if parts[1:] else "") + parts[-1] + "."
    return words[0].upper() + words[1:]


def data_troubles(report: Report) -> tuple[str, ...]:
    """Say what is wrong with the vulnerability data: none, old, or a part missing."""
    return freshness(report.vulnerability_data, report.made).troubles


def next_steps(report: Report) -> Iterator[tuple[str, str]]:
    """Say what the reader can do now, the most useful first, and with which command."""
    found = worst(report)
    if found:
        rule = visible(found[0].check.rule, most=60)
        yield "Begin with the worst:", f"holdfast explain {rule}"
    if report.opened.unopened or report.opened.limits:
        yield "Find out what could not be opened; until then nobody can call it fine.", ""
    for hit in report.opened.limits[:1]:
        more = amount(hit.limit, 2 * hit.most)
        yield "Allow it more than that:", f"holdfast audit --limit {visible(hit.limit)}={more}"
    if not report.vulnerability_data:
        yield "Look for known vulnerabilities too:", "holdfast audit db update"
    elif data_troubles(report):
        yield "Get fresh vulnerability data:", "holdfast audit db update"
    if not report.subject.product and report.subject.kind != "live":
        yield "Say what is meant to be so:", "holdfast audit --product product.toml"


def seconds(report: Report) -> float:
    """Give how long the audit took, as a whole."""
    return report.seconds.get("total", sum(report.seconds.values()))
