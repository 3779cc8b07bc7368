"""Puts what was seen running in the place of what files only let expect."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from holdfast.audit.live.observation import ALL_POWERS, Observation, Process, Socket
from holdfast.audit.model.daemons import DAEMONS
from holdfast.audit.model.shapes import Listener, Model, Mount, Started
from holdfast.audit.report.texts import visible
from holdfast.audit.tree import Tree
from holdfast.product.behaviour import OFF_BY_DEFAULT

_INIT: Final = 1
_FREE: Final = range(32768, 61000)  # from which the kernel chooses for whoever names none
_USUAL: Final = {
    (80, "tcp"): "http", (443, "tcp"): "https", (8080, "tcp"): "http", (8443, "tcp"): "https",
    (53, "udp"): "dns", (53, "tcp"): "dns", (67, "udp"): "dhcp", (123, "udp"): "ntp",
    (1900, "udp"): "upnp", (5353, "udp"): "mdns", (7547, "tcp"): "tr069",
}  # fmt: skip


def with_observation(model: Model, seen: Observation, tree: Tree) -> Model:
    """Replace the listeners that files let expect by those that are there.

    What files start, but nobody sees, stays in the model: it may run after the next start.
    """
    names = _names(tree)
    processes = {one.pid: one for one in seen.processes}
    found: dict[tuple[str, str, int], Listener] = {}
    for socket in seen.sockets:
        one = _listener(socket, _holders(socket, processes), names, model.listeners, tree)
        place = (one.program, one.protocol, socket.port)
        if place not in found or _reach(one) > _reach(found[place]):
            found[place] = one
    serving = {one.program for one in found.values() if one.program and one.service != "unknown"}
    listeners = [
        one for one in found.values()
        # A daemon that serves something asks others as well, over UDP, from whatever port is free.
        if one.service != "unknown" or one.program not in serving or one.protocol == "tcp"
        or (one.port or 0) not in _FREE
    ]  # fmt: skip
    met = {(one.program, one.service) for one in listeners}
    kept = [one for one in model.listeners if (one.program, one.service) not in met]
    mounts = tuple(
        Mount(place=one.place, kind=one.kind, options=one.options, where="proc/self/mounts")
        for one in seen.mounts
    )
    return replace(model, listeners=(*listeners, *kept), mounts=mounts)


def _holders(socket: Socket, processes: Mapping[int, Process]) -> list[Process]:
    """Give who holds a socket, the most powerful first, before those who only wait on it."""
    holders = [processes[pid] for pid in socket.pids if pid in processes]
    return sorted(holders, key=lambda one: (one.pid == _INIT, one.uid != 0, one.pid))


def _listener(
    socket: Socket,
    holders: Sequence[Process],
    names: Mapping[int, str],
    expected: tuple[Listener, ...],
    tree: Tree,
) -> Listener:
    process = holders[0] if holders else None
    known = next((one for one in expected if _same(one, process, socket, tree)), None)
    program = process.program.lstrip("/") if process else ""
    # A known one keeps its name: the kernel tells where links lead, or that init waits for it.
    base = known or Listener(
        service=_service(process, socket), program=program, where=program or "proc/net"
    )
    user, why = _user(socket, holders, names, known)
    told = (
        f"seen: process {process.pid} ({visible(process.command, most=40)})"
        if process
        else "seen: it is not known which process"
    )
    return replace(
        base,
        protocol=socket.protocol,
        port=socket.port,
        address="loopback" if _is_loopback(socket.address) else socket.address,
        started=Started.BOOT,
        user=user,
        user_why=why,
        confinement=tuple(dict.fromkeys((*_walls(process), *base.confinement))),
        options=(*base.options, told),
    )


def _user(
    socket: Socket, holders: Sequence[Process], names: Mapping[int, str], known: Listener | None
) -> tuple[str, str]:
    """Tell as whom somebody listens.

    Of a daemon and its workers the most powerful counts, unless its files name an account for the
    workers and they are seen to have it: then the other only starts them.
    """
    if not holders:
        return names.get(socket.uid, str(socket.uid)), "seen"
    users = [names.get(one.uid, str(one.uid)) for one in holders]
    if known is not None and known.user in users:
        return known.user, "seen"
    if holders[0].pid == _INIT and known is not None:
        return known.user, known.user_why
    return users[0], "seen"


def _same(one: Listener, process: Process | None, socket: Socket, tree: Tree) -> bool:
    if process is None or not one.program or one.protocol != socket.protocol:
        return False
    if process.pid == _INIT:  # a socket unit, whose service nobody has called yet
        return one.port == socket.port
    node = tree.resolve(one.program)
    path = node.path if node else one.program
    return path == process.program.lstrip("/") and one.port in {None, socket.port}


def _reach(one: Listener) -> int:
    return 0 if one.address == "loopback" else 1 if one.address else 2


def _is_loopback(address: str) -> bool:
    return bool(address) and ipaddress.ip_address(address).is_loopback


def _service(process: Process | None, socket: Socket) -> str:
    # One program may go by many names; the command says by which it was called.
    called = (process.program.rpartition("/")[2], process.command) if process else ()
    for name in called:
        if name in DAEMONS:
            return DAEMONS[name].service
    for name, ports in OFF_BY_DEFAULT.items():
        if (socket.port, socket.protocol) in ports:
            return name
    return _USUAL.get((socket.port, socket.protocol), "unknown")


def _walls(process: Process | None) -> Iterator[str]:
    if process is None:
        return
    if process.root not in {"", "/"}:
        yield "chroot"
    if process.filtered:
        yield "seccomp"
    if process.label:
        yield "apparmor"
    if process.uid == 0 and process.capabilities & ALL_POWERS != ALL_POWERS:
        yield "capabilities"


def _names(tree: Tree) -> dict[int, str]:
    names = {0: "root"}
    content = tree.read("etc/passwd", 1 << 20) or b""
    for line in content.decode(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdecimal():  # noqa: PLR2004 - of passwd(5)
            names.setdefault(int(fields[2][:10]), fields[0])
    return names
