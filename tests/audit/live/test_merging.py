"""What runs takes the place of what files let expect."""

from dataclasses import replace
from typing import Literal

from holdfast.audit.live.merging import with_observation
from holdfast.audit.live.observation import Mount, Observation, Process, Socket
from holdfast.audit.model.shapes import Listener, Model, Started, StartUp
from holdfast.audit.tree import Kind, Node, Tree

PASSWD = b"root:x:0:0::/:/bin/sh\nwww:x:33:33::/:\nnonsense\nbad:x:many:1::/:\n"
ROOT = Process(pid=50, program="/usr/sbin/lighttpd", command="lighttpd", uid=0, root="/")
WORKER = replace(ROOT, pid=51, uid=33)


def tree(**links: str) -> Tree:
    return Tree([
        Node(path="etc/passwd", kind=Kind.FILE, mode=0o644, size_bytes=len(PASSWD),
             read=lambda: PASSWD),
        Node(path="usr/sbin/lighttpd", kind=Kind.FILE, mode=0o755),
        Node(path="bin/busybox", kind=Kind.FILE, mode=0o755),
        *(Node(path=path.replace("__", "/"), kind=Kind.LINK, mode=0o777, target=target)
          for path, target in links.items()),
    ])  # fmt: skip


def socket(
    port: int, *pids: int, address: str = "", protocol: Literal["tcp", "udp"] = "tcp", uid: int = 0
) -> Socket:
    return Socket(protocol=protocol, address=address, port=port, uid=uid, pids=pids)


def merged(
    *sockets: Socket,
    processes: tuple[Process, ...] = (ROOT, WORKER),
    listeners: tuple[Listener, ...] = (),
    mounts: tuple[Mount, ...] = (),
    at: Tree | None = None,
) -> Model:
    seen = Observation(processes=processes, sockets=sockets, mounts=mounts)
    model = Model(start_up=StartUp(init="systemd"), listeners=listeners)
    return with_observation(model, seen, at or tree())


KNOWN = Listener(
    service="http", program="usr/sbin/lighttpd", where="etc/init.d/lighttpd:9", port=80,
    started=Started.MAYBE, user="root", steps=(), options=("tls=no",), confinement=("chroot",),
)  # fmt: skip


def test_a_known_listener_is_taken_over() -> None:
    (one,) = merged(socket(80, 50), listeners=(KNOWN,)).listeners
    assert (one.where, one.service, one.started) == (KNOWN.where, "http", Started.BOOT)
    assert (one.user, one.user_why) == ("root", "seen")
    assert one.options == ("tls=no", "seen: process 50 (lighttpd)")
    assert one.confinement == ("chroot",)


def test_workers_that_have_the_account_of_the_files_are_who_listens() -> None:
    named = replace(KNOWN, user="www", user_why="config")
    (one,) = merged(socket(80, 50, 51), listeners=(named,)).listeners
    assert (one.user, one.user_why) == ("www", "seen")
    (one,) = merged(socket(80, 50, 51), listeners=(KNOWN,)).listeners
    assert one.user == "root"
    (one,) = merged(socket(80, 50), listeners=(named,)).listeners
    assert one.user == "root"  # whatever the files say


def test_walls_are_told() -> None:
    behind = replace(
        ROOT, root="/srv/www", filtered=True, label="lighttpd (enforce)", capabilities=0x400
    )
    (one,) = merged(socket(80, 50), processes=(behind,)).listeners
    assert one.confinement == ("chroot", "seccomp", "apparmor", "capabilities")


def test_an_unknown_program_is_a_listener_too() -> None:
    odd = Process(pid=9, program="/opt/x", command="x", uid=1234)
    (one,) = merged(socket(4444, 9), processes=(odd,)).listeners
    assert (one.program, one.service, one.port, one.user) == ("opt/x", "unknown", 4444, "1234")
    (one,) = merged(socket(23, 9), processes=(odd,)).listeners
    assert one.service == "telnet"  # by its port


def test_a_socket_of_nobody_known_is_told_with_who_made_it() -> None:
    (one,) = merged(socket(4444, uid=33)).listeners
    assert (one.program, one.where, one.user) == ("", "proc/net", "www")
    assert one.options == ("seen: it is not known which process",)


def test_the_widest_of_several_addresses_counts() -> None:
    for order in (("127.0.0.1", ""), ("", "127.0.0.1"), ("127.0.0.1", "192.0.2.1")):
        (one,) = merged(*(socket(80, 50, address=each) for each in order)).listeners
        assert one.address == order[order[0] == "127.0.0.1"]


def test_loopback_is_told() -> None:
    for address in ("127.0.0.1", "127.8.8.8", "::1"):
        (one,) = merged(socket(80, 50, address=address)).listeners
        assert one.address == "loopback"
    (one,) = merged(socket(80, 50, address="::1:2")).listeners
    assert one.address == "::1:2"


def test_one_program_with_many_names_is_told_by_how_it_was_called() -> None:
    telnet = Process(pid=7, program="/bin/busybox", command="telnetd", uid=0)
    expected = Listener(
        service="telnet", program="usr/sbin/telnetd", where="etc/inittab:3", port=23
    )
    links = tree(usr__sbin__telnetd="/bin/busybox")
    (one,) = merged(socket(23, 7), processes=(telnet,), listeners=(expected,), at=links).listeners
    assert one.where == "etc/inittab:3"
    (one,) = merged(socket(2323, 7), processes=(telnet,)).listeners
    assert (one.service, one.port) == ("telnet", 2323)


def test_init_waits_in_the_place_of_a_service() -> None:
    init = Process(pid=1, program="/usr/lib/systemd/systemd", command="systemd", uid=0)
    expected = Listener(
        service="ssh", program="usr/sbin/sshd", where="lib/systemd/system/ssh.socket:7", port=22,
        user="root", started=Started.DEMAND,
    )  # fmt: skip
    (one,) = merged(socket(22, 1), processes=(init,), listeners=(expected,)).listeners
    assert (one.program, one.service) == ("usr/sbin/sshd", "ssh")
    called = Process(pid=60, program="/usr/sbin/sshd", command="sshd", uid=0)
    (one,) = merged(socket(22, 1, 60), processes=(init, called), listeners=(expected,)).listeners
    assert one.options == ("seen: process 60 (sshd)",)


def test_what_only_files_start_stays() -> None:
    other = replace(KNOWN, service="telnet", program="bin/busybox", port=23)
    found = merged(socket(80, 50), listeners=(KNOWN, other)).listeners
    assert {one.service for one in found} == {"http", "telnet"}
    assert other in found


def test_a_free_port_of_a_daemon_that_serves_is_no_other_service() -> None:
    mdns = Process(pid=8, program="/usr/sbin/avahi-daemon", command="avahi-daemon", uid=33)
    odd = Process(pid=9, program="/opt/x", command="x", uid=33)
    found = merged(
        socket(5353, 8, protocol="udp"), socket(45678, 9, protocol="udp"), processes=(mdns, odd)
    ).listeners
    assert {(one.service, one.port) for one in found} == {("mdns", 5353), ("unknown", 45678)}


def test_mounts_are_those_of_the_kernel() -> None:
    (mount,) = merged(mounts=(Mount(place="/tmp", kind="tmpfs", options=("rw",)),)).mounts  # noqa: S108
    assert (mount.place, mount.where) == ("/tmp", "proc/self/mounts")  # noqa: S108
