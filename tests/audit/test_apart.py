"""Audits for programs with threads, and children that lie."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.audit import apart, child
from holdfast.audit.child import Settings
from holdfast.audit.errors import AuditError, ChildError
from holdfast.audit.report.shapes import Report
from tests.audit.unpack.boxes import SYSTEM, tar

pytestmark = pytest.mark.servers


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.tar"
    path.write_bytes(tar(SYSTEM))
    return path


@pytest.fixture
def room(tmp_path: Path) -> Path:
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def below() -> int:
    me = Path("/proc/self/task")
    return sum(len((task / "children").read_text().split()) for task in me.iterdir())


@pytest.mark.slow
def test_it_is_judged_with_progress(image: Path) -> None:
    told: list[tuple[str, float]] = []
    report = apart.judge(image, Settings(), progress=lambda *step: told.append(step))
    assert report.subject.name == image.name
    assert {"opening", "report"} <= {stage for stage, _ in told}
    assert all(0 <= share <= 1 for _, share in told)


@pytest.mark.slow
def test_it_stops_at_once_and_leaves_nothing(image: Path, room: Path) -> None:
    before = below()
    began: list[float] = []

    def wanted() -> bool:
        return not began

    with pytest.raises(apart.StoppedError):
        apart.judge(
            image,
            Settings(scratch=room),
            progress=lambda *_: began.append(time.monotonic()),
            wanted=wanted,
        )
    assert time.monotonic() - began[0] < 5
    assert list(room.iterdir()) == []
    assert below() <= before + 1  # one process of Python's own keeps count of what it shares


@pytest.mark.slow
def test_errors_come_through(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=r"\[audit-subject\].*absent"):
        apart.judge(tmp_path / "absent", Settings(), progress=lambda *_: None)


@pytest.mark.slow
def test_it_has_an_end(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "LONGER_S", -300.0)
    with pytest.raises(ChildError, match="did not end"):
        apart.judge(image, Settings(), progress=lambda *_: None)


LIE = """
import os, sys
sys.path[:0] = {path!r}
import msgspec
from holdfast.audit import checks
from holdfast.audit.exchange import Answer, Request
from holdfast.audit.model.shapes import Listener, Model, StartUp
from holdfast.audit.report.shapes import Checked, Opened, Report
from holdfast.audit.verdicts import Verdict
request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
every = tuple(
    Checked(rule=rule, recommendation=one.about.recommendation, title=one.about.title,
            severity=one.about.severity, verdict=Verdict.PASS)
    for rule, one in checks.every().items()
)
model = Model(start_up=StartUp(init="none"))
{change}
content = msgspec.msgpack.encode(Answer(report=Report(
    made=request.now, holdfast="x", rules="x", subject=request.subject, outcome="pass",
    opened=Opened(complete=True), model=model, others={{}}, checks=every, seconds={{}},
)))
while content:
    content = content[os.write(3, content):]
"""


@pytest.fixture
def lying(image: Path, room: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Report]:
    def run(change: str) -> Report:
        code = LIE.format(path=sys.path, change=change)
        monkeypatch.setattr(child, "COMMAND", (sys.executable, "-I", "-B", "-c", code))
        return child.judge(image, Settings(scratch=room, workers=1))

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("change", "says"), [
    ("every = ()", "not those that were asked for"),
    ("every = every[1:]", "not those that were asked for"),
    ("every = every + every", "not those that were asked for"),
    ("model = Model(start_up=StartUp(init='none', edges=((0, 7),)))", "not there"),
    (("model = Model(start_up=StartUp(init='none'), listeners=(Listener(service='x', "
      "program='x', where='x', steps=(99,)),))"), "not there"),
])  # fmt: skip
def test_a_child_that_contradicts_itself_is_not_believed(
    lying: Callable[[str], Report], change: str, says: str
) -> None:
    with pytest.raises(ChildError, match=says):
        lying(change)


@pytest.mark.slow
def test_what_is_known_outside_is_not_taken_from_the_child(lying: Callable[[str], Report]) -> None:
    report = lying("")
    assert report.holdfast != "x"
    assert report.subject.name == "image.tar"
