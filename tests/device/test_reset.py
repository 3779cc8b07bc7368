"""Factory reset: nothing of the owner is left, everything of the maker is, whatever happens."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.core import files as files_of_ours
from holdfast.core.errors import NoSpaceError
from holdfast.device import claim, reset
from holdfast.device.agent import memory

OWNERS = (
    "auth/accounts.json", "auth/keys.json", "auth/throttle.json", "auth/logins-in.jsonl",
    "auth/central.json", "auth/deep/in/secret", "gui/sessions.json", "run/log/auth.log",
    "run/boot.log", "broker/journal.jsonl", "broker/journal.1.jsonl", "agent/terms.json",
    "agent/staging/artifact", "boot/claimed",
)  # fmt: skip
MAKERS = (
    "factory/setup-code.hash", "factory/tls-key.pem", "factory/tls-certificate.pem",
    "factory/token", "factory/root.json", "boot/boot.json", "slots/a/rootfs/bin/sh",
    "slots/b/slot.json", "verifier/trusted/root.json", "device.toml",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (*OWNERS, *MAKERS):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    remembered = memory.Memory(address="a…@example.org", consent="automatic", passed_ms=5)
    remembered.note("installed", at_ms=1, version="1.1")
    memory.write(tmp_path / "agent/state.json", remembered)
    return tmp_path


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def must_be_reset(folder: Path) -> None:
    assert files(folder) == {*MAKERS, "agent/state.json"}
    assert all((folder / name).read_text() == f"content of {name}" for name in MAKERS)
    kept, fault = memory.read(folder / "agent/state.json")
    assert fault == ""
    assert (kept.address, kept.consent, kept.history, kept.passed_ms) == ("", "", [], 5)
    assert [one["body"] for one in kept.reports] == [{"address": "", "action": "unsubscribe"}]


def test_everything_of_the_owner_goes_and_the_rest_stays(folder: Path) -> None:
    reset.order(folder, by="command")
    assert reset.is_ordered(folder)
    reset.carry_out(folder)
    assert not reset.is_ordered(folder)
    must_be_reset(folder)


def test_an_owner_without_address_tells_the_hub_nothing(folder: Path) -> None:
    memory.write(folder / "agent/state.json", memory.Memory())
    reset.order(folder, by="command")
    reset.carry_out(folder)
    assert memory.read(folder / "agent/state.json")[0].reports == []


def cut(folder: Path, at: int) -> bool:
    """Carry out in a child that loses its power at the n-th change; whether it came to that."""
    pid = os.fork()
    if pid == 0:
        left = at

        def hook(event: str, _args: tuple[object, ...]) -> None:
            nonlocal left
            if event in {"os.remove", "os.rename", "os.rmdir", "open", "os.chown"}:
                left -= 1
                if left < 0:
                    os._exit(9)

        sys.addaudithook(hook)
        try:
            reset.carry_out(folder)
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == 9


def copy_of(folder: Path, to: Path) -> Path:
    for path in sorted(folder.rglob("*")):
        target = to / path.relative_to(folder)
        if path.is_dir():
            target.mkdir(parents=True)
        else:
            target.write_bytes(path.read_bytes())
    return to


@pytest.mark.slow
def test_power_cut_at_every_change_is_made_good_by_the_next_start(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reset.order(folder, by="button")
    moments = 0
    while True:
        copy = copy_of(folder, tmp_path_factory.mktemp("cut"))
        if not cut(copy, moments):
            break
        # Nobody can claim, nor log in, before it is complete: the order stands to the last.
        assert reset.is_ordered(copy) or files(copy) == {*MAKERS, "agent/state.json"}
        if reset.is_ordered(copy):
            reset.carry_out(copy)
        must_be_reset(copy)
        moments += 1
    assert moments > 20
    must_be_reset(copy)


def test_links_are_removed_and_never_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path.with_name(f"{tmp_path.name}-outside")
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (folder / "agent/link").symlink_to(outside)
    (folder / "auth/link").symlink_to(outside / "kept")
    (folder / "gui/hard").hardlink_to(outside / "kept")
    (folder / "agent/staging/up").symlink_to("../..")
    reset.order(folder, by="command")
    reset.carry_out(folder)
    must_be_reset(folder)
    assert (outside / "kept").read_text() == "kept"


@pytest.mark.slow
def test_hostile_agent_cannot_stop_it_by_depth_or_an_endless_file(folder: Path) -> None:
    here = os.open(folder / "agent", os.O_RDONLY)
    for _ in range(1200):  # deeper than a path can name, and than calls can go
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (folder / "agent/state.json").unlink()
    (folder / "agent/state.json").symlink_to("/dev/zero")
    os.mkfifo(folder / "agent/pipe")
    os.mkfifo(folder / "auth/pipe")
    reset.order(folder, by="command")
    reset.carry_out(folder)
    assert files(folder) == {*MAKERS, "agent/state.json"}
    kept = memory.read(folder / "agent/state.json")[0]
    assert len(kept.reports) == 1  # whatever it was: the hub shall forget the address


def test_damaged_memory_of_the_agent_is_no_obstacle(folder: Path) -> None:
    (folder / "agent/state.json").write_bytes(b"\xff" * 100)
    reset.order(folder, by="command")
    reset.carry_out(folder)
    kept, fault = memory.read(folder / "agent/state.json")
    assert (fault, len(kept.reports)) == ("", 1)


def test_secrets_are_overwritten_before_their_names_go(folder: Path) -> None:
    with (folder / "auth/keys.json").open("rb") as held:
        reset.order(folder, by="command")
        reset.carry_out(folder)
        assert set(held.read()) == {0}


def test_a_full_disk_does_not_keep_the_owner_from_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files_of_ours.write_whole

    def full(path: Path, content: bytes, *, mode: int = 0o644) -> None:
        if (folder / "agent/staging/artifact").exists():
            raise NoSpaceError("full")
        real(path, content, mode=mode)

    monkeypatch.setattr(reset, "write_whole", full)
    monkeypatch.setattr(memory, "write_whole", full)
    reset.order(folder, by="button")
    reset.carry_out(folder)
    must_be_reset(folder)


def test_what_cannot_be_removed_is_said_and_the_order_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_path: Path) -> None:
        raise OSError(5, "Input/output error")

    reset.order(folder, by="button")
    with monkeypatch.context() as patch:
        patch.setattr(reset, "_remove", broken)
        with pytest.raises(reset.ResetError, match="not complete"):
            reset.carry_out(folder)
    assert reset.is_ordered(folder)
    reset.carry_out(folder)
    must_be_reset(folder)


class Time:
    """A clock and a finger that lets go at a given moment."""

    def __init__(self, button: Path, *, lets_go_at_s: float = 1e9) -> None:
        self.now = 0.0
        self.button = button
        self.lets_go_at_s = lets_go_at_s
        self.said: list[str] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.lets_go_at_s:
            self.button.write_text("0\n")

    def ask(self, folder: Path) -> None:
        reset.ask_button(
            folder, self.button, say=self.said.append, sleep=self.sleep, monotonic=lambda: self.now
        )


@pytest.fixture
def button(folder: Path) -> Path:
    path = folder.with_name(f"{folder.name}-button")
    path.write_text("1\n")
    path.chmod(0o644)
    return path


def test_held_for_ten_seconds_it_resets(folder: Path, button: Path) -> None:
    time = Time(button)
    time.ask(folder)
    assert reset.is_ordered(folder)
    assert 10 <= time.now < 11


@pytest.mark.parametrize("lets_go_at_s", [0.1, 5.0, 9.8])
def test_let_go_in_time_nothing_happens(folder: Path, button: Path, lets_go_at_s: float) -> None:
    time = Time(button, lets_go_at_s=lets_go_at_s)
    time.ask(folder)
    assert not reset.is_ordered(folder)
    assert "nothing is erased" in time.said[-1]


def test_a_stuck_button_takes_the_device_from_its_owner_once(folder: Path, button: Path) -> None:
    time = Time(button)
    time.ask(folder)
    reset.carry_out(folder)
    time.ask(folder)
    assert not reset.is_ordered(folder)
    assert "was not let go" in time.said[-1]
    button.write_text("0")
    time.ask(folder)
    button.write_text("1")
    time.ask(folder)
    assert reset.is_ordered(folder)


def a_link(button: Path) -> None:
    button.rename(button.with_suffix(".real"))
    button.symlink_to(button.with_suffix(".real"))


def a_pipe(button: Path) -> None:
    button.unlink()
    os.mkfifo(button)


@pytest.mark.parametrize(
    "spoil",
    [
        a_link,
        a_pipe,
        lambda button: button.chmod(0o666),
        lambda button: button.chmod(0o664),
        lambda button: button.write_bytes(b""),
        lambda button: button.write_bytes(b"\xff1"),
        lambda button: button.write_bytes(b"1" * 9),
        lambda button: button.unlink(),
        lambda button: (button.unlink(), button.mkdir()),
    ],
    ids=["link", "pipe", "world", "group", "empty", "bytes", "long", "none", "folder"],
)
def test_what_is_no_button_is_not_pressed(button: Path, spoil: Callable[[Path], object]) -> None:
    assert reset.is_pressed(button)
    spoil(button)
    assert not reset.is_pressed(button)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to somebody else")
def test_a_button_of_somebody_else_is_none(button: Path) -> None:
    os.chown(button, 61004, 61004)
    assert not reset.is_pressed(button)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class TestGate:
    def test_opens_once_there_is_an_account(self, folder: Path) -> None:
        claim.mark_of(folder).unlink()
        accounts = folder / "auth/accounts.json"
        accounts.write_text(json.dumps({"schema": 2, "accounts": []}))
        gate = claim.Gate(folder)
        assert not gate.open
        assert not gate.look(1.0)
        accounts.write_text(json.dumps({"schema": 2, "accounts": [{"name": "ada"}]}))
        assert not gate.look(1.1)  # not before the next look is due
        assert gate.look(2.0)
        assert gate.open
        assert not gate.look(3.0)
        assert claim.Gate(folder).open

    @pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"7", b"[" * 100_000])
    def test_damage_never_opens_it_nor_closes_it(self, folder: Path, content: bytes) -> None:
        (folder / "auth/accounts.json").write_bytes(content)
        assert claim.Gate(folder).open  # remembered by the launcher itself
        claim.mark_of(folder).unlink()
        gate = claim.Gate(folder)
        assert not gate.look(1.0)
        assert not gate.open

    @pytest.mark.parametrize("kind", ["pipe", "endless", "folder"])
    def test_hostile_auth_cannot_hold_the_launcher_up(self, folder: Path, kind: str) -> None:
        claim.mark_of(folder).unlink()
        accounts = folder / "auth/accounts.json"
        accounts.unlink()
        if kind == "pipe":
            os.mkfifo(accounts)
        elif kind == "folder":
            accounts.mkdir()
        else:
            accounts.symlink_to("/dev/zero")
        gate, before = claim.Gate(folder), open_files()
        assert not gate.look(1.0)
        assert not gate.look(2.0)
        assert open_files() == before


def test_claim_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("holdfast.device.claim.time.monotonic", lambda: now)
    assert claim.is_in_time(tmp_path, 60)  # started by hand, without a launcher
    claim.note_power_on(tmp_path)
    assert claim.is_in_time(tmp_path, 60)
    now = 1059.9
    assert claim.is_in_time(tmp_path, 60)
    now = 1060.0
    assert not claim.is_in_time(tmp_path, 60)
    now = 10.0  # the machine was started anew, this file is of before
    assert not claim.is_in_time(tmp_path, 60)
