"""Which processes a device has, and behind which walls each of them lives.

Standard library only.
"""

import json
import resource
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from holdfast.device.broker import settings as broker_settings
from holdfast.device.broker.settings import PROOF_FD
from holdfast.hardening.confine import Capability, Walls

_INTERNET = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
# The resolver of the C library asks the kernel for the machine's addresses.
_CLIENT = (*_INTERNET, socket.AF_NETLINK)
_SMALL = {resource.RLIMIT_NOFILE: 256, resource.RLIMIT_FSIZE: 8 << 20}
_BROKER_POWERS = frozenset(
    {
        Capability.CHOWN,
        Capability.DAC_OVERRIDE,
        Capability.FOWNER,
        Capability.FSETID,
        Capability.SETGID,
        Capability.SETUID,
    }
)
_MOST_PROCESSES = 128
_PATHS = ("config", "folder", "button")
HEALTH_SCRIPT = "etc/holdfast/health"


class Plan(NamedTuple):
    """What the launcher has to know of `device.toml` and the product profile.

    Attributes:
        config: The file `device.toml`.
        settings: What it says, as `settings.pack` wrote it.
        folder: Folder of the device.
        product: Id of the product.
        hardware: Hardware revision.
        image_bytes: Largest image that is accepted.
        idle_s: Seconds without a call after which the broker exits.
        health_s: Seconds a new slot has to prove itself.
        gui_listen: Host and port of the owner's pages.
        page_listen: Host and port of the slot's own page; port 0 takes a free one.
        hub_port: TCP port of the gateway.
        button: File that tells whether the reset button is pressed.
        asks_directories: Whether the product may ask a directory who somebody is.
        blocklists: Files of further refused passwords, which auth has to read.
        uids: Uid of each process and of the group `sockets`; empty where not started as root.
    """

    config: Path
    settings: str
    folder: Path
    product: str
    hardware: str
    image_bytes: int
    idle_s: int
    health_s: int
    gui_listen: tuple[str, int]
    page_listen: tuple[str, int]
    hub_port: int
    button: Path
    asks_directories: bool = False
    blocklists: tuple[Path, ...] = ()
    uids: Mapping[str, int] = MappingProxyType({})

    def for_broker(self) -> broker_settings.Settings:
        """Pick what the broker has to know."""
        return broker_settings.Settings(
            folder=self.folder,
            product=self.product,
            hardware=self.hardware,
            image_bytes=self.image_bytes,
            idle_s=self.idle_s,
            uids=self.uids,
        )


def pack(plan: Plan) -> str:
    """Write a plan as JSON, for a command line."""
    plain: dict[str, Any] = {name: str(getattr(plan, name)) for name in _PATHS}
    plain |= {"uids": dict(plan.uids), "blocklists": [str(path) for path in plan.blocklists]}
    return json.dumps(plan._asdict() | plain)


def unpack(text: str) -> Plan:
    """Read what `pack` wrote."""
    raw = json.loads(text)
    for name in ("gui_listen", "page_listen"):
        raw[name] = tuple(raw[name])
    raw["blocklists"] = tuple(Path(path) for path in raw["blocklists"])
    return Plan(**{**raw, **{name: Path(raw[name]) for name in _PATHS}})


