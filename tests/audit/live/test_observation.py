"""What /proc says, read from made-up folders: hostile names, processes that end, nonsense."""

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.audit.live.observation import ALL_POWERS, Socket, observe

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
STATUS = """\
Name:\tdropbear
Umask:\t0022
Uid:\t{uid}\t{uid}\t{uid}\t{uid}
Gid:\t0\t0\t0\t0
Groups:\t{groups}
CapEff:\t000001ffffffffff
NoNewPrivs:\t1
Seccomp:\t2
"""


def address(text: str) -> str:
    """Write an address as the kernel does: 32-bit words in the byte order of the machine."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    packed = socket.inet_pton(family, text)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words)


def line(
    local: str, port: int, *, remote: int = 0, state: str = "0A", uid: int = 0, inode: int = 77
) -> str:
    other = "0" * len(address(local))
    return (
        f"   0: {address(local)}:{port:04X} {other}:{remote:04X} {state} 00000000:00000000 "
        f"00:00000000 00000000 {uid:5d}        0 {inode} 1 0000000000000000 100 0 0 10 0\n"
    )


@pytest.fixture
def proc(ground: Path) -> Path:
    folder = ground / "proc"
    (folder / "net").mkdir(parents=True)
    (folder / "net" / "tcp").write_text(HEADER)
    (folder / "self").mkdir()
    return folder


def process(proc: Path, pid: int, *, uid: int = 0, inode: int = 0, groups: str = "") -> Path:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "status").write_text(STATUS.format(uid=uid, groups=groups))
    (folder / "exe").symlink_to("/usr/sbin/dropbear")
    (folder / "root").symlink_to("/")
    (folder / "fd" / "0").symlink_to("/dev/null")
    if inode:
        (folder / "fd" / "3").symlink_to(f"socket:[{inode}]")
    return folder


def listening(proc: Path, table: str, *lines: str) -> tuple[Socket, ...]:
    (proc / "net" / table).write_text(HEADER + "".join(lines))
    return observe(proc).sockets


def test_a_listener_is_seen_with_who_holds_it(proc: Path) -> None:
    process(proc, 400, uid=33, inode=77)
    (found,) = listening(proc, "tcp", line("192.0.2.1", 2222, uid=33, inode=77))
    assert found == Socket(protocol="tcp", address="192.0.2.1", port=2222, uid=33, pids=(400,))
    (one,) = observe(proc).processes
    assert (one.program, one.command, one.uid) == ("/usr/sbin/dropbear", "dropbear", 33)
    assert (one.filtered, one.no_new_privileges, one.capabilities) == (True, True, 0x1FFFFFFFFFF)
    assert observe(proc).complete


@pytest.mark.parametrize(("table", "remote", "state", "seen"), [
    ("tcp", 0, "0A", True),
    ("tcp", 50000, "01", False),  # a connection
    ("tcp6", 50000, "06", False),
    ("udp", 0, "07", True),
    ("udp", 53, "01", False),  # asks one server
])  # fmt: skip
def test_only_what_waits_for_others_counts(
    proc: Path, table: str, remote: int, state: str, *, seen: bool
) -> None:
    local = "::" if table.endswith("6") else "0.0.0.0"
    found = listening(proc, table, line(local, 68, remote=remote, state=state))
    assert bool(found) is seen


@pytest.mark.parametrize(("local", "told"), [
    ("0.0.0.0", ""),
    ("127.0.0.1", "127.0.0.1"),
    ("::", ""),
    ("::1", "::1"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6"),
    ("fe80::1", "fe80::1"),
    ("::ffff:127.0.0.1", "127.0.0.1"),
])  # fmt: skip
def test_addresses_are_read_in_the_byte_order_of_the_machine(
    proc: Path, local: str, told: str
) -> None:
    (found,) = listening(proc, "tcp6" if ":" in local else "tcp", line(local, 80))
    assert found.address == told


def test_a_process_that_ends_meanwhile_is_left_out(proc: Path) -> None:
    (process(proc, 400) / "status").unlink()
    seen = observe(proc)
    assert seen.processes == ()
    assert seen.complete


def test_very_many_groups_do_not_hide_the_powers(proc: Path) -> None:
    process(proc, 400, groups=" ".join(map(str, range(60_000))))
    (one,) = observe(proc).processes
    assert one.filtered
    assert one.capabilities == 0x1FFFFFFFFFF


def test_powers_that_nobody_tells_count_as_all(proc: Path) -> None:
    (process(proc, 400) / "status").write_text("Name:\tx\nUid:\t0\t0\t0\t0\n")
    assert observe(proc).processes[0].capabilities == ALL_POWERS


def test_names_that_are_no_text_can_be_sent_on(proc: Path) -> None:
    folder = process(proc, 400)
    (folder / "exe").unlink()
    (folder / "exe").symlink_to(os.fsdecode(b"/tmp/\xff\xfe"))
    (one,) = observe(proc).processes
    assert one.program.encode() == rb"/tmp/\xff\xfe"


def test_an_unreadable_process_makes_it_incomplete(
    proc: Path, as_nobody: Callable[[Callable[[], None]], None]
) -> None:
    (process(proc, 400) / "fd").chmod(0)

    def look() -> None:
        seen = observe(proc)
        assert [one.pid for one in seen.processes] == [400]
        assert "1 processes of other users" in " ".join(seen.unseen)

    as_nobody(look)


def test_hidden_processes_make_it_incomplete(
    proc: Path, as_nobody: Callable[[Callable[[], None]], None]
) -> None:
    (proc / "self" / "mounts").write_text("proc /proc proc rw,nosuid,hidepid=invisible 0 0\n")

    def look() -> None:
        assert "hidepid" in " ".join(observe(proc).unseen)

    as_nobody(look)


def test_without_the_tables_it_is_incomplete(proc: Path) -> None:
    (proc / "net" / "tcp").unlink()
    assert observe(proc).unseen == ("the kernel's lists of sockets cannot be read",)


def test_lines_that_make_no_sense_are_told(proc: Path) -> None:
    found = listening(proc, "tcp", "nonsense\n", line("192.0.2.1", 80), "0: 01:FF 0:0 0A\n")
    assert len(found) == 1
    assert observe(proc).unseen == ("2 answers of the kernel make no sense",)
    (process(proc, 7) / "status").write_text("Uid:\tnobody\n")
    assert observe(proc).unseen == ("3 answers of the kernel make no sense",)


def test_other_networks_are_looked_into_as_well(proc: Path) -> None:
    (proc / "self" / "ns").mkdir()
    (proc / "self" / "ns" / "net").symlink_to("net:[1]")
    for pid, network in ((10, 1), (11, 2), (12, 2)):
        folder = process(proc, pid, inode=pid)
        (folder / "ns").mkdir()
        (folder / "ns" / "net").symlink_to(f"net:[{network}]")
        (folder / "net").mkdir()
        (folder / "net" / "tcp").write_text(HEADER + line("192.0.2.7", 23, inode=11))
    assert observe(proc).sockets == (
        Socket(protocol="tcp", address="192.0.2.7", port=23, uid=0, pids=(11,)),
    )


def test_places_of_mounts_are_told_as_they_are(proc: Path) -> None:
    (proc / "self" / "mounts").write_text("/dev/sda1 /mnt/a\\040b ext4 rw,nosuid 0 0\nshort line\n")
    (mount,) = observe(proc).mounts
    assert (mount.place, mount.options) == ("/mnt/a b", ("rw", "nosuid"))


@settings(max_examples=60, deadline=None)
@given(
    table=st.binary(max_size=600), status=st.binary(max_size=300), mounts=st.binary(max_size=200)
)
def test_nonsense_never_breaks_it(table: bytes, status: bytes, mounts: bytes) -> None:
    with TemporaryDirectory() as folder:
        proc = Path(folder)
        (proc / "net").mkdir()
        (proc / "self").mkdir()
        (proc / "12").mkdir()
        for name in ("tcp", "tcp6", "udp", "udp6"):
            (proc / "net" / name).write_bytes(HEADER.encode() + table)
        (proc / "12" / "status").write_bytes(status)
        (proc / "self" / "mounts").write_bytes(mounts)
        seen = observe(proc)
        assert all(0 <= each.port < 1 << 64 for each in seen.sockets)
