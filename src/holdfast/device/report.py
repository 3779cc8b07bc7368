"""What a device is doing, for the status screen; asks no process, so it works when all hang."""

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdfast.device.boot import boot_file
from holdfast.device.broker import state
from holdfast.device.broker.errors import StateError
from holdfast.device.broker.state import NAMES, Slot
from holdfast.device.certificate import CertificateError, fingerprint
from holdfast.device.claim import mark_of
from holdfast.device.layout import LOCK
from holdfast.device.reset import is_ordered

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(pid: int) -> int:
    """Measure the memory of a process that is in RAM; 0 if there is no such process."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * _PAGE_BYTES
    return 0


def _is_running(folder: Path) -> bool:
    try:
        lock = os.open(folder / "run" / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return _is_launcher(_published(folder, "processes").get("launcher", {}).get("pid", 0))
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _is_launcher(pid: int) -> bool:
    """Whether a process that was one is still a launcher; for whoever may not touch the lock."""
    with suppress(OSError):
        return b"holdfast.device.launcher" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _published(folder: Path, name: str) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads((folder / "run" / f"{name}.json").read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def report(folder: Path) -> dict[str, Any]:
    """Gather slots, processes with their memory, and the protections that are missing.

    Args:
        folder: Folder of the device.

    Returns:
        `booted`, `version`, `good`, `trying`, `note`, `health`, `page`, `slots` by name,
        `processes` (name, pid, uid, rss_bytes, running, missing), `rss_bytes`, `running`,
        `sha256` of the certificate (empty if there is none), `claimed` and `reset_ordered`.
    """
    told: dict[str, Any] = {"fault": ""}
    try:
        found = state.read(boot_file(folder))
        slot = found.slots[found.booted] if found.booted else Slot()
        told |= {
            "booted": found.booted,
            "version": slot.version,
            "good": found.good,
            "trying": found.trying,
            "tries_left": found.tries_left,
            "note": found.note,
            "slots": {
                name: {
                    "state": found.slots[name].state,
                    "version": found.slots[name].version,
                    "reason": found.slots[name].reason,
                }
                for name in NAMES
            },
        }
    except StateError as error:
        told["fault"] = str(error)
    running = _is_running(folder)
    processes = []
    for name, facts in _published(folder, "processes").items():
        pid = int(facts["pid"])
        resident = resident_bytes(pid) if pid and running else 0
        processes.append(
            {
                "name": name,
                "pid": pid,
                "uid": facts["uid"],
                "rss_bytes": resident,
                "running": resident > 0,
                "missing": facts["missing"],
            }
        )
    told["processes"] = processes
    told["rss_bytes"] = sum(process["rss_bytes"] for process in processes)
    told["running"] = running
    told["health"] = _published(folder, "health")
    told["page"] = _published(folder, "page")
    told["sha256"] = ""
    with suppress(CertificateError):
        told["sha256"] = fingerprint(folder / "factory" / "tls-certificate.pem")
    told["claimed"] = mark_of(folder).exists()
    told["reset_ordered"] = is_ordered(folder)
    return told
