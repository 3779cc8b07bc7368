"""What the kernel tells of processes, sockets and mounts, read from /proc.

Source:
    proc(5), tcp(7).
"""

import ipaddress
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from holdfast.audit.report.texts import whole

MOST_PROCESSES: Final = 20_000
MOST_SOCKETS: Final = 20_000
ALL_POWERS: Final = 0x1FFFFFFFFF
"""The capabilities that root has from Linux 3.17 on; newer ones are not counted."""

_MOST_TEXT: Final = 1 << 20  # whoever is in very many groups has a long status
_LONGEST_LINE: Final = 4096
_LISTENING: Final = "0A"
_SOCKET: Final = re.compile(r"socket:\[([0-9]{1,20})\]")
_OCTAL: Final = re.compile(r"\\([0-3][0-7]{2})")
_TABLES: Final[tuple[tuple[str, Literal["tcp", "udp"]], ...]] = (
    ("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process.

    Attributes:
        pid: Its number.
        program: Path of its program; "" if the kernel does not say it to whoever asks.
        command: Its name, at most 15 characters.
        uid: Effective user id.
        capabilities: Effective capabilities, as bits; all of them where the kernel does not tell.
        filtered: Whether a seccomp filter is in force.
        no_new_privileges: Whether it can never gain rights.
        root: Its root folder, "/" unless it was changed, "" if not known.
        label: AppArmor or SELinux label, "" if none confines it.
        unit: Name of its systemd unit, "" if none.
    """

    pid: int
    program: str = ""
    command: str = ""
    uid: int = 0
    capabilities: int = ALL_POWERS
    filtered: bool = False
    no_new_privileges: bool = False
    root: str = ""
    label: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """One socket that waits for others.

    Attributes:
        protocol: `tcp` or `udp`.
        address: Where it waits, "" for all addresses.
        port: Its port.
        uid: Who made it.
        pids: Processes that hold it; none if the kernel does not say it to whoever asks.
    """

    protocol: Literal["tcp", "udp"]
    address: str
    port: int
    uid: int
    pids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mounted file system."""

    place: str
    kind: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What runs.

    Attributes:
        processes: By pid.
        sockets: That wait for others, in every network that a process is in.
        mounts: In the order of the kernel.
        unseen: What could not be looked at and why, in words.
    """

    processes: tuple[Process, ...]
    sockets: tuple[Socket, ...]
    mounts: tuple[Mount, ...]
    unseen: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything could be looked at; it rarely could for an ordinary user."""
        return not self.unseen


def observe(proc: Path = Path("/proc")) -> Observation:
    """Look at the running system; processes that end meanwhile are left out."""
    looking = _Looking(proc)
    looking.look()
    return Observation(
        processes=tuple(looking.processes),
        sockets=tuple(looking.sockets[:MOST_SOCKETS]),
        mounts=looking.mounts,
        unseen=tuple(looking.unseen()),
    )


@dataclass(slots=True)
class _Looking:
    """One look at everything.

    Attributes:
        proc: Where the kernel tells it.
        processes: Found so far.
        sockets: Found so far.
        mounts: All.
        held: Processes by the number of a socket that they hold.
        networks: Folder with the tables of each network, by the name of the network.
        there: How many processes there are.
        closed: How many let nobody look into them.
        nonsense: How many answers made no sense.
        tables: How many tables of sockets could be read.
    """

    proc: Path
    processes: list[Process] = field(default_factory=list)
    sockets: list[Socket] = field(default_factory=list)
    mounts: tuple[Mount, ...] = ()
    held: dict[int, list[int]] = field(default_factory=dict)
    networks: dict[str, Path] = field(default_factory=dict)
    there: int = 0
    closed: int = 0
    nonsense: int = 0
    tables: int = 0

    def look(self) -> None:
        self.mounts = tuple(_mounts(self.proc / "self" / "mounts"))
        names = (path for path in self.proc.iterdir() if _is_number(path.name))
        folders = sorted(names, key=lambda path: int(path.name))
        self.there = len(folders)
        self.networks[_link(self.proc / "self" / "ns" / "net")] = self.proc / "net"
        for folder in folders[:MOST_PROCESSES]:
            self._process(folder)
        for place in self.networks.values():
            for table, protocol in _TABLES:
                self.sockets.extend(self._sockets(place / table, protocol))

    def unseen(self) -> Iterator[str]:
        if self.there > MOST_PROCESSES:
            yield f"{self.there - MOST_PROCESSES} of {self.there} processes were not looked at"
        if len(self.sockets) > MOST_SOCKETS:
            yield f"{len(self.sockets) - MOST_SOCKETS} of {len(self.sockets)} sockets are left out"
        if self.closed:
            yield (
                f"{self.closed} processes of other users let nobody else look into them, "
                "so it is not known what they listen on; run it as root"
            )
        if os.geteuid() != 0 and any(_hides(mount) for mount in self.mounts):
            yield "the kernel hides the processes of other users (hidepid); run it as root"
        if not self.tables:
            yield "the kernel's lists of sockets cannot be read"
        if self.nonsense:
            yield f"{self.nonsense} answers of the kernel make no sense"

    def _process(self, folder: Path) -> None:
        try:
            process = _process(folder)
        except PermissionError:
            self.closed += 1
            return
        except OSError:
            return  # it has ended meanwhile
        except (ValueError, LookupError):
            self.nonsense += 1
            return
        try:
            self._note_sockets(folder, process.pid)
        except PermissionError:
            self.closed += 1
        except OSError:
            return
        self.processes.append(process)
        if network := _link(folder / "ns" / "net"):
            self.networks.setdefault(network, folder / "net")

    def _note_sockets(self, folder: Path, pid: int) -> None:
        for handle in (folder / "fd").iterdir():
            if (match := _SOCKET.fullmatch(_link(handle))) is not None:
                self.held.setdefault(int(match[1]), []).append(pid)

    def _sockets(self, table: Path, protocol: Literal["tcp", "udp"]) -> Iterator[Socket]:
        with suppress(OSError), table.open("rb") as file:
            self.tables += 1
            file.readline(_LONGEST_LINE)  # what the columns are called
            while line := file.readline(_LONGEST_LINE):
                try:
                    socket = self._socket(line.split(), protocol)
                except (ValueError, LookupError, struct.error):
                    self.nonsense += 1
                    continue
                if socket is not None:
                    yield socket

    def _socket(self, fields: list[bytes], protocol: Literal["tcp", "udp"]) -> Socket | None:
        local, remote, state, uid, inode = (fields[at].decode("ascii") for at in (1, 2, 3, 7, 9))
        connected = int(remote.rpartition(":")[2], 16) != 0
        if state != _LISTENING if protocol == "tcp" else connected:
            return None
        address, _, port = local.rpartition(":")
        return Socket(
            protocol=protocol,
            address=_address(address),
            port=int(port, 16),
            uid=int(uid),
            pids=tuple(self.held.get(int(inode), ())),
        )


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal()


def _hides(mount: Mount) -> bool:
    hidden = [each for each in mount.options if each.startswith("hidepid=")]
    return mount.kind == "proc" and any(each[8:] not in {"0", "off"} for each in hidden)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_TEXT).decode(errors="replace")


def _link(path: Path) -> str:
    with suppress(OSError):
        return whole(str(path.readlink())).removesuffix(" (deleted)")
    return ""


def _process(folder: Path) -> Process:
    parts = [line.partition(":") for line in _text(folder / "status").splitlines()]
    fields = {name: value.strip() for name, colon, value in parts if colon}
    powers = fields.get("CapEff")
    return Process(
        pid=int(folder.name),
        program=_link(folder / "exe"),
        command=fields.get("Name", ""),
        uid=int(fields["Uid"].split()[1]),
        capabilities=ALL_POWERS if powers is None else int(powers, 16),
        filtered=fields.get("Seccomp") == "2",
        no_new_privileges=fields.get("NoNewPrivs") == "1",
        root=_link(folder / "root"),
        label=_label(folder),
        unit=_unit(folder),
    )


def _label(folder: Path) -> str:
    with suppress(OSError):
        label = _text(folder / "attr" / "current").strip("\0\n ")
        # What only complains holds nobody back, and neither do what SELinux calls unconfined.
        loose = label.endswith("(complain)") or ":unconfined" in label
        return "" if loose or label in {"unconfined", "kernel"} else label
    return ""


def _unit(folder: Path) -> str:
    with suppress(OSError):
        for line in _text(folder / "cgroup").splitlines():
            name = line.rpartition("/")[2]
            if name.endswith((".service", ".scope")):
                return name
    return ""


def _address(text: str) -> str:
    """Read an address: 32-bit words in the byte order of the machine."""
    if len(text) not in {8, 32}:
        raise ValueError(text)
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(struct.pack(f"={len(words)}I", *words))
    inner = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    address = inner or address
    return "" if address.is_unspecified else str(address)


def _mounts(table: Path) -> Iterator[Mount]:
    with suppress(OSError):
        for line in _text(table).splitlines():
            fields = line.split()
            if len(fields) > 3:  # noqa: PLR2004 - of proc(5)
                place = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1])
                yield Mount(place=place, kind=fields[2], options=tuple(fields[3].split(",")))
