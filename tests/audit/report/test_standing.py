"""What a report comes to: counts, the worst first, one sentence, the next step."""

from dataclasses import replace

import pytest

from holdfast.audit.report import standing
from holdfast.audit.report.shapes import Opened
from holdfast.audit.verdicts import Severity, Verdict
from holdfast.audit.vulnerabilities.shapes import Match
from tests.audit.report.sample import fine, sample


def test_checks_are_counted_by_recommendation() -> None:
    first, second, third, fourth, fifth = standing.standings(sample())
    assert (first.failed, first.passed, first.not_applicable) == (6, 1, 1)
    assert first.worst is Severity.CRITICAL
    assert (second.failed, second.outcome) == (3, "fail")
    assert (third.failed, third.undecided) == (1, 1)
    assert fourth.worst is Severity.LOW
    assert (fifth.outcome, fifth.worst) == ("undecided", None)


def test_a_recommendation_that_nothing_judged_is_not_fulfilled() -> None:
    assert {each.outcome for each in standing.standings(sample(checks=()))} == {"none"}


def test_the_worst_come_first_once_for_each_check() -> None:
    found = standing.worst(sample())
    ranks = [each.finding.severity.rank for each in found]
    assert ranks == sorted(ranks, reverse=True)
    assert len({each.check.rule for each in found}) == len(found) == 11
    hardened = next(each for each in found if each.check.rule == "programs-hardened")
    assert hardened.more == 22


def test_what_is_waived_is_not_among_them() -> None:
    upnp = next(each for each in standing.worst(sample()) if each.check.rule == "upnp-igd-off")
    assert upnp.finding.where == "etc/upnp/igd.xml:30"
    assert upnp.more == 0


def test_the_sentence() -> None:
    assert standing.sentence(sample()) == (
        "11 of 15 checks fail, 2 are undecided and not everything was opened."
    )
    assert standing.sentence(fine()) == "All 16 checks that apply hold."
    shut = replace(fine(), opened=Opened(complete=False))
    assert standing.sentence(shut) == "Not everything was opened."


def test_only_what_is_open_is_affected() -> None:
    named = [each.cve for each in standing.affected(sample())]
    assert named == ["CVE-2017-14491", "CVE-2016-7406", "CVE-2021-42373", "CVE-2016-5195"]
    assert [each.cve for each in standing.exploited(sample())] == [
        "CVE-2017-14491",
        "CVE-2016-5195",
    ]


@pytest.mark.parametrize(
    ("cvss", "severity"),
    [(None, "info"), (0.0, "low"), (3.9, "low"), (4.0, "medium"), (7.0, "high"), (9.0, "critical")],
)
def test_scores_in_words(cvss: float | None, severity: str) -> None:
    assert standing.severity_of(Match(cve="x", component="y", cvss=cvss)) == severity


def test_the_next_step_fits_what_is_missing() -> None:
    told = dict(standing.next_steps(sample()))
    assert told["Begin with the worst:"] == "holdfast explain backdoor-published-absent"
    assert told["Get fresh vulnerability data:"] == "holdfast audit db update"
    assert told["Allow it more than that:"] == "holdfast audit --limit depth=20"
    bare = dict(standing.next_steps(replace(fine(), vulnerability_data=())))
    assert bare == {"Look for known vulnerabilities too:": "holdfast audit db update"}
    strange = replace(fine(), subject=replace(fine().subject, product=""))
    assert "Say what is meant to be so:" in dict(standing.next_steps(strange))


def test_gravity_is_that_of_what_counts() -> None:
    by_rule = {each.rule: standing.gravity(each) for each in sample().checks}
    assert by_rule["programs-hardened"] == Severity.LOW.rank
    assert by_rule["upnp-igd-off"] == Severity.MEDIUM.rank
    assert by_rule["update-verified"] == Severity.HIGH.rank
    assert by_rule["ssh-off"] == 0


def test_verdicts_are_found() -> None:
    assert [each.rule for each in standing.of_verdict(sample(), Verdict.NOT_APPLICABLE)] == [
        "startup-unchanged"
    ]


def test_the_time_is_that_of_the_whole() -> None:
    assert standing.seconds(sample()) == pytest.approx(2.4)
    assert standing.seconds(sample(seconds={"opening": 1.0, "total": 3.0})) == 3.0
