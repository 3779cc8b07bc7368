"""Hostile code runs behind the walls of each process and tries to get out.

A wall counts when the attack fails, not when the setting was made without an error.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdfast.core import landlock
from holdfast.core.process import run
from holdfast.device import services
from holdfast.device.launcher import plan_of

pytestmark = [pytest.mark.servers]

NOBODY = 65534
TOKEN = "0123456789abcdef0123"

ATTACK = r"""
import ctypes, errno, json, os, signal, socket, struct, sys
target = json.loads(sys.argv[1])
D = target["folder"]
libc = ctypes.CDLL(None, use_errno=True)
done = {}

def attack(name):
    def run(action):
        try:
            result = action()
        except BaseException as error:
            done[name] = f"denied: {error!r}"
        else:
            done[name] = "denied: nothing gained" if result is False else f"DONE {result!r}"[:200]
    return run

def call(number, *args):
    if libc.syscall(number, *args) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return True

def connect(family, kind, address):
    with socket.socket(family, kind) as one:
        one.settimeout(2)
        one.connect(address)
        one.send(b"x")
    return True

def read(path):
    with open(path, "rb") as file:
        return file.read(200)

def write(path):
    with open(path, "r+b" if os.path.exists(path) else "xb") as file:
        file.write(b"hostile")
    return True

attack("tcp")(lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", target["tcp"])))
attack("tcp to the hub")(
    lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", target["hub"])))
attack("udp")(lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", target["tcp"])))
attack("abstract socket")(
    lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + target["abstract"]))
attack("listen")(lambda: socket.create_server(("127.0.0.1", 0)))
attack("raw socket")(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attack("packet socket")(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3))
attack("vsock")(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))

for name in ("factory/token", "factory/setup-code.hash", "auth/accounts.json",
             "agent/state.json", "gui/sessions", "verifier/trusted/secret",
             "broker/journal.jsonl", "run/launcher.lock", "factory/tls-key.pem"):
    attack(f"read {name}")(lambda name=name: read(f"{D}/{name}") or True)
for path in ("/etc/shadow", "/etc/gshadow", target["foreign"]):
    attack(f"read {path}")(lambda path=path: read(path))
for name in ("slots/a/rootfs/www/index.html", "slots/b/hostile", "boot/boot.json",
             "factory/root.json", "factory/product.toml", "device.toml", "agent/hostile",
             "auth/hostile", "gui/hostile", "verifier/trusted/hostile", "broker/hostile",
             "run/hostile", "factory/tls-key.pem", "factory/tls-certificate.pem", "button",
             "boot/reset", "boot/claimed", "run/power.json"):
    attack(f"write {name}")(lambda name=name: write(f"{D}/{name}"))
for path in ("/tmp/hostile", "/etc/hostile", "/dev/shm/hostile", "/dev/mem", "/dev/kmsg",
             target["package"] + "/hostile.py", "/proc/sys/kernel/hostname"):
    attack(f"write {path}")(lambda path=path: write(path))

def drop():
    for folder in target["own"]:
        path = f"{D}/{folder}/dropped"
        with open(path, "w") as file:
            file.write("#!/bin/sh\nexit 0\n")
        os.chmod(path, 0o755)
        try:
            pid = os.posix_spawn(path, [path], {})
            if os.waitpid(pid, 0)[1] == 0:
                return True
        finally:
            os.unlink(path)
    return False

attack("run a dropped program")(drop)

def leave():
    # What is left behind would go on when its process has long been replaced.
    pid = os.fork()
    if not pid:
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0

attack("start a process")(leave)

def become(uid):
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    try:
        os.setresuid(uid, uid, uid)
        read(f"{D}/factory/token")
        os._exit(0)
    except BaseException:
        os._exit(1)

if os.geteuid() != 0:
    attack("become root")(lambda: os.setresuid(0, 0, 0))
    attack("become root group")(lambda: os.setresgid(0, 0, 0))
for uid in target["uids"]:
    attack(f"read the token as {uid}")(lambda uid=uid: become(uid))
attack("regain capabilities")(lambda: call(126, struct.pack("=Ii", 0x20080522, 0),
       struct.pack("=6I", 1 << 21, 1 << 21, 0, 0, 0, 0)))
attack("kill root's")(lambda: os.kill(target["victim"], signal.SIGTERM))
attack("kill another's")(lambda: os.kill(target["other"], signal.SIGTERM))
attack("ptrace")(lambda: call(101, 16, target["victim"], 0, 0))
attack("read memory")(lambda: open(f"/proc/{target['victim']}/mem", "rb"))
attack("read environment")(lambda: read(f"/proc/{target['victim']}/environ"))
attack("steal a descriptor")(lambda: call(438, os.pidfd_open(target["victim"]), 0, 0))
attack("mount")(lambda: call(165, b"none", b"/tmp", b"tmpfs", 0, 0))
attack("chroot")(lambda: os.chroot("/usr"))
attack("user namespace")(lambda: call(272, 0x10000000))
attack("network namespace")(lambda: call(272, 0x40000000))
attack("clone into a user namespace")(lambda: call(56, 0x10000000 | 17, 0, 0, 0, 0))
attack("bpf")(lambda: call(321, 0, 0, 0))
attack("io_uring")(lambda: call(425, 8, ctypes.create_string_buffer(256)))
attack("keyring")(lambda: call(250, 0, -3, 1))
attack("perf")(lambda: call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0))
attack("userfaultfd")(lambda: call(323, 1))
attack("restart the machine")(lambda: call(169, 0xFEE1DEAD, 672274793, 0, 0))
attack("set the clock")(lambda: call(227, 0, struct.pack("=qq", 1, 0)))
attack("kernel log")(lambda: call(103, 3, ctypes.create_string_buffer(64), 64))
attack("load a module")(lambda: call(313, 0, b"", 0))
attack("device node")(lambda: os.mknod(f"{D}/{target['own'][0]}/node", 0o20600, os.makedev(1, 1)))
attack("setuid file")(lambda: os.path.exists("/usr/bin/su") and os.geteuid() != 0 and (
    os.waitstatus_to_exitcode(os.waitpid(os.posix_spawn("/bin/busybox",
    ["busybox", "su", "-c", "true"], {}), 0)[1]) == 0))

