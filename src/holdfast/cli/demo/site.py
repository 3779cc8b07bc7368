"""The whole demonstration on this machine: its programs, and its first start."""

import contextlib
import fcntl
import http.client
import json
import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
_COMMAND_TIMEOUT_S = 60.0
_ASK_TIMEOUT_S = 2.0

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


def answers(port: int, path: str = "/") -> bool:
    """Tell whether a web server answers on a loopback port, whatever it says."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ASK_TIMEOUT_S)
    try:
        connection.request("GET", path)
        connection.getresponse().read(1)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def python(*words: str | Path) -> list[str | Path]:
    """Start a module of ours with this same Python."""
    return [sys.executable, "-I", "-m", *words]


class Site:
    """Hub, worker, gateway and one device below one folder.

    Attributes:
        places: Where things lie.
        ports: Where things listen.
        supervisor: Keeps the programs running.
        maker: The maker with his keys.
        device_gateway_port: Port on which the device believes the gateway to be; the tour puts a
            hostile network there.
    """

    def __init__(self, places: Places, ports: Ports, *, device_gateway_port: int = 0) -> None:
        self.places = places
        self.ports = ports
        self.supervisor = Supervisor(places.state, places.logs)
        self.maker = Maker(places)
        self.device_gateway_port = device_gateway_port or ports.gateway

    @property
    def hub_url(self) -> str:
        """Address of the hub's pages."""
        return f"http://{HOST}:{self.ports.hub}"

    @property
    def device_url(self) -> str:
        """Address of the device's own pages."""
        return f"http://{HOST}:{self.ports.device}"

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

    def start_device(self) -> None:
        """Switch the device on."""
        self.supervisor.start(
            Service(
                "device",
                python("holdfast.device.launcher", "--config", self.places.device / "device.toml"),
                lambda: answers(self.ports.device),
            )
        )

    def found(self) -> None:
        """Do the first start: keys, hub, first release, device; then everything but it runs."""
        self._write_hub_config()
        OnlineKeys.make(self.places.hub / "online-keys")
        with ThreadPoolExecutor(max_workers=1) as pool:
            signed = pool.submit(self._sign_first)
            self.start_hub()
            folder = signed.result()
        self.hub_command("token", "demonstration", "--out", self.places.api_token)
        hub = Hub(self.hub_url, token=self.places.api_token.read_text().strip())
        hub.send_lists(self.maker.workshop().files())
        self.publish(folder)
        self._make_device()
        self.start_gateway()
        self.places.remember(self.ports)

    def _sign_first(self) -> Path:
        self.maker.found()
        return self.maker.release(self.draft(FACTORY))

    def publish(self, folder: Path, *, offer: bool = False) -> None:
        """Publish a release folder on the hub, as `holdfast release publish` does."""
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
        hub.publish(bundle.metadata(folder), files, offer=offer)

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
                f'gateway_url = "http://{HOST}:{self.device_gateway_port}"\n'
                'mail_folder = "mails"\n\n'
                f'[gateway]\nlisten = "{HOST}:{self.ports.gateway}"\n'
            ).encode(),
        )

    def _make_device(self) -> None:
        token = self.places.state / "device-token"
        self.hub_command(
            "add-device", DEVICE, "--product", GATEWAY, "--hardware", "a", "--out", token
        )
        root = self.places.state / "root.json"
        write_whole(root, self.maker.workshop().files()["1.root.json"])
        label = run(
            [
                *python("holdfast.cli", "device", "new"),
                *("--folder", self.places.device, "--product", self.maker.profile(GATEWAY)),
                *("--hub-url", f"http://{HOST}:{self.device_gateway_port}"),
                *("--controller-id", DEVICE, "--token-file", token, "--root", root),
                *("--image", self.image(FACTORY), "--version", FACTORY, "--hardware", "a"),
                *("--gui-listen", f"{HOST}:{self.ports.device}"),
                *("--page-listen", f"{HOST}:{self.ports.product}"),
                *("--poll-s", "1", "--health-s", "20"),
            ],
            timeout_s=_COMMAND_TIMEOUT_S,
            env=dict(os.environ),
        ).stdout
        write_whole(self.places.device_label, label, mode=0o600)
        token.unlink()

    def device_facts(self) -> dict[str, object]:
        """Ask the device how it is, as `holdfast device status --json` does."""
        command = python(
            "holdfast.cli", "device", "status", "--json",
            "--config", self.places.device / "device.toml",
        )  # fmt: skip
        done = run(command, timeout_s=_COMMAND_TIMEOUT_S, check=False, env=dict(os.environ))
        facts = json.loads(done.stdout or b"{}")
        return facts if isinstance(facts, dict) else {}


def free_port() -> int:
    """Find one loopback port that nobody listens on now."""
    with socket.create_server((HOST, 0)) as one:
        number: int = one.getsockname()[1]
        return number


def page_version(device: Path) -> str:
    """Ask the running slot's own page which version it is; empty if nobody answers."""
    with contextlib.suppress(OSError, ValueError, KeyError, http.client.HTTPException):
        place = json.loads((device / "run/page.json").read_text())
        connection = http.client.HTTPConnection(
            place["host"], place["port"], timeout=_ASK_TIMEOUT_S
        )
        try:
            connection.request("GET", "/version.txt")
            return connection.getresponse().read(64).decode().strip()
        finally:
            connection.close()
    return ""
