"""Power cuts and full disks: what devices read is the old or the new, never a half."""

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from holdfast.core.errors import NoSpaceError
from holdfast.updates import repository
from holdfast.updates.online import OnlineKeys
from holdfast.updates.repository import Repository

World = Any  # the class in conftest.py, which cannot be imported


class PowerCutError(BaseException):
    """Everything stops here."""


class Power:
    """Fails every file operation below a folder from the n-th on, as a power cut does."""

    def __init__(self) -> None:
        self.below = ""
        self.left = -1
        self.failure: type[BaseException] = PowerCutError
        self.stays_off = True

    def __call__(self, event: str, facts: tuple[Any, ...]) -> None:
        if not self.below or event not in {"open", "os.rename", "os.remove", "os.mkdir"}:
            return
        if not str(facts[0]).startswith(self.below):
            return
        self.left -= 1
        if self.left < 0:
            if not self.stays_off:
                self.below = ""
            raise self.failure

    @contextmanager
    def cut(self, folder: Path, after: int) -> Iterator[None]:
        self.below, self.left = str(folder), after
        try:
            yield
        finally:
            self.below = ""


POWER = Power()
sys.addaudithook(POWER)


def cut_at(world: World, folder: Path, after: int) -> bool:
    """Publish while the power fails; return whether it got through."""
    place = world.folder / f"copy-{after}"
    shutil.copytree(world.repository.folder, place)
    copy = Repository(place)
    done = True
    with POWER.cut(place, after):
        try:
            copy.publish(folder, online=world.online, now=world.now)
        except PowerCutError:
            done = False
    seen = world.newest(copy, f"seen-{after}")
    assert str(seen.version) in {"1.0", "1.1"}
    assert not done or str(seen.version) == "1.1"
    copy.recover()
    assert world.newest(copy, f"recovered-{after}").version >= seen.version
    copy.publish(folder, online=world.online, now=world.now)
    assert str(world.newest(copy, f"again-{after}").version) == "1.1"
    shutil.rmtree(place)
    return done


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 13])
def test_a_power_cut_at_any_file_operation(world: World, step: int) -> None:
    world.release("1.0")
    folder = world.signed("1.1")
    after = 0
    while not cut_at(world, folder, after):
        after += step
        assert after < 500
    assert after > 40


def test_a_power_cut_while_the_hubs_keys_are_exchanged(world: World, tmp_path: Path) -> None:
    world.release("1.0")
    fresh = OnlineKeys.make(tmp_path / "fresh")
    world.workshop.rotate_online(fresh.public_bytes(), now=world.now)
    world.sign("root", 0, 1)
    files = world.workshop.files()
    after, done = 0, False
    while not done:
        place = world.folder / f"copy-{after}"
        shutil.copytree(world.repository.folder, place)
        copy = Repository(place)
        with POWER.cut(place, after):
            try:
                copy.renew(files, online=fresh, now=world.now)
                done = True
            except PowerCutError:
                pass
        copy.recover()
        assert world.newest(copy, f"device-{after}")
        copy.renew(files, online=fresh, now=world.now)
        assert copy.refresh_timestamp(online=fresh, now=world.now)
        assert world.newest(copy, f"later-{after}")
        after += 5
        assert after < 500


@pytest.mark.slow
def test_a_killed_publisher_leaves_the_old_or_the_new(world: World) -> None:
    world.release("1.0")
    folder = world.signed("1.1")
    outcomes = set()
    for number in range(12):
        place = world.folder / f"killed-{number}"
        shutil.copytree(world.repository.folder, place)
        started, go = os.pipe()
        child = os.fork()
        if child == 0:
            # Whatever happens, the child must not go on as a second test run.
            try:
                os.write(go, b"x")
                Repository(place).publish(folder, online=world.online, now=world.now)
            finally:
                os._exit(0)
        os.read(started, 1)
        timer = threading.Timer(0.004 * number, os.kill, (child, signal.SIGKILL))
        timer.start()
        # Until the timer is done the child's number must not be free for another process.
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        timer.cancel()
        timer.join()
        _, status = os.waitpid(child, 0)
        outcomes.add(os.WIFSIGNALED(status))
        copy = Repository(place)
        assert str(world.newest(copy, f"seen-{number}").version) in {"1.0", "1.1"}
        copy.recover()
        copy.publish(folder, online=world.online, now=world.now)
        assert str(world.newest(copy, f"again-{number}").version) == "1.1"
    assert True in outcomes


def test_a_full_disk_leaves_what_was_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.release("1.0")
    folder = world.signed("1.1")
    before = world.served()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(repository, "_copy_proved", full)
    with pytest.raises(NoSpaceError):
        world.publish(folder)
    assert world.served() == before
    assert not list(world.repository.targets.rglob(".*"))
    monkeypatch.undo()
    assert world.publish(folder)


def test_leftovers_are_swept(world: World) -> None:
    world.release("1.0")
    for name in ("metadata/.timestamp.json.abc", ".pending.json.x", "targets/camera/1.0/.y.part"):
        (world.repository.folder / name).write_text("x")
    (world.repository.folder / "rehearsal-x").mkdir()
    world.repository.recover()
    assert not list(world.repository.folder.rglob(".*"))
    assert not list(world.repository.folder.glob("rehearsal-*"))