def ask(verb, args):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        one.settimeout(5)
        one.connect(f"{D}/run/broker.sock")
        one.send(json.dumps({"v": 1, "id": "1", "verb": verb, "args": args}).encode())
        answer = json.loads(one.recv(5000))
    if "error" in answer:
        raise PermissionError(answer["error"]["code"])
    return True

if target["broker"]:
    for verb, args in (("slot.install", {"version": "1.1"}), ("slot.activate", {}),
                       ("slot.confirm", {}), ("slot.rollback", {"reason": "x"}), ("reboot", {}),
                       ("status", {}), ("shell", {"command": "id"})):
        attack(f"verb {verb}")(lambda verb=verb, args=args: ask(verb, args))

status = open("/proc/self/status").read()
done["capabilities"] = next(l.split()[1] for l in status.splitlines() if l.startswith("CapEff"))
done["bounding"] = next(l.split()[1] for l in status.splitlines() if l.startswith("CapBnd"))
done["no new privileges"] = next(l.split()[1] for l in status.splitlines() if "NoNewPrivs" in l)
print(json.dumps(done))
"""

RUNNER = r"""
import json, os, sys
from holdfast.device import services
from holdfast.hardening import confine
from holdfast.device.broker import judge
plan = services.unpack(sys.argv[1])
command = (sys.executable, "-I", "-c", os.environ["ATTACK"], sys.argv[3])
broker = services.broker(plan)
if sys.argv[2] == "verifier":
    inner = ("from holdfast.device import services\n"
             "from holdfast.hardening import confine\n"
             "from holdfast.device.broker import judge\n"
             "import json, os, sys\n"
             "plan = services.unpack(sys.argv[1])\n"
             "command = json.loads(sys.argv[2])\n"
             "pid = confine.start(command, judge.walls(plan.for_broker()), fds={1: 1, 2: 2}).pid\n"
             "os.waitpid(pid, 0)\n")
    command = (sys.executable, "-I", "-c", inner, sys.argv[1], json.dumps(command))
    walls = broker.walls
else:
    walls = getattr(services, sys.argv[2])(plan).walls
