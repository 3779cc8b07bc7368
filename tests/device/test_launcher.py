"""The whole device: started, restarted, tried, killed, and always there again."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from holdfast.cli.demo.pinned import PinnedConnection
from holdfast.core.errors import UsageError
from holdfast.core.process import run
from holdfast.device import factory
from holdfast.device.broker import state, tree, wire
from holdfast.device.certificate import fingerprint
from holdfast.device.report import report
from holdfast.updates.release import Release

pytestmark = [pytest.mark.servers, pytest.mark.slow]

Ask = Callable[..., wire.Answer]
Publish = Callable[..., Release]
Eventually = Callable[..., None]
Launch = Callable[[], "subprocess.Popen[bytes]"]


def published(device: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((device / "run" / f"{name}.json").read_text())
    return content


def page(device: Path) -> str:
    at = published(device, "page")
    with urllib.request.urlopen(f"http://{at['host']}:{at['port']}/", timeout=5) as answer:
        return str(answer.read().decode())


def log(device: Path) -> str:
    return (device / "run" / "boot.log").read_text()


def pids(device: Path) -> dict[str, int]:
    return {name: facts["pid"] for name, facts in published(device, "processes").items()}


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def without_agent(device: Path) -> None:
    """Put the agent to sleep for ever: it neither confirms nor gives up."""
    for pid in [pids(device)["agent"]]:
        os.kill(pid, signal.SIGSTOP)


def test_device_starts_shows_its_page_and_ends_with_the_launcher(
    device: Path, launch: Launch, eventually: Eventually, ask: Ask
) -> None:
    launcher = launch()
    eventually(lambda: ask("status")["health"]["state"] == "healthy")
    eventually(lambda: "<h1>1.0</h1>" in page(device))
    told = report(device)
    assert told["running"]
    assert told["version"] == "1.0"
    running = {process["name"]: process for process in told["processes"] if process["running"]}
    assert {"launcher", "broker", "auth", "gui", "page"} <= set(running)
    assert running["broker"]["rss_bytes"] < 16_000_000
    assert running["launcher"]["rss_bytes"] < 15_000_000
    assert told["rss_bytes"] < 98_000_000
    assert running["gui"]["rss_bytes"] < 40_000_000
    if os.geteuid() == 0:
        assert len({running[name]["uid"] for name in ("broker", "auth", "gui", "page")}) == 4
    before = [process["pid"] for process in told["processes"] if process["pid"]]
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    eventually(lambda: not any(is_alive(pid) for pid in before))


def test_second_launcher_is_refused(launch: Launch, eventually: Eventually, ask: Ask) -> None:
    launch()
    eventually(lambda: ask("status"))
    second = launch()
    assert second.wait(timeout=10) == 2
    assert ask("status")["booted"] == "a"


def test_broker_is_started_on_demand_and_ends_when_idle(
    device: Path, launch: Launch, eventually: Eventually, ask: Ask
) -> None:
    config = device / "device.toml"
    config.write_text(config.read_text() + "idle_s = 1\n")
    launch()
    eventually(lambda: ask("status"))
    os.kill(pids(device)["agent"], signal.SIGSTOP)
    eventually(lambda: pids(device)["broker"] == 0, within_s=15)
    assert ask("status")["booted"] == "a"
    assert pids(device)["broker"] != 0
    assert "broker ended" not in log(device)
    os.kill(pids(device)["agent"], signal.SIGCONT)


def test_dead_process_is_started_again(
    device: Path, launch: Launch, eventually: Eventually, ask: Ask
) -> None:
    launch()
    eventually(lambda: ask("status")["health"]["state"] == "healthy")
    for name in ("auth", "gui", "page", "broker"):
        old = pids(device)[name]
        os.kill(old, signal.SIGKILL)
        eventually(lambda old=old: not is_alive(old))
        if name == "broker":
            eventually(lambda: ask("status"))
        eventually(lambda name=name, old=old: pids(device)[name] not in {0, old})
    eventually(lambda: "<h1>1.0</h1>" in page(device))
    assert "started again" in log(device)


def installed(publish: Publish, ask: Ask, version: str, health: str = "exit 0") -> None:
    publish(version, health)
    ask("slot.install", version=version)
    ask("slot.activate")


def test_healthy_release_is_started_and_confirmed(
    device: Path, launch: Launch, eventually: Eventually, publish: Publish, ask: Ask
) -> None:
    launch()
    eventually(lambda: ask("status"))
    installed(publish, ask, "1.1")
    ask("reboot")
    eventually(lambda: ask("status")["booted"] == "b")
    eventually(lambda: "<h1>1.1</h1>" in page(device))
    eventually(lambda: not ask("status")["proving"])  # the agent has confirmed it
    kept = state.read(device / "boot/boot.json")
    assert (kept.good, kept.trying, kept.slots["b"].state) == ("b", None, "good")
    assert kept.slots["a"].state == "good"


def test_unhealthy_release_falls_back_with_its_own_words(
    device: Path, launch: Launch, eventually: Eventually, publish: Publish, ask: Ask
) -> None:
    launch()
    eventually(lambda: ask("status"))
    installed(publish, ask, "1.1", "echo the lock does not answer; exit 1")
    ask("reboot")
    eventually(lambda: ask("status")["slots"]["b"]["state"] == "bad")
    eventually(lambda: "<h1>1.0</h1>" in page(device))
    status = ask("status")
    assert status["booted"] == "a"
    assert "the lock does not answer" in status["slots"]["b"]["reason"]
    assert "failed its trial" in log(device)


def test_release_that_hangs_falls_back_without_the_agent(
    device: Path, launch: Launch, eventually: Eventually, publish: Publish, ask: Ask
) -> None:
    config = device / "device.toml"
    config.write_text(config.read_text().replace("health_s = 20", "health_s = 3"))
    launch()
    eventually(lambda: ask("status"))
    installed(publish, ask, "1.1", "while true; do /bin/busybox sleep 1; done")
    ask("reboot")
    eventually(lambda: ask("status")["booted"] == "b")
    without_agent(device)
    eventually(lambda: ask("status")["slots"]["b"]["state"] == "bad", within_s=30)
    assert ask("status")["booted"] == "a"


def test_agent_that_hangs_lets_the_new_release_fall_back(
    device: Path, launch: Launch, eventually: Eventually, publish: Publish, ask: Ask
) -> None:
    config = device / "device.toml"
    config.write_text(config.read_text().replace("health_s = 20", "health_s = 3"))
    launch()
    eventually(lambda: ask("status"))
    # Not healthy at once, so that the agent is asleep before it could confirm.
    installed(publish, ask, "1.1", "exec /bin/busybox sleep 1")
    ask("reboot")
    eventually(lambda: ask("status")["booted"] == "b")
    without_agent(device)
    eventually(lambda: ask("status")["slots"]["b"]["state"] == "bad", within_s=30)
    status = ask("status")
    assert status["booted"] == "a"
    assert "confirmed" in status["slots"]["b"]["reason"]


def test_everything_killed_at_any_moment_comes_back_with_a_whole_slot(
    device: Path, launch: Launch, eventually: Eventually, publish: Publish, ask: Ask
) -> None:
    publish("1.1", padding_bytes=1 << 20)
    for number in range(8):
        launcher = launch()
        eventually(lambda: ask("status"))
        code = (
            "import sys; from pathlib import Path; from holdfast.device.broker import wire\n"
            "for verb, args in (('slot.install', {'version': '1.1'}), ('slot.activate', {}),"
            " ('reboot', {})):\n wire.call(Path(sys.argv[1]), verb, args, 20)\n"
        )
        client = subprocess.Popen(
            [sys.executable, "-I", "-c", code,
             str(device / "run/broker.sock")],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            client.wait(timeout=0.15 + number * 0.2)
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()
        launcher.kill()
        launcher.wait()
        kept = state.read(device / "boot/boot.json")
        for name, slot in kept.slots.items():
            if slot.state in {"ready", "trying", "good"}:
                root = device / "slots" / name
                assert tree.digest(root / "rootfs") == slot.tree
        assert kept.slots[kept.good].state == "good"
        if kept.good == "b":
            break
    launch()
    eventually(lambda: ask("status")["version"] in {"1.0", "1.1"})
    eventually(lambda: f"<h1>{ask('status')['version']}</h1>" in page(device))


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes an ordinary user first")
def test_ordinary_user_gets_a_device_and_is_told_what_is_missing(
    device: Path, eventually: Eventually, ask: Ask, publish: Publish
) -> None:
    publish("1.1")
    for path in (device, *device.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    command = [sys.executable, "-I", "-m", "holdfast.device.launcher", "--config"]
    launcher = subprocess.Popen(
        [*command, str(device / "device.toml")],
        user=65534, group=65534, extra_groups=[], stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        eventually(lambda: ask("status")["health"]["state"] == "healthy")
        assert "<h1>1.0</h1>" in page(device)
        assert "not started as root" in log(device)
        missing = {p["name"]: p["missing"] for p in report(device)["processes"]}
        assert any("not started as root" in words for words in missing["gui"])
        assert ask("slot.install", version="1.1")["version"] == "1.1"
        ask("slot.activate")
        ask("reboot")
        eventually(lambda: "<h1>1.1</h1>" in page(device))
    finally:
        launcher.terminate()
        launcher.wait(timeout=15)


def test_status_command_shows_slots_memory_and_protection(
    device: Path, launch: Launch, eventually: Eventually, ask: Ask
) -> None:
    launch()
    eventually(lambda: ask("status")["health"]["state"] == "healthy")
    holdfast = Path(sys.executable).with_name("holdfast")
    words: list[str | Path] = [holdfast, "device", "status", "--config", device / "device.toml"]
    shown = run(words, timeout_s=30).stdout.decode()
    assert "version 1.0 from slot a" in shown
    assert "broker" in shown
    told = json.loads(run([*words, "--json"], timeout_s=30).stdout)
    assert told["slots"]["a"]["state"] == "good"
    assert told["rss_bytes"] > 0


def is_running(words: bytes) -> bool:
    """Whether any process has such words on its command line."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if words in file.read_bytes():
                return True
    return False


