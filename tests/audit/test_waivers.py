"""A waiver covers its place until its day, and no more."""

import re
import time
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.report.shapes import Checked, Placed
from holdfast.audit.verdicts import Recommendation, Severity, Verdict
from holdfast.audit.vulnerabilities.shapes import Match
from holdfast.audit.waivers import Place, apply
from holdfast.core.shapes import ProblemsError
from holdfast.product.waivers import Waiver

TODAY = date(2026, 11, 22)


def waiver(rule: str, place: str, *, until: date = date(2027, 6, 1)) -> Waiver:
    return Waiver(rule=rule, place=place, reason="next release", who="Ada", until=until)


def finding(where: str, what: str = "starts telnetd", severity: Severity = Severity.HIGH) -> Placed:
    return Placed(id="0" * 16, where=where, what=what, severity=severity)


def check(
    *findings: Placed,
    rule: str = "telnet-off",
    verdict: Verdict = Verdict.FAIL,
    reason: str = "",
    recommendation: Recommendation = 1,
) -> Checked:
    return Checked(
        rule=rule,
        recommendation=recommendation,
        title="Telnet is off",
        severity=Severity.HIGH,
        verdict=verdict,
        reason=reason,
        findings=findings,
    )


@pytest.mark.parametrize(
    ("place", "where", "covered"),
    [
        ("etc/inittab", "etc/inittab", True),
        ("/etc/inittab", "etc/inittab:3", True),
        ("etc/inittab:3", "etc/inittab:3", True),
        ("etc/inittab:3", "etc/inittab:30", False),
        ("etc/inittab", "etc/inittab2", False),
        ("usr/bin/x", "usr/bin/x@0x1f00", True),
        ("/", "", True),
        ("/", "etc", False),
        ("**", "", True),
        ("**", "a/b/c", True),
        ("etc/*", "etc/a:9", True),
        ("etc/*", "etc/a/b", False),
        ("etc/**", "etc/a/b", True),
        ("**/passwd", "passwd", True),
        ("**/passwd", "etc/passwd", True),
        ("**/passwd", "etc/xpasswd", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a**/b", "ab", False),
        ("**/**/b", "b", True),
        ("usr/bin/[", "usr/bin/[", True),
        ("usr/bin/[a]", "usr/bin/a", False),
        ("?tc/x", "etc/x", True),
        ("a?b", "a/b", False),
        ("a*c*e", "abcde", True),
        ("a*c*e", "abcd", False),
        ("x", "x\n", False),
        (".", "x", False),
    ],
)
def test_places(place: str, where: str, *, covered: bool) -> None:
    assert Place(place).covers(where) is covered


def as_expression(place: str) -> str:
    """The same, for a machine that may take ages."""
    words = {"*": "[^/]*", "?": "[^/]"}
    marks = re.findall(r"(?<![^/])\*\*+/|\*+|[^*]", place.lstrip("/"))
    return "".join(
        ("(?:.*/)?" if mark.endswith("/") else ".*")
        if mark.startswith("**")
        else words.get(mark, re.escape(mark))
        for mark in marks
    )


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(place=st.text("ab/*?", max_size=10), where=st.text("ab/", max_size=8))
def test_places_mean_what_the_expression_means(place: str, where: str) -> None:
    wanted = re.fullmatch(as_expression(place), where, re.DOTALL) is not None
    assert Place(place).covers(where) is wanted


def test_a_hostile_place_takes_no_time() -> None:
    began = time.perf_counter()
    assert not Place("**a*" * 70 + "b").covers("a/" * 5000)
    assert time.perf_counter() - began < 1


def test_what_is_covered_stays_visible_and_fails_nothing() -> None:
    done = apply([waiver("telnet-off", "etc/*")], [check(finding("etc/inittab:3"))], today=TODAY)
    (checked,) = done.checks
    assert checked.verdict is Verdict.PASS
    assert checked.findings[0].waived is not None
    assert checked.findings[0].waived.who == "Ada"
    assert done.notes == ()


def test_what_is_not_covered_still_fails() -> None:
    both = check(finding("etc/inittab:3"), finding("sbin/x"))
    done = apply([waiver("telnet-off", "etc/*")], [both], today=TODAY)
    assert done.checks[0].verdict is Verdict.FAIL
    assert [each.waived is not None for each in done.checks[0].findings] == [True, False]


def test_another_rule_is_not_covered() -> None:
    done = apply([waiver("ssh-off", "**")], [check(finding("etc/inittab:3"))], today=TODAY)
    assert done.checks[0].findings[0].waived is None
    assert done.checks[0].verdict is Verdict.FAIL


def test_a_check_that_could_not_finish_does_not_pass() -> None:
    cut = check(finding("a"), reason="one script could not be read")
    done = apply([waiver("telnet-off", "a")], [cut], today=TODAY)
    assert done.checks[0].verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.UNDECIDED, Verdict.NOT_APPLICABLE])