started = confine.start(command, walls, fds={1: 1, 2: 2})
os.waitpid(started.pid, 0)
sys.stderr.write(json.dumps(started.missing))
"""

PROCESSES = ("broker", "verifier", "agent", "auth", "gui")

# What each process is there to do; everything that is not named here must be refused.
ALLOWED = {
    "broker": {
        "read agent/state.json", "read broker/journal.jsonl", "read verifier/trusted/secret",
        "read run/launcher.lock", "write slots/a/rootfs/www/index.html", "write slots/b/hostile",
        "write boot/boot.json", "write verifier/trusted/hostile", "write broker/hostile",
        "start a process", "write boot/reset", "write boot/claimed",
    },
    "verifier": {"read verifier/trusted/secret", "write verifier/trusted/hostile"},
    "agent": {
        "tcp to the hub", "udp", "read factory/token", "read agent/state.json",
        "write agent/hostile", "read the token as 61002", "start a process",
    },
    "auth": {"read factory/setup-code.hash", "read auth/accounts.json", "write auth/hostile",
             "start a process"},
    "gui": {"read gui/sessions", "write gui/hostile", "read factory/tls-key.pem"},
}  # fmt: skip
# What goes to or from files that every process may look at.
HARMLESS = {"verb status", "read run/launcher.lock"}
OWN = {
    "broker": ["broker", "slots/b"],
    "verifier": ["verifier/trusted"],
    "agent": ["agent"],
    "auth": ["auth"],
    "gui": ["gui"],
}
# Older kernels cannot fence in root's signals; the status screen then says so.
UNFENCED = {"kill root's"} if landlock.abi() < 6 else set()
VERBS = {"agent": {"verb slot.install", "verb slot.activate", "verb reboot"}}
BROKER_POWERS = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7


@dataclass(frozen=True)
class Outside:
    """What hostile code would like to reach."""

    tcp: int
    hub: int
    abstract: str
    victim: int
    other: int


@pytest.fixture
def outside() -> Iterator[Outside]:
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.create_server(("127.0.0.1", 0)) as hub,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        name = f"holdfast-test-{os.getpid()}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        other_uid: dict[str, Any] = {}
        if os.geteuid() == 0:
            other_uid = {"user": 61099, "group": 61099}
        victim = subprocess.Popen(["/bin/sleep", "60"])
        other = subprocess.Popen(["/bin/sleep", "60"], **other_uid)
        yield Outside(tcp.getsockname()[1], hub.getsockname()[1], name, victim.pid, other.pid)
        alive = victim.poll() is None and other.poll() is None
        for process in (victim, other):
            process.kill()
            process.wait()
        assert alive, "hostile code has ended a process that is not its own"


def attacked(
    name: str,
    device: Path,
    outside: Outside,
    *,
    user: int,
    broker: bool,
    directories: bool = False,
) -> dict[str, str]:
    (device / "device.toml").write_text(
        (device / "device.toml").read_text().replace('127.0.0.1:9"', f'127.0.0.1:{outside.hub}"')
    )
    plan = plan_of(device / "device.toml")
    assert plan.asks_directories, "the example may ask directories"
    plan = plan._replace(asks_directories=directories)
    if user:
        plan = plan._replace(uids={})
    target = {
        "folder": str(device),
        "tcp": outside.tcp,
        "hub": outside.hub,
        "abstract": outside.abstract,
        "victim": outside.victim,
        "other": outside.other,
        "foreign": str(device.parent / "maker" / "repository"),
        "package": str(Path(landlock.__file__).parent),
        "own": OWN[name],
        "uids": [61002, 0] if not user else [user],
        "broker": broker,
    }
    command = [sys.executable, "-I", "-c", RUNNER, services.pack(plan), name, json.dumps(target)]
    who: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user else {}
    done = subprocess.run(  # noqa: TID251 - hostile code is started by hand, as another user
        command, capture_output=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", "ATTACK": ATTACK}, **who,
    )  # fmt: skip
    assert done.stdout, done.stderr.decode()
    found: dict[str, str] = json.loads(done.stdout)
    return found


def secrets(device: Path, *, user: int) -> None:
    """Put something worth stealing into every folder."""
    for name, owner in (
        ("auth/accounts.json", 61003), ("agent/state.json", 61002), ("gui/sessions", 61004),
        ("verifier/trusted/secret", 61001), ("broker/journal.jsonl", 0), ("run/launcher.lock", 0),
    ):  # fmt: skip
        path = device / name
        path.write_text("secret")
        path.chmod(0o600)
        if not user and os.geteuid() == 0:
            os.chown(path, owner, owner)
    if user:
        for path in (device, *device.rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)


def gained(name: str, found: dict[str, str]) -> set[str]:
    done = {attack for attack, result in found.items() if result.startswith("DONE")}
    return done - ALLOWED[name] - HARMLESS - UNFENCED


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to start processes with own ids")
@pytest.mark.parametrize("name", PROCESSES)
def test_hostile_code_in_a_process_gains_nothing(
    name: str, device: Path, outside: Outside, start_broker: object
) -> None:
    secrets(device, user=0)
    assert callable(start_broker)
    start_broker()
    found = attacked(name, device, outside, user=0, broker=name not in {"broker", "verifier"})
    missing = ALLOWED[name] - {attack for attack, result in found.items() if "DONE" in result}
    assert not missing, "a process cannot do what it is there for"
    assert gained(name, found) - VERBS.get(name, set()) == set()
    assert found["no new privileges"] == "1"
    powers = BROKER_POWERS if name == "broker" else 0
    assert int(found["capabilities"], 16) == powers
    assert int(found["bounding"], 16) == (BROKER_POWERS if name in {"broker", "verifier"} else 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes an ordinary user first")
@pytest.mark.skipif(landlock.abi() < 6, reason="this kernel's Landlock is too old for this")
@pytest.mark.parametrize("name", PROCESSES)
def test_the_same_walls_stand_without_root(name: str, device: Path, outside: Outside) -> None:
    secrets(device, user=NOBODY)
    found = attacked(name, device, outside, user=NOBODY, broker=False)
    own_token = {f"read the token as {NOBODY}"} if name == "agent" else set()
    assert gained(name, found) - own_token == set()
    assert int(found["capabilities"], 16) == 0


def test_attack_script_succeeds_where_there_are_no_walls(device: Path, outside: Outside) -> None:
    """A detector that never fires proves nothing."""
    user = os.geteuid() or NOBODY  # never as root: these attacks are real
    secrets(device, user=user)
    me: dict[str, Any] = {"user": user, "group": user, "extra_groups": []}
    options = me if os.geteuid() == 0 else {}
    mine = subprocess.Popen(["/bin/sleep", "60"], **options)
    target = {
        "folder": str(device), "tcp": outside.tcp, "hub": outside.hub,
        "abstract": outside.abstract, "victim": mine.pid, "other": mine.pid,
        "foreign": "/etc/passwd", "package": str(device), "own": ["agent"], "uids": [user],
        "broker": False,
    }  # fmt: skip
    done = subprocess.run(  # noqa: TID251 - as above
        [sys.executable, "-I", "-c", ATTACK, json.dumps(target)],
        capture_output=True, timeout=60, check=True, **options,
    )  # fmt: skip
    for left in ("/tmp/hostile", "/dev/shm/hostile"):  # noqa: S108 - where the attack writes
        Path(left).unlink(missing_ok=True)
    assert mine.wait(timeout=10) != 0
    found = json.loads(done.stdout)
    # Below chroot, and where an administrator forbids it, the kernel itself is the wall.
    allowed = run(["unshare", "-U", "true"], timeout_s=10, check=False).exit_code == 0
    for attack in (
        "tcp", "udp", "abstract socket", "listen", "read factory/token", "write boot/boot.json",
        "write slots/b/hostile", "run a dropped program", "kill root's",
        *(["user namespace"] if allowed else []),
        "write /tmp/hostile", f"read the token as {user}", "read /etc/passwd",
    ):  # fmt: skip
        assert found[attack].startswith("DONE"), (attack, found[attack])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to start processes with own ids")
@pytest.mark.parametrize("user", [0, NOBODY])
def test_auth_that_may_ask_directories_gains_a_way_out_and_nothing_else(
    device: Path, outside: Outside, user: int
) -> None:
    secrets(device, user=user)
    found = attacked("auth", device, outside, user=user, broker=False, directories=True)
    assert gained("auth", found) == {"tcp", "tcp to the hub", "udp"}
    assert int(found["capabilities"], 16) == 0
