"""What the page shows, row by row, and no more of it than a person and a browser can bear."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from holdfast.audit.checks import every
from holdfast.audit.model.shapes import (
    Account,
    Component,
    Listener,
    Model,
    PlacedKey,
    Started,
    Step,
)
from holdfast.audit.report import standing
from holdfast.audit.report.page.graph import ADMINISTRATORS, Drawing, Forest, draw, forest
from holdfast.audit.report.shapes import Checked, Placed, Report, Unopened, Volume
from holdfast.audit.report.standing import Standing, Worst
from holdfast.audit.verdicts import About, Severity, Verdict
from holdfast.audit.vulnerabilities.shapes import Match

_MOST_ROWS: Final = 400
_MOST_FINDINGS: Final = 40
_MOST_MATCHES: Final = 30
_MOST_WORST: Final = 10
_MOST_WAY: Final = 12
_FEW_COMPONENTS: Final = 20
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,9}")

VERDICTS: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        Verdict.FAIL: "Fails",
        Verdict.UNDECIDED: "Could not be decided",
        Verdict.PASS: "Holds",
        Verdict.NOT_APPLICABLE: "Does not apply",
    }
)
STARTED: Final[Mapping[Started, str]] = MappingProxyType(
    {
        Started.BOOT: "from boot on",
        Started.MAYBE: "perhaps from boot on",
        Started.DEMAND: "when asked for",
        Started.STARTABLE: "can be started",
        Started.NO: "not started",
    }
)
USER_WHY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "config": "its configuration says so",
        "command": "its command line says so",
        "unit": "its unit says so",
        "drops": "it gives up root itself",
        "absent": "nothing says otherwise",
        "seen": "seen running",
    }
)
STATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "affected": "affected",
        "undecided": "could not be decided",
        "not-built": "not built in",
        "fixed": "fixed by the package",
    }
)

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Rows(Generic[_Row]):
    """The first of many.

    Attributes:
        shown: These.
        more: How many there are besides.
    """

    shown: tuple[_Row, ...]
    more: int = 0


def rows(many: Iterable[_Row], most: int = _MOST_ROWS) -> Rows[_Row]:
    """Keep the first of many, and count the rest."""
    every_one = tuple(many)
    return Rows(every_one[:most], max(0, len(every_one) - most))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A standing with the lengths of its bar, in hundredths."""

    standing: Standing
    parts: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One check with what is known of its rule, and the first of its findings.

    Attributes:
        check: As decided.
        about: What the rule says of itself; None if this Holdfast does not know it.
        severity: Gravest that counts, else that of the check.
        findings: The first of them.
        chain: Way to the files, if it is the same for all of them.
    """

    check: Checked
    about: About | None
    severity: Severity
    findings: Rows[Placed]
    chain: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Tell whether it is worth showing unfolded."""
        grave = self.severity.rank >= Severity.HIGH.rank
        return self.check.verdict is Verdict.FAIL and grave


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The checks of one verdict."""

    verdict: Verdict
    title: str
    checks: tuple[CheckRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerRow:
    """Who listens, and the way on which it was started."""

    listener: Listener
    is_root: bool
    way: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchRow:
    """One vulnerability.

    Attributes:
        match: As found.
        severity: From its CVSS score, or `info` without.
        link: Where the public record is; "" if its id is not one of these.
    """

    match: Match
    severity: Severity
    link: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentRow:
    """One component with its vulnerabilities."""

    component: Component
    use: str
    matches: Rows[MatchRow]
    exploited: int
    open: int
    closed: int

    @property
    def is_noted(self) -> bool:
        """Tell whether a reader must not miss it."""
        return self.open > 0 or self.component.listening


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """What one root file system is.

    Attributes:
        name: Of its volume; "" for the main one.
        model: All of it.
        drawing: Its start-up.
        steps, listeners, accounts, components, keys: Rows.
        quiet: Components without an open vulnerability, if there are too many to show at once.
    """

    name: str
    model: Model
    drawing: Drawing
    steps: Rows[tuple[Step, str]]
    listeners: Rows[ListenerRow]
    accounts: Rows[Account]
    components: Rows[ComponentRow]
    quiet: Rows[ComponentRow]
    keys: Rows[PlacedKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All of the page."""

    title: str
    sentence: str
    bars: tuple[Bar, ...]
    worst: tuple[Worst, ...]
    worst_more: int
    exploited: Rows[Match]
    groups: tuple[Group, ...]
    undecided: Rows[Checked]
    roots: tuple[Root, ...]
    product_matches: Rows[MatchRow]
    states: Mapping[str, int]
    troubles: tuple[str, ...]
    volumes: Rows[Volume]
    unopened: Rows[Unopened]
    notes: Rows[str]
    steps: tuple[tuple[str, str], ...]
    seconds: float
    words: Mapping[str, Mapping[str, str]]


def view(report: Report) -> View:
    """Choose and order what the page shows."""
    flagged = frozenset(
        each.where
        for check in report.checks
        if check.verdict is Verdict.FAIL
        for each in check.findings
        if standing.counts(each)
    )
    worst = standing.worst(report)
    models = {"": report.model, **report.others}
    placed = {
        _name(each) for model in models.values() for each in model.components
    }  # what matches none of them is about the product as a whole
    return View(
        title=standing.OUTCOMES[report.outcome],
        sentence=standing.sentence(report),
        bars=tuple(_bar(each) for each in standing.standings(report)),
        worst=tuple(worst[:_MOST_WORST]),
        worst_more=max(0, len(worst) - _MOST_WORST),
        exploited=rows(standing.exploited(report), 8),
        groups=_groups(report),
        undecided=rows(standing.of_verdict(report, Verdict.UNDECIDED)),
        roots=tuple(
            _root(name, model, report.vulnerabilities, flagged, models)
            for name, model in models.items()
        ),
        product_matches=rows(
            _match(each) for each in report.vulnerabilities if each.component not in placed
        ),
        states=_states(report.vulnerabilities),
        troubles=standing.data_troubles(report),
        volumes=rows(report.opened.volumes),
        unopened=rows(report.opened.unopened),
        notes=rows(report.notes, 50),
        steps=tuple(standing.next_steps(report)),
        seconds=standing.seconds(report),
        words={
            "started": {key.value: text for key, text in STARTED.items()},
            "user_why": USER_WHY,
            "states": STATES,
            "verdicts": {key.value: text for key, text in VERDICTS.items()},
        },
    )


