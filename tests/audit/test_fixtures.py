"""Every check on its fixtures: at least one image that passes and one that fails."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast import evidence
from holdfast.audit import checks, rows
from holdfast.audit.image import Image
from holdfast.audit.verdicts import Finding, NotApplicable, Severity, Undecided, Verdict
from tests.audit.made import image_of

FIXTURES = Path(__file__).parent / "fixtures"
CASES = sorted(path for path in FIXTURES.glob("*/*") if path.is_dir())


def judged(rule: str, image: Image) -> tuple[Verdict, str, list[Finding]]:
    check = checks.every()[rule]
    found: list[Finding] = []
    verdict, reason = Verdict.PASS, ""
    try:
        found.extend(check.run(image))
    except NotApplicable as answer:
        verdict, reason = Verdict.NOT_APPLICABLE, str(answer)
    except Undecided as answer:
        verdict, reason = Verdict.UNDECIDED, str(answer)
    # What only informs never fails an image, but its fixtures must show that it finds.
    informs = check.about.severity is Severity.INFO
    worst = [one for one in found if informs or one.severity is not Severity.INFO]
    return (Verdict.FAIL if worst else verdict), reason, found


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_fixture(case: Path) -> None:
    expected: dict[str, Any] = json.loads((case / "expected.json").read_text())
    verdict, reason, found = judged(case.parent.name, image_of(case))
    places = [one.where for one in found]
    assert (verdict, reason) == (expected["verdict"], reason), places
    assert sorted(expected.get("where", [])) == sorted(places), [one.what for one in found]
    for one in found:
        assert one.what, "a finding says what is wrong"
        assert "\n" not in one.what
    for secret in expected.get("secrets", []):
        assert secret not in repr(found), "a finding never shows a secret"
    if verdict is not Verdict.PASS and verdict is not Verdict.FAIL:
        assert reason, "an answer says why"


@pytest.mark.parametrize("rule", checks.every())
def test_has_both_kinds_of_fixtures(rule: str) -> None:
    verdicts = {path.name.partition("-")[0] for path in FIXTURES.glob(f"{rule}/*") if path.is_dir()}
    assert {"pass", "fail"} <= verdicts


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_name_says_what_is_expected(case: Path) -> None:
    assert case.parent.name in checks.every(), "no such check"
    kind = case.name.partition("-")[0]
    verdict = json.loads((case / "expected.json").read_text())["verdict"]
    allowed = {"pass": {"pass"}, "fail": {"fail"}, "other": {"undecided", "not-applicable"}}
    assert verdict in allowed[kind]


@pytest.mark.parametrize("rule", checks.every())
def test_says_what_it_is_for(rule: str) -> None:
    about = checks.every()[rule].about
    assert about.title
    assert not about.title.endswith(".")
    assert about.why.endswith(".")
    assert about.fix.endswith(".")
    assert any(rows.row_of(source) for source in about.sources), "no row of the register"


def _register() -> dict[str, dict[str, Any]]:
    path = Path(evidence.__file__).parent / "requirements.yaml"
    whole = yaml.safe_load(path.read_text())
    return {row["id"]: row for row in whole["requirements"]}


def test_sources_are_rows_of_the_register() -> None:
    register = _register()
    for rule, check in checks.every().items():
        for source in check.about.sources:
            row = rows.row_of(source)
            assert row is None or row in register, f"{rule}: {source}"
            known = ("Article ", "EN 303 645 ", "CRA ", "PSTI ", "EN 18031 ", "GDPR ")
            assert row or not source.startswith(known), f"{rule}: {source} is not understood"


def test_every_row_of_the_article_that_an_image_can_show_has_a_check() -> None:
    covered = {rows.row_of(s) for check in checks.every().values() for s in check.about.sources}
    for row in _register().values():
        if row["source"] == "Article" and "image" in (row["checkable"], *row.get("also", ())):
            assert row["id"] in covered, row["title"]


def test_there_are_enough() -> None:
    assert len(checks.every()) >= 60
