"""Before the claim nothing answers but the claim page; after a reset it is so again."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.cli.demo.visitor import Visitor
from holdfast.core.process import Result, run
from holdfast.device import claim, config, reset
from holdfast.device import label as labels
from holdfast.device.broker import state, wire
from holdfast.device.label import Label, scanned
from holdfast.updates.release import Release

pytestmark = [pytest.mark.servers, pytest.mark.slow]

Eventually = Callable[..., None]
Launch = Callable[[], "subprocess.Popen[bytes]"]
Ask = Callable[..., wire.Answer]
PASSWORD = "violet kettle drums twice"
_LISTEN = "0A"


@pytest.fixture
def device(fresh: tuple[Path, Label]) -> Path:
    """Give a device as it comes from the factory, with a fixed port for its pages."""
    folder, _label = fresh
    settings = folder / "device.toml"
    settings.write_text(settings.read_text().replace("127.0.0.1:0", f"127.0.0.1:{free_port()}"))
    return folder


@pytest.fixture
def label(fresh: tuple[Path, Label], device: Path) -> Label:
    return labels.of(config.read(device / "device.toml"), fresh[1].code)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def pages_port(device: Path) -> int:
    found = re.search(r'gui_listen = "127.0.0.1:(\d+)"', (device / "device.toml").read_text())
    assert found
    return int(found.group(1))


def visitor(device: Path, label: Label) -> Visitor:
    return Visitor(f"https://127.0.0.1:{pages_port(device)}", sha256=label.sha256)


def pids_of(device: Path) -> list[int]:
    """Find every process of a device, and what these have started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.fsencode(device) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    for pid in found:
        with suppress(OSError):
            words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            found += [int(word) for word in words if int(word) not in found]
    return found


def listening(device: Path) -> set[tuple[str, int]]:
    """Ask the kernel on which internet sockets the processes of a device listen or wait."""
    found = set()
    for pid in pids_of(device):
        inodes = set()
        with suppress(OSError):
            for file in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(str(file.readlink()))
        for table in ("tcp", "tcp6", "udp", "udp6"):
            with suppress(OSError):
                for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                    words = line.split()
                    waits = words[3] == _LISTEN or table.startswith("udp")
                    if waits and f"socket:[{words[9]}]" in inodes:
                        found.add((table, int(words[1].rpartition(":")[2], 16)))
    return found


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(timeout=20)


def claimed(device: Path, label: Label) -> Visitor:
    """Claim a device with its label, as its owner does."""
    owner = visitor(device, label)
    code = scanned(label.payload).code
    page = owner.submit(owner.get("/"), name="ada", password=PASSWORD, code=code)
    assert "Log out" in page.text, page.text
    return owner


def page_port(device: Path) -> int:
    return int(json.loads((device / "run/page.json").read_text())["port"])


def connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def own_and_stop(device: Path, label: Label, launch: Launch, eventually: Eventually) -> None:
    """Start a device, claim it, wait until its own page answers, and stop it."""
    first = launch()
    eventually(lambda: visitor(device, label).get("/claim"))
    claimed(device, label)
    eventually(lambda: connects(page_port(device)))
    stop(first)


def test_only_the_claim_page_answers_before_the_claim(
    device: Path, label: Label, launch: Launch, eventually: Eventually, ask: Ask
) -> None:
    launch()
    eventually(lambda: ask("status")["health"]["state"] == "healthy")
    eventually(lambda: visitor(device, label).get("/claim"))
    only = {("tcp", pages_port(device))}
    assert listening(device) == only
    assert not (device / "run/page.json").exists()
    stranger = visitor(device, label)
    for path in ("/", "/login", "/settings", "/history", "/reset-help", "/update/progress"):
        assert "Set-up code" in stranger.get(path).text
    claimed(device, label)
    eventually(lambda: connects(page_port(device)))
    assert listening(device) == {*only, ("tcp", page_port(device))}
    assert claim.mark_of(device).exists()
    assert "its services start" in (device / "run/boot.log").read_text()
    assert "Disconnect the device from power" in visitor(device, label).get("/reset-help").text


def test_a_claimed_device_stays_so_over_a_restart(
    device: Path, label: Label, launch: Launch, eventually: Eventually
) -> None:
    own_and_stop(device, label, launch, eventually)
    assert listening(device) == set()
    second = launch()
    eventually(lambda: connects(page_port(device)))
    eventually(lambda: "Log in" in visitor(device, label).get("/").text)
    stop(second)
    (device / "auth/accounts.json").write_bytes(b"{damaged")
    launch()
    eventually(lambda: connects(page_port(device)))  # what the owner uses goes on
    eventually(lambda: "damaged" in visitor(device, label).get("/claim").text)
    assert "Set-up code" not in visitor(device, label).get("/claim").text


def test_an_update_before_the_claim_proves_itself_without_listening(
    device: Path, launch: Launch, eventually: Eventually, ask: Ask, publish: Callable[..., Release]
) -> None:
    launch()
    eventually(lambda: ask("status"))
    publish("1.1")
    ask("slot.install", version="1.1")
    ask("slot.activate")
    ask("reboot")
    eventually(lambda: ask("status")["booted"] == "b" and not ask("status")["proving"])
    assert state.read(device / "boot/boot.json").slots["b"].state == "good"
    assert {port for _, port in listening(device)} == {pages_port(device)}