def _bar(each: Standing) -> Bar:
    counts = (
        ("fail", each.failed),
        ("undecided", each.undecided),
        ("pass", each.passed),
        ("none", each.not_applicable),
    )
    total = sum(count for _, count in counts) or 1
    parts, start = [], 0.0
    for kind, count in counts:
        length = 100 * count / total
        if count:
            parts.append((kind, round(start, 2), round(length, 2)))
        start += length
    return Bar(standing=each, parts=tuple(parts))


def _groups(report: Report) -> tuple[Group, ...]:
    groups = []
    for verdict, title in VERDICTS.items():
        own = [_check(each) for each in standing.of_verdict(report, verdict)]
        own.sort(key=lambda one: (-one.severity.rank, one.check.recommendation, one.check.rule))
        if own:
            groups.append(Group(verdict=verdict, title=title, checks=tuple(own)))
    return tuple(groups)


def _check(check: Checked) -> CheckRow:
    known = every().get(check.rule)
    ordered = sorted(check.findings, key=lambda one: (one.waived is not None, -one.severity.rank))
    chains = {each.chain for each in ordered}
    gravity = standing.gravity(check)
    return CheckRow(
        check=check,
        about=known.about if known else None,
        severity=list(Severity)[gravity] if gravity else check.severity,
        findings=rows(ordered, _MOST_FINDINGS),
        chain=chains.pop() if len(chains) == 1 else (),
    )


def _root(
    name: str,
    model: Model,
    vulnerabilities: Sequence[Match],
    flagged: frozenset[str],
    roots: Collection[str],
) -> Root:
    trees = forest(model)
    own = [each for each in vulnerabilities if _root_of(each.where, roots) == name]
    prefix = f":{name}/" if name else ""
    places = frozenset(
        each.removeprefix(prefix) for each in flagged if _root_of(each, roots) == name
    )
    components = _components(model, own)
    few = len(components) <= _FEW_COMPONENTS
    noted = [each for each in components if few or each.is_noted]
    quiet = [each for each in components if not (few or each.is_noted)]
    return Root(
        name=name,
        model=model,
        drawing=draw(model, flagged=places),
        steps=rows((trees.steps[one], trees.users[one]) for one in trees.order),
        listeners=rows(_listener(each, trees) for each in model.listeners),
        accounts=rows(
            sorted(model.accounts, key=lambda one: (not one.login, one.service, one.name))
        ),
        components=rows(noted),
        quiet=rows(quiet),
        keys=rows(sorted(model.keys, key=lambda one: "private" not in one.kind)),
    )


def _root_of(where: str, roots: Collection[str]) -> str:
    """Name the root that a place belongs to; what is in none of them goes with the main one."""
    volume = where[1:].partition("/")[0] if where.startswith(":") else ""
    return volume if volume in roots else ""


def _listener(listener: Listener, trees: Forest) -> ListenerRow:
    known = [one for one in listener.steps if one in range(len(trees.steps))]
    way = known[-_MOST_WAY:] if len(known) != 1 else trees.way_to(known[0], _MOST_WAY)
    return ListenerRow(
        listener=listener,
        is_root=listener.user in ADMINISTRATORS,
        way=tuple(trees.steps[one] for one in way),
    )


def _name(component: Component) -> str:
    return f"{component.name} {component.version}".strip()


def _components(model: Model, vulnerabilities: Sequence[Match]) -> list[ComponentRow]:
    by_name: dict[str, list[Match]] = {}
    for match in vulnerabilities:
        by_name.setdefault(match.component, []).append(match)
    found = [_component(each, by_name.get(_name(each), [])) for each in model.components]
    return sorted(found, key=lambda one: (-one.exploited, -one.open, one.component.name))


def _component(component: Component, matches: list[Match]) -> ComponentRow:
    open_ones = [each for each in matches if standing.is_open(each)]
    # Those that count first; their own order is that of the ranking.
    ordered = [*open_ones, *(each for each in matches if not standing.is_open(each))]
    use = "in what listens" if component.listening else STARTED[component.started]
    return ComponentRow(
        component=component,
        use=use,
        matches=rows((_match(each) for each in ordered), _MOST_MATCHES),
        exploited=sum(bool(each.kev) for each in open_ones),
        open=len(open_ones),
        closed=len(matches) - len(open_ones),
    )


def _match(match: Match) -> MatchRow:
    known = _CVE.fullmatch(match.cve) is not None
    return MatchRow(
        match=match,
        severity=standing.severity_of(match),
        link=f"https://www.cve.org/CVERecord?id={match.cve}" if known else "",
    )


def _states(vulnerabilities: Sequence[Match]) -> dict[str, int]:
    counted = dict.fromkeys(("exploited", *STATES, "waived"), 0)
    for each in vulnerabilities:
        counted["waived" if each.waived else each.state] += 1
        counted["exploited"] += bool(each.kev) and standing.is_open(each)
    return counted
