"""A maker who signs releases of real images, and a device made by the factory."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.core import clock
from holdfast.core.errors import HoldfastError
from holdfast.core.process import run
from holdfast.device import boot, claim, factory, services
from holdfast.device.broker import settings as broker_settings
from holdfast.device.broker import wire
from holdfast.device.label import Label
from holdfast.device.launcher import plan_of
from holdfast.hardening import confine
from holdfast.updates import bundle, keys
from holdfast.updates.keys import Cost
from holdfast.updates.online import OnlineKeys
from holdfast.updates.release import Release, Severity, Version
from holdfast.updates.repository import Repository
from holdfast.updates.workshop import Start, Workshop

PRODUCT = "home-gateway"
PROFILE = Path(__file__).parents[2] / "examples" / PRODUCT / "product.toml"
_CHEAP = Cost(iterations=1, memory_kib=8, lanes=1)
_AGENT_UID = 61002


@pytest.fixture(scope="session")
def make_image(open_ground: Path, need: Callable[[str], str]) -> Callable[..., Path]:
    """Build a real squashfs image with BusyBox, a page and a health check; remembers them."""

    def make(
        version: str, health: str = "exit 0", *, padding_bytes: int = 0, pseudo: str = ""
    ) -> Path:
        name = f"{version}-{abs(hash((health, padding_bytes, pseudo)))}.squashfs"
        image = open_ground / name
        if image.exists():
            return image
        mksquashfs = need("mksquashfs")
        busybox = need("busybox")
        need("unsquashfs")
        root = open_ground / f"{name}.rootfs"
        for folder in ("bin", "www", "etc/holdfast", "dev", "usr/share"):
            (root / folder).mkdir(parents=True)
        root.chmod(0o755)
        shutil.copy2(busybox, root / "bin/busybox")
        (root / "bin/sh").symlink_to("busybox")
        (root / "www/index.html").write_text(f"<h1>{version}</h1>")
        (root / "www/version.txt").write_text(f"{version}\n")
        (root / "etc/os-release").write_text(f"ID=test\nVERSION_ID={version}\n")
        script = root / "etc/holdfast/health"
        script.write_text(f"#!/bin/busybox sh\n{health}\n")
        script.chmod(0o755)
        for number in range(20):
            (root / f"usr/share/{number}").write_text(f"{number}\n" * 50)
        if padding_bytes:
            (root / "usr/share/padding").write_bytes(os.urandom(padding_bytes))
        quiet = ("-noappend", "-quiet", "-no-progress")
        plain = ["-no-xattrs", "-processors", "1"]
        plain += ["-p", pseudo] if pseudo else ["-all-root"]
        run([mksquashfs, root, f"{image}.part", *quiet, *plain], timeout_s=60)
        Path(f"{image}.part").replace(image)
        shutil.rmtree(root)
        return image

    return make


class Maker:
    """Signs releases and stages them on a device as its agent would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = clock.now()
        self.online = OnlineKeys.make(folder / "online")
        made = {role: self._key(role) for role in ("root", "targets", PRODUCT)}
        self.product_key = made[PRODUCT]
        self.workshop = Workshop.init(
            folder / "workshop",
            Start(
                online=self.online.public_bytes(),
                root=[made["root"].public],
                targets=[made["targets"].public],
                root_threshold=1,
                targets_threshold=1,
            ),
            now=self.now,
        )
        self.workshop.sign("root", made["root"])
        self.workshop.add_product(PRODUCT, [self.product_key.public], threshold=1, now=self.now)
        self.workshop.sign("targets", made["targets"])
        self.repository = Repository(folder / "repository")
        self.repository.initialise(self.workshop.files(), online=self.online, now=self.now)

    def _key(self, role: str) -> keys.SigningKey:
        made = keys.make(self.folder / "keys", role=role, passphrase="test", cost=_CHEAP)
        return keys.load(made.path, "test", role=role)

    def release(
        self, version: str, image: Path, *, floor: str = "1.0", hardware: tuple[str, ...] = ("a",)
    ) -> Release:
        """Build, sign and publish."""
        recipe = bundle.Recipe(
            product=PRODUCT,
            hardware=hardware,
            version=Version.parse(version),
            floor=Version.parse(floor),
            severity=Severity.HIGH,
            notes="A new version.",
            fixes=(),
            artifact=image,
            profile=PROFILE,
        )
        folder = self.folder / "releases" / version
        bundle.build(recipe, folder, now=self.now)
        assert bundle.sign(folder, self.workshop, self.product_key, now=self.now)
        return self.repository.publish(folder, online=self.online, now=self.now)

    def stage(self, device: Path, release: Release) -> Path:
        """Put a release and all signed metadata where the agent puts them; give the folder."""
        staging = device / "agent" / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        shutil.copytree(self.repository.metadata, staging / "metadata")
        shutil.copyfile(self.repository.stored(release), staging / "artifact")
        own(staging)
        return staging


