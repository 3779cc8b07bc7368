"""A clock wrong by years, a hub silent for days: nothing old is believed, nothing is lost."""
# ruff: noqa: ANN401 - JSON, and fixtures whose classes conftest.py holds where none can import

import json
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.core.clock import stamp
from holdfast.device.agent import clockwork, engine, metadata
from holdfast.device.agent.child import Child
from holdfast.device.agent.engine import Engine
from holdfast.device.agent.hub import Hub
from holdfast.device.agent.installation import Installation
from holdfast.device.agent.keeper import Keeper
from holdfast.device.agent.settled import read_terms
from holdfast.device.agent.telling import Telling
from holdfast.device.broker import state as slots
from holdfast.device.config import read as read_settings
from holdfast.device.gui.answers import state_of
from holdfast.device.gui.views import home
from holdfast.updates.repository import Repository

pytestmark = [pytest.mark.servers]

YEAR = timedelta(days=365)


@dataclass
class Clock:
    """The clock that people can set, and the one that nobody can."""

    now: datetime
    ticks: float = 1000.0
    started: list[datetime] = field(default_factory=list)

    def now_ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def monotonic(self) -> float:
        return self.ticks

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.ticks += seconds


class OwnChild(Child):
    """Answers as the agent's child does, in this process, by the clock of the test."""

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        done: dict[str, Any] = getattr(metadata, _DOES[question["do"]])(question)
        return done


_DOES = {"accept": "accepted", "refresh": "refreshed", "digest": "digested", "terms": "terms"}


class Device:
    """The agent's parts, step by step under a clock of our own, against a real gateway."""

    def __init__(self, bench: Any, clock: Clock) -> None:
        self.bench, self.clock = bench, clock
        settings = read_settings(bench.folder / "device.toml")
        self.keeper = Keeper(bench.folder / "agent" / "state.json")
        hub = Hub(
            url=settings.hub_url,
            tenant=settings.tenant,
            controller_id=settings.controller_id,
            token=settings.token_file.read_text,
        )
        child = OwnChild(settings)
        kept = bench.folder / "agent" / "terms.json"
        terms = read_terms(settings.product, kept, lambda: child.terms(settings.product))
        self.stopped = threading.Event()
        installation = Installation(
            keeper=self.keeper,
            hub=hub,
            child=child,
            broker=self.broker,
            terms=terms,
            folder=settings.folder,
            now_ms=clock.now_ms,
            stopped=self.stopped.is_set,
        )
        self.engine = Engine(
            config=settings,
            keeper=self.keeper,
            hub=hub,
            broker=self.broker,
            installation=installation,
            now_ms=clock.now_ms,
            stopped=self.stopped,
        )
        self.telling = Telling(
            keeper=self.keeper,
            engine=self.engine,
            installation=installation,
            hub=hub,
            terms=terms,
            folder=settings.folder,
            now_ms=clock.now_ms,
        )
        self.asked: list[str] = []

    def broker(self, verb: str, args: dict[str, Any], _timeout_s: float) -> dict[str, Any]:
        self.asked.append(verb)
        handler = self.bench.broker.handlers()[verb]
        done: dict[str, Any] = handler(None, args)
        return done

    def step(self) -> None:
        self.clock.passes(max(0.1, self.engine.step()))

    def told(self) -> dict[str, Any]:
        return dict(self.telling.handlers()["update.state"](None, {}))  # type: ignore[arg-type] # no peer here

    def page(self) -> str:
        """Give all that the owner reads on the update page."""
        view = home(state_of(self.told()), "", now=self.clock.now)
        lines = [view.headline, view.sentence]
        for notice in view.notices:
            lines += [notice.title, *notice.lines]
        return " ".join(lines)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, maker: Any) -> Clock:
    made = Clock(now=maker.now)
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=made.monotonic))
    ticks = SimpleNamespace(clock_gettime=lambda _id: made.ticks, CLOCK_BOOTTIME=7)
    monkeypatch.setattr(clockwork, "time", ticks)
    monkeypatch.setattr(metadata, "now", lambda: made.now)
    return made


def made(bench: Any, when: datetime) -> None:
    """Say when the running version was made."""
    now = slots.read(bench.broker.file)
    running = now.running._replace(made=stamp(when))
    slots.write(bench.broker.file, now.with_slot("a", running))


def offer(bench: Any, version: str = "1.1") -> None:
    release = next(one for one in _releases(bench) if str(one.version) == version)
    bench.gateway.offer(7, release)