def test_what_a_process_leaves_behind_ends_with_it(
    launch: Launch, eventually: Eventually, publish: Publish, ask: Ask
) -> None:
    """A program taken over must not outlive the restart that brings its mended successor."""
    name = f"54{os.getpid()}"
    stray = f"/bin/busybox setsid /bin/busybox sleep {name} & /bin/busybox sleep 0.2"
    launch()
    eventually(lambda: ask("status"))
    installed(publish, ask, "1.1", stray)
    ask("reboot")
    eventually(lambda: ask("status")["booted"] == "b" and not ask("status")["proving"])
    eventually(lambda: not is_running(name.encode()))


def test_sockets_that_a_process_shut_down_work_again_after_the_restart(
    device: Path, launch: Launch, eventually: Eventually, ask: Ask
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = device / "device.toml"
    config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    launch()
    eventually(lambda: ask("status")["health"]["state"] == "healthy")
    eventually(lambda: pages_answer(device, port))
    for name in ("gui", "auth"):
        with socket.socket(fileno=stolen(pids(device)[name], 3)) as listening:
            listening.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with pytest.raises(wire.UnreachableError):
        wire.call(device / "run/auth.sock", "account.state", {})
    ask("reboot")
    eventually(lambda: pages_answer(device, port))
    assert wire.call(device / "run/auth.sock", "account.state", {}) == {"claimed": False}


def pages_answer(device: Path, port: int) -> bool:
    pin = fingerprint(device / "factory/tls-certificate.pem")
    with closing(PinnedConnection(f"127.0.0.1:{port}", sha256=pin, timeout_s=5)) as connection:
        connection.request("GET", "/claim")
        return connection.getresponse().status == 200


def stolen(pid: int, number: int) -> int:
    """Take a copy of another process's descriptor, to do with it what hostile code would."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        fd = int(libc.syscall(438, process, number, 0))
    finally:
        os.close(process)
    assert fd >= 0, os.strerror(ctypes.get_errno())
    return fd


def test_nobody_else_can_hold_the_lock(
    device: Path, launch: Launch, eventually: Eventually, ask: Ask
) -> None:
    launch()
    eventually(lambda: ask("status"))
    assert (device / "run/launcher.lock").stat().st_mode & 0o777 == 0o600


def test_long_logs_begin_anew(
    device: Path, launch: Launch, eventually: Eventually, ask: Ask
) -> None:
    launch()
    log_file = device / "run/log/agent.log"
    eventually(lambda: "agent.started" in log_file.read_text())
    with log_file.open("a") as file:
        file.write("x" * 300_000 + "the end\n")
    put_aside = device / "run/log/agent.1.log"
    ask("reboot")  # looked at every minute, and after each start
    eventually(put_aside.exists)
    eventually(lambda: "the end" in put_aside.read_text())
    assert put_aside.stat().st_size <= 256 << 10
    assert log_file.stat().st_size < 10_000


def refused(device: Path) -> tuple[int, str]:
    """Start a device that cannot start; give its exit code and what it says."""
    command = [sys.executable, "-I", "-m", "holdfast.device.launcher", "--config"]
    done = run([*command, device / "device.toml"], timeout_s=20, check=False)
    return done.exit_code, done.stderr.decode()


def test_taken_port_is_said(device: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = device / "device.toml"
        config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        code, said = refused(device)
    assert code == 2
    assert f"127.0.0.1:{port} is in use by another program" in said
    assert f"Stop the program that listens on port {port}, or choose another port" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("device.toml", None, 2, "device.toml"),
        ("device.toml", 'controller_id = "one"\nhub_irl = "x"\n', 2, "hub_url"),
        ("factory/product.toml", None, 2, "product.toml"),
        ("factory/product.toml", "[product\n", 2, "product.toml:1"),
        ("boot/boot.json", "{", 0, ""),
    ],
    ids=["no settings", "wrong settings", "no profile", "wrong profile", "lost state"],
)
def test_faulty_files_of_the_factory_are_said(
    device: Path, name: str, content: str | None, code: int, words: str, launch: Launch,
    eventually: Eventually, ask: Ask,
) -> None:  # fmt: skip
    path = device / name
    path.unlink()
    if content is not None:
        path.write_text(content)
    if not code:
        launch()
        eventually(lambda: "found again" in ask("status")["note"])
        return
    found, said = refused(device)
    assert found == code
    assert words in said
    assert "Traceback" not in said


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"signed": {}, "signatures": []}'])
def test_a_device_is_never_made_with_a_wrong_root(
    ground: Path, make_image: Callable[..., Path], content: bytes | None
) -> None:
    root = ground / "wrong.json"
    if content is not None:
        root.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        factory.make(
            factory.Order(
                folder=ground / "device",
                profile=Path(__file__).parents[2] / "examples/home-gateway/product.toml",
                hub_url="http://127.0.0.1:9",
                controller_id="test-device",
                token="0123456789abcdef0123",
                root=root,
                image=make_image("1.0"),
                version="1.0",
                hardware="a",
                settings={},
            )
        )
    assert "wrong.json" in str(caught.value)
    assert content is None or "1.root.json" in caught.value.hint
    assert not (ground / "device").exists()
