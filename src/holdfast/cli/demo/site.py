"""The whole demonstration on this machine: its programs, and its first start."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from holdfast.audit.gate import GateError
from holdfast.cli import gate
from holdfast.cli.demo.device import Device, answers, python
from holdfast.cli.demo.images import Recipe, build
from holdfast.cli.demo.maker import GATEWAY, Draft, Maker
from holdfast.cli.demo.places import HOST, Places, Ports
from holdfast.cli.demo.supervisor import Service, Supervisor, end_leftovers
from holdfast.cli.hub_api import Hub
from holdfast.core.errors import BusyError
from holdfast.core.files import write_whole
from holdfast.core.process import run
from holdfast.updates import bundle
from holdfast.updates.online import OnlineKeys
from holdfast.updates.release import Severity

NAME = "Nordlicht Gateway"
DEVICE = "gateway-0001"
_AUDIT_TIMEOUT_S = 120
_COMMAND_TIMEOUT_S = 60.0

FACTORY = "1.0"
NOTES = {
    "1.0": "The version that devices leave the factory with.",
    "1.1": (
        "Closes a hole through which a stranger on the internet could make the box stop working. "
        "Nothing changes in how you use it."
    ),
    "1.2": "Closes two smaller holes and makes the start faster.",
    "1.3": "Renews the list of trusted certificates.",
    "1.5": "Closes a hole in the handling of certificates.",
}
SEVERITIES = {
    "1.0": Severity.LOW,
    "1.1": Severity.HIGH,
    "1.2": Severity.MEDIUM,
    "1.3": Severity.LOW,
    "1.5": Severity.HIGH,
}
FIXES = {"1.1": ("CVE-2024-5535",), "1.2": ("CVE-2024-9143", "CVE-2024-13176")}


class Site:
    """Hub, worker, gateway and one device below one folder.

    Attributes:
        places: Where things lie.
        ports: Where things listen.
        supervisor: Keeps the programs running.
        maker: The maker with his keys.
        device: The device.
    """

    def __init__(self, places: Places, ports: Ports, *, device_gateway_port: int = 0) -> None:
        """Say where everything is; nothing is started.

        Args:
            places: Where things lie.
            ports: Where things listen.
            device_gateway_port: Where the device believes the gateway to be, if not where it is.
        """
        self.places = places
        self.ports = ports
        self.supervisor = Supervisor(places.state, places.logs)
        self.maker = Maker(places)
        self.device = Device(
            name=DEVICE,
            folder=places.device,
            port=ports.device,
            page_port=ports.product,
            gateway_port=device_gateway_port or ports.gateway,
        )

    @property
    def hub_url(self) -> str:
        """Address of the hub's pages."""
        return f"http://{HOST}:{self.ports.hub}"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the state folder alone; what an earlier start left behind is ended first.

        Raises:
            BusyError: The demonstration runs already on this state.
        """
        self.places.state.mkdir(parents=True, exist_ok=True)
        with (self.places.state / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                busy = BusyError(f"the demonstration runs already on {self.places.state}")
                busy.hint = "Use the one that runs, or stop it with Ctrl-C first."
                raise busy from error
            end_leftovers(self.places.state)
            try:
                yield
            finally:
                self.supervisor.stop()

    def image(self, version: str, *, broken: bool = False) -> Path:
        """Build one of the images, or find it built."""
        step = {"1.0": 0, "1.1": 1}.get(version, 2)
        self.places.images.mkdir(parents=True, exist_ok=True)
        recipe = Recipe(name=NAME, version=version, step=step, broken=broken)
        return build(recipe, self.places.images)

    def draft(self, version: str) -> Draft:
        """Describe one of the releases that the demonstration tells of."""
        return Draft(
            version=version,
            image=self.image(version),
            severity=SEVERITIES[version],
            notes=NOTES[version],
            fixes=FIXES.get(version, ()),
        )

    def start_hub(self) -> None:
        """Start the hub and wait until it answers; it makes its tables first."""
        command = python("holdfast.cli", "hub", "serve", "--config", self.places.hub_config)
        self.supervisor.start(Service("hub", command, lambda: answers(self.ports.hub, "/login/")))
        self.supervisor.wait("hub")

    def start_gateway(self) -> None:
        """Start gateway and worker, which need the tables, and wait until they answer."""
        config = self.places.hub_config
        self.supervisor.start(
            Service(
                "gateway",
                python("holdfast.cli", "gateway", "serve", "--config", config),
                lambda: answers(self.ports.gateway),
            ),
            Service(
                "worker",
                python("holdfast.cli", "hub", "worker", "--config", config),
                self._worker_ready,
            ),
        )
        self.supervisor.wait("gateway", "worker")

    def start_device(self, device: Device | None = None) -> None:
        """Switch a device on, ours unless told."""
        chosen = device or self.device
        command = python("holdfast.device.launcher", "--config", chosen.config)
        self.supervisor.start(Service(chosen.name, command, chosen.answers))

    def found(self) -> None:
        """Do the first start: keys, hub, first release, device; then everything but it runs."""
        self._write_hub_config()
        # Hashes, addresses and keys: nothing for other people of this machine.
        for folder in (self.places.hub, self.places.mails, self.places.maker):
            folder.mkdir(mode=0o700)
        OnlineKeys.make(self.places.hub / "online-keys")
        with ThreadPoolExecutor(max_workers=1) as pool:
            signed = pool.submit(self._sign_first)
            self.start_hub()
            folder = signed.result()
        self.hub_command("token", "demonstration", "--out", self.places.api_token)
        hub = Hub(self.hub_url, token=self.places.api_token.read_text().strip())
        hub.send_lists(self.maker.workshop().files())
        self.publish(folder)
        self.make_device(self.device)
        self.start_gateway()
        self.places.remember(self.ports)

    def _sign_first(self) -> Path:
        self.maker.found()
        return self.maker.release(self.draft(FACTORY))

    def publish(self, folder: Path, *, offer: bool = False, wait: bool = False) -> None:
        """Publish a release folder on the hub, as `holdfast release publish` does.

        Raises:
            GateError: With `wait`, the hub's audit says no.
        """
        held = bundle.contents(folder)
        hub = Hub(self.hub_url, token=self.places.api_token.read_text().strip())
        for path, (size_bytes, sha256) in held.files().items():
            hub.upload(
                folder / "targets" / path,
                path=path,
                size_bytes=size_bytes,
                sha256=sha256,
                progress=lambda _: None,
            )
        files = {path: sha256 for path, (_, sha256) in held.files().items()}
        answer = hub.publish(bundle.metadata(folder), files, offer=offer)
        if wait:
            judgement = gate.wait_for_hub(hub, answer["release"], wait_s=_AUDIT_TIMEOUT_S)
            if not judgement["open"]:
                raise GateError("; ".join(judgement["objections"]) or "the audit is not over")

    def _worker_ready(self) -> bool:
        # Whoever holds the lock has passed migration and start.
        with contextlib.suppress(OSError), (self.places.hub / "worker.lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def hub_command(self, *words: str | Path) -> str:
        """Run `holdfast hub ...` on this hub; gives what it printed."""
        command = [*python("holdfast.cli", "hub"), *words, "--config", self.places.hub_config]
        return run(command, timeout_s=_COMMAND_TIMEOUT_S, env=dict(os.environ)).stdout.decode()

    def _write_hub_config(self) -> None:
        write_whole(
            self.places.hub_config,
            (
                "# Written by the demonstration.\n"
                'state = "hub"\n'
                f'listen = "{HOST}:{self.ports.hub}"\n'
                f'gateway_url = "http://{HOST}:{self.ports.gateway}"\n'
                'mail_folder = "mails"\n\n'
                f'[gateway]\nlisten = "{HOST}:{self.ports.gateway}"\n'
            ).encode(),
        )

    def make_device(self, device: Device) -> None:
        """Let a device in on the hub, and make it as the factory does."""
        token = device.folder.with_name(f"{device.folder.name}-token")
        self.hub_command(
            "add-device", device.name, "--product", GATEWAY, "--hardware", "a", "--out", token
        )
        root = self.places.state / "root.json"
        write_whole(root, self.maker.workshop().files()["1.root.json"])
        run(
            [
                *python("holdfast.cli", "device", "new"),
                *("--folder", device.folder, "--product", self.maker.profile(GATEWAY)),
                *("--hub-url", f"http://{HOST}:{device.gateway_port}"),
                *("--controller-id", device.name, "--token-file", token, "--root", root),
                *("--image", self.image(FACTORY), "--version", FACTORY, "--hardware", "a"),
                *("--gui-listen", f"{HOST}:{device.port}"),
                *("--page-listen", f"{HOST}:{device.page_port}"),
                *("--poll-s", "1", "--health-s", "20", "--label", device.label),
            ],
            timeout_s=_COMMAND_TIMEOUT_S,
            env=dict(os.environ),
        )
        token.unlink()


def free_port() -> int:
    """Find one loopback port that nobody listens on now."""
    with socket.create_server((HOST, 0)) as one:
        number: int = one.getsockname()[1]
        return number
