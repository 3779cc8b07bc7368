"""Where the demonstration keeps its state, and on which ports it listens."""

import errno
import json
import socket
from dataclasses import dataclass
from pathlib import Path

from holdfast.core.errors import PortTakenError
from holdfast.core.files import write_whole

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The four loopback ports of the demonstration."""

    hub: int
    gateway: int
    device: int
    product: int

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        """Take four ports in a row."""
        return cls(hub=base, gateway=base + 1, device=base + 2, product=base + 3)

    @classmethod
    def free(cls) -> "Ports":
        """Find four ports that nobody listens on now."""
        sockets = [socket.create_server((HOST, 0)) for _ in range(4)]
        numbers = [one.getsockname()[1] for one in sockets]
        for one in sockets:
            one.close()
        return cls(hub=numbers[0], gateway=numbers[1], device=numbers[2], product=numbers[3])

    def must_be_free(self) -> None:
        """Refuse before anything is started.

        Raises:
            PortTakenError: Another program listens on one of them.
        """
        for port in (self.hub, self.gateway, self.device, self.product):
            try:
                socket.create_server((HOST, port)).close()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                taken = PortTakenError(host=HOST, port=port)
                taken.hint += " For the demonstration: script/up --port-base 9000."
                raise taken from error


@dataclass(frozen=True, slots=True)
class Places:
    """Folders and files of one demonstration, all below `state`."""

    state: Path

    @property
    def images(self) -> Path:
        """Built root file systems; shared by demonstration and tour, dear to build."""
        return self.state.parent / "images"

    @property
    def hub_config(self) -> Path:
        """Configuration of hub, worker and gateway."""
        return self.state / "hub.toml"

    @property
    def hub(self) -> Path:
        """State of the hub."""
        return self.state / "hub"

    @property
    def mails(self) -> Path:
        """Mails to owners, as files one can open."""
        return self.state / "mails"

    @property
    def maker(self) -> Path:
        """What would stand on the maker's own machine: offline keys, releases, profiles."""
        return self.state / "maker"

    @property
    def workshop(self) -> Path:
        """Encrypted key files and signed metadata of the maker."""
        return self.maker / "workshop"

    @property
    def passphrase(self) -> Path:
        """Passphrase of the demonstration keys; a real maker keeps none on disk."""
        return self.maker / "passphrase"

    @property
    def api_token(self) -> Path:
        """Token with which `holdfast release publish` speaks to the hub."""
        return self.maker / "hub-token"

    @property
    def device(self) -> Path:
        """The one device."""
        return self.state / "device"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.state / "log"

    def founded(self) -> bool:
        """Tell whether a first start was completed here."""
        return (self.state / "founded.json").exists()

    def remember(self, ports: Ports) -> None:
        """Note that the first start is complete, last of all."""
        content = {name: getattr(ports, name) for name in ("hub", "gateway", "device", "product")}
        write_whole(self.state / "founded.json", json.dumps(content).encode())

    def offered(self) -> bool:
        """Tell whether the release that the demonstration tells of was offered."""
        return (self.state / "offered").exists()

    def remember_offer(self) -> None:
        """Note that it was offered."""
        write_whole(self.state / "offered", b"")

    def ports(self) -> Ports:
        """Read the ports of the first start."""
        return Ports(**json.loads((self.state / "founded.json").read_text()))
