"""What `device.toml` says, and where things lie in the folder of a device.

The launcher reads it once and hands the broker its few settings as JSON; agent, auth and gui
read it themselves.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from holdfast.core.limits import Between, Length, Matching

Uid = Annotated[int, Between(1, 2**31 - 1)]
"""Never 0: no process may become root by a slip in a file."""

_ADDRESS = r"[0-9A-Za-z.:\[\]-]{1,80}:[0-9]{1,5}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uids:
    """Numeric ids of the processes; they need no names in /etc/passwd.

    Attributes:
        sockets: Group that may reach the broker's socket.
        verifier: Child of the broker that verifies releases.
        agent: Polls the hub, downloads; holds the device's token.
        auth: Holds the hashes of passwords.
        gui: Serves the owner's pages.
        page: Serves the running slot's own web page.
    """

    sockets: Uid = 61000
    verifier: Uid = 61001
    agent: Uid = 61002
    auth: Uid = 61003
    gui: Uid = 61004
    page: Uid = 61005


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """Settings of one device.

    Attributes:
        controller_id: Name under which the hub knows the device.
        hub_url: Base URL of the gateway, `http://127.0.0.1:8001`.
        hardware: Hardware revision, as in the profile, `a`.
        tenant: Tenant at the gateway.
        product: The product profile in force when the device was made.
        gui_listen: Address of the owner's pages, `host:port`.
        page_listen: Address of the running slot's own web page; port 0 takes a free one.
        poll_s: Seconds between polls in place of what the hub says.
        health_s: Seconds a new slot has to prove itself in place of what the profile says.
        idle_s: Seconds without a call after which the broker exits.
        image_bytes: Largest image that is accepted, in bytes.
        folder: Folder of the device; that of the file unless told.
        uids: Ids of the processes when started as root.
    """

    controller_id: Annotated[str, Matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "an id")]
    hub_url: Annotated[str, Matching(r"https?://[^\s?#]+", "an http or https address")]
    hardware: Annotated[str, Length(1, 32)] = "a"
    tenant: Annotated[str, Matching(r"[A-Za-z0-9_-]{1,40}", "the name of a tenant")] = "DEFAULT"
    product: Path = Path("factory/product.toml")
    gui_listen: Annotated[str, Matching(_ADDRESS, "host:port")] = "127.0.0.1:8080"
    page_listen: Annotated[str, Matching(_ADDRESS, "host:port")] = "127.0.0.1:0"
    poll_s: Annotated[int, Between(1, 86400)] | None = None
    health_s: Annotated[int, Between(1, 3600)] | None = None
    idle_s: Annotated[int, Between(1, 3600)] = 30
    image_bytes: Annotated[int, Between(1 << 20, 1 << 40)] = 1 << 30
    folder: Path = Path()
    uids: Uids = field(default_factory=Uids)

    @property
    def factory(self) -> Path:
        """What the device was made with: root.json, product.toml, setup-code.hash, token."""
        return self.folder / "factory"

    @property
    def token_file(self) -> Path:
        """The device's token for the gateway; the agent alone can read it."""
        return self.factory / "token"

    @property
    def setup_code_file(self) -> Path:
        """Hash of the one-time set-up code; auth alone can read it."""
        return self.factory / "setup-code.hash"

    @property
    def staging(self) -> Path:
        """Where the agent puts `artifact` and `metadata/` for the broker to fetch."""
        return self.folder / "agent" / "staging"

    @property
    def run(self) -> Path:
        """Sockets and what lives until the next start."""
        return self.folder / "run"

    @property
    def broker_socket(self) -> Path:
        """Socket of the broker."""
        return self.run / "broker.sock"

    @property
    def agent_socket(self) -> Path:
        """Socket of the agent."""
        return self.run / "agent.sock"

    @property
    def auth_socket(self) -> Path:
        """Socket of auth."""
        return self.run / "auth.sock"

    @property
    def page_file(self) -> Path:
        """JSON `{"host", "port"}` of the running slot's web page, written by the launcher."""
        return self.run / "page.json"


def read(path: Path) -> DeviceConfig:
    """Read `device.toml`; every relative path in it counts from its own folder.

    Raises:
        HoldfastError: The file is missing or faulty; the message names every fault.
    """
    path = path.resolve()
    from holdfast.core import config  # noqa: PLC0415 - costs a resident process 3 MB otherwise

    loaded = config.load(path, DeviceConfig)
    folder = path.parent / loaded.folder
    return replace(loaded, folder=folder, product=path.parent / loaded.product)
