"""The whole device, all processes real behind their walls: claim, click, restart, confirmed."""

# ruff: noqa: ANN401 - fixtures whose classes conftest.py holds where none can import them
import compileall
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.device import factory
from holdfast.device.broker import state as slots
from holdfast.device.report import report
from tests.device.visiting import PASSWORD, Visitor

pytestmark = [pytest.mark.servers, pytest.mark.slow]

PROFILE = Path(__file__).parents[3] / "examples" / "home-gateway" / "product.toml"


def image(folder: Path, version: str, need: Callable[[str], str], *, page: bool = True) -> Path:
    root = folder / f"root-{version}"
    (root / "bin").mkdir(parents=True)
    (root / "www").mkdir()
    busybox = root / "bin" / "busybox"
    busybox.write_bytes(Path(need("busybox")).read_bytes())
    busybox.chmod(0o755)
    if page:
        (root / "www" / "index.html").write_text(f"<h1>version {version}</h1>")
    out = folder / f"{version}.squashfs"
    subprocess.run(  # noqa: TID251 - a test makes its own image
        [need("mksquashfs"), str(root), str(out), "-quiet", "-no-progress", "-all-root"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return out


def sees(owner: Visitor, words: str) -> bool:
    try:
        return words in owner.ask("GET", "/")[1]
    except (OSError, HTTPException):
        return False


@pytest.fixture
def free_port() -> int:
    import socket  # noqa: PLC0415 - kept beside its one use

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def device(
    bench: Any, ground: Path, free_port: int, need: Callable[[str], str]
) -> Iterator[tuple[Any, Path, Visitor, str]]:
    # As in an image: a process behind its walls cannot keep what it compiles, and pays in memory.
    compileall.compile_dir(Path(holdfast.__file__).parent, quiet=2)
    folder = Path(f"/tmp/holdfast-device-{free_port}")  # noqa: S108 - reachable for other uids
    (ground / "token").write_text("0123456789abcdef0123456789abcdef")
    label = factory.make(
        factory.Order(
            folder=folder,
            profile=PROFILE,
            hub_url=f"http://127.0.0.1:{bench.gateway.port}",
            controller_id="one",
            token="0123456789abcdef0123456789abcdef",
            root=bench.maker.repository.metadata / "1.root.json",
            image=image(ground, "1.0", need),
            version="1.0",
            hardware="a",
            settings={"gui_listen": f"127.0.0.1:{free_port}", "poll_s": 1, "health_s": 8},
        )
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-m",
            "holdfast.device.launcher",
            "--config",
            str(folder / "device.toml"),
        ],
    )
    yield bench, folder, Visitor(f"https://127.0.0.1:{free_port}", label.sha256), label.code
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=20)
    import shutil  # noqa: PLC0415 - kept beside its one use

    shutil.rmtree(folder)


def until(holds: Callable[[], Any], what: str, *, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def test_one_click_and_confirmed(
    device: tuple[Any, Path, Visitor, str], tmp_path: Path, need: Callable[[str], str]
) -> None:
    bench, folder, owner, code = device
    until(lambda: sees(owner, "") and owner.ask("GET", "/claim")[0] == 200, "the pages")
    assert owner.post("/claim", "/claim", code=code, name="ada", password=PASSWORD)[0] == 303
    until(lambda: sees(owner, "Version 1.0 runs"), "the update page")
    release = bench.maker.release("2.0", artifact=image(tmp_path, "2.0", need))
    bench.gateway.offer(21, release)
    until(
        lambda: sees(owner, "Version 2.0 is ready for you") or sees(owner, "install itself"), "it"
    )
    assert owner.post("/update/install", "/")[0] == 303
    until(lambda: sees(owner, "was installed today"), "the new version")
    assert slots.read(folder / "boot" / "boot.json").running.version == "2.0"
    until(lambda: bench.gateway.closed, "the report")
    assert bench.gateway.attributes[-1]["holdfast.version"] == "2.0"
    processes = {one["name"]: one["rss_bytes"] for one in report(folder)["processes"]}
    sys.stderr.write(f"resident bytes: {processes}\n")
    assert processes["gui"] < 40_000_000
    assert processes["broker"] < 20_000_000
    assert sum(processes.values()) < 98_000_000  # of 100 that are allowed
    bad = bench.maker.release("2.1", artifact=image(tmp_path, "2.1", need, page=False))
    bench.gateway.offer(22, bad)
    until(lambda: sees(owner, "Version 2.1"), "the next one")
    owner.post("/update/install", "/")
    until(lambda: sees(owner, "Version 2.1 could not be installed"), "the fall-back", within_s=90)
    assert slots.read(folder / "boot" / "boot.json").running.version == "2.0"
    until(lambda: 22 in bench.gateway.closed, "the report")
    assert bench.gateway.details()[-1].startswith("[update-unhealthy]")
