"""What changed from one image to the next: files, components, start-up, findings."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from holdfast.audit.model.shapes import Component, Listener, Model, Step
from holdfast.audit.report.shapes import FileEntry, Placed, Report
from holdfast.audit.verdicts import Severity, Verdict
from holdfast.audit.vulnerabilities.shapes import Match

_One = TypeVar("_One")
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Generic[_One]):
    """Something that is in both, but not the same.

    Attributes:
        name: Of it.
        before, after: It.
        what: In which respects it differs, in words.
    """

    name: str
    before: _One
    after: _One
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Generic[_One]):
    """What came, went and changed of one kind of thing."""

    added: tuple[_One, ...]
    removed: tuple[_One, ...]
    changed: tuple[Changed[_One], ...] = ()

    def __bool__(self) -> bool:
        """Tell whether there is any difference."""
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFinding:
    """A finding with the rule that found it."""

    rule: str
    finding: Placed


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictChange:
    """A check that decides otherwise than before; None where it did not exist."""

    rule: str
    before: Verdict | None
    after: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All differences from one report to another.

    Attributes:
        old, new: What was compared.
        same_rules: Whether both were judged by the same rules; else verdicts may differ by that.
        files: By path.
        components: By name.
        steps: Of the start-up, by what is run, from where and as whom.
        listeners: By service and program.
        findings: By their lasting ids; those that fail nothing left out.
        verdicts: Checks that decide otherwise.
        vulnerabilities: Open ones by id and component.
        outcome: `worse` if a check fails that did not, or a failing one has a new finding;
            `undecided` if something is not known any more that was; else `fine`.
    """

    old: str
    new: str
    same_rules: bool
    files: Difference[FileEntry]
    components: Difference[Component]
    steps: Difference[Step]
    listeners: Difference[Listener]
    findings: Difference[RuleFinding]
    verdicts: tuple[VerdictChange, ...]
    vulnerabilities: Difference[Match]
    outcome: Literal["worse", "undecided", "fine"]


def compare(old: Report, new: Report) -> Comparison:
    """Compare two reports; waived findings and those of severity `info` count as none."""
    findings = _plain(_findings(old), _findings(new))
    verdicts = tuple(_verdicts(old, new))
    return Comparison(
        old=old.subject.name,
        new=new.subject.name,
        same_rules=old.rules == new.rules,
        files=_files(old, new),
        components=_components(old, new),
        steps=_plain(_steps(old), _steps(new)),
        listeners=_listeners(old, new),
        findings=findings,
        verdicts=verdicts,
        vulnerabilities=_plain(_vulnerabilities(old), _vulnerabilities(new)),
        outcome=_outcome(old, new, findings, verdicts),
    )


def _plain(before: Mapping[_Key, _One], after: Mapping[_Key, _One]) -> Difference[_One]:
    return Difference(
        added=tuple(one for key, one in after.items() if key not in before),
        removed=tuple(one for key, one in before.items() if key not in after),
    )


def _models(report: Report) -> Iterator[tuple[str, Model]]:
    yield "", report.model
    yield from report.others.items()


def _files(old: Report, new: Report) -> Difference[FileEntry]:
    before = {entry.path: entry for entry in old.files}
    after = {entry.path: entry for entry in new.files}
    plain = _plain(before, after)
    changed = []
    for path, one in before.items():
        other = after.get(path)
        if other is None or other == one:
            continue
        told = []
        if one.kind != other.kind:
            told.append(f"was a {one.kind}, is a {other.kind}")
        if one.sha256 != other.sha256:
            told.append("content")
        if one.target != other.target:
            told.append(f"led to {one.target}, leads to {other.target}")
        if one.mode != other.mode:
            told.append(f"mode {one.mode} to {other.mode}")
        if one.owner != other.owner:
            told.append(f"owner {one.owner} to {other.owner}")
        changed.append(Changed(name=path, before=one, after=other, what=tuple(told)))
    return Difference(added=plain.added, removed=plain.removed, changed=tuple(changed))


