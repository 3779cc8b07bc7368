"""What changed is told, what did not is not, and worse is called worse."""

from dataclasses import replace

from holdfast.audit.diff import Comparison, compare
from holdfast.audit.model.shapes import Component, Started
from holdfast.audit.report.shapes import Checked, FileEntry, Opened, Report
from holdfast.audit.verdicts import Severity, Verdict
from tests.audit.report.sample import WAIVED, fine, found, hostile, listeners, model, sample


def checks_with(rule: str, **changes: object) -> tuple[Checked, ...]:
    return tuple(
        replace(each, **changes) if each.rule == rule else each  # type: ignore[arg-type]
        for each in sample().checks
    )


def test_nothing_changed_between_the_same() -> None:
    for report in (sample(), fine(), hostile()):
        same = compare(report, report)
        assert same.outcome == "fine"
        assert not any(
            (same.files, same.components, same.steps, same.listeners, same.findings,
             same.verdicts, same.vulnerabilities)
        )  # fmt: skip
        assert same.same_rules


def files(*changes: FileEntry) -> Report:
    return sample(files=changes)


def test_files() -> None:
    one = FileEntry(path="bin/a", kind="file", mode="755", owner="0:0", sha256="11" * 32)
    gone = replace(one, path="bin/gone")
    link = FileEntry(path="l", kind="link", mode="777", owner="0:0", target="a")
    new = compare(
        files(one, gone, link),
        files(
            replace(one, mode="4755", owner="0:5", sha256="22" * 32),
            replace(link, target="b"),
            replace(one, path="bin/new"),
        ),
    ).files
    assert [each.path for each in new.added] == ["bin/new"]
    assert [each.path for each in new.removed] == ["bin/gone"]
    assert [(each.name, each.what) for each in new.changed] == [
        ("bin/a", ("content", "mode 755 to 4755", "owner 0:0 to 0:5")),
        ("l", ("led to a, leads to b",)),
    ]


def with_components(*named: tuple[str, str]) -> Report:
    return sample(
        model=replace(
            model(),
            components=tuple(Component(name=name, version=version) for name, version in named),
        )
    )


def test_components() -> None:
    new = compare(
        with_components(("busybox", "1.19"), ("curl", "7"), ("zlib", "1.2"), ("zlib", "1.3")),
        with_components(("busybox", "1.20"), ("dropbear", "1"), ("zlib", "1.3")),
    ).components
    assert [(each.name, each.what) for each in new.changed] == [("busybox", ("1.19 to 1.20",))]
    assert [each.name for each in new.added] == ["dropbear"]
    assert [(each.name, each.version) for each in new.removed] == [("curl", "7"), ("zlib", "1.2")]


def test_start_up_and_listeners() -> None:
    old = sample()
    telnet, *others = listeners()
    start = old.model.start_up
    fewer = replace(start, steps=start.steps[:-1], edges=())
    changed = (replace(telnet, user="nobody", started=Started.BOOT), *others[:-1])
    new = compare(old, sample(model=replace(model(), start_up=fewer, listeners=changed)))
    assert [each.text for each in new.steps.removed] == ["cgibin"]
    assert [each.service for each in new.listeners.removed] == ["ssh"]
    assert new.listeners.changed[0].what == ("started maybe to boot", "user root to nobody")


def test_a_line_put_in_above_is_no_new_start_up() -> None:
    start = model().start_up
    moved = replace(
        start, steps=tuple(replace(each, where=f"{each.where}0") for each in start.steps)
    )
    assert not compare(sample(), sample(model=replace(model(), start_up=moved))).steps


def told(old: Report, new: Report) -> Comparison:
    return compare(old, new)


def test_a_check_that_fails_now_is_worse() -> None:
    new = told(fine(), sample())
    assert new.outcome == "worse"
    assert len([each for each in new.verdicts if each.after is Verdict.FAIL]) == 11
    better = told(sample(), fine())
    assert better.outcome == "fine"
    assert len(better.findings.removed) == 33


def test_a_new_finding_of_a_failing_check_is_worse() -> None:
    more = found(77, "sbin/other", "starts telnetd", Severity.HIGH)
    before = next(each for each in sample().checks if each.rule == "telnet-off")
    new = told(
        sample(), sample(checks=checks_with("telnet-off", findings=(*before.findings, more)))
    )
    assert new.outcome == "worse"
    assert [each.finding.id for each in new.findings.added] == [more.id]
    assert new.verdicts == ()


def test_a_waived_finding_is_none_until_its_waiver_ends() -> None:
    waived = found(77, "sbin/other", "starts telnetd", Severity.HIGH, waived=WAIVED)
    before = next(each for each in sample().checks if each.rule == "telnet-off")
    covered = sample(checks=checks_with("telnet-off", findings=(*before.findings, waived)))
    ended = sample(
        checks=checks_with("telnet-off", findings=(*before.findings, replace(waived, waived=None)))
    )
    assert told(sample(), covered).outcome == "fine"
    assert told(covered, ended).outcome == "worse"


def test_information_is_no_finding() -> None:
    more = found(77, "x", "only so that you know", Severity.INFO)
    assert told(sample(), sample(checks=checks_with("ssh-off", findings=(more,)))).outcome == "fine"


def test_what_is_not_known_any_more_is_undecided() -> None:
    lost = checks_with("logs-without-people", verdict=Verdict.UNDECIDED, reason="too large")
    assert told(sample(), sample(checks=lost)).outcome == "undecided"
    shut = replace(fine(), opened=Opened(complete=False))
    assert told(fine(), shut).outcome == "undecided"
    assert told(shut, fine()).outcome == "fine"


def test_a_rule_that_is_new_and_fails_is_worse_and_other_rules_are_told() -> None:
    old = sample(checks=sample().checks[1:], rules="8e" * 32)
    new = told(old, sample())
    assert not new.same_rules
    assert new.verdicts[-1].before is None
    assert new.outcome == "worse"


def test_vulnerabilities_are_compared_whatever_the_version() -> None:
    new = told(sample(), sample(vulnerabilities=sample().vulnerabilities[1:]))
    assert [each.cve for each in new.vulnerabilities.removed] == ["CVE-2017-14491"]
    newer = replace(sample().vulnerabilities[0], component="dnsmasq 2.46")
    same = told(sample(), sample(vulnerabilities=(newer, *sample().vulnerabilities[1:])))
    assert not same.vulnerabilities
