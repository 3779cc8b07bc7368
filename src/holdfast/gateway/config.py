"""The gateway's view of hub.toml, the file that it shares with the hub.

It names every key that the hub knows, so that a misspelt one is found by whichever program reads
the file first; a test compares the two shapes.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from holdfast.accounts.directories.settings import CentralLogin
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
class AccountsPart:
    """The hub's rules for accounts; the gateway only knows that these keys are right.

    Attributes:
        blocklists: Lists of refused passwords.
        blocklist_keys: Keys of those lists.
        idle_minutes: Life of a session that is not used.
        hashing_slots: How many passwords are hashed at the same time.
    """

    blocklists: tuple[Path, ...] = ()
    blocklist_keys: tuple[str, ...] = ()
    idle_minutes: int = 15
    hashing_slots: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdPart:
    """Whom the hub's staff log in with; the gateway only knows that these keys are right.

    Attributes:
        name: Of the provider.
        issuer: Its address.
        client_id: Of the hub.
        secret_file: File with the secret.
        role_claim: Claim that decides.
        staff: What must stand in it.
        label: Of the button.
        scopes: What is asked for.
        name_claim: Claim with the name.
    """

    name: str
    issuer: str
    client_id: str
    secret_file: Path
    role_claim: str
    staff: tuple[str, ...]
    label: str = ""
    scopes: tuple[str, ...] = ()
    name_claim: str = ""


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
        accounts: Of the hub.
        openid: Of the hub.
        central_login: Of the hub.
        central_login_secrets: Of the hub.
    """

    state: Path = Path("var/hub")
    gateway_url: Annotated[str, _URL] = ""
    gateway: GatewayPart = field(default_factory=GatewayPart)
    listen: str = "127.0.0.1:8000"
    public_url: str = ""
    smtp: MailPart | None = None
    mail_folder: Path | None = None
    upload_limit_bytes: int = 4 << 30
    accounts: AccountsPart = field(default_factory=AccountsPart)
    openid: tuple[OpenIdPart, ...] = ()
    central_login: CentralLogin = field(default_factory=CentralLogin)
    central_login_secrets: dict[str, Path] = field(default_factory=dict)

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