def test_an_update_before_the_claim_whose_page_is_missing_falls_back(
    device: Path, launch: Launch, eventually: Eventually, ask: Ask, publish: Callable[..., Release]
) -> None:
    settings = device / "device.toml"
    settings.write_text(settings.read_text().replace("health_s = 20", "health_s = 4"))
    launch()
    eventually(lambda: ask("status"))
    publish("1.1", pseudo="www/index.html m 000 0 0")
    ask("slot.install", version="1.1")
    ask("slot.activate")
    ask("reboot")
    eventually(lambda: ask("status")["slots"]["b"]["state"] == "bad", within_s=30)
    assert ask("status")["booted"] == "a"
    assert "page did not answer" in ask("status")["slots"]["b"]["reason"]


def test_too_long_after_power_on_nobody_can_claim(
    device: Path, label: Label, launch: Launch, eventually: Eventually
) -> None:
    launch()
    eventually(lambda: visitor(device, label).get("/claim"))
    stranger = visitor(device, label)
    page = stranger.get("/claim")
    power = device / "run/power.json"
    noted = json.loads(power.read_text())["on_s"]
    power.write_text(json.dumps({"on_s": noted - 1801}))
    late = stranger.submit(page, name="eve", password=PASSWORD, code=label.code)
    assert late.status == 403
    assert "off and on again" in late.text
    assert not late.forms
    with pytest.raises(wire.AnsweredError, match="switched on too long ago") as caught:
        wire.call(  # auth does not believe the pages
            device / "run/auth.sock",
            "account.claim",
            {"code": label.code, "name": "eve", "password": PASSWORD},
            30,
        )
    assert caught.value.code == "account-too-late"
    power.write_text(json.dumps({"on_s": noted}))
    claimed(device, label)


def test_button_at_power_on_gives_the_device_to_the_next_owner(
    device: Path, label: Label, launch: Launch, eventually: Eventually
) -> None:
    own_and_stop(device, label, launch, eventually)
    before = {path.name: path.read_bytes() for path in (device / "factory").iterdir()}
    (device / "button").write_text("1\n")
    begun = time.monotonic()
    second = launch()
    eventually(lambda: "factory reset" in (device / "run/boot.log").read_text(), within_s=40)
    assert time.monotonic() - begun >= reset.HOLD_S
    eventually(lambda: "Set-up code" in visitor(device, label).get("/login").text)
    assert {("tcp", pages_port(device))} == listening(device)
    assert {p.name: p.read_bytes() for p in (device / "factory").iterdir()} == before
    # Still pressed: a second start leaves the next owner alone.
    next_owner = visitor(device, label)
    page = next_owner.submit(
        next_owner.get("/"), name="bob", password=PASSWORD + " more", code=label.code
    )
    assert "Log out" in page.text
    stop(second)
    launch()
    eventually(lambda: "Log in" in visitor(device, label).get("/login").text, within_s=30)
    old = visitor(device, label)
    refused = old.submit(old.get("/login"), name="ada", password=PASSWORD)
    assert "Log out" not in refused.text
    assert "was not let go" in (device / "run/boot.log").read_text()


def test_reset_that_was_ordered_while_it_ran_happens_at_the_next_start(
    device: Path, label: Label, launch: Launch, eventually: Eventually
) -> None:
    first = launch()
    eventually(lambda: visitor(device, label).get("/claim"))
    owner = claimed(device, label)
    said = holdfast("device", "reset", str(device), "--yes")
    assert "switched on the next time" in said
    assert "Log out" in owner.get("/").text
    first.kill()  # the power goes
    first.wait()
    eventually(lambda: not pids_of(device))
    launch()
    eventually(lambda: "Set-up code" in visitor(device, label).get("/").text)
    assert not reset.is_ordered(device)


def test_reset_and_label_by_command(device: Path, label: Label, tmp_path: Path) -> None:
    (device / "auth/keys.json").write_text("secret")
    asked = run_holdfast("device", "reset", str(device), sent=b"something else\n")
    assert asked.exit_code == 2
    assert (device / "auth/keys.json").exists()
    assert "valid again" in holdfast("device", "reset", str(device), "--yes")
    assert not (device / "auth/keys.json").exists()
    told = run_holdfast(
        "device", "label", str(device), "--json", sent=label.code.lower().encode() + b"\n"
    )
    assert json.loads(told.stdout) == label.plain()
    out = tmp_path / "label.svg"
    code = tmp_path / "code"
    code.write_text(f"{label.code}\n")
    holdfast("device", "label", str(device), "--code-file", str(code), "--out", str(out))
    assert label.code in out.read_text()
    assert out.stat().st_mode & 0o777 == 0o600
    wrong = run_holdfast("device", "label", str(device), sent=b"AAAA-AAAA-AAAA\n")
    assert wrong.exit_code == 2
    assert b"not the set-up code of this device" in wrong.stderr
    assert label.code.encode() not in wrong.stderr
    for sent in (b"", b"\n", b"\xff\0\n", b"x" * 5000):
        refused = run_holdfast("device", "label", str(device), sent=sent)
        assert refused.exit_code == 2
        assert b"Traceback" not in refused.stderr
    assert run_holdfast("device", "label", str(device), "--out", "x.pdf").exit_code == 2


def run_holdfast(*words: str, sent: bytes = b"") -> Result:
    command = [sys.executable, "-I", "-m", "holdfast.cli", *words]
    return run(command, timeout_s=60, check=False, stdin=sent)


def holdfast(*words: str) -> str:
    done = run_holdfast(*words)
    assert done.exit_code == 0, done.stderr
    return str(done.stdout.decode())