def _components(old: Report, new: Report) -> Difference[Component]:
    """Pair components by name; several versions of one are added and removed one by one."""
    before, after = _by_name(old), _by_name(new)
    added: list[Component] = []
    removed: list[Component] = []
    changed: list[Changed[Component]] = []
    for name in sorted(before.keys() | after.keys()):
        gone = [one for key, one in before.get(name, {}).items() if key not in after.get(name, {})]
        came = [one for key, one in after.get(name, {}).items() if key not in before.get(name, {})]
        if len(gone) == len(came) == 1:
            told = f"{gone[0].version or 'unknown'} to {came[0].version or 'unknown'}"
            changed.append(Changed(name=name, before=gone[0], after=came[0], what=(told,)))
        else:
            added += came
            removed += gone
    return Difference(added=tuple(added), removed=tuple(removed), changed=tuple(changed))


def _by_name(report: Report) -> dict[str, dict[str, Component]]:
    found: dict[str, dict[str, Component]] = {}
    for _, model in _models(report):
        for each in model.components:
            found.setdefault(each.name, {}).setdefault(each.version, each)
    return found


def _steps(report: Report) -> dict[object, Step]:
    # Not by line: one line put in above would make all others new.
    return {
        (root, step.kind, step.text, step.program, step.user, step.started): step
        for root, model in _models(report)
        for step in model.start_up.steps
    }


def _listeners(old: Report, new: Report) -> Difference[Listener]:
    before, after = _waiting(old), _waiting(new)
    plain = _plain(before, after)
    changed = []
    for key, one in before.items():
        other = after.get(key)
        told = tuple(_in_words(one, other)) if other is not None else ()
        if other is not None and told:
            changed.append(
                Changed(name=f"{one.service} {one.program}", before=one, after=other, what=told)
            )
    return Difference(added=plain.added, removed=plain.removed, changed=tuple(changed))


def _waiting(report: Report) -> dict[object, Listener]:
    return {
        (root, each.service, each.program, each.protocol, each.port): each
        for root, model in _models(report)
        for each in model.listeners
    }


def _in_words(one: Listener, other: Listener) -> Iterator[str]:
    if one.started is not other.started:
        yield f"started {one.started.value} to {other.started.value}"
    if one.user != other.user:
        yield f"user {one.user} to {other.user}"
    if one.address != other.address:
        yield f"address {one.address or 'any'} to {other.address or 'any'}"
    if one.confinement != other.confinement:
        walls, others = ", ".join(one.confinement) or "none", ", ".join(other.confinement) or "none"
        yield f"walls {walls} to {others}"


def _counting(findings: Iterable[Placed]) -> Iterator[Placed]:
    return (one for one in findings if one.waived is None and one.severity is not Severity.INFO)


def _findings(report: Report) -> dict[object, RuleFinding]:
    return {
        (check.rule, finding.id): RuleFinding(rule=check.rule, finding=finding)
        for check in report.checks
        for finding in _counting(check.findings)
    }


def _verdicts(old: Report, new: Report) -> Iterator[VerdictChange]:
    before = {check.rule: check.verdict for check in old.checks}
    after = {check.rule: check.verdict for check in new.checks}
    for rule in dict.fromkeys((*before, *after)):
        if before.get(rule) != after.get(rule):
            yield VerdictChange(rule=rule, before=before.get(rule), after=after.get(rule))


def _vulnerabilities(report: Report) -> dict[object, Match]:
    return {
        (each.cve, each.component.rpartition(" ")[0] or each.component): each
        for each in report.vulnerabilities
        if each.state in {"affected", "undecided"} and each.waived is None
    }


def _outcome(
    old: Report,
    new: Report,
    findings: Difference[RuleFinding],
    verdicts: tuple[VerdictChange, ...],
) -> Literal["worse", "undecided", "fine"]:
    failing = {check.rule for check in new.checks if check.verdict is Verdict.FAIL}
    if any(each.after is Verdict.FAIL for each in verdicts) or any(
        each.rule in failing for each in findings.added
    ):
        return "worse"
    known = {Verdict.PASS, Verdict.FAIL, Verdict.NOT_APPLICABLE}
    if any(each.after is Verdict.UNDECIDED and each.before in known for each in verdicts) or (
        old.opened.complete and not new.opened.complete
    ):
        return "undecided"
    return "fine"
