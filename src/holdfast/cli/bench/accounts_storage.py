"""How long hashing takes, and how much memory a flood of logins does."""

import json
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from typing import Final

from holdfast.accounts.hashing import device_keys, passwords
from holdfast.accounts.hashing.costs import FLOOR, SHORTEST_S, Cost, calibrate
from holdfast.accounts.hashing.crypts import md5crypt
from holdfast.accounts.hashing.device_keys import DeviceKeys
from holdfast.accounts.hashing.legacy import MOST_SHA_ROUNDS, compute
from holdfast.accounts.hashing.stored import Old
from holdfast.cli.bench.errors import BenchError
from holdfast.cli.bench.figures import Figure, Figures
from holdfast.cli.bench.machine import below

LOGINS: Final = 100
HUB_SLOTS: Final = 2
BEYOND_ONE_GOAL_MB: Final = 5.0
_MB: Final = 1_000_000
_KIB: Final = 1024
_LONGEST_S: Final = 120.0
_BETWEEN_S: Final = 0.004
_WORD: Final = "correct horse battery staple"
_OLDER: Final = {
    "md5crypt": ("md5crypt", 0),
    "sha1": ("sha1", 0),
    "sha256crypt": ("sha256crypt", 5000),
    "sha512crypt": ("sha512crypt", 5000),
    "sha512crypt_most_rounds": ("sha512crypt", MOST_SHA_ROUNDS),
    "pbkdf2_of_django": ("pbkdf2-sha256", 1_000_000),
}

# A resident process to which many come at once. On the device it is auth, which has each password
# checked by a child, one at a time; on the hub it hashes itself, in a few slots.
_MANY: Final = """
import json, sys, threading
from datetime import UTC, datetime
from pathlib import Path
from holdfast.accounts.errors import HashingBusyError
question = json.loads(sys.stdin.readline())
stored, word, now = question["stored"], question["word"], datetime.now(UTC)
"""
_DEVICE: Final = """
from holdfast.device.auth.turns import Turns
from holdfast.device.auth.work import Worker
turns, worker = Turns(), Worker(Path(question["folder"]))
def check():
    with turns.taken(first=False):
        return worker.ask("login", now=now, stored=stored, name="ada", password=word, among=[])
"""
_HUB: Final = """
from holdfast.accounts.hashing import device_keys, passwords
from holdfast.accounts.hashing.costs import FLOOR
from holdfast.accounts.hashing.slots import Slots
slots, keys = Slots(question["slots"]), device_keys.load(Path(question["folder"]) / "keys.json")
def check():
    with slots.taken():
        found = passwords.verify(stored, word, keys=keys, cost=FLOOR, now=now)
    return {"matches": found.matches}
"""
_COME: Final = """
told = {"right": 0, "busy": 0}
turn = threading.Lock()
def login():
    try:
        found = "right" if check()["matches"] else "wrong"
    except HashingBusyError:
        found = "busy"
    with turn:
        told[found] = told.get(found, 0) + 1
print("idle", flush=True)
sys.stdin.readline()
logins = [threading.Thread(target=login) for _ in range(question["logins"])]
for one in logins: one.start()
for one in logins: one.join()
print(json.dumps(told), flush=True)
sys.stdin.readline()
"""


def measure() -> Figures:
    """Measure all of it.

    Raises:
        BenchError: A process that hashes failed.
    """
    return {**hash_times(), **legacy_times(), **flood()}


def hash_times(rounds: int = 5) -> Figures:
    """Time one hash at the floor, and what calibrating chooses for three devices."""
    keys = DeviceKeys.made()

    def used_s(cost: Cost) -> float:
        before = time.process_time()
        passwords.make_decoy(cost=cost, key=keys.newest)
        return time.process_time() - before

    found = {"floor_ms": Figure(_milliseconds(lambda: used_s(FLOOR), rounds))}
    for memory_mb in (64, 128, 512):
        cost = calibrate(memory_mb * _MB, used_s)
        name = f"calibrated_for_{memory_mb}_mb"
        found[f"{name}_kib"] = Figure(cost.memory_kib)
        found[f"{name}_passes"] = Figure(cost.passes)
        # Half of what was wanted, for a machine whose clock changes its mind meanwhile.
        found[f"{name}_s"] = Figure(round(used_s(cost), 3), least=SHORTEST_S / 2)
    return found