def test_other_verdicts_stay(verdict: Verdict) -> None:
    seen = check(finding("a", severity=Severity.INFO), verdict=verdict)
    assert apply([waiver("telnet-off", "a")], [seen], today=TODAY).checks[0].verdict is verdict


@pytest.mark.parametrize(
    ("until", "holds"), [(TODAY, True), (date(2026, 11, 21), False), (date(2027, 1, 1), True)]
)
def test_it_holds_on_its_last_day_and_not_after(until: date, *, holds: bool) -> None:
    done = apply([waiver("telnet-off", "a", until=until)], [check(finding("a"))], today=TODAY)
    assert (done.checks[0].verdict is Verdict.PASS) is holds


def notes(*waivers: Waiver, checks: tuple[Checked, ...]) -> tuple[str, ...]:
    return apply(waivers, checks, today=TODAY).notes


def test_notes_tell_what_is_over_unused_unknown_or_ends_soon() -> None:
    told = notes(
        waiver("telnet-off", "a", until=date(2026, 1, 1)),
        waiver("telnet-off", "b"),
        waiver("telnet-of", "c"),
        waiver("telnet-off", "d", until=date(2026, 12, 1)),
        waiver("telnet-off", "e"),
        waiver("CVE-2020-1234", "**"),
        checks=(check(finding("a"), finding("d"), finding("e")),),
    )
    assert [note.split(" by Ada ")[1].split(";")[0].split(":")[0] for note in told] == [
        "ended on 2026-01-01",
        "covers nothing here",
        "is of no use",
        "ends after 2026-12-01",
        "covers nothing here",
    ]
    assert any("did you mean telnet-off?" in note for note in told)


def test_two_that_overlap_are_both_of_use() -> None:
    pair = (waiver("telnet-off", "a"), waiver("telnet-off", "*"))
    assert notes(*pair, checks=(check(finding("a")),)) == ()


def test_a_vulnerability_is_waived_by_its_own_id() -> None:
    named = check(finding("bin/busybox", "BusyBox 1.14.1 has CVE-2021-42373"), rule="exploited")
    match = Match(cve="CVE-2021-42373", component="busybox 1.14.1", where="bin/busybox@0x20")
    done = apply([waiver("CVE-2021-42373", "bin/busybox")], [named], [match], today=TODAY)
    assert done.checks[0].verdict is Verdict.PASS
    assert done.vulnerabilities[0].waived is not None
    assert done.notes == ()


def test_a_finding_of_two_vulnerabilities_needs_both_waived() -> None:
    named = check(finding("bin/a", "has CVE-2021-1111 and CVE-2021-2222"), rule="exploited")
    first, second = waiver("CVE-2021-1111", "bin/a"), waiver("CVE-2021-2222", "**")
    assert apply([first], [named], today=TODAY).checks[0].verdict is Verdict.FAIL
    assert apply([first, second], [named], today=TODAY).checks[0].verdict is Verdict.PASS


def test_a_waived_finding_waives_the_vulnerability_that_it_names() -> None:
    named = check(finding("bin/a", "has CVE-2021-1111"), rule="exploited")
    matches = [
        Match(cve="CVE-2021-1111", component="a 1", where="bin/a"),
        Match(cve="CVE-2021-1111", component="b 1", where="bin/b"),
    ]
    done = apply([waiver("exploited", "bin/a")], [named], matches, today=TODAY)
    assert [each.waived is not None for each in done.vulnerabilities] == [True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule": "Telnet off"},
        {"rule": "-x"},
        {"place": ""},
        {"place": "a\u202eb"},
        {"reason": ""},
        {"who": " "},
        {"until": date(1999, 1, 1)},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    right = {"rule": "a", "place": "b", "reason": "c", "who": "d", "until": TODAY}
    with pytest.raises(ProblemsError):
        Waiver(**(right | wrong))  # type: ignore[arg-type]
