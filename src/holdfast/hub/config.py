"""The hub's own settings, read from hub.toml once at start."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from holdfast.core.config import load
from holdfast.core.limits import Between, Matching

VARIABLE = "HOLDFAST_HUB_CONFIG"
DEFAULT_FILE = Path("hub.toml")

_ADDRESS = Matching(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}", "an address and a port")
_URL = Matching(
    r"|https?://[A-Za-z0-9.:\[\]-]+/?", "an http or https address without a path, or empty"
)
_DEVICE_URL = Matching(r"|https?://[A-Za-z0-9.:\[\]/_~-]+", "an http or https address, or empty")
_LARGEST_UPLOAD_BYTES = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpConfig:
    """The mail server through which owners and staff are written to.

    Attributes:
        host: Its name or address.
        port: 587 for submission with STARTTLS.
        user: Login name; empty sends without a login.
        password_file: File that holds the password, never the password itself.
        starttls: Whether the connection must be encrypted before anything is said.
        sender: Address in the From line.
    """

    host: str
    sender: str
    port: Annotated[int, Between(1, 65535)] = 587
    user: str = ""
    password_file: Path | None = None
    starttls: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """The gateway's part of hub.toml; the gateway reads it with a shape of its own.

    Attributes:
        listen: Address and port on which devices poll.
    """

    listen: Annotated[str, _ADDRESS] = "127.0.0.1:8001"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """What hub.toml says.

    Attributes:
        state: Folder of everything the hub keeps.
        listen: Address and port of the pages.
        public_url: Address under which browsers reach the hub; empty means `listen` itself.
        gateway_url: Address under which devices reach the gateway; empty means its `listen`.
        smtp: Mail server, or None.
        mail_folder: Folder into which mails are written as files instead of being sent.
        gateway: The gateway's own part.
        upload_limit_bytes: Largest file that may be uploaded for a release.
    """

    state: Path = Path("var/hub")
    listen: Annotated[str, _ADDRESS] = "127.0.0.1:8000"
    public_url: Annotated[str, _URL] = ""
    gateway_url: Annotated[str, _DEVICE_URL] = ""
    smtp: SmtpConfig | None = None
    mail_folder: Path | None = None
    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    upload_limit_bytes: Annotated[int, Between(1, _LARGEST_UPLOAD_BYTES)] = 4 << 30

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def url(self) -> str:
        """The address for browsers, without a slash at its end."""
        return (self.public_url or f"http://{self.listen}").rstrip("/")

    @property
    def device_url(self) -> str:
        """The address for devices, without a slash at its end."""
        return (self.gateway_url or f"http://{self.gateway.listen}").rstrip("/")

    @property
    def host(self) -> str:
        """The host name in the address for browsers."""
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def secure(self) -> bool:
        """Whether browsers come by https only."""
        return self.url.startswith("https://")

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.state / "hub.sqlite3"

    @property
    def repository(self) -> Path:
        """The folder of signed metadata and release files."""
        return self.state / "repository"

    @property
    def online_keys(self) -> Path:
        """The folder of the snapshot and timestamp keys."""
        return self.state / "online-keys"

    @property
    def uploads(self) -> Path:
        """The folder of files that wait for the release that names them."""
        return self.state / "uploads"

    @property
    def reports(self) -> Path:
        """The folder of the hub's own audit reports."""
        return self.state / "reports"

    @property
    def audit_cache(self) -> Path:
        """The folder of what is known of files from earlier audits."""
        return self.state / "audit-cache"

    @property
    def vulnerabilities(self) -> Path:
        """The database of published vulnerabilities, if one was imported."""
        return self.state / "vulnerabilities.sqlite3"

    @property
    def trail_head(self) -> Path:
        """The file that notes the newest entry of the audit trail outside the database."""
        return self.state / "trail-head.json"

    @property
    def secret_key(self) -> Path:
        """The file with the key that signs sessions."""
        return self.state / "secret-key"


def read() -> HubConfig:
    """Read the file named by the environment, else hub.toml here, else take the defaults.

    Raises:
        ConfigError: The file has faults, or the environment names one that is not there.
    """
    named = os.environ.get(VARIABLE, "")
    if not named and not DEFAULT_FILE.is_file():
        return HubConfig()
    return load(Path(named or DEFAULT_FILE), HubConfig)
