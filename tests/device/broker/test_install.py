"""The whole of an installation: copied, verified by a child, unpacked, and only then counted."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.device import boot
from holdfast.device.broker import state, tree, wire
from holdfast.updates.release import Release

pytestmark = [pytest.mark.servers]

Ask = Callable[..., wire.Answer]
Publish = Callable[..., Release]
StartBroker = Callable[[], int]
Eventually = Callable[..., None]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, or other user ids")


def whole(device: Path, name: str) -> bool:
    record = state.read_record(device / "slots" / name)
    rootfs = device / "slots" / name / "rootfs"
    return record is not None and tree.digest(rootfs) == record.slot.tree


def test_newer_release_is_installed_activated_and_waits_for_its_start(
    device: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1")
    start_broker()
    before = tree.digest(device / "slots/a/rootfs")
    answer = ask("slot.install", version="1.1")
    assert answer["slot"] == "b"
    assert answer["version"] == "1.1"
    assert answer["note"] == ""
    assert whole(device, "b")
    assert tree.digest(device / "slots/a/rootfs") == before
    assert (device / "slots/b/rootfs/www/index.html").read_text() == "<h1>1.1</h1>"
    status = ask("status")
    assert status["slots"]["b"]["state"] == "ready"
    assert status["install"]["phase"] == "done"
    assert status["install"]["percent"] == 100
    assert not list((device / "broker/incoming").iterdir())
    assert ask("slot.activate")["trying"] == "b"
    assert state.read(device / "boot/boot.json").good == "a"
    lines = (device / "broker/journal.jsonl").read_text().splitlines()
    calls = [json.loads(line) for line in lines]
    assert [(call["verb"], call["result"]) for call in calls] == [
        ("slot.install", "begun"), ("slot.install", "ok"),
        ("status", "ok"), ("slot.activate", "ok"),
    ]  # fmt: skip
    assert calls[0]["uid"] == os.geteuid()
    assert calls[0]["pid"] == os.getpid()
    assert calls[0]["args"] == {"version": "1.1"}


def flip_a_byte(staging: Path) -> None:
    with (staging / "artifact").open("r+b") as file:
        file.seek(5000)
        old = file.read(1)
        file.seek(5000)
        file.write(bytes([old[0] ^ 1]))


def cut_short(staging: Path) -> None:
    os.truncate(staging / "artifact", (staging / "artifact").stat().st_size - 1)


def make_longer(staging: Path) -> None:
    with (staging / "artifact").open("ab") as file:
        file.write(b"x")


def without_timestamp(staging: Path) -> None:
    (staging / "metadata" / "timestamp.json").unlink()


def forge_the_list(staging: Path) -> None:
    for path in (staging / "metadata").glob("*.home-gateway.json"):
        path.write_text(path.read_text().replace("A new version.", "A new version!"))


@pytest.mark.parametrize(
    ("version", "spoil", "changes", "code"),
    [
        ("1.1", flip_a_byte, {}, "update-tampered"),
        ("1.1", cut_short, {}, "update-cut-short"),
        ("1.1", make_longer, {}, "update-too-long"),
        ("1.1", lambda _staging: None, {"hardware": ("b",)}, "update-wrong-hardware"),
        ("0.9", lambda _staging: None, {"floor": "0.1"}, "update-rollback"),
        ("1.0", lambda _staging: None, {}, "update-same-version"),
        ("1.1", without_timestamp, {}, None),
        ("1.1", forge_the_list, {}, None),
    ],
)
def test_verifier_refuses_and_nothing_is_written(
    device: Path,
    publish: Publish,
    start_broker: StartBroker,
    ask: Ask,
    version: str,
    spoil: Callable[[Path], None],
    changes: dict[str, object],
    code: str | None,
) -> None:
    publish(version, **changes)
    spoil(device / "agent" / "staging")
    start_broker()
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.install", version=version)
    if code == "update-same-version":
        assert refused.value.code in {"update-same-version", "update-rollback"}
    elif code is None:
        assert refused.value.code.startswith("update-")
    else:
        assert refused.value.code == code
    assert refused.value.hint
    assert not list((device / "slots/b").iterdir())
    assert state.read(device / "boot/boot.json").slots["b"].state == "empty"
    failed = ask("status")["install"]
    assert failed["phase"] == "failed"
    assert failed["error"]["code"] == refused.value.code


def test_release_of_another_version_than_asked_for_is_refused(
    publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1")
    start_broker()
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.install", version="1.2")
    assert refused.value.code == "update-unknown-release"


def test_metadata_never_goes_back(
    device: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1")
    staging = device / "agent" / "staging"
    old = {path.name: path.read_bytes() for path in (staging / "metadata").iterdir()}
    artifact = (staging / "artifact").read_bytes()
    publish("1.2")
    start_broker()
    ask("slot.install", version="1.2")
    # A stolen hub shows yesterday's list again.
    for path in (staging / "metadata").iterdir():
        path.unlink()
    for name, content in old.items():
        (staging / "metadata" / name).write_bytes(content)
    (staging / "artifact").write_bytes(artifact)
    give_to_agent(staging)
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.install", version="1.1")
    assert refused.value.code == "update-rollback"


def give_to_agent(staging: Path) -> None:
    if os.geteuid() == 0:
        for path in (staging, *staging.rglob("*")):
            os.chown(path, 61002, 61002, follow_symlinks=False)


def test_damaged_memory_of_the_verifier_is_replaced_and_said(
    device: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1")
    start_broker()
    ask("slot.install", version="1.1")
    trusted = device / "verifier" / "trusted"
    (trusted / "root.json").write_text("{")
    (trusted / "tuf" / "timestamp.json").write_bytes(b"\xff\xfe")
    publish("1.2")
    note = ask("slot.install", version="1.2")["note"]
    assert "root.json" in note
    assert "timestamp.json" in note


def test_status_answers_and_a_second_install_is_refused_while_one_is_under_way(
    publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1", padding_bytes=30 << 20)
    start_broker()
    ended: list[object] = []
    thread = threading.Thread(target=lambda: ended.append(ask("slot.install", version="1.1")))
    thread.start()
    seen: set[str] = set()
    slowest, refused = 0.0, False
    while not ended and thread.is_alive():
        before = time.monotonic()
        progress = ask("status")["install"]
        slowest = max(slowest, time.monotonic() - before)
        seen.add(progress["phase"])
        assert 0 <= progress["percent"] <= 100
        if progress["phase"] in {"copying", "verifying", "unpacking"} and not refused:
            with pytest.raises(wire.AnsweredError) as busy:
                ask("slot.install", version="1.1")
            assert busy.value.code == "busy"
            refused = True
        time.sleep(0.05)
    thread.join()
    assert ended
    assert refused
    assert "verifying" in seen
    assert slowest < 2.0


def swap(agent: Path, good: Path, evil: Path, stop: threading.Event) -> None:
    """Exchange the staged artifact as fast as possible, the folder around it as well."""
    staging = agent / "staging"
    while not stop.is_set():
        for source in (evil, good):
            link = agent / "next"
            link.unlink(missing_ok=True)
            os.link(source, link)
            link.replace(staging / "artifact")
        staging.rename(agent / "away")
        staging.symlink_to("/etc")
        staging.unlink()
        (agent / "away").rename(staging)


def test_artifact_swapped_during_the_installation_is_never_written(
    device: Path,
    publish: Publish,
    start_broker: StartBroker,
    ask: Ask,
    make_image: Callable[..., Path],
) -> None:
    publish("1.1")
    agent = device / "agent"
    good, evil = agent / "good", agent / "evil"
    good.write_bytes((agent / "staging" / "artifact").read_bytes())
    evil.write_bytes(make_image("6.6").read_bytes())
    give_to_agent(agent)
    start_broker()
    stop = threading.Event()
    thread = threading.Thread(target=swap, args=(agent, good, evil, stop))
    thread.start()
    results = set()
    try:
        for _ in range(12):
            try:
                results.add(ask("slot.install", version="1.1")["version"])
            except wire.AnsweredError as error:
                results.add(error.code)
    finally:
        stop.set()
        thread.join()
    assert results <= {"1.1", "slot-staging", "update-tampered", "update-cut-short",
                       "update-too-long", "os-error", "verb-rate"}  # fmt: skip
    if (device / "slots/b/rootfs").exists():
        assert (device / "slots/b/rootfs/www/version.txt").read_text() == "1.1\n"


def test_running_slot_on_trial_is_never_overwritten_by_its_way_back(
    device: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1")
    start_broker()
    ask("slot.install", version="1.1")
    ask("slot.activate")
    boot.choose(device)
    assert ask("status")["proving"]
    publish("1.2")
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.install", version="1.2")
    assert refused.value.code == "slot-unproven"
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.activate")
    assert refused.value.code == "slot-unproven"
    assert whole(device, "a")


def test_confirm_needs_the_health_that_the_launcher_saw_in_this_very_start(
    device: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1", floor="1.1")
    start_broker()
    with pytest.raises(wire.AnsweredError, match="not being tried"):
        ask("slot.confirm")
    ask("slot.install", version="1.1")
    ask("slot.activate")
    found = boot.choose(device)
    health = device / "run" / "health.json"
    health.write_text(json.dumps({"boot_id": "0" * 32, "state": "healthy", "reason": ""}))
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.confirm")
    assert refused.value.code == "slot-not-proven"
    health.write_text(json.dumps({"boot_id": found.boot_id, "state": "healthy", "reason": ""}))
    assert ask("slot.confirm") == {"good": "b", "version": "1.1"}
    kept = state.read(device / "boot/boot.json")
    assert (kept.good, kept.trying, kept.floor) == ("b", None, "1.1")
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.confirm")
    assert refused.value.code == "slot-not-trying"


def test_floor_of_a_confirmed_release_holds_for_ever(
    device: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    kept = state.read(device / "boot/boot.json")
    state.write(device / "boot/boot.json", state.BootState(
        good="a", slots=kept.slots, floor="1.5"))  # fmt: skip
    boot.choose(device)
    publish("1.2")
    start_broker()
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.install", version="1.2")
    assert refused.value.code == "update-below-floor"


def test_rollback_keeps_the_reason(
    device: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1")
    start_broker()
    ask("slot.install", version="1.1")
    ask("slot.activate")
    boot.choose(device)
    assert ask("slot.rollback", reason="the door does not open") == {"good": "a"}
    kept = state.read(device / "boot/boot.json")
    assert kept.slots["b"].state == "bad"
    assert kept.slots["b"].reason == "the door does not open"
    assert boot.choose(device).booted == "a"


@needs_root
def test_owners_and_permissions_are_those_that_were_signed(
    device: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1", pseudo="bin/tool f 4750 1234 4321 echo tool")
    start_broker()
    ask("slot.install", version="1.1")
    facts = (device / "slots/b/rootfs/bin/tool").stat()
    assert (facts.st_mode & 0o7777, facts.st_uid, facts.st_gid) == (0o4750, 1234, 4321)


@needs_root
def test_image_with_a_device_node_is_refused_and_the_slot_emptied(
    device: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1", pseudo="dev/mem c 666 0 0 1 1")
    start_broker()
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.install", version="1.1")
    assert refused.value.code == "slot-unpack"
    assert not list((device / "slots/b").iterdir())
    assert ask("status")["slots"]["b"]["state"] == "empty"


@pytest.mark.slow
def test_power_cut_at_any_moment_leaves_the_old_or_the_new_slot(
    device: Path, publish: Publish, start_broker: StartBroker
) -> None:
    publish("1.1", padding_bytes=2 << 20)
    socket_path = device / "run" / "broker.sock"
    code = (
        "import sys; from pathlib import Path; from holdfast.device.broker import wire\n"
        "p = Path(sys.argv[1])\n"
        "wire.call(p, 'slot.install', {'version': '1.1'}, 30)\n"
        "wire.call(p, 'slot.activate', {}, 30)\n"
    )
    booted = set()
    for number in range(30):
        pid = start_broker()
        client = subprocess.Popen(
            [sys.executable, "-I", "-c", code, str(socket_path)], stderr=subprocess.DEVNULL
        )
        with suppress(subprocess.TimeoutExpired):
            client.wait(timeout=number * 0.05 if number else 30)
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        client.kill()
        client.wait()
        found = boot.choose(device)
        booted.add(found.running.version)
        assert whole(device, found.booted)
        assert whole(device, found.good)
        assert found.good == "a"
        for name, slot in found.slots.items():
            assert slot.state in {"empty", "ready", "trying", "good", "bad"}
            if slot.state in {"ready", "trying", "good"}:
                assert whole(device, name)
        if found.proving:  # the next round begins with the old version again
            boot.give_up(device, "test")
            boot.choose(device)
    assert booted == {"1.0", "1.1"}


@pytest.fixture
def small_disk(device: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Put one folder of the device on a file system with little space."""
    folder = device / str(request.param)
    size = "size=1m,mode=711"
    if subprocess.call(["/bin/mount", "-t", "tmpfs", "-o", size, "none", str(folder)]) != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.check_call(["/bin/umount", "-l", str(folder)])


@needs_root
@pytest.mark.parametrize("small_disk", ["slots/b", "broker/incoming"], indirect=True)
def test_full_disk_empties_the_new_slot_and_leaves_the_old_one(
    device: Path, small_disk: Path, publish: Publish, start_broker: StartBroker, ask: Ask
) -> None:
    publish("1.1", padding_bytes=4 << 20)
    start_broker()
    before = tree.digest(device / "slots/a/rootfs")
    with pytest.raises(wire.AnsweredError) as refused:
        ask("slot.install", version="1.1")
    assert refused.value.code == "no-space"
    assert not list(small_disk.iterdir())
    kept = state.read(device / "boot/boot.json")
    assert kept.slots["b"].state == "empty"
    if small_disk.name == "b":
        assert "space" in kept.slots["b"].reason
    assert tree.digest(device / "slots/a/rootfs") == before
    assert boot.choose(device).booted == "a"