def legacy_times(rounds: int = 3) -> Figures:
    """Time what each older scheme takes, and a whole check of a wrapped one."""
    found = {}
    for name, (scheme, number) in _OLDER.items():
        old = Old(scheme=scheme, rounds=number, salt=b"saltsalt")
        times = 1 if number == MOST_SHA_ROUNDS else rounds
        found[f"{name}_ms"] = Figure(_milliseconds(lambda old=old: _compute(old), times))  # type: ignore[misc]
    keys, now = DeviceKeys.made(), datetime.now(UTC)
    stored = passwords.wrap(
        f"$1$saltsalt${md5crypt(_WORD.encode(), b'saltsalt')}",
        cost=FLOOR,
        key=keys.newest,
        deadline=now + timedelta(days=1),
    )
    found["wrapped_md5crypt_ms"] = Figure(
        _milliseconds(
            lambda: passwords.verify(stored, _WORD, keys=keys, cost=FLOOR, now=now), rounds
        )
    )
    return found


def _compute(old: Old) -> str:
    return compute(old, _WORD.encode())


def flood(logins: int = LOGINS) -> Figures:
    """Let many log in at once; what they take beyond the slots is what counts.

    Raises:
        BenchError: The process that they come to failed.
    """
    one, many = _logged_in(_DEVICE, 1), _logged_in(_DEVICE, logins)
    hub = _logged_in(_HUB, logins)
    slots_mb = HUB_SLOTS * FLOOR.memory_kib * _KIB / _MB
    return {
        "device_idle_mb": Figure(many["idle_mb"]),
        "device_one_login_mb": Figure(one["above_idle_mb"]),
        f"device_{logins}_logins_mb": Figure(many["above_idle_mb"]),
        "device_beyond_one_slot_mb": Figure(
            round(many["above_idle_mb"] - one["above_idle_mb"], 1), most=BEYOND_ONE_GOAL_MB
        ),
        "device_right": Figure(many["right"], least=1),
        "device_sent_away": Figure(many["busy"]),
        f"hub_{logins}_logins_mb": Figure(
            hub["above_idle_mb"], most=round(slots_mb + BEYOND_ONE_GOAL_MB, 1)
        ),
        "hub_right": Figure(hub["right"], least=1),
        "hub_sent_away": Figure(hub["busy"]),
    }


def _logged_in(host: str, logins: int) -> dict[str, float]:
    """Let some log in at once, and look at the memory of it all."""
    keys = DeviceKeys.made()
    with TemporaryDirectory(prefix="holdfast-bench-") as folder:
        device_keys.save(Path(folder) / "keys.json", keys)
        question = {
            "folder": folder,
            "stored": passwords.make(_WORD, cost=FLOOR, key=keys.newest),
            "word": _WORD,
            "logins": logins,
            "slots": HUB_SLOTS,
        }
        command = [sys.executable, "-I", "-c", _MANY + host + _COME]
        with Popen(command, stdin=PIPE, stdout=PIPE) as process:
            try:
                _tell(process, json.dumps(question))
                _told(process)
                idle = _memory_bytes(process.pid)
                _tell(process, "")
                most = _most_until_told(process)
                told = json.loads(_told(process))
            finally:
                process.kill()
    if set(told) - {"right", "busy"}:
        raise BenchError(f"a login through the bench went wrong: {told}")
    return {
        **told,
        "idle_mb": round(idle / _MB, 1),
        "above_idle_mb": round((most - idle) / _MB, 1),
    }


def _tell(process: "Popen[bytes]", line: str) -> None:
    if process.stdin is None:
        raise BenchError("the process that hashes cannot be spoken with")
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()


def _told(process: "Popen[bytes]") -> bytes:
    line = process.stdout.readline() if process.stdout is not None else b""
    if not line:
        raise BenchError("the process that hashes failed")
    return line


def _most_until_told(process: "Popen[bytes]") -> int:
    """Look at the memory of a process and of all that it started until it says something."""
    if process.stdout is None:
        raise BenchError("the process that hashes cannot be spoken with")
    most, until = 0, time.monotonic() + _LONGEST_S
    while not select.select([process.stdout], [], [], _BETWEEN_S)[0]:
        most = max(most, sum(map(_memory_bytes, below(process.pid))))
        if time.monotonic() > until:
            raise BenchError("the process that hashes takes too long")
    return most


def _memory_bytes(pid: int) -> int:
    """Tell the resident memory of a process; what it shares with others counts in part."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * _KIB
    return 0


def _milliseconds(what: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        before = time.perf_counter()
        what()
        times.append(time.perf_counter() - before)
    return round(median(times) * 1000, 2)
