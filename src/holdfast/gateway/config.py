"""The gateway's view of hub.toml, the file that it shares with the hub.

It names every key that the hub knows, so that a misspelt one is found by whichever program reads
the file first; a test compares the two shapes.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from holdfast.core.config import load
from holdfast.core.limits import Matching

VARIABLE = "HOLDFAST_HUB_CONFIG"
DEFAULT_FILE = Path("hub.toml")

_ADDRESS = Matching(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}", "an address and a port")
_URL = Matching(r"|https?://[A-Za-z0-9.:\[\]/_~-]+", "an http or https address, or empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailPart:
    """The hub's mail server; the gateway only knows that these keys are right.

    Attributes:
        host: Name or address.
        sender: Address in the From line.
        port: Of the mail server.
        user: Login name.
        password_file: File with the password.
        starttls: Whether the connection must be encrypted first.
    """

    host: str
    sender: str
    port: int = 587
    user: str = ""
    password_file: Path | None = None
    starttls: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPart:
    """The table `[gateway]`.

    Attributes:
        listen: Address and port on which devices poll; port 0 takes a free one.
    """

    listen: Annotated[str, _ADDRESS] = "127.0.0.1:8001"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """What hub.toml says to the gateway.

    Attributes:
        state: Folder of everything the hub keeps.
        gateway_url: Address under which devices reach the gateway; empty takes it from each
            request's Host header.
        gateway: The gateway's own table.
        listen: Of the hub.
        public_url: Of the hub.
        smtp: Of the hub.
        mail_folder: Of the hub.
        upload_limit_bytes: Of the hub.
    """

    state: Path = Path("var/hub")
    gateway_url: Annotated[str, _URL] = ""
    gateway: GatewayPart = field(default_factory=GatewayPart)
    listen: str = "127.0.0.1:8000"
    public_url: str = ""
    smtp: MailPart | None = None
    mail_folder: Path | None = None
    upload_limit_bytes: int = 4 << 30

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.gateway.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def base_url(self) -> str:
        """Start of every link, without a slash at its end; empty if requests decide."""
        return self.gateway_url.rstrip("/")

    @property
    def database(self) -> Path:
        """The SQLite file that hub and gateway share."""
        return self.state / "hub.sqlite3"

    @property
    def repository(self) -> Path:
        """The folder of signed metadata and release files."""
        return self.state / "repository"


def read(path: Path | None = None) -> GatewayConfig:
    """Read the named file, else the one the environment names, else hub.toml here, else defaults.

    Raises:
        ConfigError: The file has faults, or is named and not there.
    """
    named = path or Path(os.environ.get(VARIABLE, "") or DEFAULT_FILE)
    if path is None and VARIABLE not in os.environ and not named.is_file():
        return GatewayConfig()
    return load(named, GatewayConfig)
