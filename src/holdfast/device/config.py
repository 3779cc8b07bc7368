"""What `device.toml` says: read once by the launcher, and by the commands for people."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

from holdfast.core import config
from holdfast.core.limits import Between, Items, Length, Matching
from holdfast.device import settings
from holdfast.device.settings import Settings

_Uid = Annotated[int, Between(1, 2**31 - 1)]  # never 0: nothing becomes root by a slip in a file
_KEY = Matching(r"[0-9a-f]{64}", "a public key: 64 hexadecimal digits")
_ADDRESS = r"[0-9A-Za-z.:\[\]-]{1,80}:[0-9]{1,5}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UidsTable:
    """The table `uids`: numeric ids of the processes when the device is started as root."""

    sockets: _Uid = 61000
    verifier: _Uid = 61001
    agent: _Uid = 61002
    auth: _Uid = 61003
    gui: _Uid = 61004
    page: _Uid = 61005


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFile:
    """The keys of `device.toml`.

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
        claim_s: Seconds after power-on in which the device can be claimed.
        button: File that tells whether the reset button is pressed, `1` if it is: on a real
            board the `value` of its GPIO line.
        blocklists: Signed files of further passwords that are refused.
        blocklist_keys: Public keys that those files may be signed with, in hexadecimal digits.
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
    claim_s: Annotated[int, Between(60, 86400)] = 1800
    button: Path = Path("button")
    blocklists: Annotated[tuple[Path, ...], Items(0, 8)] = ()
    blocklist_keys: Annotated[tuple[Annotated[str, _KEY], ...], Items(0, 8)] = ()
    folder: Path = Path()
    uids: UidsTable = field(default_factory=UidsTable)


def read(path: Path) -> Settings:
    """Read `device.toml`; every relative path in it counts from its own folder.

    Raises:
        HoldfastError: The file is missing or faulty; the message names every fault.
    """
    path = path.resolve()
    told = asdict(config.load(path, DeviceFile))
    told["folder"] = path.parent / told["folder"]
    told["product"] = path.parent / told["product"]
    told["blocklists"] = tuple(path.parent / one for one in told["blocklists"])
    told["button"] = path.parent / told["button"]
    return Settings(**{**told, "uids": settings.Uids(**told["uids"])})