def _releases(bench: Any) -> Any:
    from holdfast.updates.client import Client, folder_fetch  # noqa: PLC0415 - only here

    trusted = bench.folder / "reading"
    trusted.mkdir(exist_ok=True)
    (trusted / "root.json").write_bytes((bench.folder / "factory/root.json").read_bytes())
    client = Client(trusted, folder_fetch(bench.maker.repository.metadata), now=bench.maker.now)
    client.refresh("home-gateway")
    return client.releases()


def test_a_clock_in_1970_installs_what_is_fresh_and_says_what_to_do(
    bench: Any, clock: Clock
) -> None:
    right = clock.now
    made(bench, right - timedelta(hours=1))
    offer(bench)
    clock.now = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    device = Device(bench, clock)
    device.step()
    assert device.told()["stage"] == "offered"
    page = device.page()
    assert "The clock looks wrong" in page
    assert "1 January 1970" in page
    assert "Set date and time" in page
    # Then the time server answers: the owner has not put anything off for decades by that.
    clock.now = right + timedelta(minutes=1)
    device.step()
    assert device.told()["stage"] == "offered"
    assert "slot.install" not in device.asked
    work = device.keeper.memory.work
    assert work is not None
    assert abs(work.first_seen_ms - clock.now_ms()) < 3_600_000
    assert "The clock looks wrong" not in device.page()


