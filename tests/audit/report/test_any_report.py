"""Whatever can be read as a report can be written in every form, shown, and compared."""

import json
import random
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.audit.diff import compare
from holdfast.audit.errors import ReportError
from holdfast.audit.report.document import decode, encode
from holdfast.audit.report.outputs import FORMS
from holdfast.audit.report.shapes import Report
from holdfast.cli.audit.comparison import lines as differences
from holdfast.cli.audit.summary import COLUMNS, MOST_LINES, lines
from tests.audit.report.sample import HOSTILE, sample

CONTENT = encode(sample())
TEXTS = [
    "", "\u202e", "x" * 5000, "etc/passwd:99999999999999999999", "a@0x", ":x/y", "CVE-2020-1234",
    "CVSS:3.1/", *(name.encode(errors="backslashreplace").decode() for name in HOSTILE),
]  # fmt: skip
LIKE: dict[type, list[Any]] = {
    str: TEXTS,
    int: [-1, 0, 1, 10**6, 2**63 - 1, -(2**63), 2**63],
    float: [-1.0, 0, 0.5, 1.5, 11.0, 1e308, -1e308, 1e-308],
    bool: [True, False],
    list: [[]],
    dict: [{}],
    type(None): [None, 0, "x"],
}
STRICT = JsonStrictValidator(SchemaVersion.V1_6)


def changed(seed: int) -> Report | None:
    """Change some values of the sample; None if what comes out is no report."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    raw = json.loads(CONTENT)
    for _ in range(chance.randrange(1, 8)):
        holder: Any = raw
        while True:
            key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            inner = holder[key]
            if not isinstance(inner, dict | list) or not inner or chance.random() < 0.05:
                break
            holder = inner
        holder[key] = chance.choice(LIKE[type(inner)])
    try:
        return decode(json.dumps(raw).encode())
    except ReportError:
        return None


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32))
@example(seed=1546)  # a confidence of 1e308
def test_every_form_can_be_made(seed: int) -> None:
    report = changed(seed)
    if report is None:
        return
    made = {name: form.content(report) for name, form in FORMS.items()}
    assert decode(made["report"]) == report
    for name in ("sarif", "sbom", "spdx", "vex"):
        json.loads(made[name])
    shown = lines(report, columns=COLUMNS)
    assert len(shown) <= MOST_LINES
    assert all(line.plain.isprintable() for line in shown)
    told = list(differences(compare(sample(), report)))
    assert all(line.plain.isprintable() for line in told)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_bills_stay_valid(seed: int) -> None:
    report = changed(seed)
    if report is not None:
        for name in ("sbom", "vex"):
            content = FORMS[name].content(report).decode()
            assert STRICT.validate_str(content) is None


def test_enough_of_them_are_reports() -> None:
    assert sum(changed(seed) is not None for seed in range(100)) > 20