def own(folder: Path) -> None:
    """Give what is in a folder to the agent, when root runs the tests."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _AGENT_UID, _AGENT_UID, follow_symlinks=False)


@pytest.fixture
def maker(ground: Path) -> Maker:
    """Give a maker with one product and an empty repository."""
    (ground / "maker").mkdir()
    return Maker(ground / "maker")


@pytest.fixture
def device(fresh: tuple[Path, Label]) -> Path:
    """Make a device with version 1.0 in slot a, whose launcher has seen its owner."""
    folder, _label = fresh
    claim.mark_of(folder).touch()
    return folder


@pytest.fixture
def fresh(ground: Path, maker: Maker, make_image: Callable[..., Path]) -> tuple[Path, Label]:
    """Make a device with version 1.0 in slot a, as it comes from the factory; give its label."""
    folder = ground / "device"
    made = factory.make(
        factory.Order(
            folder=folder,
            profile=PROFILE,
            hub_url="http://127.0.0.1:9",
            controller_id="test-device",
            token="0123456789abcdef0123",
            root=maker.repository.metadata / "1.root.json",
            image=make_image("1.0"),
            version="1.0",
            hardware="a",
            settings={"gui_listen": "127.0.0.1:0", "health_s": 20},
        )
    )
    return folder, made


@pytest.fixture
def publish(maker: Maker, device: Path, make_image: Callable[..., Path]) -> Callable[..., Release]:
    """Give a function that signs a release of a fresh image and stages it on the device."""

    def publish(version: str, health: str = "exit 0", **changes: object) -> Release:
        recipe = {name: changes.pop(name) for name in ("floor", "hardware") if name in changes}
        image = make_image(version, health, **changes)
        release = maker.release(version, image, **recipe)  # type: ignore[arg-type]  # from a table
        maker.stage(device, release)
        return release

    return publish


@pytest.fixture
def start_broker(device: Path) -> Iterator[Callable[[], int]]:
    """Start the broker behind its real walls, without a launcher; gives its process id."""
    started: list[int] = []
    closing: list[socket.socket] = []
    control_read, control_write = os.pipe()
    boot.choose(device)

    def start() -> int:
        plan = plan_of(device / "device.toml")
        listener = wire.listen(device / "run" / "broker.sock", mode=0o666)
        closing.append(listener)
        broker = services.broker(plan)
        fds = {3: listener.fileno(), broker_settings.CONTROL_FD: control_write, 2: 2}
        pid = confine.start(broker.command, broker.walls, fds=fds).pid
        started.append(pid)
        return pid

    yield start
    for listener in closing:
        listener.close()
    for pid in started:
        with suppress(ProcessLookupError, ChildProcessError):
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    os.close(control_read)
    os.close(control_write)


@pytest.fixture
def ask(device: Path) -> Callable[..., wire.Answer]:
    """Give a function that asks the broker of the device."""

    def ask(verb: str, timeout_s: float = 30.0, **args: object) -> wire.Answer:
        return wire.call(device / "run" / "broker.sock", verb, args, timeout_s)

    return ask


@pytest.fixture
def launch(device: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Start the whole device, as `holdfast device run` does."""
    started: list[subprocess.Popen[bytes]] = []

    def launch() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-I", "-m", "holdfast.device.launcher", "--config"]
        process = subprocess.Popen(
            [*command, str(device / "device.toml")], stdout=subprocess.DEVNULL
        )
        started.append(process)
        return process

    yield launch
    for process in started:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Wait until something holds; a deadline instead of a sleep."""

    def eventually(holds: Callable[[], object], *, within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while True:
            with suppress(OSError, ValueError, KeyError, HoldfastError):
                if holds():
                    return
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.06)  # below the rate at which status may be asked

    return eventually
