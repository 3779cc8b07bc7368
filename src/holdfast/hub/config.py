"""The hub's own settings, read from hub.toml once at start."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from holdfast.accounts.directories.settings import NAME, CentralLogin, filter_problems
from holdfast.core.config import Problem, load, must_hold, rule
from holdfast.core.limits import Between, Items, Length, Matching

VARIABLE = "HOLDFAST_HUB_CONFIG"
DEFAULT_FILE = Path("hub.toml")

_ADDRESS = Matching(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}", "an address and a port")
_URL = Matching(
    r"|https?://[A-Za-z0-9.:\[\]-]+/?", "an http or https address without a path, or empty"
)
_DEVICE_URL = Matching(r"|https?://[A-Za-z0-9.:\[\]/_~-]+", "an http or https address, or empty")
_ISSUER = Matching(
    r"https://[A-Za-z0-9.:\[\]/_~-]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/[A-Za-z0-9./_~-]*)?",
    "an https address",
)
_KEY = Matching(r"[0-9a-fA-F]{64}", "64 hexadecimal digits")
_LARGEST_UPLOAD_BYTES = 1 << 40
STAFF = "staff"
"""The one role that there is on the hub."""


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
class AccountsConfig:
    """What concerns everybody who logs in to the hub.

    Attributes:
        blocklists: Further signed lists of passwords that are refused.
        blocklist_keys: Public keys that those lists may be signed with, in hexadecimal digits.
        idle_minutes: A session that was not used for so long ends.
        hashing_slots: How many passwords are hashed at the same time; each takes 19 MiB.
    """

    blocklists: Annotated[tuple[Path, ...], Items(0, 8)] = ()
    blocklist_keys: Annotated[tuple[Annotated[str, _KEY], ...], Items(0, 8)] = ()
    idle_minutes: Annotated[int, Between(1, 120)] = 15
    hashing_slots: Annotated[int, Between(1, 4)] = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIdConfig:
    """One OpenID Connect provider that staff may log in with.

    Attributes:
        name: Stands in the address of its callback, and after the @ of account names.
        label: What the button says.
        issuer: Its address as it stands in its own configuration; https, or this machine.
        client_id: Under which it knows the hub.
        secret_file: File that holds the client's secret.
        scopes: What is asked for beside `openid`.
        name_claim: Claim with the name under which the audit trail shows somebody.
        role_claim: Claim with a text or a list of texts from which the role follows.
        staff: Texts of which one must be there; without a match there is no access.
    """

    name: Annotated[str, Matching(NAME, "a short name in small letters")]
    issuer: Annotated[str, _ISSUER]
    client_id: Annotated[str, Length(1, 200)]
    secret_file: Path
    role_claim: Annotated[str, Length(1, 64)]
    staff: Annotated[tuple[Annotated[str, Length(1, 200)], ...], Items(1, 32)]
    label: Annotated[str, Length(0, 60)] = ""
    scopes: Annotated[tuple[Annotated[str, Length(1, 64)], ...], Items(0, 16)] = ("profile",)
    name_claim: Annotated[str, Length(1, 64)] = "preferred_username"


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
        accounts: What concerns everybody who logs in.
        openid: Providers of OpenID Connect.
        central_login: Servers that know who somebody is.
        central_login_secrets: Files with their secrets: by name of the server, and `NAME.key`.
    """

    state: Path = Path("var/hub")
    listen: Annotated[str, _ADDRESS] = "127.0.0.1:8000"
    public_url: Annotated[str, _URL] = ""
    gateway_url: Annotated[str, _DEVICE_URL] = ""
    smtp: SmtpConfig | None = None
    mail_folder: Path | None = None
    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    upload_limit_bytes: Annotated[int, Between(1, _LARGEST_UPLOAD_BYTES)] = 4 << 30
    accounts: AccountsConfig = field(default_factory=AccountsConfig)
    openid: Annotated[tuple[OpenIdConfig, ...], Items(0, 4)] = ()
    central_login: CentralLogin = field(default_factory=CentralLogin)
    central_login_secrets: Annotated[dict[str, Path], Items(0, 32)] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse nonsense."""
        must_hold(self)

    @rule
    def _roles_exist(self) -> Iterator[Problem]:
        for index, each in enumerate(self.central_login.roles):
            if each.role != STAFF:
                yield Problem(("central_login", "roles", index, "role"), f"must be {STAFF!r}")
        for index, methods in enumerate(self.central_login.methods):
            if methods.service != "hub":
                yield Problem(("central_login", "methods", index, "service"), "must be 'hub'")
        for found in filter_problems(self.central_login):
            yield Problem(("central_login", *found.where), found.reason)

    @rule
    def _names_differ(self) -> Iterator[Problem]:
        # Both stand after the @ of account names.
        taken = {group.name for group in self.central_login.groups}
        for index, provider in enumerate(self.openid):
            if provider.name in taken:
                yield Problem(("openid", index, "name"), f"there are two {provider.name}")
            taken.add(provider.name)

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

    @property
    def account_keys(self) -> Path:
        """The file with the keys that are mixed into stored passwords and seal other secrets."""
        return self.state / "account-keys"

    @property
    def passkeys(self) -> bool:
        """Whether browsers allow passkeys here: under a name, and by https or on this machine."""
        try:
            ip_address(self.host)
        except ValueError:
            return self.secure or self.host == "localhost"
        return False


def read() -> HubConfig:
    """Read the file named by the environment, else hub.toml here, else take the defaults.

    Raises:
        ConfigError: The file has faults, or the environment names one that is not there.
    """
    named = os.environ.get(VARIABLE, "")
    if not named and not DEFAULT_FILE.is_file():
        return HubConfig()
    return load(Path(named or DEFAULT_FILE), HubConfig)
