"""What the device's processes have to know, and where things lie in the folder of a device.

The launcher reads `device.toml` once and hands each process what it needs as JSON on its command
line, because what reads the file is larger than what some processes do. Standard library only.
"""

import json
from pathlib import Path
from typing import NamedTuple

_LONGEST_LABEL = 63  # of a name in the DNS, RFC 1035 2.3.4


class Uids(NamedTuple):
    """Numeric ids of the processes; they need no names in /etc/passwd.

    Attributes:
        sockets: Group that may reach the broker's socket.
        verifier: Child of the broker that verifies releases.
        agent: Polls the hub, downloads; holds the device's token.
        auth: Holds the hashes of passwords.
        gui: Serves the owner's pages.
        page: Serves the running slot's own web page.
    """

    sockets: int = 61000
    verifier: int = 61001
    agent: int = 61002
    auth: int = 61003
    gui: int = 61004
    page: int = 61005


class Settings(NamedTuple):
    """Settings of one device; `device.config` says what each of them means in `device.toml`.

    Attributes:
        folder: Folder of the device.
        controller_id: Name under which the hub knows the device.
        hub_url: Base URL of the gateway.
        product: The product profile.
        hardware: Hardware revision.
        tenant: Tenant at the gateway.
        gui_listen: Address of the owner's pages.
        page_listen: Address of the running slot's own web page.
        poll_s: Seconds between polls in place of what the hub says.
        health_s: Seconds a new slot has to prove itself in place of what the profile says.
        idle_s: Seconds without a call after which the broker exits.
        image_bytes: Largest image that is accepted.
        claim_s: Seconds after power-on in which the device can be claimed.
        button: File that tells whether the reset button is pressed, `1` if it is.
        roles: Roles of accounts, from the product profile.
        methods: Ways to find out who somebody is, from the product profile.
        words: Vendor, product, name, model and serial by these words; bad passwords.
        blocklists: Signed files of further passwords that are refused, from the operator.
        blocklist_keys: Public keys that those files may be signed with.
        uids: Ids of the processes when started as root.
    """

    folder: Path
    controller_id: str
    hub_url: str
    product: Path
    hardware: str = "a"
    tenant: str = "DEFAULT"
    gui_listen: str = "127.0.0.1:8080"
    page_listen: str = "127.0.0.1:0"
    poll_s: int | None = None
    health_s: int | None = None
    idle_s: int = 30
    image_bytes: int = 1 << 30
    claim_s: int = 1800
    button: Path = Path("button")
    roles: tuple[str, ...] = ("owner",)
    methods: tuple[str, ...] = ("local",)
    words: tuple[tuple[str, str], ...] = ()
    blocklists: tuple[Path, ...] = ()
    blocklist_keys: tuple[str, ...] = ()
    uids: Uids = Uids()

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which the device is found: of its id, alone and with `.local`."""
        plain = "".join(
            mark if mark.isascii() and mark.isalnum() else "-" for mark in self.controller_id
        )
        label = plain.lower()[:_LONGEST_LABEL].strip("-")
        return label, f"{label}.local"

    @property
    def tls_key_file(self) -> Path:
        """Key of the owner's pages; the gui alone can read it."""
        return self.factory / "tls-key.pem"

    @property
    def certificate_file(self) -> Path:
        """Certificate of the owner's pages; its fingerprint is on the label."""
        return self.factory / "tls-certificate.pem"

    @property
    def factory(self) -> Path:
        """What it was made with: profile, root of trust, set-up code, token, certificate."""
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


def pack(settings: Settings) -> str:
    """Write settings as JSON, for a command line; there is no secret in them."""
    plain = {
        "folder": str(settings.folder),
        "button": str(settings.button),
        "product": str(settings.product),
        "blocklists": [str(path) for path in settings.blocklists],
        "uids": settings.uids._asdict(),
    }
    return json.dumps(settings._asdict() | plain)


def unpack(text: str) -> Settings:
    """Read what `pack` wrote."""
    raw = json.loads(text)
    return Settings(
        **{
            **raw,
            "folder": Path(raw["folder"]),
            "button": Path(raw["button"]),
            "product": Path(raw["product"]),
            "roles": tuple(raw["roles"]),
            "methods": tuple(raw["methods"]),
            "blocklists": tuple(Path(path) for path in raw["blocklists"]),
            "blocklist_keys": tuple(raw["blocklist_keys"]),
            "words": tuple((str(name), str(word)) for name, word in raw["words"]),
            "uids": Uids(**raw["uids"]),
        }
    )
