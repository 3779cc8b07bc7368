"""A report comes back as it was written, and nothing else comes in."""

import json
import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.errors import ReportError
from holdfast.audit.model.shapes import Listener, StartUp
from holdfast.audit.report import document
from holdfast.audit.report.document import contradiction, decode, encode, read
from tests.audit.report.sample import hostile, model, sample

CONTENT = encode(sample())


def test_it_comes_back_the_same() -> None:
    assert decode(CONTENT) == sample()
    assert CONTENT.endswith(b"\n")
    assert CONTENT.count(b"\n") == 1


def test_names_that_are_no_text_become_text_and_stay_so() -> None:
    once = encode(hostile())
    assert encode(decode(once)) == once
    assert b"\\\\x80\\\\xff not text" in once


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"report"',
        b"\xff\xfe",
        b"[" * 1_000_000,
        b'{"format":1,"x":' + b"[" * 1_000_000,
        b'{"format":1}',
        CONTENT[:-3],
        CONTENT.replace(b'"format":1', b'"format":2'),
        CONTENT.replace(b'"format":1', b'"format":true'),
        CONTENT.replace(b'"outcome":"fail"', b'"outcome":"fine"'),
        CONTENT.replace(b'"recommendation":1', b'"recommendation":6'),
        CONTENT.replace(b'"opening":1.2', b'"opening":1e999'),
        CONTENT.replace(b'"opening":1.2', b'"opening":NaN'),
        CONTENT.replace(b'"size_bytes":3641484', b'"size_bytes":"many"'),
        CONTENT.replace(b'"size_bytes":3641484', b'"size_bytes":1' + b"0" * 4000),
        CONTENT.replace(b"dnsmasq 2.45", b"\\ud800"),
        CONTENT.replace(b"2026-11-22T17:04:05Z", b"2026-11-22T17:04:05"),
        CONTENT.replace(b"2024-10-24T00:00:00Z", b"2024-10-24T00:00:00"),
        CONTENT.replace(b"36" * 32, b"36" * 31),
        CONTENT.replace(b"44" * 32, b"zz" * 32),
    ],
)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    assert content != CONTENT
    with pytest.raises(ReportError) as caught:
        decode(content)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_report_is_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    content = bytearray(CONTENT)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(content))
        content[at : at + chance.randrange(4)] = chance.randbytes(chance.randrange(3))
    with suppress(ReportError):
        assert encode(decode(bytes(content)))


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_values_of_other_kinds_are_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    raw = json.loads(CONTENT)
    holder: Any = raw
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = chance.choice(keys)
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.1:
            break
        holder = inner
    holder[key] = chance.choice([None, -1, 2**63, 1.5, True, "", "\u202e", [], {}, [[]]])
    with suppress(ReportError):
        assert encode(decode(json.dumps(raw).encode()))


def test_unknown_keys_are_left_alone_for_later_versions() -> None:
    assert decode(CONTENT.replace(b'{"format":1', b'{"later":[1],"format":1')) == sample()


def of_start(start_up: StartUp, *listeners: Listener) -> str | None:
    return contradiction(sample(model=replace(model(), start_up=start_up, listeners=listeners)))


def test_a_graph_that_leads_nowhere_is_a_contradiction() -> None:
    start = model().start_up
    assert of_start(start) is None
    assert of_start(replace(start, edges=((0, 99),))) is not None
    assert of_start(replace(start, edges=((-1, 0),))) is not None
    assert of_start(replace(start, steps=start.steps[1:], edges=())) is not None
    lost = Listener(service="x", program="y", where="z", steps=(99,))
    assert of_start(start, lost) is not None
    others = {"x": replace(model(), start_up=replace(start, edges=((0, 99),)))}
    assert contradiction(sample(others=others)) is not None


def test_a_report_too_long_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(CONTENT)
    assert read(path) == sample()
    monkeypatch.setattr(document, "MOST_BYTES", len(CONTENT) - 1)
    with pytest.raises(ReportError, match="longer"):
        read(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path, Path("/dev/null"), tmp_path / "nul\0"):
        with pytest.raises(ReportError, match=r"cannot be read|no plain file|no report"):
            read(path)


def test_a_report_is_told_from_an_image(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_bytes(CONTENT)
    assert document.looks_like_one(path)
    path.write_bytes(b"\x27\x05\x19\x56")
    assert not document.looks_like_one(path)
    assert not document.looks_like_one(tmp_path / "missing")