def test_a_clock_in_1970_cannot_be_held_in_the_past(
    bench: Any, clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Lists that ran out before the running version was made are not believed, whatever it says."""
    right = clock.now + timedelta(days=30)
    made(bench, right - timedelta(hours=1))
    offer(bench)
    clock.now = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    device = Device(bench, clock)
    device.step()
    assert device.told()["offer"] is None
    assert device.told()["trouble"]["code"] == "update-clock"
    assert "Set the date and time" in device.page()
    device.step()
    assert [line for line in bench.gateway.details() if line.startswith("[update-clock]")]
    assert len([line for line in bench.gateway.details() if "clock" in line]) == 1
    assert not bench.gateway.closed
    # Nothing is lost: as soon as the hub shows lists that hold, the same offer is taken up.
    folder = tmp_path_factory.mktemp("fresh") / "repository"
    subprocess.run(["cp", "-a", bench.maker.repository.folder, folder], check=True)  # noqa: S607, TID251 - a copy
    fresh = Repository(folder)
    fresh.refresh_timestamp(online=bench.maker.online, now=right)
    bench.gateway.metadata = fresh.metadata
    for _ in range(3):
        device.step()
    assert device.told()["stage"] == "offered"
    assert device.told()["trouble"]["code"] == ""


def test_a_clock_in_2040_loses_nothing_and_says_what_to_do(bench: Any, clock: Clock) -> None:
    right = clock.now
    made(bench, right - timedelta(hours=1))
    offer(bench)
    clock.now = datetime(2040, 1, 1, tzinfo=UTC)
    device = Device(bench, clock)
    for _ in range(4):
        device.step()
    assert device.told()["offer"] is None
    assert device.told()["trouble"]["code"] == "update-clock"
    page = device.page()
    assert "1 January 2040" in page
    assert "Set the date and time" in page
    assert "slot.install" not in device.asked
    assert not bench.gateway.closed
    clock.now = right + timedelta(minutes=5)
    for _ in range(3):
        device.step()
    assert device.told()["stage"] == "offered"
    assert "The clock looks wrong" not in device.page()
    work = device.keeper.memory.work
    assert work is not None
    assert work.first_seen_ms <= clock.now_ms()


@pytest.mark.parametrize(
    ("clock_says", "made_later", "code"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), timedelta(0), ""),
        (datetime(1970, 1, 1, tzinfo=UTC), timedelta(days=30), "update-expired"),
        (datetime(2040, 1, 1, tzinfo=UTC), timedelta(0), "update-clock"),
    ],
    ids=["1970", "1970 and stale", "2040"],
)
def test_verifier_under_a_wrong_clock(
    bench: Any, maker: Any, tmp_path: Path, clock_says: datetime, made_later: timedelta, code: str
) -> None:
    """The real verifier, which takes nobody's word for the time."""
    release = next(one for one in _releases(bench) if str(one.version) == "1.1")
    artifact = tmp_path / "artifact"
    artifact.write_bytes(maker.image(release))
    trusted = tmp_path / "trusted"
    trusted.mkdir()
    question = {
        "trusted": str(trusted),
        "factory_root": str(bench.folder / "factory" / "root.json"),
        "metadata": str(maker.repository.metadata),
        "product": "home-gateway",
        "hardware": "a",
        "version": "1.1",
        "current": "1.0",
        "floor": "1.0",
        "not_before": stamp(maker.now + made_later),
    }
    under = (
        "import sys; from datetime import datetime; from holdfast.device import verifier\n"
        f"verifier.now = lambda: datetime.fromisoformat({clock_says.isoformat()!r})\n"
        "sys.exit(verifier.main())"
    )
    with artifact.open("rb") as opened:
        done = subprocess.run(  # noqa: TID251 - the verifier reads a file, not a pipe
            [sys.executable, "-I", "-c", under, json.dumps(question)],
            stdin=opened,
            capture_output=True,
            timeout=30,
            check=True,
        )
    answer = json.loads(done.stdout)
    if not code:
        assert answer["ok"]["version"] == "1.1"
        return
    assert answer["error"]["code"] == code
    assert "clock" in answer["error"]["message"]
    assert answer["error"]["hint"]


def test_lists_that_are_kept_stale_are_noticed_without_any_offer(bench: Any, clock: Clock) -> None:
    """Whoever hides every offer cannot make the lists that hide it hold longer."""
    made(bench, clock.now - timedelta(hours=1))
    device = Device(bench, clock)
    device.step()
    assert "Everything is up to date" in device.page()
    clock.passes(5 * 86_400)
    bench.gateway.date = clock.now
    device.step()
    page = device.page()
    assert "held back" in page
    assert "up to date" not in page
    assert device.told()["trouble"]["code"] == "update-expired"


def test_days_without_a_hub(bench: Any, clock: Clock) -> None:
    """Five days: nothing lost, little done, the owner told since when; then all in order."""
    offer(bench)
    device = Device(bench, clock)
    device.step()
    assert device.told()["stage"] == "offered"
    bench.gateway.feedback.clear()
    calls = [0]

    def dead(handler: Any) -> bool:
        calls[0] += 1
        handler.answer({}, 503)
        return True

    bench.gateway.fault = dead
    silent_from = clock.now
    for number in range(1, 6):
        device.telling.handlers()["update.later"](None, {"days": 1})  # type: ignore[arg-type] # no peer here
        with device.keeper.change() as memory:
            memory.report("POST", "deploymentBase/7/feedback", _progress(number))
    ends = clock.now + timedelta(days=5)
    while clock.now < ends:
        device.step()
    assert calls[0] < 5 * 24 * 60 / 4  # poll, report and download together, each 15 minutes
    since = device.told()["hub"]["silent_since_ms"]
    assert abs(since - int(silent_from.timestamp() * 1000)) < 60_000
    page = device.page()
    assert "The update server does not answer" in page
    assert "No answer since" in page
    assert device.told()["running"]["version"] == "1.0"
    assert (bench.folder / "agent/state.json").stat().st_size < 32_768
    # It is killed, and starts again: the reports are still there.
    device = Device(bench, clock)
    bench.gateway.fault = lambda _handler: False
    for _ in range(3):
        device.step()
    sent = [body["status"]["details"] for _, body in bench.gateway.feedback]
    steps = [details[0] for details in sent if details and details[0].startswith("step")]
    assert steps == [f"step {number}" for number in range(1, 6)]
    assert device.told()["hub"]["silent_since_ms"] is None
    assert not device.keeper.memory.reports


def _progress(number: int) -> dict[str, Any]:
    return {
        "id": "7",
        "status": {
            "execution": "proceeding",
            "result": {"finished": "none"},
            "details": [f"step {number}"],
        },
    }


def test_a_report_that_the_hub_cannot_take_stops_no_poll(bench: Any, clock: Clock) -> None:
    device = Device(bench, clock)
    device.step()

    def broken(handler: Any) -> bool:
        if handler.command == "GET":
            return False
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.answer({}, 500)
        return True

    bench.gateway.fault = broken
    with device.keeper.change() as memory:
        memory.report("POST", "deploymentBase/7/feedback", _progress(1))
    before = bench.gateway.polls
    for _ in range(6):
        device.step()
    assert bench.gateway.polls >= before + 4
    assert device.keeper.memory.reports
    bench.gateway.fault = lambda _handler: False
    for _ in range(3):
        device.step()
    assert not device.keeper.memory.reports


@pytest.mark.parametrize("token", [None, b"", b"two\r\nlines", b"\xff\xfe", b"x" * 9000])
def test_a_token_that_cannot_be_used_is_said(bench: Any, clock: Clock, token: bytes | None) -> None:
    from holdfast.device.agent.hub import read_token  # noqa: PLC0415 - only here

    path = bench.folder / "factory" / "token"
    device = Device(bench, clock)
    device.engine._hub._token = lambda: read_token(path)
    path.unlink()
    if token is not None:
        path.write_bytes(token)
    device.step()
    device.step()
    page = device.page()
    assert "cannot read its token" in page
    assert "must give this device a new token" in page