def _python(module: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-m", module, *words)


class Service(NamedTuple):
    """One resident program of the device.

    Attributes:
        name: Short name, also that of its log file.
        command: Program and arguments.
        walls: What it may do.
    """

    name: str
    command: tuple[str, ...]
    walls: Walls


def broker(plan: Plan) -> Service:
    """Describe the broker: root with few powers, no network, the device's folders only."""
    folder = plan.folder
    return Service(
        name="broker",
        command=_python("holdfast.device.broker", broker_settings.pack(plan.for_broker())),
        walls=Walls(
            capabilities=_BROKER_POWERS,
            children=True,
            read=(folder / "agent", folder / "run", folder / "factory" / "root.json"),
            write=tuple(folder / name for name in ("slots", "boot", "broker", "verifier")),
            limits={resource.RLIMIT_NOFILE: 1024},
        ),
    )


def agent(plan: Plan) -> Service:
    """Describe the agent: may connect to the hub, writes only its own folder."""
    folder = plan.folder
    return Service(
        name="agent",
        command=_python("holdfast.device.agent", "--settings", plan.settings, "--fd", "3"),
        walls=Walls(
            uid=plan.uids.get("agent"),
            groups=_sockets(plan),
            own_network=False,
            connect=(plan.hub_port, 53),
            families=_CLIENT,
            datagrams=True,  # names of hosts are looked up by UDP
            children=True,
            # The names of hosts are looked up where /etc/resolv.conf may lead to.
            read=(
                *_common(plan),
                folder / "factory" / "token",
                folder / "boot",
                Path("/run/systemd/resolve"),
            ),
            write=(folder / "agent",),
            limits={resource.RLIMIT_NOFILE: 256, **_few(plan)},
        ),
    )


def auth(plan: Plan) -> Service:
    """Describe auth: the only one that reads hashes; has a network only to ask directories."""
    folder = plan.folder
    words = ("--settings", plan.settings, "--fd", "3", "--proof-fd", str(PROOF_FD))
    network: dict[str, Any] = {}
    read = (*_common(plan), folder / "factory" / "setup-code.hash", *plan.blocklists)
    if plan.asks_directories:
        # Their ports are the owner's choice; RADIUS and the names of hosts go by UDP.
        network = {
            "own_network": False,
            "connect": None,
            "families": _CLIENT,
            "datagrams": True,
        }
        read = (*read, Path("/run/systemd/resolve"))
    return Service(
        name="auth",
        command=_python("holdfast.device.auth", *words),
        walls=Walls(
            uid=plan.uids.get("auth"),
            children=True,
            read=read,
            write=(folder / "auth",),
            **network,
            limits={**_SMALL, **_few(plan)},
        ),
    )


def gui(plan: Plan) -> Service:
    """Describe the gui: serves on the socket that it is handed and can make no other."""
    return Service(
        name="gui",
        command=_python("holdfast.device.gui", "--settings", plan.settings, "--fd", "3"),
        walls=Walls(
            uid=plan.uids.get("gui"),
            groups=_sockets(plan),
            read=(*_common(plan), *_certificate(plan)),
            write=(plan.folder / "gui",),
            limits={**_SMALL, **_few(plan)},
        ),
    )


def _certificate(plan: Plan) -> tuple[Path, ...]:
    factory = plan.folder / "factory"
    return (factory / "tls-certificate.pem", factory / "tls-key.pem")


def _few(plan: Plan) -> Mapping[int, int]:
    """Bound processes and threads of an id, so that none can use up those of all others."""
    # Without ids of their own everything that the user runs would count.
    return {resource.RLIMIT_NPROC: _MOST_PROCESSES} if plan.uids else {}


def _sockets(plan: Plan) -> tuple[int, ...]:
    return (plan.uids["sockets"],) if plan.uids else ()


def _common(plan: Plan) -> tuple[Path, ...]:
    factory = plan.folder / "factory"
    return (
        factory / "root.json", factory / "product.toml", plan.folder / "run", Path("/etc"),
    )  # fmt: skip


def page(plan: Plan, slot: str, port: int, *, inside: bool) -> Service:
    """Describe the web page of a slot.

    Args:
        plan: The device.
        slot: Name of the slot.
        port: Loopback port to listen on.
        inside: Whether the slot becomes its root; else only its own BusyBox is used.
    """
    root = plan.folder / "slots" / slot / "rootfs"
    top = "" if inside else str(root)
    command = (f"{top}/bin/busybox", "httpd", "-f", "-p", f"{plan.page_listen[0]}:{port}")
    return Service(
        name="page",
        command=(*command, "-h", f"{top}/www"),
        walls=Walls(
            uid=plan.uids.get("page"),
            own_network=False,
            bind=(port,),
            families=_INTERNET,
            children=True,
            run=() if inside else (root,),
            root=root if inside else None,
            limits={**_SMALL, **_few(plan)},
        ),
    )


def page_on_trial(plan: Plan, slot: str, *, inside: bool) -> Service:
    """Describe the web page of a slot that answers one request on its standard input.

    With it a device without an owner finds out whether the page works although nothing listens.
    """
    root = plan.folder / "slots" / slot / "rootfs"
    top = "" if inside else str(root)
    return Service(
        name="page",
        command=(f"{top}/bin/busybox", "httpd", "-i", "-h", f"{top}/www"),
        walls=Walls(
            uid=plan.uids.get("page"),
            children=True,
            run=() if inside else (root,),
            root=root if inside else None,
            limits={**_SMALL, **_few(plan)},
        ),
    )


def health(plan: Plan, slot: str, *, inside: bool) -> Service | None:
    """Describe the health check of a slot; None if it has none."""
    root = plan.folder / "slots" / slot / "rootfs"
    script = root / HEALTH_SCRIPT
    if not script.is_file():
        return None
    command: tuple[str, ...] = (f"/{HEALTH_SCRIPT}",)
    if not inside:
        command = (str(root / "bin/busybox"), "sh", str(script))
    return Service(
        name="health",
        command=command,
        walls=Walls(
            uid=plan.uids.get("page"),
            children=True,
            run=() if inside else (root,),
            root=root if inside else None,
            limits={**_SMALL, **_few(plan), resource.RLIMIT_CPU: 10, resource.RLIMIT_AS: 1 << 30},
        ),
    )
